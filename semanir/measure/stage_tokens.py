"""The attention of a released network's layer on a photograph: queries, keys, values, dictionary.

Real tokens are not random ones: neighbours share keys, and some keys are everybody's.

# B windows, N tokens of a window, K keys per query, D head width, C channels
"""

from math import isqrt
from typing import Any

import torch
from torch import Tensor

from data_prep.images import read_image
from semanir.attention.dictionary import Dictionary
from semanir.attention.heads import split_heads
from semanir.inference.arrays import as_float, as_tensor
from semanir.inference.checkpoint import load
from semanir.inference.shipped import shipped
from semanir.paths import ROOT

NETWORK = "sr-x4"
PHOTOGRAPH = "data_prep/embedded/test_rgb/flower.png"
STAGE = 2  # without a shift, behind two others


@torch.no_grad()
def stage_layer(
    n: int, k: int, device: str, tokens: int
) -> tuple[Tensor, Dictionary, Tensor, Tensor]:
    """Tokens [B,N,C], their dictionary, q, k, v [3,B,H,N,D] and the bias table of the first layer.

    n: N, a square number; tokens: of the feature map, B * N, as many as the photograph has at most.
    """
    network: Any = load(shipped()[NETWORK], device=device, window=isqrt(n), k=k)
    pixels = as_tensor(as_float(read_image(ROOT / PHOTOGRAPH)))
    side = min(isqrt(tokens), *pixels.shape[1:]) // isqrt(n) * isqrt(n)
    top, left = ((size - side) // 2 for size in pixels.shape[1:])
    layer, seen = network.stages[STAGE].layers[0], []
    handle = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    network(pixels[None, :, top : top + side, left : left + side].to(device))
    handle.remove()
    x, dictionary, window = seen[0]
    qkv = split_heads(layer.attention.qkv(layer.norm1(x)), layer.attention.heads)
    return x, dictionary, torch.stack(qkv), layer.attention.bias(window).contiguous()
