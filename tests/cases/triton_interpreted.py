"""The Triton back ends in Triton's interpreter, against the float64 reference.

Not collected by name: tests/semanir/attention/test_triton.py runs this file in a process of its own, as the
interpreter is chosen where a kernel is defined. By hand: TRITON_INTERPRET=1 pytest <this file>
"""

import pytest
import torch
from attention_cases import assert_close, make, outputs

from semanir.attention import Dictionary, attend, build_dictionary, reference
from semanir.attention.gpu import blocks as triton_blocks
from semanir.attention.gpu import gather as triton_gather
from semanir.attention.gpu.blocks import PIECE, blocks_of
from semanir.attention.gpu.select import select
from semanir.attention.select import select_plainly

BACKENDS = ["triton", "triton-gather"]
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
IDS = [f"N{h * w}-K{k}-D{d}{special and '-' + special}" for (h, w), k, d, special, _ in CASES]
# a program per query is slow: two rounds over a query's keys, and small windows
FEW = [case for case in CASES if case[1] == 34 or case[0][0] * case[0][1] < 20]


def exact(tensors, table, dictionary, window):
    tensors = [x.detach().double().requires_grad_() for x in tensors]
    table = None if table is None else table.detach().double().requires_grad_()
    return outputs(tensors, table, dictionary, window, "reference")


def check(case, bias, backend, dtype=torch.float32, tolerance=5e-6, heads=1):
    tensors, table, dictionary, window = make(case[:4], dtype, bias, b=case[4], heads=heads)
    got = outputs(tensors, table, dictionary, window, backend)
    assert got["out"].dtype == dtype
    assert_close(got, exact(tensors, table, dictionary, window), tolerance)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_output_and_gradients_of_the_block_kernels(case):
    check(case, True, "triton")


@pytest.mark.parametrize("case", FEW, ids=[IDS[CASES.index(case)] for case in FEW])
def test_output_and_gradients_of_the_gather_kernels(case):
    check(case, True, "triton-gather")


@pytest.mark.parametrize(("window", "heads"), [((5, 13), 2), ((6, 22), 1)], ids=["N65", "N132"])
def test_windows_of_several_blocks_of_queries(window, heads):
    """Each block walks a list of tiles of its own, in every window of the batch."""
    check((window, 9, 30, "", 2), True, "triton", heads=heads)


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


@pytest.mark.parametrize("backend", BACKENDS)
def test_several_heads_and_no_bias(backend):
    check(((3, 5), 6, 20, "regions", 2), True, backend, heads=3)
    check(((3, 5), 6, 20, "hermits", 2), False, backend, heads=2)


def test_half_precision():
    """Inputs are rounded once, products are of halves, sums are in float32.

    Not bfloat16: the interpreter's dot multiplies its bits as whole numbers.
    """
    check(((5, 7), 9, 30, "", 1), True, "triton", torch.float16, 2e-3)


def test_tiles_without_a_key_are_skipped():
    """Rows whose keys lie all in the second tile, and rows with keys in neither."""
    n = 61
    indices = torch.full((1, n, 4), n, dtype=torch.int32)
    indices[0, ::2] = torch.tensor([40, 41, 52, 60], dtype=torch.int32)
    counts = (indices < n).sum(-1, dtype=torch.int32)
    dictionary = Dictionary(indices, counts)
    bits = blocks_of(dictionary).by_query
    assert bits.counts.tolist() == [[1]] and bits.tiles[0, 0, 0] == 1
    tensors = [torch.randn(1, 2, n, 30).requires_grad_() for _ in range(3)]
    table = torch.randn(2, 2 * n - 1).requires_grad_()
    expected = exact(tensors, table, dictionary, (1, n))
    assert_close(outputs(tensors, table, dictionary, (1, n), "triton"), expected, 5e-6)


def test_a_key_of_very_many_queries_is_cut_into_pieces(monkeypatch):
    """A hub that every query selects; pieces of 4 queries, so that the small window has several."""
    for module in (triton_blocks, triton_gather):
        monkeypatch.setattr(module, "PIECE", 4)
    tokens = torch.randn(2, 21, 4)
    tokens[:, 7] = 100 * tokens.mean(1)
    dictionary = build_dictionary(tokens, 3)
    pieces = blocks_of(dictionary).pieces
    assert pieces.firsts.diff()[[7, 28]].min() >= 3
    tensors = [torch.randn(2, 2, 21, 20).requires_grad_() for _ in range(3)]
    expected = exact(tensors, None, dictionary, (3, 7))
    for backend in BACKENDS:
        assert_close(outputs(tensors, None, dictionary, (3, 7), backend), expected, 5e-6)
    assert PIECE == 128


def test_bits_and_pieces_hold_the_dictionary():
    n = 70
    valid = torch.arange(n)[None, :].repeat(2, 1) // 23
    dictionary = build_dictionary(torch.randn(2, n, 5), 9, valid=valid)
    blocks = blocks_of(dictionary)
    assert blocks is blocks_of(dictionary)
    mask = dictionary.mask
    for bits, expected in ((blocks.by_query, mask), (blocks.by_key, mask.transpose(1, 2))):
        column = torch.arange(n)
        found = (bits.words[:, column // 32].transpose(1, 2) >> (column % 32).int()) & 1
        assert torch.equal(found.bool(), expected)
        for b in range(2):
            for block in range(2):
                rows = expected[b, 64 * block : 64 * block + 64]
                used = [tile for tile in range(3) if rows[:, 32 * tile : 32 * tile + 32].any()]
                assert bits.tiles[b, block, : bits.counts[b, block]].tolist() == used
    pieces = blocks.pieces
    for key in range(2 * n):
        queries = pieces.queries[pieces.starts[key] : pieces.starts[key + 1]].tolist()
        assert queries == mask[key // n, :, key % n].nonzero().flatten().tolist()


def test_repeats_to_the_bit():
    tensors, table, dictionary, window = make(((2, 5), 4, 30, ""), torch.float32, heads=1)
    first, second = (outputs(tensors, table, dictionary, window, "triton") for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_large_scores_stay_finite():
    q, k, v = torch.randn(3, 1, 1, 16, 20)
    dictionary = build_dictionary(torch.randn(1, 16, 4), 5)
    for backend in BACKENDS:
        got = attend(q * 200, k, v, dictionary, backend=backend)
        expected = reference.attend(
            q.double() * 200, k.double(), v.double(), dictionary, None, None
        )
        assert_close({"out": got}, {"out": expected}, 1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_dictionary_of_inference_serves_training(backend):
    """What the kernels read is made once, outside of inference mode."""
    tensors, table, dictionary, window = make(((2, 5), 4, 20, ""), torch.float32, heads=1)
    with torch.inference_mode():
        attend(*tensors, dictionary, table, window, backend=backend)
    got = outputs(tensors, table, dictionary, window, backend)
    assert_close(got, exact(tensors, table, dictionary, window), 5e-6)
