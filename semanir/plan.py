"""From printed cells to the runs and files that answer for them. Never imports torch or pandas.

The CSVs of reports/paper/ are the specification: which models are trained, on which tasks, and
which records exist follows from their rows, the scale, and the two models.yaml files.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from data_prep.datasets import datasets
from data_prep.errors import InputError
from data_prep.names import pick
from data_prep.tasks import BLIND, families, get_task

ROOT = Path(__file__).resolve().parent.parent
PAPER = ROOT / "reports" / "paper"
QUALITY = ("PSNR", "SSIM")
STRUCTURE = ("params", "stages", "layers_per_stage")


@dataclass(frozen=True)
class Cell:
    """One printed cell of the paper; fields as in the CSVs of reports/paper/."""

    table: str
    row: str
    method: str
    single_model: bool
    task: str
    dataset: str
    setting: str
    metric: str
    value: str
    unit: str
    kind: str
    source: str


@dataclass(frozen=True)
class Run:
    """One model trained (if it is trained) and evaluated on one task with one seed."""

    scale: str
    task: str
    model: str
    seed: int

    @property
    def trained(self) -> bool:
        return self.model in trained_models()

    @property
    def train_folder(self) -> str:
        return f"results/{self.scale}/train/{self.task}/{self.model}/seed{self.seed}"

    @property
    def weights(self) -> str:
        return f"{self.train_folder}/weights.safetensors"

    @property
    def record(self) -> str:
        return f"results/{self.scale}/eval/{self.task}/{self.model}/seed{self.seed}.json"


@dataclass(frozen=True)
class Answer:
    """Where the measurement of a cell is found in the results, or why there is none.

    verdict is "" where a measurement is planned, else one of the verdicts without a number
    ("quoted", "no data", "no weights"), with the reason.
    """

    model: str = ""
    task: str = ""
    dataset: str = ""
    level: str = ""
    metric: str = ""
    verdict: str = ""
    reason: str = ""


# --- names -----------------------------------------------------------------------------------


@cache
def _read_yaml(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def scales() -> dict[str, Any]:
    return _read_yaml(ROOT / "semanir" / "scales.yaml")


def get_scale(name: str) -> dict[str, Any]:
    return scales()[pick(name, scales(), "scale")]


def choose_scale(config: dict[str, Any]) -> str:
    """The scale that `snakemake --config scale=...` asks for, "smoke" where none is asked for.

    A wrong scale or option ends the process with one line that names the nearest valid ones: any
    other exception would reach the user as a traceback through the Snakefile.
    """
    try:
        for option in config:
            pick(option, ("scale",), "option of --config")
        return pick(str(config.setdefault("scale", "smoke")), scales(), "scale")
    except InputError as error:
        raise SystemExit(f"error: {error}") from None


def trained_models() -> dict[str, Any]:
    return _read_yaml(ROOT / "semanir" / "models.yaml")


def baseline_models() -> dict[str, Any]:
    return _read_yaml(ROOT / "baselines" / "models.yaml")


def get_model(name: str) -> dict[str, Any]:
    models = trained_models() | baseline_models()
    return models[pick(name, models, "model")]


@cache
def _model_of_method() -> dict[str, str]:
    models = trained_models() | baseline_models()
    return {method: name for name, entry in models.items() for method in entry["answers"]}


# --- cells -----------------------------------------------------------------------------------


@cache
def tables() -> tuple[str, ...]:
    """Names of all transcribed tables."""
    return tuple(sorted(path.stem for path in PAPER.glob("*.csv")))


@cache
def cells(table: str) -> tuple[Cell, ...]:
    """The printed cells of a table, in printed order. UnknownNameError on a wrong name."""
    path = PAPER / f"{pick(table, tables(), 'table')}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    for row in rows:
        if row["task"]:
            pick(row["task"], [*families(), *UNWIRED_TASKS], f"task in {path.name}")
        row["single_model"] = row["single_model"] == "yes"
    return tuple(Cell(**row) for row in rows)


UNWIRED_TASKS = ("jpeg_color", "jpeg_gray", "deblur", "weather", "demosaick")


def answer(cell: Cell, scale: str) -> Answer:
    """Which measurement answers for a printed cell at a scale, or why none does."""
    if cell.kind != "number":
        return Answer(verdict="quoted", reason="nothing measurable is printed here")
    model = _model_of_method().get(cell.method)
    if model is None:
        raise InputError(f"{cell.table}: no entry of a models.yaml answers for {cell.method!r}")
    entry = get_model(model)
    if "quoted" in entry:
        return Answer(verdict="quoted", reason=entry["quoted"])
    if cell.metric in STRUCTURE:
        return Answer(model=model, level=_variant(cell, entry), metric=cell.metric)
    if cell.metric not in QUALITY:
        return Answer(verdict="quoted", reason=f"{cell.metric} is not measured yet")
    if cell.task not in families():
        return Answer(verdict="no data", reason=f"the task {cell.task} is not wired to data yet")
    family = families()[cell.task]
    if cell.setting not in family["levels"]:
        return Answer(verdict="no data", reason=f"no run is planned for {cell.setting!r} yet")
    dataset = get_scale(scale)["stand_in"].get(cell.task, cell.dataset.lower())
    if dataset not in datasets():
        return Answer(verdict="no data", reason=f"{cell.dataset} is not in the registry")
    one_for_all = cell.single_model and family["blind"]
    task = f"{cell.task}-{BLIND if one_for_all else cell.setting}"
    return Answer(model, task, dataset, cell.setting, cell.metric)


def _variant(cell: Cell, entry: dict[str, Any]) -> str:
    if cell.metric == "params":
        return cell.setting if cell.setting in entry["count"] else next(iter(entry["count"]))
    return cell.setting


# --- runs and files --------------------------------------------------------------------------


def runs(scale: str, names: Iterable[str]) -> list[Run]:
    """The evaluations that some tables need at a scale, the input's own quality included."""
    seeds = get_scale(scale)["seeds"]
    wanted: dict[Run, None] = {}
    for table in names:
        for cell in cells(table):
            found = answer(cell, scale)
            if found.task:
                for seed in seeds:
                    wanted[Run(scale, found.task, found.model, seed)] = None
                wanted[Run(scale, _input_task(cell), "input", 0)] = None
    return list(wanted)


def _input_task(cell: Cell) -> str:
    level = BLIND if families()[cell.task]["blind"] else cell.setting
    return f"{cell.task}-{level}"


def counts(scale: str, names: Iterable[str]) -> list[str]:
    """The cost records that some tables need."""
    models = {
        found.model: None
        for table in names
        for cell in cells(table)
        for found in [answer(cell, scale)]
        if found.metric in STRUCTURE
    }
    return [f"results/{scale}/cost/{model}/count.json" for model in models]


def records(scale: str, names: Iterable[str]) -> list[str]:
    """Every record that some tables are rendered from."""
    names = list(names)
    return [run.record for run in runs(scale, names)] + counts(scale, names)


@cache
def test_sets(scale: str, family: str) -> tuple[str, ...]:
    """The sets a task is evaluated on at a scale: those of every printed cell of that task."""
    places = [answer(cell, scale) for table in tables() for cell in cells(table)]
    return tuple({p.dataset: None for p in places if p.task and get_task(p.task).family == family})


def degraded_folder(family: str, dataset: str, level: str) -> str:
    return f"data/degraded/{family}/{dataset}/{level}"


def recipe(scale: str, task: str) -> dict[str, Any]:
    """Training options of a task at a scale, as plain values."""
    chosen = get_scale(scale)
    return {**chosen["recipe"], **chosen.get("recipes", {}).get(get_task(task).family, {})}


def evaluation_inputs(run: Run) -> list[str]:
    """The index files of all clean and degraded sets that a run reads."""
    task = get_task(run.task)
    sets = test_sets(run.scale, task.family)
    clean = [f"data/sets/{dataset}" for dataset in sets]
    degraded = [degraded_folder(task.family, name, level) for name in sets for level in task.levels]
    return [f"{folder}/index.json" for folder in clean + degraded]
