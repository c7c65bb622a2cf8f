"""What Tables 1 and 12 are held against: memory over N and k, and counted multiply-adds.

# B windows, H heads, N tokens of a window, K keys per query, D head width, C = H * D channels
"""

from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm

from semanir.attention.cpu.build import kernels
from semanir.attention.dense import AllKeys
from semanir.attention.dictionary import build_dictionary
from semanir.attention.dispatch import Keys
from semanir.measure.layer import BACKENDS, HEADS, WIDTH, Layer
from semanir.measure.timing import peak_bytes, peak_bytes_cuda
from semanir.network.flops import Operators

# Table 1 states neither its batch nor what the other sweep's value was. Batches over N and over k:
# those with which a model fits the printed numbers (reports/tables/memory.py), smaller for a CPU
BATCHES = {"cuda": (4, 512), "cpu": (1, 8)}
TOKENS, KEYS = (512, 1024, 2048, 4096, 8192), (32, 64, 128, 256, 512)
SWEEPS: dict[str, list[dict[str, Any]]] = {
    device: [
        *({"N": n, "k": 128, "B": over_n, "setting": f"N={n}"} for n in TOKENS),
        *({"N": 512, "k": k, "B": over_k, "setting": f"k={k}"} for k in KEYS),
    ]
    for device, (over_n, over_k) in BATCHES.items()
}
LIMIT = 6 * 2**30  # bytes that no cell may be predicted to exceed


def memory(device: str = "cpu") -> list[dict[str, Any]]:
    """Peak bytes of one forward pass, dictionary included, for every back end and setting.

    Rows {setting, N, k, B, backend, bytes, predicted}; bytes is None where the prediction from the
    shapes exceeds half of the free memory (or 6 GiB; on a GPU nine tenths of the free): such a cell
    is skipped, not crashed into.
    """
    backends = [b for b in BACKENDS[device] if b != "fused" or kernels() is not None]
    limit = min(LIMIT, _free(device) // 2) if device == "cpu" else _free(device) * 9 // 10
    rows = []
    for sweep in tqdm(SWEEPS[device], unit="setting", desc="memory"):
        n, k, b = (sweep[name] for name in "NkB")
        layer = Layer(n, k, device, tokens=b * n)
        made = layer.dictionary
        for backend in backends:
            expected = predicted(backend, n, k, b)
            row = {**sweep, "backend": backend, "predicted": expected, "bytes": None}
            if expected <= limit:
                layer.dictionary = made  # frees what the last back end kept, before it is measured
                measure = peak_bytes if device == "cpu" else peak_bytes_cuda
                try:
                    row["bytes"] = measure(partial(_block, layer, backend))
                except torch.OutOfMemoryError:  # a GPU's allocator can need more than shapes say
                    tqdm.write(f"{backend} at {sweep['setting']}: out of memory; skipped")
            else:
                tqdm.write(
                    f"{backend} at {sweep['setting']}: about {expected / 2**30:.1f} GiB predicted, "
                    f"{limit / 2**30:.1f} GiB allowed; skipped"
                )
            rows.append(row)
    return rows


@torch.no_grad()
def _block(layer: Layer, backend: str) -> None:
    layer.dictionary = build_dictionary(layer.tokens, layer.k)
    layer.run(backend)


def predicted(backend: str, n: int, k: int, b: int) -> int:
    """Bytes that a back end holds at its peak, from the shapes of its largest tensors."""
    similarity = 4 * min(b * n * n, 2**22)  # of the dictionary, a chunk at a time
    lists = 3 * 4 * b * n * k
    rows = 4 * 4 * b * n * HEADS * WIDTH
    if backend == "mask":  # the mask and its boolean form, the bias, and the sum of both
        return similarity + lists + rows + n * n * (5 * b + 4 * HEADS + 4 * b * HEADS)
    if backend == "gather":  # k and v of every key, scores and weights of every head
        return similarity + lists + rows + b * n * k * (8 * HEADS * WIDTH + 24 * HEADS + 32)
    return similarity + lists + rows


def _free(device: str) -> int:
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("MemAvailable"):
            return 1024 * int(line.split()[1])
    return 2 * LIMIT


# --- complexity ------------------------------------------------------------------------------

# H, W, C, heads, M, k: the paper's symbols. Every form is counted where its symbols are named.
MAPS = [(32, 32, 60), (32, 32, 180), (64, 64, 60)]
FORMS: dict[str, list[dict[str, int]]] = {
    "MSA": [{}],
    "W-MSA": [{"M": m} for m in (8, 16, 32)],
    "SemanIR MSA": [{"M": 16, "k": 64}, *({"M": 32, "k": k} for k in (64, 128, 256, 512))],
}


def complexity() -> list[dict[str, Any]]:
    """Multiply-adds and peak floats of the three attention forms, counted as they run.

    Rows {form, H, W, C, h, M, k, multiply_adds, bias, dictionary, floats}: the projections and the
    two products of attention; those of the bias network and of the dictionary's similarities, which
    Table 12 leaves out; floats held at the peak beyond the input, with plain softmax or gather.
    """
    # imported here: the network imports this package
    from semanir.network.config import ColumnarConfig
    from semanir.network.layers import KeySemanticAttention

    rows = []
    for h, w, c in MAPS:
        for form, settings in FORMS.items():
            for setting in settings:
                m = setting.get("M", h)
                config = ColumnarConfig(backend="gather")
                layer = KeySemanticAttention(c, HEADS, config).eval()
                tokens = torch.randn(h * w // (m * m), m * m, c)
                found = counted(layer, tokens, setting.get("k"), m)
                keys: Keys = AllKeys()
                with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
                    # what layers keep or share is made before: lists, packed weights and the bias
                    if "k" in setting:
                        keys = build_dictionary(tokens, setting["k"])
                        _ = keys.checked, keys.empty
                    layer(tokens[:1, :1], AllKeys(), (1, 1))
                    layer.bias((m, m))
                    peak = peak_bytes(partial(layer, tokens, keys, (m, m)))
                sizes = {"form": form, "H": h, "W": w, "C": c, "h": HEADS, **setting}
                rows.append(sizes | found | {"floats": peak // 4})
    return rows


@torch.no_grad()
def counted(layer: nn.Module, tokens: Tensor, k: int | None, side: int) -> dict[str, int]:
    """Multiply-adds of a layer in windows of side x side, on shapes alone."""
    layer, tokens = deepcopy(layer).to("meta"), tokens.to("meta")
    with Operators() as dictionary:
        keys: Keys = AllKeys() if k is None else build_dictionary(tokens, k)
    with Operators() as bias:
        layer.bias((side, side))  # type: ignore[operator]
    with Operators() as everything, sdpa_kernel(SDPBackend.MATH):
        layer(tokens, keys, (side, side))
    return {
        "multiply_adds": everything.total - bias.total,
        "bias": bias.total,
        "dictionary": dictionary.total,
    }
