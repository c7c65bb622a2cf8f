"""GRL by spandrel, whose masks and indices are made when a picture needs them.

They take more than a gigabyte for GRL-B at the size its authors test it on. spandrel makes them
with the network, so that counting it would take minutes, and all the memory of a small machine.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from baselines.libraries import library_class


def grl(**options: Any) -> nn.Module:
    """spandrel's GRL with options of its class; tables of the last picture's size are cached.

    Its `disagrees` is what `baselines.checkpoint` asks.
    """
    base: Any = library_class("spandrel.GRL")

    class GRL(base):
        def __init__(self) -> None:
            super().__init__(**options)
            self._buffers.clear()
            self.cached: tuple[Any, dict[str, Tensor]] = (None, {})

        def set_table_index_mask(self, x_size: tuple[int, int]) -> dict[str, Tensor]:
            """Shapes alone."""
            with torch.device("meta"):
                return super().set_table_index_mask(x_size)

        def get_table_index_mask(
            self, device: torch.device, input_resolution: tuple[int, int]
        ) -> dict[str, Tensor]:
            key = device, input_resolution, torch.is_inference_mode_enabled()
            if self.cached[0] != key:
                with torch.device(device):
                    self.cached = key, super().set_table_index_mask(input_resolution)
            return self.cached[1]

        def is_table(self, name: str) -> bool:
            return name.startswith(("table_", "index_", "mask_"))

        def disagrees(self, tables: Mapping[str, Tensor]) -> Iterator[str]:
            """By shape, which tells window, stripes and anchors; masks tell the picture's size."""
            for name, own in self.set_table_index_mask(self.input_resolution).items():
                table = tables.get(name, own)
                if not name.startswith("mask_") and table.shape != own.shape:
                    yield f"{name} is {tuple(table.shape)}, not {tuple(own.shape)}"

    return GRL()
