"""Attention on small windows of every kind, and how outputs and gradients are compared.

# B windows, H heads, N = h * w tokens, K keys per query, D head width
"""

import torch

from semanir.attention import attend, build_dictionary

NAMES = ("q", "k", "v", "bias_table")

# window, k, D, what is special
CASES = [
    ((7, 9), 17, 30, ""),
    ((7, 9), 17, 20, "ties"),
    ((7, 9), 17, 32, "regions"),
    ((7, 9), 62, 5, ""),
    ((7, 9), 500, 30, ""),
    ((6, 8), 13, 30, "hermits"),
    ((1, 1), 3, 5, ""),
    ((1, 1), 3, 20, "self"),
    ((5, 1), 2, 20, ""),
    ((5, 1), 3, 5, "regions"),
    ((1, 13), 7, 32, ""),
    ((1, 13), 5, 30, "hermits"),
    ((4, 4), 5, 20, "nobody"),
]
IDS = [f"N{h * w}-K{k}-D{d}{special and '-' + special}" for (h, w), k, d, special in CASES]


def make(case, dtype=torch.float64, bias=True, b=2, heads=3):
    """[q, k, v], bias_table or None (all with gradients), dictionary and window of one case."""
    (h, w), k, d, special = case
    n = h * w
    source = torch.Generator().manual_seed(n * 100 + d)

    def randn(*shape):
        return torch.randn(shape, generator=source).to(dtype).requires_grad_()

    tokens = randn(b, n, 6).detach()
    if special == "ties":
        tokens = tokens.round()
    valid = None
    if special == "regions":  # 4 or 2 regions of unequal size
        y, x = torch.arange(h) >= h - h // 2 + 1, torch.arange(w) >= w - 2
        valid = (2 * y.int()[:, None] + x.int()).view(1, n).repeat(b, 1)
    if special == "hermits":  # every fourth query has no key
        valid = (torch.arange(n) % 4 > 0).view(1, n, 1).repeat(b, 1, n)
    if special == "nobody":
        valid = torch.zeros(b, n, dtype=torch.bool)
    dictionary = build_dictionary(tokens, k, include_self=special == "self", valid=valid)

    tensors = [randn(b, heads, n, d) for _ in range(3)]
    table = None
    if bias:  # strided, as the network's bias makes it
        table = randn((2 * h - 1) * (2 * w - 1), heads).detach().t().requires_grad_()
    return tensors, table, dictionary, (h, w)


def outputs(tensors, table, dictionary, window, backend):
    """Output and gradients by name."""
    inputs = [x for x in (*tensors, table) if x is not None]
    out = attend(*tensors, dictionary, table, window, backend=backend)
    weight = torch.linspace(-1, 2, out.numel(), dtype=out.dtype, device=out.device)
    grads = torch.autograd.grad(out, inputs, weight.view(out.shape))
    return {"out": out.detach(), **dict(zip(NAMES, grads, strict=False))}


def check(backend, case, dtype=torch.float32, bias=True, tolerance=5e-6, **sizes):
    """A back end against the float64 reference: output, gradients, and output without gradients."""
    tensors, table, dictionary, window = make(case, dtype, bias, **sizes)
    expected = exact(tensors, table, dictionary, window)
    got = outputs(tensors, table, dictionary, window, backend)
    assert got["out"].dtype == dtype
    assert_close(got, expected, tolerance)
    with torch.no_grad():  # which may take another path
        out = attend(*tensors, dictionary, table, window, backend=backend)
    assert_close({"out": out}, {"out": expected["out"]}, tolerance)


def exact(tensors, table, dictionary, window):
    """`outputs` of the reference in float64."""
    tensors = [x.detach().double().requires_grad_() for x in tensors]
    table = None if table is None else table.detach().double().requires_grad_()
    return outputs(tensors, table, dictionary, window, "reference")


def assert_close(got, expected, tolerance):
    """Largest difference relative to the largest value (at least 1), printed with its name."""
    worst = {}
    for name, right in expected.items():
        difference = (got[name].double() - right.double()).detach().abs().max()
        worst[name] = float(difference) / max(1.0, float(right.detach().abs().max()))
    print("relative difference: " + ", ".join(f"{name} {x:.1e}" for name, x in worst.items()))
    bad = {name: x for name, x in worst.items() if not x <= tolerance}
    assert not bad, f"beyond {tolerance}: {bad}"
