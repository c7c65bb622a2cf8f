"""What a result depends on: the code that an entry module imports, and the data files it reads.

The imports are read from the syntax trees, those inside functions too; what only type checkers
import is left out. A module names data files beside itself as `DATA_FILES = (...)`, paths from
its own folder. A package's `__init__.py` counts where something is imported from it by name. What
jobs are given as parameters (entries of scales.yaml, datasets.yaml, semanir/plan/models.yaml) is
compared by Snakemake itself.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from semanir.names import known_name
from semanir.paths import ROOT

PACKAGES = ("semanir", "baselines", "data_prep", "reports")
# stage: the modules whose functions compute its results
ENTRIES = {
    "prepare": ("data_prep.prepare",),
    "degrade": ("data_prep.degrade",),
    "train": ("semanir.train.training",),
    "evaluate": ("semanir.evaluate.evaluation", "semanir.evaluate.systems"),
    "activation": ("semanir.evaluate.activation",),
    "visual": ("semanir.evaluate.visual", "semanir.evaluate.systems"),
    "count": ("semanir.measure.counts",),
    "runtime": ("semanir.measure.runtime",),
    "attention": ("semanir.measure.evidence",),
    "speed": ("semanir.measure.bench", "semanir.measure.growth"),
    "pages": ("semanir.cli.report",),
}


@cache
def source_hash(stage: str, root: Path = ROOT) -> str:
    """Twelve hex digits over all files that a stage of ENTRIES depends on."""
    digest = hashlib.sha256()
    for path in sources(stage, root):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def sources(stage: str, root: Path = ROOT) -> list[Path]:
    """The files of the project that a stage depends on, sorted.

    Raises FileNotFoundError where a module names a data file that is not there.
    """
    entries = ENTRIES[known_name(stage, ENTRIES, "stage")]
    waiting, files = [root / f"{name.replace('.', '/')}.py" for name in entries], set[Path]()
    while waiting:
        path = waiting.pop()
        if path in files:
            continue
        files.add(path)
        modules, data = read_module(path, root)
        waiting += filter(None, (module_path(name, root) for name in modules))
        for name in data:
            files |= set(_data_files((path.parent / name).resolve()))
    return sorted(files)


@cache
def read_module(path: Path, root: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(dotted names that a module imports from the project, its DATA_FILES)."""
    modules: dict[str, None] = {}
    data: tuple[str, ...] = ()
    for node in _statements(ast.parse(path.read_bytes(), path)):
        match node:
            case ast.Import():
                modules |= {alias.name: None for alias in node.names}
            case ast.ImportFrom(module=str(package)):
                # a name of a package is a module of its own, or stands in its __init__.py
                for alias in node.names:
                    name = f"{package}.{alias.name}"
                    modules[name if module_path(name, root) else package] = None
            case ast.Assign(targets=[ast.Name(id="DATA_FILES")], value=value):
                data = ast.literal_eval(value)
            case ast.AnnAssign(target=ast.Name(id="DATA_FILES"), value=ast.Tuple() as value):
                data = ast.literal_eval(value)
    return tuple(name for name in modules if name.split(".")[0] in PACKAGES), data


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """All statements of a tree, those inside of others too: no expression holds one."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for node in getattr(tree, name, ()):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                continue
            yield node
            yield from _statements(node)


def module_path(name: str, root: Path) -> Path | None:
    """The file of a module of the project, None where there is no such module."""
    base = root / name.replace(".", "/")
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _data_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = [file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    if not files:
        raise FileNotFoundError(path)
    return files
