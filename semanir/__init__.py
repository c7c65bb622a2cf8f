"""SemanIR: image restoration with a key-semantic dictionary shared by all layers of a stage.

`semanir.build`, `semanir.load` and `semanir.restore` import torch on first use, so that planning
and rendering (`semanir.plan`, `reports`) never do.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semanir.inference.api import restore
    from semanir.inference.checkpoint import load
    from semanir.network import build

__all__ = ["build", "load", "restore"]
__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    if name == "build":
        from semanir.network import build

        return build
    if name == "load":
        from semanir.inference.checkpoint import load

        return load
    if name == "restore":
        from semanir.inference.api import restore

        return restore
    raise AttributeError(f"module 'semanir' has no attribute {name!r}")
