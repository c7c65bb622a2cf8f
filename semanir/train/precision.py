"""How a GPU rounds what it multiplies in float32. No GPU has run it."""

import torch

from semanir.train.recipe import Recipe


def round_as(recipe: Recipe) -> None:
    """Let products and convolutions round to TF32 where the recipe says so, and there alone.

    torch's own default rounds the convolutions of a GPU, and not its products.
    """
    rounded = recipe.precision == "tf32"
    torch.set_float32_matmul_precision("high" if rounded else "highest")
    torch.backends.cudnn.allow_tf32 = rounded
