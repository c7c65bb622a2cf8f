"""A run, its files, and the run of the input that it starts from. Never imports torch or pandas."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from baselines.registry import weights_for
from data_prep.tasks import BLIND, MULTI, families, get_task
from semanir import paths
from semanir.plan.models import RELEASED, trained_models


@dataclass(frozen=True)
class Run:
    """One model trained (if it is trained) and evaluated on one task with one seed."""

    scale: str
    task: str
    model: str
    seed: int

    @property
    def identity(self) -> dict[str, Any]:
        """{scale, task, model, seed}, as records have it and the templates of paths.py want it."""
        return asdict(self)

    @property
    def trained(self) -> bool:
        return self.model in trained_models()

    @property
    def training(self) -> "Run":
        """The run whose training gives the weights: another one where only inference differs."""
        return replace(self, model=trained_models()[self.model].get("weights_of", self.model))

    @property
    def train_record(self) -> str:
        return paths.TRAINING.format(**self.training.identity)

    @property
    def weights(self) -> str:
        """The file a network reads its weights from; "" for systems that have none."""
        if self.model == RELEASED:
            return paths.SHIPPED.format(task=self.task)
        if self.trained:
            return paths.WEIGHTS.format(**self.training.identity)
        released = weights_for(self.model, self.task)
        return released.path if released else ""

    @property
    def record(self) -> str:
        return paths.SCORES.format(**self.identity)

    @property
    def activation(self) -> str:
        return paths.ACTIVATION.format(**self.identity)

    @property
    def visual(self) -> str:
        return paths.VISUAL.format(**self.identity)

    @property
    def of_input(self) -> "Run":
        """The evaluation of the degraded input that this run starts from, on the same images."""
        task = get_task(self.task)
        if task.name.endswith(f"-{MULTI}"):
            return replace(self, model="input", seed=0)
        blind = BLIND in families()[task.family]["networks"]
        name = f"{task.family}-{BLIND}" if blind else self.task
        return Run(self.scale, name, "input", 0)
