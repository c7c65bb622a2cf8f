"""Training options, checked before anything else happens. Never imports torch."""

from dataclasses import MISSING, dataclass, fields
from typing import Any

from semanir.errors import InputError
from semanir.names import known_name


@dataclass(frozen=True)
class Recipe:
    """Options of one training. Paper A.4 unless marked; sister = the co-authors' GRL code base."""

    datasets: tuple[str, ...]  # prepared sets of training photographs
    iterations: int
    batch: int
    patch: int  # of the network's input; super-resolution targets are `upscale` times larger
    lr: float
    topk: tuple[int, ...]  # one value: fixed top-k; several: one drawn per iteration (Sec. 3.3)
    holdout: str = ""  # photographs whose name starts so are kept out and validated on (ours)
    milestones: tuple[float, ...] = (0.5, 0.8, 0.9, 0.95)  # halvings, as parts of the run (sister)
    warmup: float = 0.0  # part of the run with a linearly growing rate (ours)
    loss: str = "l1"
    optimizer: str = "adamw"
    weight_decay: float = 1e-4  # sister
    betas: tuple[float, float] = (0.9, 0.999)  # sister
    clip_norm: float = 1.0  # gradients are scaled down to this norm (ours); 0 = never
    stop_norm: float = 1e4  # a larger gradient norm stops the training (ours)
    validate_every: int = 5000
    save_every: int = 5000
    log_every: int = 100

    def __post_init__(self) -> None:
        known_name(self.loss, ("l1", "charbonnier", "smooth_l1_vgg"), "loss")
        known_name(self.optimizer, ("adamw", "adam"), "optimizer")
        if not self.datasets or isinstance(self.datasets, str):
            raise InputError(f"recipe: datasets must be a list of sets, got {self.datasets!r}")
        for name in ("iterations", "batch", "patch", "validate_every", "save_every", "log_every"):
            if getattr(self, name) < 1:
                raise InputError(f"recipe: {name} must be at least 1, got {getattr(self, name)}")
        if not self.lr > 0:
            raise InputError(f"recipe: lr must be positive, got {self.lr}")
        if not self.topk or min(self.topk) < 1:
            raise InputError(f"recipe: topk needs values of at least 1, got {self.topk}")

    def learning_rate(self, step: int) -> float:
        """The rate of iteration `step` (0-based), a pure function: a resume needs no state."""
        done = step / self.iterations
        warm = min(1.0, (step + 1) / max(1.0, self.warmup * self.iterations))
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
        text = name in ("datasets", "holdout", "loss", "optimizer")
        numbers = value if isinstance(value, tuple) else (value,)
        if not text and not all(isinstance(number, int | float) for number in numbers):
            raise InputError(f"recipe: {name} must be a number, got {value!r}; YAML wants 1.0e-3")
    return Recipe(**values)
