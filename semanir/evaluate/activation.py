"""Where a trained network looks (paper Fig. 4), and how often its dictionary selects each token.

# B windows, H heads, N = h * w tokens of a window, D head width
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data_prep.degrade import read_degraded
from data_prep.prepare import load_index
from data_prep.tasks import Task
from semanir.attention import Dictionary
from semanir.attention.bias import dense_bias
from semanir.errors import InputError
from semanir.inference.arrays import as_float, as_tensor
from semanir.inference.checkpoint import load
from semanir.network import Network, build_from
from semanir.network.layers import KeySemanticAttention, Stage
from semanir.paths import degraded_set

KEYS = (8, 16, 64, 256)  # of the paper's Fig. 4 (c-f)
WINDOW, REGION = 32, 4  # tokens a side: of the window that is shown, of the query region
SIMILARITIES = ("dot", "cosine", "layernorm")
BINS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)  # edges of the in-degree histograms


def activation_of_set(
    weights: str | Path, task: Task, dataset: str, level: str, **switches: Any
) -> dict[str, Any]:
    """What goes on record: {dataset, level, image} of the first image of a set, and `inspect`.

    switches: of `semanir.build`, in which inference differs from what the weights file says.
    """
    folder = degraded_set(task.family, dataset, level)
    file = load_index(folder)[0]["file"]
    place = {"dataset": dataset, "level": level, "image": Path(file).stem}
    return place | inspect(load(weights, **switches), read_degraded(folder / file))


@torch.inference_mode()
def inspect(network: Network, image: NDArray) -> dict[str, Any]:
    """Attention maps of one query region and the in-degrees of every stage's dictionary.

    image: degraded, [WINDOW,WINDOW] or [WINDOW,WINDOW,3] or larger; the window in its middle is
    used, so that the first stage has one window of WINDOW x WINDOW tokens.
    Returns {crop, query: [y, x], maps: {"8": ..., "all": ...}, stages: [...]}; the query region is
    that of REGION x REGION tokens with the largest standard deviation of its pixels. InputError
    where the network has no dictionary.
    """
    if network.config.keys == "all":
        raise InputError("a network with keys='all' has no dictionary to look at; take another")
    crop = _middle(as_float(image))
    x = as_tensor(crop)[None]
    wide = build_from(replace(network.config, window=WINDOW)).eval()
    wide.load_state_dict(network.state_dict())
    query = query_region(crop)
    region = [(query[0] + i) * WINDOW + query[1] + j for i in range(REGION) for j in range(REGION)]

    maps = {str(k): activation(wide, x, k)[region].mean(0) for k in KEYS}
    everything = build_from(replace(wide.config, keys="all")).eval()
    everything.load_state_dict(network.state_dict())
    maps["all"] = activation(everything, x, KEYS[0])[region].mean(0)
    return {
        "crop": np.round(255 * crop.clip(0, 1)).astype(int).tolist(),
        "query": query,
        "region": REGION,
        "maps": {
            name: np.round(shown.view(WINDOW, WINDOW).numpy(), 6).tolist()
            for name, shown in maps.items()
        },
        "stages": in_degrees(network, x),
        "bins": list(BINS),
    }


def query_region(crop: NDArray) -> list[int]:
    """[y, x] of the top left token of the query region."""
    gray: NDArray = crop if crop.ndim == 2 else crop.mean(-1)
    places = [(y, x) for y in range(0, WINDOW, REGION) for x in range(0, WINDOW, REGION)]
    return list(max(places, key=lambda p: _block(gray, *p).std()))


def _block(gray: NDArray, y: int, x: int) -> NDArray:
    return gray[y : y + REGION, x : x + REGION]


def activation(network: Network, x: Tensor, k: int) -> Tensor:
    """Attention weights [N,N] of the first stage's last layer, mean over its heads."""
    stage = next(module for module in network.modules() if isinstance(module, Stage))
    caught: list[Tensor] = []

    def catch(module: KeySemanticAttention, inputs: tuple[Any, ...]) -> None:
        caught.append(weights(module, *inputs))

    handle = stage.layers[-1].attention.register_forward_pre_hook(catch)  # type: ignore[union-attr]
    try:
        network(x, k)
    finally:
        handle.remove()
    return caught[0][0].mean(0)


def weights(module: KeySemanticAttention, x: Tensor, keys: Any, window: tuple[int, int]) -> Tensor:
    """Attention weights [B,H,N,N] of a layer of the default form, 0 where a query has no key."""
    if module.logit_scale is not None:
        raise InputError("attention maps are drawn for attention='dot' only")
    b, n, _ = x.shape
    q, k, _ = module.qkv(x).view(b, n, 3, module.heads, -1).permute(2, 0, 3, 1, 4)
    scores = q @ k.mT * q.shape[-1] ** -0.5 + dense_bias(module.bias(window), window)
    if isinstance(keys, Dictionary):
        scores = scores.masked_fill(~keys.mask[:, None], -torch.inf)
    return scores.softmax(-1).nan_to_num()


def in_degrees(network: Network, x: Tensor) -> list[dict[str, Any]]:
    """For every stage and similarity how often tokens are selected, at the network's own k.

    Of each stage its (first) dictionary, and those that it would build by other similarities.
    Rows {stage, similarity, N, k, histogram over BINS, never (share of tokens), most}.
    """
    stages = {name: m for name, m in network.named_modules() if isinstance(m, Stage)}
    rows: dict[str, list[dict[str, Any]]] = {}

    def look(name: str, stage: Stage, *given: Any) -> Dictionary:
        own, found = stage.similarity, dict[str, Dictionary]()
        for similarity in SIMILARITIES:
            stage.similarity = similarity
            found[similarity] = Stage._dictionary(stage, *given)
        stage.similarity = own
        rows.setdefault(name, [_row(name, one, found[one]) for one in SIMILARITIES])
        return found[own]

    for name, stage in stages.items():
        stage._dictionary = partial(look, name, stage)  # type: ignore[method-assign]
    try:
        network(x)
    finally:
        for stage in stages.values():
            del stage._dictionary
    return [row for of_stage in rows.values() for row in of_stage]


def _row(stage: str, similarity: str, dictionary: Dictionary) -> dict[str, Any]:
    degree = dictionary.in_degree().flatten()
    histogram, _ = np.histogram(degree.numpy(), (*BINS, 10**9))
    _, n, k = dictionary.indices.shape
    return {
        **{"stage": stage, "similarity": similarity, "N": n, "k": k},
        **{"histogram": histogram.tolist(), "most": int(degree.max())},
        "never": float((degree == 0).float().mean()),
    }


def _middle(image: NDArray) -> NDArray:
    top, left = ((size - WINDOW) // 2 for size in image.shape[:2])
    if min(top, left) < 0:
        raise InputError(f"expected an image of {WINDOW} x {WINDOW} or more, got {image.shape}")
    return image[top : top + WINDOW, left : left + WINDOW]
