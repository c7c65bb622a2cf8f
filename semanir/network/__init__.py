"""The networks of the paper at full size, and tiny ones of both shapes.

torch is imported with the first network, so that presets (config.py) can be read without it.
"""

from typing import TYPE_CHECKING, Any

from semanir.errors import InputError
from semanir.network.config import PRESETS, ColumnarConfig, Config, configure

if TYPE_CHECKING:
    from semanir.network.base import Network
    from semanir.network.columnar import Columnar
    from semanir.network.ushape import UShape

__all__ = ["PRESETS", "Columnar", "Network", "UShape", "build", "build_from"]


def __getattr__(name: str) -> Any:
    if name not in ("Columnar", "Network", "UShape"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from semanir.network.base import Network
    from semanir.network.columnar import Columnar
    from semanir.network.ushape import UShape

    globals().update(Columnar=Columnar, Network=Network, UShape=UShape)
    return globals()[name]


def build(
    name: str, *, upscale: int | None = None, channels: int = 3, **switches: Any
) -> "Network":
    """Build a network by preset name.

    name: "semanir-s", "semanir-b" (super-resolution; `upscale` 2, 3 or 4), "semanir-u" (the other
    tasks; no `upscale`), or a tiny preset of PRESETS. channels: 1 grey, 3 colour. switches: any
    field of the preset's configuration (semanir/network/config.py), e.g. window=16, k=256,
    backend="gather", layout="U1", keys="all" (the dense twin). Weights do not depend on window,
    k, keys or backend.
    Raises InputError (UnknownNameError with the nearest valid names) on anything it cannot build.
    """
    config = configure(name, channels=channels, **switches)
    if isinstance(config, ColumnarConfig):
        if upscale is None:
            raise InputError(f"{name} enlarges images: pass upscale=2, 3 or 4")
        config = configure(name, channels=channels, upscale=upscale, **switches)
    elif upscale is not None:
        raise InputError(f"{name} keeps the image size; drop upscale={upscale} or take semanir-s")
    return build_from(config)


def build_from(config: Config) -> "Network":
    """Build the network that a complete configuration describes."""
    from semanir.network.columnar import Columnar
    from semanir.network.ushape import UShape

    return Columnar(config) if isinstance(config, ColumnarConfig) else UShape(config)
