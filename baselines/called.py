"""How the authors of a system call its network, and what it takes: `called` of models.yaml.

Never imports torch.
"""

from dataclasses import dataclass, field
from typing import Any

from data_prep.tasks import families
from semanir.errors import InputError
from semanir.plan import models


@dataclass(frozen=True)
class Called:
    """One variant as the authors' test script calls it; the head of models.yaml says more.

    name "swinir:x2"; channels: of the picture, without maps beside it; least: its smallest side.
    """

    name: str
    channels: int
    script: tuple[str, ...]
    pad: dict[str, Any] = field(default_factory=dict)
    cut: dict[str, dict[str, Any]] = field(default_factory=dict)
    told: str = ""
    range: int = 1
    clip: bool = False
    first: bool = False
    least: int = 1

    @property
    def unit(self) -> int:
        """What both sides of a picture are brought to a multiple of."""
        return int(self.pad.get("to", 1))

    def check(self, channels: int, height: int, width: int) -> None:
        """InputError for a picture that the network cannot take."""
        if channels != self.channels:
            wanted = "1 channel" if self.channels == 1 else f"{self.channels} channels"
            raise InputError(
                f"{self.name} takes pictures of {wanted}, got {channels}x{height}x{width}; "
                f"give it {self.channels}x{height}x{width}, or another variant"
            )
        if min(height, width) < self.least:
            raise InputError(
                f"{self.name} takes pictures of {self.least} x {self.least} pixels and more, "
                f"got {height} x {width}; enlarge the picture"
            )


def called(model: str, variant: str = "") -> Called:
    """How a variant of a system is called, the first one where empty.

    Raises InputError for a system without a network, KeyError for an unknown variant.
    """
    entry = models.get_model(model)
    if "called" not in entry:
        raise InputError(f"{model} has no network: {entry.get('quoted', 'a classical method')}")
    variant = variant or next(iter(entry["variants"]))
    found = dict(entry["called"].get(variant) or entry["called"]["all"])
    script = tuple(
        place if "@" in place else f"{entry['code']}:{place}" for place in found.pop("script")
    )
    return Called(f"{model}:{variant}", channels(variant), script, **found)


def channels(variant: str) -> int:
    """Of the pictures of a variant, which is called like its task, or like the level of one."""
    family = next((name for name in families() if variant.startswith(name)), "sr")
    return int(families()[family]["channels"])
