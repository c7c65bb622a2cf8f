"""A step is timed as the recipe trains: its precision, and the parts of its batch."""

import pytest
import torch

from semanir.measure import price as costs
from semanir.network import build
from semanir.network.flops import multiply_adds
from semanir.plan.plan import Plan
from semanir.plan.runs import Run
from semanir.train.recipe import make_recipe


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_step_is_timed_in_the_recipes_precision(monkeypatch, precision):
    """Counted alike; a round takes a part of the batch, whose seconds count for all parts."""
    seen = []

    def noting(*options, **switches):
        network = build(*options, **switches)
        network.register_forward_pre_hook(
            lambda module, inputs: seen.append((*inputs[0].shape, torch.is_autocast_enabled("cpu")))
        )
        return network

    monkeypatch.setattr(costs, "build", noting)
    ticks = iter(range(1000))
    monkeypatch.setattr(costs.time, "perf_counter", lambda: float(next(ticks)))
    changes = {"batch": 6, "accumulate": 3, "precision": precision, "topk": [8]}
    recipe = make_recipe(Plan("smoke").recipe("denoise_gray-sigma50") | changes)
    shape = costs.shape_of(Run("smoke", "denoise_gray-sigma50", "semanir-u", 0), recipe)
    counted, seconds = costs.step("semanir-u-tiny", (), shape, recipe)
    timed = [one for one in seen if one[0] > 1]  # what is counted is one photograph
    assert timed == [(2, 1, 32, 32, precision == "bf16")] * 5
    assert seconds == 3.0
    assert counted == 3 * 6 * multiply_adds(
        build("semanir-u-tiny", channels=1, k=8), (1, 1, 32, 32)
    )
