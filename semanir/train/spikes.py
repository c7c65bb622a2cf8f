"""Spikes: iterations whose loss or gradient norm says that their step would do harm."""

import math
from dataclasses import dataclass, field
from statistics import median

from semanir.train.recipe import Recipe

WINDOW = 100  # good iterations that the median is of
LEAST = 20  # fewer have no median worth a judgement
IN_A_ROW = 10  # spikes that end any training: its weights are at fault, not a batch


@dataclass
class Spikes:
    """Losses and gradient norms of the last good iterations, and how many spikes followed them."""

    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    in_a_row: int = 0

    def limits(self, recipe: Recipe) -> tuple[float, float]:
        """The largest loss and gradient norm that are no spike."""
        most = recipe.stop_norm or math.inf
        if not recipe.spike_factor or len(self.norms) < LEAST:
            return math.inf, most
        loss, norm = (recipe.spike_factor * median(each) for each in (self.losses, self.norms))
        return loss, min(norm, most)

    def is_one(self, recipe: Recipe, loss: float, norm: float) -> bool:
        """Whether an iteration is a spike; counts it, among the good ones if it is none."""
        finite = math.isfinite(loss) and math.isfinite(norm)
        most_loss, most_norm = self.limits(recipe)
        if not finite or loss > most_loss or norm > most_norm:
            self.in_a_row += 1
            return True
        self.in_a_row = 0
        if recipe.spike_factor:
            self.losses = [*self.losses, loss][-WINDOW:]
            self.norms = [*self.norms, norm][-WINDOW:]
        return False
