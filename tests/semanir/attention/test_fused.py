"""The compiled CPU attention against the float64 reference.

Skipped where there is no compiler. The default instruction set is this machine's best; the others
are built and run by the slow tests.
"""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from attention_cases import CASES, IDS, assert_close, check, make, outputs
from checkout import REPOSITORY
from torch.utils.flop_counter import FlopCounterMode

from semanir.attention import BACKENDS, attend, build_dictionary, dispatch
from semanir.attention.cpu import build, fused
from semanir.attention.select import most_similar_op, select_op
from semanir.errors import InputError

pytestmark = pytest.mark.skipif(build.kernels() is None, reason="no C++ compiler or no ninja")
WIDTHS = [((6, 11), 23, width, "regions") for width in (1, 16, 20, 30, 32, 33, 40, 48, 64)]
# half of the keys of whole rows of 16 queries: those go through tiles where there is AVX-512
TILES = [((6, 16), 50, width, "regions") for width in (3, 16, 20, 24, 30, 33, 40, 56, 64)]
TILES += [((6, 16), 95, 24, "ties"), ((3, 32), 60, 30, "hermits"), ((5, 16), 40, 24, "nobody")]
CASES_HERE = [*CASES, *WIDTHS, *TILES]
IDS_HERE = [*IDS, *(f"D{c[2]}" for c in WIDTHS), *(f"tiles-K{c[1]}-D{c[2]}" for c in TILES)]


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "plain"])
@pytest.mark.parametrize("case", CASES_HERE, ids=IDS_HERE)
def test_output_and_gradients_equal_the_float64_reference(case, bias):
    check("fused", case, bias=bias)


def test_strided_inputs_and_large_scores():
    """Views as a layer makes them, the table too, without its gradient; a token that all select."""
    (h, w), n = (5, 7), 35
    qkv = torch.randn(2, n, 3, 2, 30).requires_grad_()
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    tokens = torch.randn(2, n, 8)
    tokens[:, 7] = 100 * tokens.mean(1)
    dictionary = build_dictionary(tokens, 9)
    table = torch.randn((2 * h - 1) * (2 * w - 1), 2).t()
    results = {}
    for backend in ("fused", "reference"):
        out = attend(q * 30, k, v, dictionary, table, (h, w), backend=backend)
        (grad,) = torch.autograd.grad((out * torch.linspace(0, 1, 30)).sum(), qkv)
        results[backend] = {"out": out.detach(), "qkv": grad}
    assert_close(results["fused"], results["reference"], 1e-4)


@pytest.mark.parametrize("place", ["q", "k", "v"])
def test_not_a_number_reaches_every_query_that_uses_it(place):
    tensors, table, dictionary, window = make(CASES[0], torch.float32)
    with torch.no_grad():
        tensors["qkv".index(place)][1, 2, 5, 3] = torch.nan
        out = attend(*tensors, dictionary, table, window, backend="fused")
    nan = out.isnan().any(-1)  # [B,H,N]
    users = (dictionary.indices[1] == 5).any(-1) if place != "q" else torch.arange(63) == 5
    assert torch.equal(nan[1, 2], users) and nan.sum() == users.sum()


@pytest.mark.parametrize("window, k, b", [((16, 17), 40, 5), ((16, 16), 140, 1)])
def test_repeatable_whatever_the_number_of_threads(window, k, b):
    inputs = make((window, k, 30, ""), torch.float32, b=b)
    threads, results = torch.get_num_threads(), []
    try:
        for number in (1, 2, 3, 7):
            torch.set_num_threads(number)
            results.append(outputs(*inputs, "fused"))
    finally:
        torch.set_num_threads(threads)
    for other in results[1:]:
        assert all(torch.equal(results[0][name], other[name]) for name in other)


def test_operators_are_proper():
    """Schema, fake tensors, autograd and their composition, as torch checks them."""
    tensors, table, dictionary, window = make(CASES[0], torch.float32)
    sparse = (dictionary.indices, dictionary.counts)
    x, labels = torch.randn(2, 5, 9), torch.arange(10).view(2, 5)
    torch.library.opcheck(fused.attend_op, (*tensors, *sparse, table, *window))
    torch.library.opcheck(fused.attend_op, (*tensors, *sparse, None, *window))
    torch.library.opcheck(select_op, (x, 4))
    torch.library.opcheck(most_similar_op, (x, 4, False, None))
    torch.library.opcheck(most_similar_op, (x, 4, True, labels))


def test_a_second_derivative_is_refused():
    """Instead of a gradient that lacks a term."""
    tensors, table, dictionary, window = make(CASES[0], torch.float32)
    out = attend(*tensors, dictionary, table, window, backend="fused")
    (grad,) = torch.autograd.grad(out.square().sum(), tensors[:1], create_graph=True)
    with pytest.raises(NotImplementedError, match="no second derivative"):
        grad.square().sum().backward()


def test_flop_counters_see_the_kernels():
    """4 N K D a head forward and 10 N K D backward (fvcore: test_measure.py)."""
    tensors, table, dictionary, window = make(CASES[0], torch.float32)
    products = dictionary.indices.numel() * tensors[0].shape[1] * tensors[0].shape[3]
    with FlopCounterMode(display=False) as counter:
        out = attend(*tensors, dictionary, table, window, backend="fused")
        assert counter.get_total_flops() == 4 * products
        out.sum().backward()
    assert counter.get_total_flops() == 14 * products


@pytest.mark.parametrize(
    ("k", "instructions", "name"),
    [(59, "AVX2", "fused"), (60, "AVX2", "mask"), (60, "AVX512", "fused"), (99, "AVX512", "fused")],
)
def test_auto_is_fused_where_that_wins(k, instructions, name, monkeypatch):
    monkeypatch.setattr(dispatch, "kernels", lambda: SimpleNamespace(instruction_set=instructions))
    for backend in ("mask", name):
        monkeypatch.setitem(BACKENDS, backend, lambda *inputs, backend=backend: backend)
    q, dictionary = torch.randn(1, 2, 100, 8), build_dictionary(torch.randn(1, 100, 4), k)
    assert attend(q, q, q, dictionary) == name
    assert attend(*[q.double()] * 3, dictionary) == "mask"
    assert attend(*[torch.randn(1, 2, 100, 65)] * 3, dictionary) == "mask"


def test_refuses_types_and_widths_by_name():
    tensors, _, dictionary, _ = make(CASES[0])
    with pytest.raises(InputError, match="float64 on cpu, 30 wide; pass backend='mask'"):
        attend(*tensors, dictionary, backend="fused")
    with pytest.raises(InputError, match="65 wide"):
        attend(*[torch.randn(2, 3, 63, 65)] * 3, dictionary, backend="fused")


OWN = torch.backends.cpu.get_cpu_capability().lower()  # whose kernels this process tests


@pytest.mark.slow
@pytest.mark.parametrize("instructions", [name for name in ("avx2", "default") if name != OWN])
def test_other_instruction_sets(instructions):
    """The tests of the kernels, compiled once for each version of their source, and kept."""
    files = [__file__.replace("fused", name) for name in ("fused", "select", "dictionary")]
    files.append(str(REPOSITORY / "tests/semanir/network/test_linear.py"))
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *files]
    names = "reference or select or strided or repeatable or number or keys or window or float64"
    command += ["-m", "not slow", "-k", names]
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": instructions, "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, (run.stdout + run.stderr)[-4000:]
    assert "passed" in run.stdout and "skipped" not in run.stdout
