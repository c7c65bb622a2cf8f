"""The Triton back ends in Triton's interpreter, against the float64 reference.

Not collected by name: test_triton.py runs this file in a process of its own, as the interpreter is
chosen where a kernel is defined. By hand: TRITON_INTERPRET=1 pytest tests/cases/<this file>
"""

import pytest
import torch
from attention_cases import assert_close, check, exact, make, outputs

from semanir.attention import Dictionary, attend, build_dictionary
from semanir.attention.gpu import blocks as blocks_module
from semanir.attention.gpu import gather
from semanir.attention.gpu.blocks import PIECE, blocks_of
from semanir.attention.gpu.select import select
from semanir.attention.select import select_plainly

both_back_ends = pytest.mark.parametrize("backend", ["triton", "triton-gather"])
# window, k, D, what is special, windows: two tiles of keys, the second in part
CASES = [
    ((5, 7), 9, 30, "", 1),
    ((5, 7), 9, 32, "regions", 2),
    ((5, 7), 6, 40, "ties", 1),
    ((5, 7), 34, 5, "", 1),
    ((5, 7), 500, 64, "self", 1),
    ((5, 7), 9, 30, "hermits", 1),
    ((1, 1), 3, 5, "", 1),
    ((1, 1), 3, 20, "self", 1),
    ((5, 1), 3, 33, "regions", 2),
    ((1, 13), 5, 16, "hermits", 2),
    ((4, 4), 5, 20, "nobody", 1),
]
# a program per query is slow: two rounds over a query's keys, and small windows
FEW = [case for case in CASES if case[1] == 34 or case[0][0] * case[0][1] < 20]
RUNS = [("triton", case) for case in CASES] + [("triton-gather", case) for case in FEW]


@pytest.mark.parametrize(("backend", "case"), RUNS, ids=str)
def test_output_and_gradients(backend, case):
    check(backend, case[:4], b=case[4], heads=1)


@pytest.mark.parametrize(("window", "heads"), [((5, 13), 2), ((6, 22), 1)])
def test_windows_of_several_blocks_of_queries(window, heads):
    """Each block walks a list of tiles of its own, in every window of the batch."""
    check("triton", (window, 9, 30, ""), b=2, heads=heads)


@both_back_ends
def test_several_heads_and_no_bias(backend):
    check(backend, ((3, 5), 6, 20, "regions"), b=2, heads=3)
    check(backend, ((3, 5), 6, 20, "hermits"), bias=False, b=2, heads=2)


def test_half_precision():
    """Not bfloat16: the interpreter's dot multiplies its bits as whole numbers."""
    check("triton", ((5, 7), 9, 30, ""), torch.float16, tolerance=2e-3, b=1, heads=1)


@pytest.mark.parametrize(("n", "k"), [(1, 1), (7, 3), (33, 32), (64, 64), (100, 31)])
@pytest.mark.parametrize("ties", [False, True], ids=["", "ties"])
def test_selection_equals_that_of_torch(n, k, ties):
    similarity = torch.randn(2, 5, n, generator=torch.Generator().manual_seed(n))
    if ties:
        similarity = similarity.round()
        similarity[0, 0] = -torch.inf
        similarity[0, 1, ::2] = -torch.inf
        similarity[0, 2] = 0.0
        similarity[0, 2, ::2] = -0.0  # equals 0.0
    for got, expected in zip(select(similarity, k), select_plainly(similarity, k), strict=True):
        assert got.dtype == torch.int32 and torch.equal(got, expected)


def test_tiles_without_a_key_are_skipped():
    """Rows whose keys lie all in the second tile, and rows with keys in neither."""
    n = 61
    indices = torch.full((1, n, 4), n, dtype=torch.int32)
    indices[0, ::2] = torch.tensor([40, 41, 52, 60], dtype=torch.int32)
    dictionary = Dictionary(indices, (indices < n).sum(-1, dtype=torch.int32))
    bits = blocks_of(dictionary).by_query
    assert bits.counts.tolist() == [[1]] and bits.tiles[0, 0, 0] == 1
    q, k, v = torch.randn(3, 1, 2, n, 30, requires_grad=True)
    inputs = ([q, k, v], torch.randn(2, 2 * n - 1, requires_grad=True), dictionary, (1, n))
    assert_close(outputs(*inputs, "triton"), exact(*inputs), 5e-6)


@both_back_ends
def test_a_key_of_very_many_queries_is_cut_into_pieces(backend, monkeypatch):
    """A hub that every query selects; pieces of 4 queries, so that the small window has several."""
    assert PIECE == 128
    for module in (blocks_module, gather):
        monkeypatch.setattr(module, "PIECE", 4)
    tokens = torch.randn(2, 21, 4)
    tokens[:, 7] = 100 * tokens.mean(1)
    dictionary = build_dictionary(tokens, 3)
    assert blocks_of(dictionary).pieces.firsts.diff()[[7, 28]].min() >= 3
    inputs = ([*torch.randn(3, 2, 2, 21, 20, requires_grad=True)], None, dictionary, (3, 7))
    assert_close(outputs(*inputs, backend), exact(*inputs), 5e-6)


@both_back_ends
def test_repeats_to_the_bit_also_after_inference(backend):
    """What the kernels read is made once, outside of inference mode."""
    inputs = make(((2, 5), 4, 30, ""), torch.float32, heads=1)
    tensors, table, dictionary, window = inputs
    with torch.inference_mode():
        attend(*tensors, dictionary, table, window, backend=backend)
    first, second = (outputs(*inputs, backend) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert_close(first, exact(*inputs), 5e-6)


@both_back_ends
def test_large_scores_stay_finite(backend):
    (q, k, v), table, dictionary, window = make(((4, 4), 5, 20, ""), torch.float32, heads=1)
    inputs = ([(200 * q).detach().requires_grad_(), k, v], table, dictionary, window)
    got, expected = outputs(*inputs, backend), exact(*inputs)
    assert_close({"out": got["out"]}, {"out": expected["out"]}, 1e-4)
