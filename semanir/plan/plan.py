"""What a scale trains, evaluates and measures. Never imports torch or pandas.

The CSVs of reports/paper/ are the specification: which models are trained, on which tasks, and
which records exist follows from their rows, the scale, and the two models.yaml files.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from baselines.registry import check_licence, released_systems
from data_prep.datasets import datasets, downloads, entry_of, get_set, prepared_sets
from data_prep.tasks import MULTI, get_task
from semanir import paths
from semanir.names import known_name
from semanir.plan import answers, trainings
from semanir.plan.answers import Answer
from semanir.plan.cells import COUNTED, QUALITY, Cell, cells, tables
from semanir.plan.models import (
    RELEASED,
    base_model,
    get_model,
    get_scale,
    is_ours,
    own_models,
    trained_models,
)
from semanir.plan.runs import Run

# read by semanir.plan.models and data_prep.datasets; jobs are given their entries as parameters
DATA_FILES = ("models.yaml", "scales.yaml", "../../data_prep/datasets.yaml")
# what else a table is rendered from
EVIDENCE = {
    "table01": paths.ATTENTION.replace("{evidence}", "memory"),
    "table03": paths.RUNTIME,
    "table12": paths.ATTENTION.replace("{evidence}", "complexity"),
}


@dataclass(frozen=True)
class Plan:
    """A scale, and what is left out of it or added to it.

    without: entries of datasets.yaml that cannot be had. asked: baselines whose released weights
    are evaluated, instead of those of the scale. noncommercial: whether systems that are licensed
    so may be used. budget: device days that trainings may take, see semanir.plan.trainings; None
    for all. UnknownNameError and InputError name what is wrong.
    """

    scale: str = "smoke"
    without: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    noncommercial: bool = False
    budget: float | None = None

    def __post_init__(self) -> None:
        get_scale(self.scale)
        for name in self.without:
            known_name(name, datasets(), "dataset in without")
        for name in self.asked:
            known_name(name, released_systems(), "system with released weights")
            check_licence(name, self.noncommercial)

    @property
    def entry(self) -> dict[str, Any]:
        """The scale's entry of scales.yaml."""
        return get_scale(self.scale)

    @property
    def systems(self) -> tuple[str, ...]:
        """The baselines whose released weights are evaluated."""
        return self.asked or tuple(self.entry.get("systems", ()))

    # --- cells and runs -----------------------------------------------------------------------

    def answer(self, cell: Cell) -> Answer:
        """Which measurement answers for a printed cell, or why none does."""
        return answers.answer(self, cell)

    def runs(self, names: Iterable[str]) -> list[Run]:
        """The evaluations that some tables need, the input's own quality included.

        A run with no set left is not planned.
        """
        names = tuple(names)
        if names not in self._known_runs:
            self._known_runs[names] = self._runs(names)
        return list(self._known_runs[names])

    @cached_property
    def _known_runs(self) -> dict[tuple[str, ...], list[Run]]:
        return {}

    def _runs(self, names: tuple[str, ...]) -> list[Run]:
        wanted: dict[Run, None] = {}
        for table in names:
            for cell in cells(table):
                planned = self.answer(cell)
                if planned.model in released_systems() and planned.model not in self.systems:
                    continue
                if planned.task and self.has_sets(planned) and self.pays(planned):
                    seeds = self.entry["seeds"] if planned.model in trained_models() else [0]
                    for seed in seeds:
                        wanted[Run(self.scale, planned.task, planned.model, seed)] = None
                    task = answers.input_task(cell, planned.level)
                    wanted[Run(self.scale, task, "input", 0)] = None
        return list(wanted)

    @cached_property
    def ablation_runs(self) -> list[Run]:
        """The runs that a scale makes beside the tables', each with those of the model it changes.

        Ablations, and networks for the many levels of Figure 5 with the input's own quality.
        """
        wanted: dict[Run, None] = {}
        for group in self.entry.get("ablations", []):
            # the fixed-k network itself stands at the end of its curve
            trained = [trained_models()[name].get("weights_of", name) for name in group["models"]]
            models = [*map(base_model, group["models"]), *trained, *group["models"]]
            for task in group["tasks"]:
                for model in dict.fromkeys(models):
                    for seed in group["seeds"]:
                        wanted[Run(self.scale, task, model, seed)] = None
                if task.endswith(f"-{MULTI}"):
                    wanted[Run(self.scale, task, "input", 0)] = None
        return [run for run in wanted if self.pays(run)]

    @property
    def released_runs(self) -> list[Run]:
        """The evaluations of the networks that come with the project, where there are sets left.

        Each with that of the degraded input, which is what they have to improve.
        """
        left = [task for task in paths.shipped_tasks() if self.evaluation_sets(task, RELEASED)]
        runs = [Run(self.scale, task, RELEASED, 0) for task in left]
        return [*runs, *(run.of_input for run in runs)]

    @property
    def _ablations_left(self) -> list[Run]:
        return [run for run in self.ablation_runs if self.evaluation_sets(run.task, run.model)]

    def evaluations(self) -> list[Run]:
        """Every run of the scale that has a set left, each once."""
        wanted = dict.fromkeys([*self.runs(tables()), *self.ablation_runs, *self.released_runs])
        return [run for run in wanted if self.evaluation_sets(run.task, run.model)]

    @property
    def figure_run(self) -> Run:
        """The run whose attention Figure 4 shows; the paper does not say which it shows."""
        return Run(self.scale, "denoise_color-blind", "semanir-u", 0)

    def visual_runs(self, names: Iterable[str]) -> list[Run]:
        """The runs of which pictures are shown, one of each task family and kind of network.

        The first network that the tables train, in the order in which they print their cells, so
        that nobody picks what looks well; no ablations. Before it the network that comes with the
        project, for the same task where there is one.
        """
        own = [r for r in self.runs(names) if r.trained and base_model(r.model) == r.model]
        tasks = list(dict.fromkeys(run.task for run in own))
        released = [run for run in self.released_runs if run.model == RELEASED]
        released.sort(key=lambda run: tasks.index(run.task) if run.task in tasks else len(tasks))
        first: dict[tuple[bool, str], Run] = {}
        for run in (*released, *own):
            first.setdefault((run.trained, get_task(run.task).family), run)
        return list(first.values())

    def systems_shown(self, run: Run, names: Iterable[str]) -> list[Run]:
        """The evaluations of other systems on the task of a run, which pictures show beside it."""
        others = (other for other in self.runs(names) if other.model in self.systems)
        return [other for other in others if other.task == run.task]

    # --- budget -------------------------------------------------------------------------------

    def pays(self, one: Run | Answer) -> bool:
        """Whether the budget pays for the training that a run or an answer needs, if any."""
        if self.budget is None or one.model not in trained_models():
            return True
        model = trained_models()[one.model].get("weights_of", one.model)
        return (model, one.task) not in self._unpaid

    @cached_property
    def _unpaid(self) -> frozenset[tuple[str, str]]:
        return trainings.unpaid(self)

    # --- sets ---------------------------------------------------------------------------------

    def evaluation_sets(self, task: str, model: str = "input") -> tuple[tuple[str, str], ...]:
        """The (prepared set, level)s a model is evaluated on: those of every printed cell.

        Where Figure 5 has further levels, the sets of the cells at each of its levels. Networks
        trained here see the one set that the scale names for them, if it does.
        """
        return _evaluation_sets(self, task, model)

    def trained_stand_in(self, family: str) -> str:
        """The one set that networks trained here are evaluated on, "" where none is named."""
        return str(self.entry.get("trained_stand_in", {}).get(family, ""))

    def has_sets(self, one: Answer) -> bool:
        """Whether none of the sets of an answer is left out."""
        return not self._left_out(one.datasets)

    def _left_out(self, names: tuple[str, ...]) -> bool:
        if names not in self._known_left_out:
            entries = {entry: datasets()[entry] for entry in map(entry_of, names)}
            self._known_left_out[names] = any(
                name in self.without or entry.get("from") in self.without
                for name, entry in entries.items()
            )
        return self._known_left_out[names]

    @cached_property
    def _known_left_out(self) -> dict[tuple[str, ...], bool]:
        return {}

    def training_sets(self, task: str) -> list[tuple[str, str]]:
        """The folders of prepared sets that a task is trained on, each with its degraded set.

        "" stands where the task degrades the photographs itself.
        """
        family, _, level = task.rpartition("-")
        real = {name for name, prepared in prepared_sets().items() if prepared.pairs}
        return [
            (
                str(paths.clean_set(name)),
                str(paths.degraded_set(family, name, level)) if name in real else "",
            )
            for name in self.recipe(task)["datasets"]
        ]

    # --- training -----------------------------------------------------------------------------

    def recipe(self, task: str, model: str = "") -> dict[str, Any]:
        """Training options of a task, as plain values; model: with what an ablation changes.

        A range of levels is of networks for several, and left out of those for one.
        """
        wanted = get_task(task)
        options = {**self.entry["recipe"], **self.entry.get("recipes", {}).get(wanted.family, {})}
        if len(wanted.levels) == 1:
            options.pop("levels", None)
        changes = dict(get_model(model).get("recipe", {})) if model else {}
        if changes.get("topk") == "largest":
            changes["topk"] = [max(options["topk"])]
        return options | changes

    def network(self, model: str) -> tuple[str, dict[str, Any]]:
        """(preset, switches of semanir.build) of the network that a model is at this scale.

        Raises InputError for a model that the scale does not train.
        """
        presets = self.entry["networks"]
        trained = [name for name in trained_models() if base_model(name) in presets]
        known_name(model, trained, "model")
        return presets[base_model(model)], dict(get_model(model).get("switches", {}))

    # --- files --------------------------------------------------------------------------------

    def training_files(self, task: str) -> list[str]:
        """The files that a training reads: indices of photographs, and the weights of its loss."""
        folders = [folder for pair in self.training_sets(task) for folder in pair if folder]
        weights = [paths.VGG] if self.recipe(task).get("loss") == "smooth_l1_vgg" else []
        return [f"{folder}/index.json" for folder in folders] + weights

    def evaluation_files(self, run: Run) -> list[str]:
        """The index files of all clean and degraded sets that a run reads."""
        family, sets = get_task(run.task).family, self.evaluation_sets(run.task, run.model)
        clean = dict.fromkeys(paths.CLEAN.format(dataset=name) for name, _ in sets)
        degraded = [
            paths.DEGRADED.format(family=family, dataset=name, level=level) for name, level in sets
        ]
        return [*clean, *degraded]

    def counted_models(self, names: Iterable[str]) -> list[str]:
        """The models that some tables print counts of."""
        printed = (self.answer(cell) for table in names for cell in cells(table))
        return list(dict.fromkeys(one.model for one in printed if one.metric in COUNTED))

    def counts(self, names: Iterable[str]) -> list[str]:
        """The cost records that some tables need."""
        models = self.counted_models(names)
        return [paths.COUNT.format(scale=self.scale, model=model) for model in models]

    def records(self, names: Iterable[str]) -> list[str]:
        """Every record that some tables are rendered from."""
        names = list(names)
        ours = (cell for table in names for cell in cells(table) if is_ours(cell.method))
        levels = {(cell.task, self.answer(cell).level) for cell in ours if cell.metric in QUALITY}
        released = [
            run
            for run in self.released_runs
            for task in [get_task(run.task)]
            if any((task.family, level) in levels for level in task.levels)
        ]
        evidence = [EVIDENCE[name].format(scale=self.scale) for name in names if name in EVIDENCE]
        runs = dict.fromkeys([*self.runs(names), *released])
        return [run.record for run in runs] + self.counts(names) + evidence

    def train_records(self, names: Iterable[str]) -> list[str]:
        """The records of all trainings, the ablations' too: course and cost of each."""
        trained = (run for run in (*self.runs(names), *self._ablations_left) if run.trained)
        return list(dict.fromkeys(run.train_record for run in trained))

    def ablation_records(self) -> list[str]:
        """The records of a scale's ablations, none on tasks that have no set left."""
        return [run.record for run in self._ablations_left]

    def released_records(self) -> list[str]:
        """The records of the networks that come with the project, and of their inputs."""
        return [run.record for run in self.released_runs]

    def downloads(self) -> list[str]:
        """What `snakemake download` makes: listings of photographs, weights of systems, losses."""
        names = [name for name in downloads(self.scale) if name not in self.without]
        files = dict.fromkeys(paths.RAW.format(dataset=name) for name in names)
        for run in self.runs(tables()):
            if run.model in released_systems():
                files[run.weights] = None
            if run.trained and paths.VGG in self.training_files(run.task):
                files[paths.VGG] = None
        return list(files)


@cache
def _answers(plan: Plan, family: str) -> list[Answer]:
    printed = (cell for table in tables() for cell in cells(table))
    return [plan.answer(cell) for cell in printed if cell.task == family]


@cache
def _evaluation_sets(plan: Plan, task: str, model: str) -> tuple[tuple[str, str], ...]:
    wanted = get_task(task)
    own = plan.trained_stand_in(wanted.family) if model in own_models() else ""
    sets_at: dict[tuple[str, str], None] = {}
    for planned in _answers(plan, wanted.family):
        names = (own,) if own else planned.datasets
        if planned.level in wanted.levels and not plan._left_out(names):
            levels = wanted.levels if task.endswith(f"-{MULTI}") else [planned.level]
            sets_at |= {(name, level): None for name in names for level in levels}
    names = tuple(dict.fromkeys(name for name, _ in sets_at))
    return tuple(
        (name, level) for name in names for level in wanted.levels if (name, level) in sets_at
    )


def raw_listing(dataset: str) -> list[str]:
    """The listing of downloaded files a prepared set is made of, none for embedded photographs."""
    raw = get_set(dataset).raw
    return [] if "folder" in datasets()[raw] else [paths.RAW.format(dataset=raw)]


def set_definition(dataset: str) -> str:
    """What the registry says of a prepared set, as a value that its job depends on."""
    return str(get_set(dataset))
