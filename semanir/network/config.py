"""Every choice that shapes a network, with the mark of where it comes from.

Marks: paper (printed), fit (the only simple structure that reproduces the printed counts), sister
(the co-authors' public GRL code base), ours (a choice of this project; a switch is kept).
"""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple

from semanir.attention.backends import CHOICES
from semanir.errors import InputError
from semanir.names import known_name


def _check_heads(dims: tuple[int, ...], heads: tuple[int, ...]) -> None:
    if len(dims) != len(heads):
        raise InputError(f"dims {dims} and heads {heads} must have the same length")
    for dim, count in zip(dims, heads, strict=True):
        if dim % count:
            raise InputError(f"width {dim} is not a multiple of its {count} heads")


def _check_kind(name: str, kind: Any, value: Any) -> None:
    """Raise InputError for a field whose value is not of its kind; whole numbers are positive."""

    def is_whole(number: Any) -> bool:
        return isinstance(number, int) and not isinstance(number, bool) and number >= 1

    if kind is int and not is_whole(value):
        valid = "at least 1" if isinstance(value, int) else "a whole number of at least 1"
        raise InputError(f"{name} must be {valid}, got {value!r}")
    if kind is bool and not isinstance(value, bool):
        raise InputError(f"{name} must be true or false, got {value!r}")
    if kind == tuple[int, ...] and not (isinstance(value, tuple) and all(map(is_whole, value))):
        raise InputError(f"{name} must be whole numbers of at least 1, got {value!r}")


def _check_channels(channels: int) -> None:
    if channels not in (1, 3):
        raise InputError(f"channels must be 1 (grey) or 3 (colour), got {channels}")


@dataclass(frozen=True)
class LayerConfig:
    """What columnar and U-shaped networks share."""

    window: int = 32  # paper Tab. 5/6; clipped to the feature size
    k: int = 512  # paper Sec. 3.3; keys per query at inference, clamped to the tokens available
    ffn_ratio: int = 2  # fit
    attention: str = "dot"  # ours: "dot" | "cosine" (adds one logit scale per head)
    norm: str = "pre"  # ours: "pre" | "post"
    similarity: str = "dot"  # paper: "dot" | "cosine" | "layernorm" (parameter-free)
    include_self: bool = False  # paper Eq. 2: i != j
    ranks_self: bool = False  # ours; True is Eq. 2 to the letter: ranked with itself, then dropped
    keys: str = "dictionary"  # paper: "dictionary"; "all" is the dense twin, whatever k
    dictionary: str = "stage"  # paper Sec. 3.1: once per "stage"; "layer" builds it for every layer
    backend: str = "auto"  # attention back end, see semanir/attention/backends.py

    def __post_init__(self) -> None:
        known_name(self.backend, CHOICES, "attention back end")
        known_name(self.keys, ("dictionary", "all"), "keys")
        known_name(self.dictionary, ("stage", "layer"), "dictionary")
        known_name(self.attention, ("dot", "cosine"), "attention")
        known_name(self.norm, ("pre", "post"), "norm")
        known_name(self.similarity, ("dot", "cosine", "layernorm"), "similarity")
        for field in fields(self):
            _check_kind(field.name, field.type, getattr(self, field.name))
        if self.include_self and self.ranks_self:
            raise InputError("ranks_self drops what include_self keeps; choose one of them")


@dataclass(frozen=True)
class ColumnarConfig(LayerConfig):
    """Archi-V1, super-resolution; the sizes are settled by the printed parameter counts (fit)."""

    dim: int = 180
    heads: int = 6
    stages: int = 6
    layers: int = 6
    features: int = 64  # width of the pixel-shuffle upsampler
    skip: str = "none"  # ours: "none" | "bicubic" (add the bicubic enlargement to the output)
    upscale: int = 2
    channels: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        known_name(self.skip, ("none", "bicubic"), "skip")
        if self.upscale not in (2, 3, 4):
            raise InputError(f"upscale must be 2, 3 or 4, got {self.upscale}")
        _check_heads((self.dim,), (self.heads,))
        _check_channels(self.channels)


@dataclass(frozen=True)
class UShapeConfig(LayerConfig):
    """Archi-V2, the other five tasks. One of many fits to the printed counts, not the authors' own.

    layout "U2": the lowest level holds the first up stage only, 2x2 stride-2 convolutions down,
    1x1 convolution + pixel shuffle up, the final stage runs at twice the first width.
    layout "U1": the lowest level holds a down and an up stage, 4x4 stride-2 convolutions down,
    2x2 transposed convolutions up, LayerNorms at both ends and a convolution after the body.
    """

    layout: str = "U2"
    dims: tuple[int, ...] = (40, 80, 160, 320, 320)
    heads: tuple[int, ...] = (2, 4, 8, 16, 16)
    layers: int | tuple[int, ...] = 6  # of every stage, or of those of each level (ours)
    channels: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        known_name(self.layout, ("U1", "U2"), "layout")
        _check_heads(self.dims, self.heads)
        per_level = isinstance(self.layers, tuple)
        _check_kind("layers", tuple[int, ...] if per_level else int, self.layers)
        if len(self.layers_of_levels) != len(self.dims):
            raise InputError(
                f"dims {self.dims} and layers {self.layers} must have the same length, or layers "
                "must be one number"
            )
        _check_channels(self.channels)

    @property
    def layers_of_levels(self) -> tuple[int, ...]:
        """Layers of a stage of each level, the level of full resolution first."""
        return self.layers if isinstance(self.layers, tuple) else (self.layers,) * len(self.dims)


Config = ColumnarConfig | UShapeConfig

U1_SIZES = {"dims": (48, 96, 192, 384), "heads": (4, 8, 16, 32)}


class Preset(NamedTuple):
    """A network by name; `semanir list` shows `size` (parameters, at x2) and `purpose`."""

    config: Config
    size: str
    purpose: str


PRESETS = {
    "semanir-s": Preset(  # 11.87 / 12.05 / 12.02 M at x2, x3, x4
        ColumnarConfig(stages=6, layers=6), "11.9 M", "super-resolution x2, x3, x4"
    ),
    "semanir-b": Preset(  # 19.90 / 20.08 / 20.04 M
        ColumnarConfig(stages=8, layers=8), "19.9 M", "super-resolution x2, x3, x4"
    ),
    "semanir-u": Preset(UShapeConfig(), "25.8 M", "all other tasks"),
    "semanir-s-tiny": Preset(
        ColumnarConfig(
            dim=16, heads=2, stages=2, layers=2, features=16, window=8, k=32, skip="bicubic"
        ),
        "0.04 M",
        "super-resolution, for tests",
    ),
    "semanir-b-tiny": Preset(
        ColumnarConfig(
            dim=20, heads=2, stages=2, layers=3, features=16, window=8, k=32, skip="bicubic"
        ),
        "0.06 M",
        "super-resolution, for tests",
    ),
    "semanir-s-small": Preset(
        ColumnarConfig(
            dim=48, heads=3, stages=4, layers=2, features=32, window=16, k=64, skip="bicubic"
        ),
        "0.33 M",
        "super-resolution, small",
    ),
    "semanir-s-medium": Preset(
        ColumnarConfig(
            dim=48, heads=3, stages=4, layers=4, features=32, window=16, k=64, skip="bicubic"
        ),
        "0.51 M",
        "super-resolution; of the shipped weights",
    ),
    "semanir-u-tiny": Preset(
        UShapeConfig(dims=(16, 24), heads=(1, 2), layers=2, window=8, k=32),
        "0.07 M",
        "all other tasks, for tests",
    ),
    "semanir-u-small": Preset(
        UShapeConfig(dims=(24, 48, 72), heads=(1, 2, 3), layers=2, window=16, k=64),
        "0.43 M",
        "all other tasks; shipped: colour noise, mosaics",
    ),
    "semanir-u-medium": Preset(
        UShapeConfig(dims=(24, 48, 72), heads=(1, 2, 3), layers=(2, 4, 6), window=16, k=64),
        "0.70 M",
        "all other tasks; shipped: grey noise, JPEG",
    ),
}


def configure(name: str, **switches: Any) -> Config:
    """The preset `name` with some fields replaced; unknown names and fields are refused."""
    preset = PRESETS[known_name(name, PRESETS, "network")].config
    for switch in switches:
        known_name(switch, (field.name for field in fields(preset)), f"switch of {name}")
    if switches.get("layout") == "U1" and name == "semanir-u":
        switches = U1_SIZES | switches
    return replace(preset, **switches)


def to_dict(config: Config) -> dict[str, Any]:
    """JSON-ready form that `from_dict` turns back into an equal configuration."""
    shape = "columnar" if isinstance(config, ColumnarConfig) else "ushape"
    return {"shape": shape, **asdict(config)}


def from_dict(values: dict[str, Any]) -> Config:
    """Inverse of `to_dict`, also after a round trip through JSON (lists become tuples)."""
    options: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in values.items()
    }
    shape = known_name(options.pop("shape"), ("columnar", "ushape"), "network shape")
    return ColumnarConfig(**options) if shape == "columnar" else UShapeConfig(**options)
