"""Which code makes which results stale: computed from imports, held against what must follow."""

import ast
import re
import shutil

import pytest
from checkout import REPOSITORY

from semanir.names import UnknownNameError
from semanir.plan.source_hash import (
    ENTRIES,
    PACKAGES,
    _statements,
    read_module,
    source_hash,
    sources,
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the code whose files a test may change, if it changes them back."""
    folder = tmp_path_factory.mktemp("tree")
    unwanted = shutil.ignore_patterns("__pycache__", "*.png", "*.html", "*.tex", "*.safetensors")
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, folder / package, ignore=unwanted)
    shutil.copy(REPOSITORY / "CITATION.cff", folder)
    return folder


def hashes(tree):
    source_hash.cache_clear()  # what a module imports stays: comments change nothing of it
    return {stage: source_hash(stage, tree) for stage in ENTRIES}


EVERY_NETWORK = {"train", "evaluate", "count", "runtime", "activation", "visual"}
EVERY_NETWORK |= {"attention", "speed"}
EVERY_IMAGE = {"degrade", "train", "evaluate", "activation", "visual"}
SCORED = {"evaluate", "visual"}
SYSTEMS = SCORED | {"count", "runtime"}
EVERYTHING = set(ENTRIES)
# files, and the stages that a change of each makes stale
TABLE = [
    # pages tell the size of what is missing
    ("data_prep/prepare.py", EVERY_IMAGE | {"prepare", "pages"}),
    ("data_prep/pictures/decode.py", EVERY_IMAGE | {"prepare", "pages", "speed"}),
    ("data_prep/tasks.yaml", EVERYTHING - {"prepare", "attention"}),
    ("semanir/network/columnar.py", EVERY_NETWORK - {"attention"}),
    ("semanir/attention/gather.py semanir/attention/cpu/kernels/attend.h", EVERY_NETWORK),
    ("semanir/inference/checkpoint.py", {"train", "activation", "speed", *SYSTEMS}),
    ("semanir/train/training.py semanir/train/losses.py", {"train"}),
    ("semanir/train/recipe.py semanir/train/optimizers.py", {"train"}),
    ("semanir/evaluate/evaluation.py", {"evaluate"}),
    ("semanir/evaluate/systems.py baselines/classical.py", SYSTEMS),
    ("semanir/inference/tiling.py", SYSTEMS | {"speed"}),
    ("semanir/evaluate/metrics.py", {"train", *SCORED}),
    ("semanir/inference/restore.py", {"train", "speed", *SYSTEMS}),
    ("semanir/measure/counts.py", {"count"}),
    ("semanir/measure/runtime.py", {"runtime"}),
    ("semanir/measure/bench.py semanir/measure/growth.py", {"speed"}),
    ("semanir/network/flops.py semanir/network/shapes.py", SYSTEMS | {"attention", "speed"}),
    ("semanir/measure/timing.py", {"runtime", "attention", "speed"}),
    ("semanir/evaluate/activation.py", {"activation"}),
    ("semanir/evaluate/visual.py", {"visual"}),
    ("semanir/plan/models.yaml", {"count", "pages"}),
    ("semanir/plan/models.py baselines/models.yaml", SYSTEMS | {"pages"}),
    # jobs get their entries of registry and scales as parameters
    ("data_prep/datasets.yaml semanir/plan/scales.yaml semanir/plan/plan.py", {"pages"}),
    ("semanir/plan/record.py reports/tables/verdicts.py reports/tables/layouts.yaml", {"pages"}),
    ("reports/templates/style.css.j2 reports/paper/table10.csv", {"pages"}),
    ("semanir/files.py", EVERYTHING),
    # bytes are held against sums, whatever fetched them
    ("data_prep/fetch.py data_prep/embedded/ATTRIBUTION.md semanir/cli/train.py", set()),
    ("semanir/plan/config.schema.yaml semanir/rules.smk", set()),
]
STALE = {name: stages for names, stages in TABLE for name in names.split()}


@pytest.mark.parametrize("name", STALE)
def test_a_change_makes_exactly_its_stages_stale(tree, name):
    before, path = hashes(tree), tree / name
    assert len(set(before.values())) == len(ENTRIES) == 11
    assert all(re.fullmatch(r"[0-9a-f]{12}", value) for value in before.values())
    content = path.read_bytes()
    path.write_bytes(content + b"\n# a comment\n")
    after = hashes(tree)
    path.write_bytes(content)
    assert {stage for stage in ENTRIES if before[stage] != after[stage]} == STALE[name]
    assert hashes(tree) == before


def test_what_is_made_beside_the_code_makes_nothing_stale(tree):
    before = hashes(tree)
    for ending in ("html", "csv", "md", "tex"):
        (tree / f"reports/table10.{ending}").write_text("rendered")
    (tree / "semanir/attention/cpu/kernels/__pycache__").mkdir()
    (tree / "semanir/attention/cpu/kernels/__pycache__/a.pyc").write_bytes(b"compiled")
    assert hashes(tree) == before


def test_statements_are_all_that_the_syntax_tree_has():
    """Held against ast.walk, over every module of the project and every statement of Python."""
    every_kind = """
async def f():
    async with a: import one
    async for b in c: import two
    else: import three
class C:
    try: import four
    except* E: import five
    else: import six
    finally: import seven
while d: import eight
with e: import nine
match g:
    case h:
        import ten
if i: import eleven
elif j: import twelve
else: import thirteen
"""
    texts = [path.read_text() for name in PACKAGES for path in (REPOSITORY / name).rglob("*.py")]
    for tree in map(ast.parse, (every_kind, *texts)):
        found = {node for node in _statements(tree) if isinstance(node, ast.stmt)}
        skipped = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        assert found == {node for node in ast.walk(tree) if isinstance(node, ast.stmt)} - skipped


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_imports_of_every_kind_are_followed(tmp_path, monkeypatch):
    """Whole modules, names, modules of packages, inside functions; not for type checkers alone."""
    monkeypatch.setitem(ENTRIES, "prepare", ("semanir.entry",))
    for name in ("whole.py", "name.py", "late.py", "room/__init__.py", "typed.py", "unread.py"):
        write(tmp_path / "semanir" / name)
    write(tmp_path / "semanir/room/table.yaml", "a: 1")
    text = (
        "import semanir.whole\nfrom semanir.name import x\nfrom semanir.room import part\n"
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from semanir import typed\n"
        "def f():\n    from semanir import late\n"
    )
    entry = tmp_path / "semanir/entry.py"
    write(entry, text)
    write(tmp_path / "semanir/room/part.py", 'import torch\nDATA_FILES = ("table.yaml",)\n')

    def found():
        read_module.cache_clear()
        return [path.relative_to(tmp_path).as_posix() for path in sources("prepare", tmp_path)]

    expected = ["entry.py", "late.py", "name.py", "room/part.py", "room/table.yaml", "whole.py"]
    assert found() == [f"semanir/{name}" for name in expected]
    # a name that the package itself defines
    write(entry, "from semanir.room import x\n")
    assert found() == ["semanir/entry.py", "semanir/room/__init__.py"]
    write(entry, 'DATA_FILES: tuple[str, ...] = ("gone.yaml",)\n')
    with pytest.raises(FileNotFoundError, match=r"gone\.yaml"):
        found()


def test_an_unknown_stage_is_refused():
    with pytest.raises(UnknownNameError, match="unknown stage 'tables'"):
        source_hash("tables")
