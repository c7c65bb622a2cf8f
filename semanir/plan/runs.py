"""From printed cells to the runs and files that answer for them. Never imports torch or pandas.

The CSVs of reports/paper/ are the specification: which models are trained, on which tasks, and
which records exist follows from their rows, the scale, and the two models.yaml files.
"""

import csv
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from data_prep.datasets import datasets, downloads, entry_of, get_set, in_scale, prepared_sets
from data_prep.tasks import BLIND, MULTI, families, get_task
from semanir.errors import InputError
from semanir.files import visible
from semanir.names import known_name
from semanir.paths import ROOT
from semanir.plan.models import (
    COMMERCIAL,
    base_model,
    check_licence,
    get_model,
    get_scale,
    model_of_method,
    released_systems,
    scales,
    trained_models,
    variant_for,
    weights_for,
)

PAPER = ROOT / "reports" / "paper"
QUALITY = ("PSNR", "SSIM")
# what else a table is rendered from, below results/<scale>/cost/
EVIDENCE = {
    "table01": "attention/memory",
    "table03": "runtime",
    "table12": "attention/complexity",
}
VGG_WEIGHTS = "data/vgg/vgg16.safetensors"  # of the loss for bad weather, see semanir.train.vgg
COUNTED = ("params", "FLOPs", "stages", "layers_per_stage")  # on networks without weights


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
    def trainee(self) -> str:
        """The model whose training gives the weights: another one where only inference differs."""
        return trained_models()[self.model].get("weights_of", self.model)

    @property
    def train_folder(self) -> str:
        return f"results/{self.scale}/train/{self.task}/{self.model}/seed{self.seed}"

    @property
    def weights(self) -> str:
        """The file a network reads its weights from; "" for systems that have none."""
        if self.trained:
            return f"{replace(self, model=self.trainee).train_folder}/weights.safetensors"
        found = weights_for(self.model, self.task)
        return found.path if found else ""

    @property
    def record(self) -> str:
        return f"results/{self.scale}/eval/{self.task}/{self.model}/seed{self.seed}.json"

    @property
    def activation(self) -> str:
        return f"results/{self.scale}/activation/{self.task}/{self.model}/seed{self.seed}.json"

    @property
    def visual(self) -> str:
        return f"results/{self.scale}/visual/{self.task}/{self.model}/seed{self.seed}.json"


@dataclass(frozen=True)
class Answer:
    """Where the measurement of a cell is found in the results, or why there is none.

    datasets: the prepared sets whose mean answers for the cell, usually one. verdict is "" where a
    measurement is planned, else one of the verdicts without a number ("quoted", "no data", "no
    weights"), with the reason. stand_in: the sets are not those that the paper prints.
    """

    model: str = ""
    task: str = ""
    datasets: tuple[str, ...] = ()
    level: str = ""
    metric: str = ""
    verdict: str = ""
    reason: str = ""
    stand_in: bool = False


# --- names -----------------------------------------------------------------------------------


OPTIONS = ("scale", "without", "systems", "accept_noncommercial", "mirror", "weights_dir")


def choose(config: dict[str, Any]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The scale, left-out datasets and systems that `snakemake --config scale=... ...` asks for.

    The scale is "smoke" where none is asked for; the systems whose released weights are evaluated
    are those of the scale. `mirror`, `weights_dir` and `accept_noncommercial` go into the
    environment, where the jobs look for them. A wrong name or option ends the process with one line
    that names the nearest valid ones: any other exception would reach the user as a traceback
    through the Snakefile.
    """
    try:
        for option in config:
            known_name(option, OPTIONS, "option of --config")
        scale = known_name(str(config.setdefault("scale", "smoke")), scales(), "scale")
        for option in ("without", "systems"):
            config[option] = str(config.get(option) or "")
        without = tuple(filter(None, config["without"].split(",")))
        for name in without:
            known_name(name, datasets(), "dataset in --config without")
        if config.get("mirror"):
            os.environ["SEMANIR_MIRROR"] = str(config["mirror"])
        if config.get("weights_dir"):
            os.environ["SEMANIR_WEIGHTS_DIR"] = str(config["weights_dir"])
        if "accept_noncommercial" in config:
            given = str(config["accept_noncommercial"] or False).lower()  # --config gives text
            known_name(given, ("true", "false"), "value of --config accept_noncommercial")
            accepted = given == "true"
            config["accept_noncommercial"] = accepted
            if accepted:
                os.environ[COMMERCIAL] = "true"
        asked = tuple(filter(None, config["systems"].split(",")))
        for name in asked:
            known_name(name, released_systems(), "system with released weights")
            check_licence(name)
        return scale, without, asked or tuple(get_scale(scale)["systems"])
    except InputError as error:
        raise SystemExit(f"error: {error}") from None


# --- cells -----------------------------------------------------------------------------------


@cache
def tables() -> tuple[str, ...]:
    """Names of all transcribed tables."""
    return tuple(path.stem for path in visible(PAPER.glob("*.csv")))


@cache
def cells(table: str) -> tuple[Cell, ...]:
    """The printed cells of a table, in printed order. UnknownNameError on a wrong name."""
    path = PAPER / f"{known_name(table, tables(), 'table')}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    for row in rows:
        if row["task"]:
            known_name(row["task"], families(), f"task in {path.name}")
        row["single_model"] = row["single_model"] == "yes"
    return tuple(Cell(**row) for row in rows)


def answer(cell: Cell, scale: str) -> Answer:
    """Which measurement answers for a printed cell at a scale, or why none does."""
    if cell.kind != "number":
        return Answer(verdict="quoted", reason="nothing measurable is printed here")
    model = model_of_method().get(cell.method)
    if model is None:
        raise InputError(f"{cell.table}: no entry of a models.yaml answers for {cell.method!r}")
    entry = get_model(model)
    for key in ("quoted", "no_hardware"):
        if key in entry:
            return Answer(verdict=key.replace("_", " "), reason=entry[key])
    if cell.metric == "runtime":
        reason = "printed for a V100; ratios measured on a CPU stand below the table"
        return Answer(verdict="no hardware", reason=reason)
    if cell.metric not in QUALITY:
        return _counted(cell, model, entry)
    level, _, variant = _level(cell).partition(" ")
    if not level:
        return Answer(verdict="no data", reason=f"no run is planned for {cell.setting!r} yet")
    task = _task_name(cell, model, level)
    if variant:
        model = f"{model}-{variant}"
        if all(run.model != model or run.task != task for run in ablation_runs(scale)):
            return Answer(verdict="no data", reason=f"no ablation of the {scale} scale")
    if "network" in entry and weights_for(model, task) is None:
        return Answer(verdict="no weights", reason=f"no weights for {task} were released")
    if model in trained_models() and base_model(model) not in get_scale(scale)["networks"]:
        return Answer(verdict="no data", reason=f"{model} is not trained at the {scale} scale")
    levels = get_scale(scale).get("trained_levels", {}).get(cell.task)
    if model in trained_models() and levels and task.rpartition("-")[2] not in levels:
        reason = f"the {scale} scale trains no network for {level} alone"
        return Answer(verdict="no data", reason=reason)
    printed_sets = _printed_sets(cell)
    stand_in = get_scale(scale).get("stand_in", {}).get(cell.task)
    if model in trained_models() and (own := _trained_stand_in(scale, cell.task)):
        # one of the printed sets answers for itself alone
        if own in families()[cell.task]["sets"].values() and printed_sets != (own,):
            reason = f"networks of the {scale} scale do not see {cell.dataset}"
            return Answer(verdict="no data", reason=reason)
        stand_in = own
    if not stand_in and not all(in_scale(name, scale) for name in printed_sets):
        return Answer(verdict="no data", reason=f"{cell.dataset} is no part of the {scale} scale")
    return Answer(
        model,
        task,
        (stand_in,) if stand_in else printed_sets,
        level,
        cell.metric,
        stand_in=bool(stand_in) and printed_sets != (stand_in,),
    )


def _trained_stand_in(scale: str, family: str) -> str:
    """The one set that networks trained here are evaluated on, "" where a scale names none."""
    return str(get_scale(scale).get("trained_stand_in", {}).get(family, ""))


def _level(cell: Cell) -> str:
    """The level a printed cell was measured at, with the ablation it shows ("sigma25 window8").

    "" where its setting is no level of the task.
    """
    family = families()[cell.task]
    if cell.setting:
        return cell.setting if cell.setting.partition(" ")[0] in family["levels"] else ""
    if "level_of" in family:
        return family["level_of"][
            known_name(cell.dataset, family["level_of"], f"set of {cell.task}")
        ]
    return next(iter(family["levels"])) if len(family["levels"]) == 1 else ""


def _task_name(cell: Cell, model: str, level: str) -> str:
    """The task of the run that answers: one network for all levels where row or task says so.

    The degraded input is scored at all levels in one run, whatever row asks for it.
    """
    networks = families()[cell.task]["networks"]
    for_all = cell.single_model or model == "input" or "level" not in networks
    return f"{cell.task}-{BLIND if for_all and BLIND in networks else level}"


def _printed_sets(cell: Cell) -> tuple[str, ...]:
    sets = families()[cell.task]["sets"]
    found = sets[known_name(cell.dataset, sets, f"set of {cell.task}")]
    return tuple(found) if isinstance(found, list) else (found,)


def _counted(cell: Cell, model: str, entry: dict[str, Any]) -> Answer:
    try:
        check_licence(model)
    except InputError as error:
        return Answer(verdict="quoted", reason=str(error))
    level, flops = cell.setting, entry.get("flops", {})
    if cell.metric == "params":
        level = variant_for(entry, cell.setting, cell.task)
    elif cell.metric == "FLOPs":
        level = next((name for name in (cell.setting, cell.task) if name in flops), "")
    return Answer(model=model, level=level, metric=cell.metric)


# --- runs and files --------------------------------------------------------------------------


def runs(
    scale: str,
    names: Iterable[str],
    without: tuple[str, ...] = (),
    systems: tuple[str, ...] = (),
) -> list[Run]:
    """The evaluations that some tables need at a scale, the input's own quality included.

    without: entries of datasets.yaml that are left out; a run with no set left is not planned.
    systems: the baselines with released weights that are evaluated.
    """
    wanted: dict[Run, None] = {}
    for table in names:
        for cell in cells(table):
            found = answer(cell, scale)
            if found.model in released_systems() and found.model not in systems:
                continue
            if found.task and not _left_out(found.datasets, without):
                seeds = get_scale(scale)["seeds"] if found.model in trained_models() else [0]
                for seed in seeds:
                    wanted[Run(scale, found.task, found.model, seed)] = None
                input_task = _task_name(cell, "input", found.level)
                wanted[Run(scale, input_task, "input", 0)] = None
    return list(wanted)


def ablation_runs(scale: str) -> list[Run]:
    """The runs that a scale makes beside the tables', each with those of the model it changes.

    Ablations, and networks for the many levels of Figure 5 with the input's own quality.
    """
    found: dict[Run, None] = {}
    for group in get_scale(scale).get("ablations", []):
        # the fixed-k network itself stands at the end of its curve
        trained = [trained_models()[name].get("weights_of", name) for name in group["models"]]
        models = [*map(base_model, group["models"]), *trained, *group["models"]]
        for task in group["tasks"]:
            for model in dict.fromkeys(models):
                for seed in group["seeds"]:
                    found[Run(scale, task, model, seed)] = None
            if task.endswith(f"-{MULTI}"):
                found[Run(scale, task, "input", 0)] = None
    return list(found)


def train_records(scale: str, names: Iterable[str], without: tuple[str, ...] = ()) -> list[str]:
    """The records of all trainings, those of a scale's ablations too: course and cost of each."""
    left = (run for run in ablation_runs(scale) if test_places(scale, run.task, without, run.model))
    trained = [run for run in (*runs(scale, names, without), *left) if run.trained]
    folders = dict.fromkeys(replace(run, model=run.trainee).train_folder for run in trained)
    return [f"{folder}/train.json" for folder in folders]


def ablation_records(scale: str, without: tuple[str, ...] = ()) -> list[str]:
    """The records of a scale's ablations, none on tasks that have no set left."""
    runs_left = (
        run for run in ablation_runs(scale) if test_places(scale, run.task, without, run.model)
    )
    return [run.record for run in runs_left]


def _left_out(names: Iterable[str], without: tuple[str, ...]) -> bool:
    entries = {name: datasets()[entry_of(name)] for name in names}
    return any(
        entry_of(name) in without or entry.get("from") in without for name, entry in entries.items()
    )


def figure_run(scale: str) -> Run:
    """The run whose attention Figure 4 shows; the paper does not say which it shows."""
    return Run(scale, "denoise_color-blind", "semanir-u", 0)


def visual_runs(scale: str, names: Iterable[str], without: tuple[str, ...] = ()) -> list[Run]:
    """The runs of which pictures are shown: of each task family the first that some tables train.

    First in the order in which the tables print their cells, so that nobody picks what looks well;
    no ablations.
    """
    found: dict[str, Run] = {}
    for run in runs(scale, names, without):
        if run.trained and base_model(run.model) == run.model:
            found.setdefault(get_task(run.task).family, run)
    return list(found.values())


def beside(
    run: Run, names: Iterable[str], without: tuple[str, ...], systems: tuple[str, ...]
) -> list[Run]:
    """The evaluations of other systems on the task of a run, which pictures show beside it."""
    found = runs(run.scale, names, without, systems)
    return [other for other in found if other.task == run.task and other.model in systems]


def input_run(run: Run) -> Run:
    """The evaluation of the degraded input that a run starts from, on the same images."""
    task = get_task(run.task)
    if task.name.endswith(f"-{MULTI}"):
        return replace(run, model="input", seed=0)
    blind = BLIND in families()[task.family]["networks"]
    return Run(run.scale, f"{task.family}-{BLIND}" if blind else run.task, "input", 0)


def counts(scale: str, names: Iterable[str]) -> list[str]:
    """The cost records that some tables need."""
    models = {
        found.model: None
        for table in names
        for cell in cells(table)
        for found in [answer(cell, scale)]
        if found.metric in COUNTED
    }
    return [f"results/{scale}/cost/{model}/count.json" for model in models]


def records(
    scale: str,
    names: Iterable[str],
    without: tuple[str, ...] = (),
    systems: tuple[str, ...] = (),
) -> list[str]:
    """Every record that some tables are rendered from."""
    names = list(names)
    evidence = [f"results/{scale}/cost/{EVIDENCE[t]}.json" for t in names if t in EVIDENCE]
    found = runs(scale, names, without, systems)
    return [run.record for run in found] + counts(scale, names) + evidence


@cache
def test_places(
    scale: str, task: str, without: tuple[str, ...] = (), model: str = "input"
) -> tuple[tuple[str, str], ...]:
    """The (prepared set, level) pairs a model is evaluated on: those of every printed cell.

    Where Figure 5 has further levels, the sets of the cells at each of its levels. Networks
    trained here see the one set that the scale names for them, if it does.
    """
    wanted = get_task(task)
    own = _trained_stand_in(scale, wanted.family) if model in trained_models() else ""
    found: dict[tuple[str, str], None] = {}
    for table in tables():
        for cell in cells(table):
            if cell.task != wanted.family:
                continue
            place = answer(cell, scale)
            sets = (own,) if own else place.datasets
            if place.level in wanted.levels and not _left_out(sets, without):
                levels = wanted.levels if task.endswith(f"-{MULTI}") else [place.level]
                found |= {(name, level): None for name in sets for level in levels}
    names = dict.fromkeys(name for name, _ in found)
    return tuple(
        (name, level) for name in names for level in wanted.levels if (name, level) in found
    )


def degraded_folder(family: str, dataset: str, level: str) -> str:
    return f"data/degraded/{family}/{dataset}/{level}"


def recipe(scale: str, task: str, model: str = "") -> dict[str, Any]:
    """Training options of a task at a scale, as plain values; `model`: what an ablation changes."""
    chosen = get_scale(scale)
    found = {**chosen["recipe"], **chosen.get("recipes", {}).get(get_task(task).family, {})}
    changes = dict(get_model(model).get("recipe", {})) if model else {}
    if changes.get("topk") == "largest":
        changes["topk"] = [max(found["topk"])]
    return found | changes


def training_folders(scale: str, task: str) -> list[tuple[str, str]]:
    """The prepared sets that a task is trained on, each with its degraded set where pairs are real.

    "" stands where the task degrades the photographs itself.
    """
    family, _, level = task.rpartition("-")
    names = recipe(scale, task)["datasets"]
    real = {name for name, prepared in prepared_sets().items() if prepared.pairs}
    return [
        (f"data/sets/{name}", degraded_folder(family, name, level) if name in real else "")
        for name in names
    ]


def training_inputs(scale: str, task: str) -> list[str]:
    """The files that a training reads: indices of photographs, and the weights of its loss."""
    folders = [folder for pair in training_folders(scale, task) for folder in pair if folder]
    weights = [VGG_WEIGHTS] if recipe(scale, task).get("loss") == "smooth_l1_vgg" else []
    return [f"{folder}/index.json" for folder in folders] + weights


def evaluation_inputs(run: Run, without: tuple[str, ...] = ()) -> list[str]:
    """The index files of all clean and degraded sets that a run reads."""
    family = get_task(run.task).family
    places = test_places(run.scale, run.task, without, run.model)
    clean = dict.fromkeys(f"data/sets/{name}" for name, _ in places)
    degraded = [degraded_folder(family, name, level) for name, level in places]
    return [f"{folder}/index.json" for folder in [*clean, *degraded]]


def raw_listing(prepared_set: str) -> list[str]:
    """The listing of downloaded files a prepared set is made of, none for embedded photographs."""
    raw = get_set(prepared_set).raw
    return [] if "folder" in datasets()[raw] else [f"data/raw/{raw}/files.json"]


def set_definition(prepared_set: str) -> str:
    """What the registry says of a prepared set, as a value that its job depends on."""
    return str(get_set(prepared_set))


def to_download(
    scale: str, without: tuple[str, ...] = (), systems: tuple[str, ...] = ()
) -> list[str]:
    """What `snakemake download` makes: listings of photographs, weights of systems and losses."""
    names = [name for name in downloads(scale) if name not in without]
    files = dict.fromkeys(f"data/raw/{name}/files.json" for name in names)
    for run in runs(scale, tables(), without, systems):
        if run.model in released_systems():
            files[run.weights] = None
        if run.trained and VGG_WEIGHTS in training_inputs(scale, run.task):
            files[VGG_WEIGHTS] = None
    return list(files)
