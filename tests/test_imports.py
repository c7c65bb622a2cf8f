"""Who may import whom: rooms lie in layers, the closure of every import is free of circles."""

import re
from graphlib import TopologicalSorter

import pytest
from checkout import REPOSITORY, python

from semanir.plan.source_hash import PACKAGES, module_path, read_module

BASEMENT = {f"semanir.{n}" for n in ("arguments", "errors", "files", "memory", "names", "paths")}
NETWORKS = {"data_prep", "semanir.attention", "semanir.network", "semanir.inference"}
TRAINED = {*NETWORKS, "baselines", "semanir.evaluate"}
# room: the rooms that its modules may import, beside itself and the basement
ALLOWED = {
    "basement": set(),
    "data_prep": set(),
    "semanir.attention": set(),
    "semanir.network": {"semanir.attention"},
    "semanir.inference": {"data_prep", "semanir.attention", "semanir.network"},
    "baselines": {"data_prep", "semanir.attention", "semanir.inference"},
    "semanir.plan": {"data_prep", "baselines.registry"},
    "semanir.evaluate": {*NETWORKS, "baselines", "semanir.plan.models"},
    "semanir.train": {*NETWORKS, "semanir.evaluate.metrics"},
    "semanir.measure": {*TRAINED, "semanir.train", "semanir.plan"},
    "reports": {"data_prep", "baselines.registry", "semanir.plan"},
}
LIGHT = ("data_prep", "semanir.plan", "reports")  # never torch, not even inside a function
# a library's modules, named in baselines/models.yaml
BY_STRING = {"baselines/libraries.py"}


def files():
    return [path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))]


def name_of(path):
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


GRAPH = {name_of(path): read_module(path, REPOSITORY)[0] for path in files()}


def room_of(name):
    if name in BASEMENT:
        return "basement"
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "semanir" else parts[0]


def test_every_room_is_known():
    rooms = {room_of(name) for name in GRAPH}
    assert rooms == {*ALLOWED, "semanir", "semanir.cli", "semanir.__main__"}


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_what_lies_below_it(room):
    allowed = (room, *ALLOWED[room])
    wrong = [
        f"{name} imports {other}"
        for name in GRAPH
        if room_of(name) == room
        for other in GRAPH[name]
        if other not in BASEMENT and not any(f"{other}.".startswith(f"{a}.") for a in allowed)
    ]
    assert wrong == []


def test_no_module_imports_itself_by_others():
    """Imports inside functions count; what only type checkers import does not."""
    assert len(list(TopologicalSorter(GRAPH).static_order())) >= len(GRAPH) > 100


def test_no_module_of_ours_is_imported_by_a_string():
    string = re.compile(r"\b(import_module|__import__)\(")
    for path in files():
        if path.relative_to(REPOSITORY).as_posix() not in BY_STRING:
            assert not string.search(path.read_text(encoding="utf-8")), path
    settings = [path for p in PACKAGES for path in (REPOSITORY / p).rglob("*.yaml")]
    ours = re.compile(rf"^[^#\n]*:\s*({'|'.join(PACKAGES)})\.[a-z_]+\.", re.MULTILINE)
    for path in settings:
        assert not ours.search(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("room", LIGHT)
def test_planning_and_rendering_never_import_torch(room):
    waiting, seen = [name for name in GRAPH if name.startswith(room)], set()
    torch = re.compile(r"^\s*(import|from) torch\b", re.MULTILINE)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += GRAPH.get(name, ())
            text = module_path(name, REPOSITORY).read_text(encoding="utf-8")
            assert not torch.search(text), f"{room}: {name}"


# modules: what loading them does not load
LATE = {
    "semanir.evaluate.metrics": "torch",
    "data_prep.prepare": "torch skimage",
    "semanir.plan.runs, reports.tables.tables, semanir.cli, data_prep.degrade": "requests",
    "semanir.attention.dispatch": "semanir.attention.gpu",
}


@pytest.mark.parametrize("modules", LATE)
def test_what_few_need_is_imported_late(modules):
    done = python(f"import sys, {modules}; print({{*{LATE[modules].split()}}} & {{*sys.modules}})")
    assert done.stdout == b"set()\n", done.stderr


def test_the_snakefile_and_all_verbs_load_without_torch_and_pandas():
    """And without requests: planning must not pay for them."""
    text = (REPOSITORY / "Snakefile").read_text(encoding="utf-8")
    imports = re.findall(r"^(?:from|import) (?:semanir|reports).*$", text, re.MULTILINE)
    assert len(imports) >= 3
    heavy = "assert not {'torch', 'pandas', 'requests', 'matplotlib'} & {*sys.modules}"
    lines = ["import sys", *imports, "from semanir import cli", "cli.make_parser()", heavy]
    done = python("\n".join(lines))
    assert done.returncode == 0, done.stderr
