"""Training options, checked before anything else happens. Never imports torch."""

import math
from dataclasses import MISSING, dataclass, fields
from typing import Any

from semanir.errors import InputError
from semanir.names import known_name

COUNTS = ("iterations", "batch", "patch", "accumulate", "validate_every", "save_every", "log_every")
TEXTS = ("datasets", "holdout", "loss", "optimizer", "schedule", "precision", "on_spike")
ON_SPIKE = ("stop", "skip", "restore")


@dataclass(frozen=True)
class Recipe:
    """Options of one training. Paper A.4 unless marked; sister = the co-authors' GRL code base."""

    datasets: tuple[str, ...]  # prepared sets of training photographs
    iterations: int
    batch: int
    patch: int  # of the network's input; super-resolution targets are `upscale` times larger
    lr: float
    topk: tuple[int, ...]  # one value: fixed top-k; several: one drawn per iteration (Sec. 3.3)
    levels: tuple[int, ...] = ()  # first and last of those trained for; () = the task's own (ours)
    # parts of their sides that photographs are reduced to, one drawn per patch (FSRCNN, DnCNN)
    reductions: tuple[float, ...] = (1.0,)
    holdout: str = ""  # photographs whose name starts so are kept out and validated on (ours)
    schedule: str = (
        "halvings"  # of the rate: "halvings" at `milestones`, or "cosine" to zero (ours)
    )
    milestones: tuple[float, ...] = (0.5, 0.8, 0.9, 0.95)  # as parts of the run (sister)
    warmup: float = 0.0  # part of the run with a linearly growing rate (ours)
    average: float = (
        0.0  # decay of the moving average of the weights, which is kept; 0 = none (ours)
    )
    accumulate: int = 1  # parts that a rank's share of a batch is cut into, to fit memory (ours)
    precision: str = "float32"  # "tf32": products of a GPU; "bf16": autocast to bfloat16 (ours)
    loss: str = "l1"
    optimizer: str = "adamw"  # "muon": for the layers' matrices, AdamW for the rest (ours)
    weight_decay: float = 1e-4  # sister
    betas: tuple[float, float] = (0.9, 0.999)  # sister
    clip_norm: float = 1.0  # gradients are scaled down to this norm (ours); 0 = never
    # a spike is a loss or gradient norm that is not finite, a norm above `stop_norm`, or one of the
    # two above `spike_factor` times its median over the last iterations; 0 = no such limit (ours)
    stop_norm: float = 1e4
    spike_factor: float = 0.0
    # "stop"; "skip": no step; "restore": no step, and back to the weights of the last save (ours)
    on_spike: str = "stop"
    validate_every: int = 5000
    save_every: int = 5000
    log_every: int = 100

    def __post_init__(self) -> None:
        known_name(self.loss, ("l1", "charbonnier", "smooth_l1_vgg"), "loss")
        known_name(self.optimizer, ("adamw", "adam", "muon"), "optimizer")
        known_name(self.schedule, ("halvings", "cosine"), "schedule")
        known_name(self.precision, ("float32", "tf32", "bf16"), "precision")
        known_name(self.on_spike, ON_SPIKE, "on_spike")
        if not self.datasets or isinstance(self.datasets, str):
            raise InputError(f"recipe: datasets must be a list of sets, got {self.datasets!r}")
        for name in COUNTS:
            if getattr(self, name) < 1:
                raise InputError(f"recipe: {name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.average < 1:
            raise InputError(f"recipe: average must be from 0 to below 1, got {self.average}")
        if self.spike_factor and not self.spike_factor > 1:
            raise InputError(
                f"recipe: spike_factor must be above 1, or 0 for none, got {self.spike_factor}"
            )
        if self.batch % self.accumulate:
            raise InputError(
                f"recipe: accumulate must divide the batch of {self.batch}, got {self.accumulate}"
            )
        if self.levels and (len(self.levels) != 2 or self.levels[0] > self.levels[1]):
            raise InputError(f"recipe: levels must be a first and a last one, got {self.levels}")
        if not self.reductions or not all(0 < part <= 1 for part in self.reductions):
            raise InputError(
                f"recipe: reductions must be above 0 and at most 1, got {self.reductions}"
            )
        if not self.lr > 0:
            raise InputError(f"recipe: lr must be positive, got {self.lr}")
        if not self.topk or min(self.topk) < 1:
            raise InputError(f"recipe: topk needs values of at least 1, got {self.topk}")

    def learning_rate(self, step: int) -> float:
        """The rate of iteration `step` (0-based), a pure function: a resume needs no state."""
        done = step / self.iterations
        warm = min(1.0, (step + 1) / max(1.0, self.warmup * self.iterations))
        if self.schedule == "cosine":
            rest = max(0.0, done - self.warmup) / (1 - self.warmup)
            return self.lr * warm * (1 + math.cos(math.pi * rest)) / 2
        return self.lr * warm * 0.5 ** sum(done >= milestone for milestone in self.milestones)


def make_recipe(options: dict[str, Any]) -> Recipe:
    """Recipe from plain values (YAML lists become tuples); unknown fields are refused by name."""
    for name in options:
        known_name(name, (field.name for field in fields(Recipe)), "recipe field")
    values: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in options.items()
    }
    missing = [f.name for f in fields(Recipe) if f.default is MISSING and f.name not in values]
    if missing:
        raise InputError(f"recipe: no value for {', '.join(missing)}; add it to scales.yaml")
    for name, value in values.items():
        numbers = value if isinstance(value, tuple) else (value,)
        if name not in TEXTS and not all(isinstance(number, int | float) for number in numbers):
            raise InputError(f"recipe: {name} must be a number, got {value!r}; YAML wants 1.0e-3")
    return Recipe(**values)
