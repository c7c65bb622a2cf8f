"""Training options, checked before anything else happens. Never imports torch."""

import math
from dataclasses import MISSING, dataclass, fields
from typing import Any, get_args

from semanir.errors import InputError
from semanir.names import known_name

COUNTS = ("iterations", "batch", "patch", "accumulate", "validate_every", "save_every", "log_every")
LIMITS = ("weight_decay", "clip_norm", "stop_norm")
# kinds of values, and how YAML has one
KINDS = {int: ("whole number", "64"), float: ("number", "1.0e-3"), str: ("text", "'wine'")}
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
        for field in fields(self):
            _check_kind(field.name, field.type, getattr(self, field.name))
        known_name(self.loss, ("l1", "charbonnier", "smooth_l1_vgg"), "loss")
        known_name(self.optimizer, ("adamw", "adam", "muon"), "optimizer")
        known_name(self.schedule, ("halvings", "cosine"), "schedule")
        known_name(self.precision, ("float32", "tf32", "bf16"), "precision")
        known_name(self.on_spike, ON_SPIKE, "on_spike")
        self._check("datasets", bool(self.datasets), "a list of sets")
        for name in COUNTS:
            self._check(name, getattr(self, name) >= 1, "at least 1")
        for name in LIMITS:
            self._check(name, getattr(self, name) >= 0, "at least 0")
        for name in ("average", "warmup"):
            self._check(name, 0 <= getattr(self, name) < 1, "from 0 to below 1")
        two = len(self.betas) == 2 and all(0 <= beta < 1 for beta in self.betas)
        self._check("betas", two, "two from 0 to below 1")
        self._check("milestones", all(0 <= part <= 1 for part in self.milestones), "from 0 to 1")
        factor = self.spike_factor == 0 or self.spike_factor > 1
        self._check("spike_factor", factor, "above 1, or 0 for none")
        divides = self.batch % self.accumulate == 0
        self._check("accumulate", divides, f"a divisor of the batch of {self.batch}")
        ends = not self.levels or (len(self.levels) == 2 and 0 <= self.levels[0] <= self.levels[1])
        self._check("levels", ends, "a first and a last one")
        parts = bool(self.reductions) and all(0 < part <= 1 for part in self.reductions)
        self._check("reductions", parts, "above 0 and at most 1")
        self._check("lr", 0 < self.lr < math.inf, "positive")
        self._check("topk", bool(self.topk) and min(self.topk) >= 1, "values of at least 1")

    def _check(self, name: str, fits: bool, what: str) -> None:
        if not fits:
            raise InputError(f"recipe: {name} must be {what}, got {getattr(self, name)!r}")

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
    return Recipe(**values)


def _check_kind(name: str, kind: Any, value: Any) -> None:
    """Raise InputError unless a value is of the type of its field."""
    of_tuple = get_args(kind)
    one, values = (of_tuple[0], value) if of_tuple else (kind, (value,))
    wanted = int | float if one is float else one
    if isinstance(values, tuple) and all(
        isinstance(each, wanted) and not isinstance(each, bool) for each in values
    ):
        return
    word, example = KINDS[one]
    what = f"a list of {word}s" if of_tuple else f"a {word}"
    example = f"[{example}]" if of_tuple else example
    raise InputError(f"recipe: {name} must be {what}, got {value!r}; YAML wants it like {example}")
