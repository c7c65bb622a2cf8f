"""The compiled CPU attention against the float64 reference.

Skipped where there is no compiler. The default instruction set is this machine's best; the others
are built and run by the slow tests.

The tests of the compiled kernels, of test_dictionary.py and test_attention.py have also run once
with the extension built for each instruction set under AddressSanitizer: it reported nothing.
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

from semanir.attention import BACKENDS, Dictionary, attend, build_dictionary, dispatch
from semanir.attention.cpu import build, fused
from semanir.attention.select import most_similar_op, select_op
from semanir.errors import InputError

needs_kernels = pytest.mark.skipif(build.kernels() is None, reason="no C++ compiler or no ninja")
WIDTHS = [((6, 11), 23, width, "regions") for width in (1, 16, 20, 30, 32, 33, 40, 48, 64)]


@needs_kernels
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "plain"])
@pytest.mark.parametrize("case", [*CASES, *WIDTHS], ids=[*IDS, *(f"D{c[2]}" for c in WIDTHS)])
def test_output_and_gradients_equal_the_float64_reference(case, bias):
    check("fused", case, bias=bias)


@needs_kernels
def test_strided_inputs_and_large_scores():
    """Views as a layer makes them, the table too; its gradient is left out; scores of hundreds.

    A token that every query selects.
    """
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


@needs_kernels
@pytest.mark.parametrize("place", ["q", "k", "v"])
def test_not_a_number_reaches_every_query_that_uses_it(place):
    tensors, table, dictionary, window = make(CASES[0], torch.float32)
    with torch.no_grad():
        tensors["qkv".index(place)][1, 2, 5, 3] = torch.nan
        out = attend(*tensors, dictionary, table, window, backend="fused")
    nan = out.isnan().any(-1)  # [B,H,N]
    users = (dictionary.indices[1] == 5).any(-1) if place != "q" else torch.arange(63) == 5
    assert torch.equal(nan[1, 2], users) and nan.sum() == users.sum()


@needs_kernels
def test_repeatable_whatever_the_number_of_threads():
    inputs = make(((16, 17), 40, 30, ""), torch.float32, b=5)
    threads, results = torch.get_num_threads(), []
    try:
        for number in (1, 2, 3, 7):
            torch.set_num_threads(number)
            results.append(outputs(*inputs, "fused"))
    finally:
        torch.set_num_threads(threads)
    for other in results[1:]:
        assert all(torch.equal(results[0][name], other[name]) for name in other)


@needs_kernels
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


@needs_kernels
def test_a_second_derivative_is_refused():
    """Instead of a gradient that lacks a term."""
    tensors, table, dictionary, window = make(CASES[0], torch.float32)
    out = attend(*tensors, dictionary, table, window, backend="fused")
    (grad,) = torch.autograd.grad(out.square().sum(), tensors[:1], create_graph=True)
    with pytest.raises(NotImplementedError, match="no second derivative"):
        grad.square().sum().backward()


@needs_kernels
def test_flop_counters_see_the_kernels():
    """4 N K D a head forward and 10 N K D backward (fvcore: test_measure.py)."""
    tensors, table, dictionary, window = make(CASES[0], torch.float32)
    products = dictionary.indices.numel() * tensors[0].shape[1] * tensors[0].shape[3]
    with FlopCounterMode(display=False) as counter:
        out = attend(*tensors, dictionary, table, window, backend="fused")
        assert counter.get_total_flops() == 4 * products
        out.sum().backward()
    assert counter.get_total_flops() == 14 * products


# --- the choice, and what is refused -------------------------------------------------------------


@needs_kernels
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


@needs_kernels
def test_refuses_types_and_widths_by_name():
    tensors, _, dictionary, _ = make(CASES[0])
    with pytest.raises(InputError, match="float64 on cpu, 30 wide; pass backend='mask'"):
        attend(*tensors, dictionary, backend="fused")
    with pytest.raises(InputError, match="65 wide"):
        attend(*[torch.randn(2, 3, 63, 65)] * 3, dictionary, backend="fused")


def entries(change=lambda indices, counts: (indices, counts)):
    """A good dictionary of 6 tokens and 3 keys, one of its rows two keys long, then changed."""
    indices = torch.tensor([[[1, 2, 3], [0, 2, 6], [0, 1, 5], [0, 1, 2], [1, 2, 3], [2, 3, 4]]])
    return Dictionary(*change(indices.int(), torch.tensor([[3, 2, 3, 3, 3, 3]]).int()))


def at(place, value):
    def change(indices, counts):
        indices[place] = value
        return indices, counts

    return change


@pytest.mark.parametrize("backend", ["fused", "mask", "auto"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (at((0, 2, 2), 6), r"indices\[0, 2, 2\] is 6: not in 0..5"),
        (at((0, 2, 0), -1), r"indices\[0, 2, 0\] is -1: not in 0..5"),
        (at((0, 0, 1), 2**31 - 1), r"indices\[0, 0, 1\] is 2147483647: not in"),
        (at((0, 4, 1), 1), r"indices\[0, 4, 1\] is 1: not above .*duplicated"),
        (at((0, 4, 0), 3), r"indices\[0, 4, 1\] is 2: not above"),
        (at((0, 1, 2), 4), r"indices\[0, 1, 2\] is 4: not 6"),
        (lambda i, c: (i.long(), c), "indices .*int64"),
        (lambda i, c: (i, c.float()), "counts .*float32"),
        (lambda i, c: (i.mT.contiguous().mT, c), r"strides \(18, 1, 6\)"),
        (lambda i, c: (i, c[..., :5]), r"got \[1, 6, 3\] and \[1, 5\]"),
        (lambda i, c: (i, c + 1), r"0..3, got up to 4|is 6: not in"),
    ],
)
def test_refuses_wrong_dictionaries_before_any_kernel_runs(change, message, backend):
    q = torch.randn(1, 2, 6, 8)
    with pytest.raises(InputError, match=message) as error:
        attend(q, q, q, entries(change), backend=backend)
    assert "\n" not in str(error.value)
    expected = attend(q, q, q, entries(), backend="reference")  # unchanged it is accepted
    assert_close({"out": attend(q, q, q, entries())}, {"out": expected}, 1e-6)


# --- other instruction sets ----------------------------------------------------------------------


OWN = torch.backends.cpu.get_cpu_capability().lower()  # whose kernels this process tests


@needs_kernels
@pytest.mark.slow
@pytest.mark.parametrize("instructions", [name for name in ("avx2", "default") if name != OWN])
def test_other_instruction_sets(instructions):
    """The tests of the kernels, compiled once for each version of their source.

    Where this machine keeps its own, so that a second run of the tests finds them.
    """
    files = [__file__.replace("fused", name) for name in ("fused", "select", "dictionary")]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *files]
    names = "reference or select or strided or repeatable or number or keys or window"
    command += ["-m", "not slow", "-k", names]
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": instructions, "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, (run.stdout + run.stderr)[-4000:]
    assert "passed" in run.stdout and "skipped" not in run.stdout
