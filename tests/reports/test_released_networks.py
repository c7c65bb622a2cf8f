"""The networks that come with the project guard the gate: they use their attention.

A fault in attention, windows, tiles or metrics moves their PSNR on a photograph by more than the
0.001 dB that the gate allows. Each is planted here, and has to be found.
"""

import numpy as np
import pandas as pd
import pytest

from data_prep.degradations import degradation
from data_prep.images import match_channels, read_image
from data_prep.tasks import get_task
from reports.gate.accepted import find_accepted, read_accepted
from reports.gate.compare import KEY, compare
from semanir import paths
from semanir.evaluate import metrics
from semanir.inference import restore as restoring
from semanir.inference.checkpoint import load
from semanir.network import layers
from semanir.plan.models import RELEASED, get_scale

TILE = get_scale("smoke")["tile"]
# one of each architecture, scored as the smoke scale does
CASES = (
    ("denoise_gray-blind", "embedded_gray", "sigma25", "test_gray/camera.png", TILE),
    ("sr-x2", "embedded_rgb", "x2", "test_rgb/flower.png", None),
)


def scores(change=lambda stage: None):
    """A line per metric, with the columns that the gate compares. change: of every stage."""
    rows = []
    for name, dataset, level, file, tile in CASES:
        task = get_task(name)
        path = paths.ROOT / "data_prep/embedded" / file
        clean = match_channels(read_image(path), task.channels, path, task.gray)
        degraded = degradation(task.degradation)(clean, task.levels[level], 0)
        network = load(paths.ROOT / paths.SHIPPED.format(task=name))
        for module in network.modules():
            if isinstance(module, layers.Stage):
                change(module)
        protocol = task.protocol(level)
        found = metrics.score(restoring.restore(network, degraded), clean, protocol)
        if tile:
            tiled = restoring.restore(network, degraded, tile=tile)
            found["psnr_tiled"] = metrics.score(tiled, clean, protocol)["psnr"]
        place = {"task": name, "model": RELEASED, "dataset": dataset, "level": level, "seed": "0"}
        place["image"] = path.stem
        rows += [place | {"metric": metric, "value": value} for metric, value in found.items()]
    return pd.DataFrame(rows)[[*KEY, "value"]]


def failing(candidate):
    """{(task, metric)} that the gate stops, against the same photographs' accepted scores."""
    accepted = read_accepted(find_accepted("smoke"))[1]
    accepted = accepted.merge(candidate[KEY], on=KEY)
    candidate = candidate.merge(accepted[KEY], on=KEY)
    assert {"psnr", "psnr_tiled"} <= set(accepted["metric"])
    return {(line.task, line.metric) for line in compare(accepted, candidate) if line.fails}


def test_without_a_fault_the_gate_passes():
    assert failing(scores()) == set()


attend, build, tile_spans = layers.attend, layers.build_dictionary, restoring.tile_spans
psnr, unpartition, region_labels = metrics._psnr, layers.unpartition, layers.region_labels


def attend_scaled(q, *rest, **options):
    return attend(q * 1.01, *rest, **options)


def attend_transposed(q, k, v, keys, table, window, **options):
    """The bias of rows and columns exchanged."""
    h, w = window
    turned = table.view(-1, 2 * h - 1, 2 * w - 1).transpose(1, 2).reshape_as(table)
    return attend(q, k, v, keys, turned, window, **options)


def one_key_less(tokens, k, **options):
    return build(tokens, k - 1, **options)


def a_row_too_low(*arguments):
    return unpartition(*arguments).roll((1, 0), (2, 3))


FAULTS = {
    "scores 1 % too large": (layers, "attend", attend_scaled),
    "bias of rows and columns exchanged": (layers, "attend", attend_transposed),
    "a key less": (layers, "build_dictionary", one_key_less),
    "a window put back a row too low": (layers, "unpartition", a_row_too_low),
    "keys beyond the edge of a shifted map": (
        *(layers, "region_labels"),
        lambda *args: region_labels(*args) * 0,
    ),
    "tiles without an overlap": (
        *(restoring, "tile_spans"),
        lambda *sizes: tile_spans(*sizes[:-1], 0),
    ),
    "PSNR of a peak of 256": (metrics, "_psnr", lambda x, y: psnr(x, y) + 20 * np.log10(256 / 255)),
}
CHANGES = {
    "no stage is shifted": ("shifted", False),
    "a token may select itself": ("include_self", True),
    "cosine similarity": ("similarity", "cosine"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(monkeypatch, fault):
    monkeypatch.setattr(*FAULTS[fault])
    assert failing(scores())


@pytest.mark.parametrize("fault", CHANGES)
def test_a_stage_that_differs_is_found(fault):
    field, value = CHANGES[fault]
    assert failing(scores(lambda stage: setattr(stage, field, value)))
