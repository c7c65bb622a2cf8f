"""How the authors of a system run its network, and what it takes: `inference` of models.yaml.

Never imports torch.
"""

from dataclasses import dataclass, field
from typing import Any

from baselines.registry import get_system
from data_prep.tasks import families
from semanir.errors import InputError
from semanir.names import known_name


@dataclass(frozen=True)
class InferenceSettings:
    """One variant as the authors' test script runs it; the head of models.yaml explains the fields.

    name: "swinir:x2". channels: those of the picture, without maps of the condition.
    """

    name: str
    channels: int
    script: tuple[str, ...]
    pad: dict[str, Any] = field(default_factory=dict)
    split: dict[str, dict[str, Any]] = field(default_factory=dict)
    condition: str = ""
    range: int = 1
    clip: bool = False
    first_output: bool = False
    min_side: int = 1

    @property
    def multiple(self) -> int:
        """Both sides of a picture are padded to a multiple of this."""
        return int(self.pad.get("multiple", 1))

    def check(self, channels: int, height: int, width: int) -> None:
        """InputError for a picture that the network cannot take."""
        if channels != self.channels:
            wanted = "1 channel" if self.channels == 1 else f"{self.channels} channels"
            raise InputError(
                f"{self.name} takes pictures of {wanted}, got {channels}x{height}x{width}; "
                f"give it {self.channels}x{height}x{width}, or another variant"
            )
        if min(height, width) < self.min_side:
            raise InputError(
                f"{self.name} takes pictures of {self.min_side} x {self.min_side} pixels and more, "
                f"got {height} x {width}; enlarge the picture"
            )


def network_entry(system: str, variant: str = "") -> tuple[dict[str, Any], str]:
    """The entry of a system that has a network, and the name of a variant, the first where empty.

    Raises InputError for a system without a network and for an unknown name.
    """
    entry = get_system(system)
    if "network" not in entry:
        raise InputError(f"{system} has no network: {entry.get('quoted', 'a classical method')}")
    variants = entry["variants"]
    return entry, known_name(variant or next(iter(variants)), variants, "variant")


def inference_settings(system: str, variant: str = "") -> InferenceSettings:
    """How a variant of a system is run, the first one where empty; errors as `network_entry`."""
    entry, variant = network_entry(system, variant)
    fields = dict(entry["inference"].get(variant) or entry["inference"]["all"])
    script = tuple(
        place if "@" in place else f"{entry['code']}:{place}" for place in fields.pop("script")
    )
    return InferenceSettings(f"{system}:{variant}", channels_of(variant), script, **fields)


def channels_of(variant: str) -> int:
    """Channels of the pictures of a variant, whose name is a task's, or the level of a task."""
    family = next((name for name in families() if variant.startswith(name)), "sr")
    return int(families()[family]["channels"])
