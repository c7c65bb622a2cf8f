"""The back ends in plain torch against the float64 reference, and the reference against a loop."""

from functools import partial

import numpy as np
import pytest
import torch
from attention_cases import CASES, IDS, assert_close, check, exact, make, outputs

from semanir.attention import BACKENDS, Dictionary, attend, build_dictionary
from semanir.errors import InputError

PLAIN = ["mask", "gather"]
every_backend = pytest.mark.parametrize("backend", [*PLAIN, "reference"])
every_case = pytest.mark.parametrize("case", CASES, ids=IDS)
with_and_without_bias = pytest.mark.parametrize("bias", [True, False], ids=["bias", "plain"])


@pytest.mark.parametrize("backend", PLAIN)
@with_and_without_bias
@every_case
def test_output_and_gradients_equal_the_reference(case, bias, backend):
    check(backend, case, torch.float32, bias, 1e-5)
    check(backend, case, torch.float64, bias, 1e-12)


def loop(q, k, v, dictionary, table, window):
    """The definition, query by query, in numpy."""
    out, width = np.zeros(q.shape), window[1]
    for b, head, i in np.ndindex(q.shape[:3]):
        keys = dictionary.indices[b, i, : dictionary.counts[b, i]].numpy()
        scores = k[b, head, keys] @ q[b, head, i] / np.sqrt(q.shape[-1])
        if table is not None:
            dy, dx = i // width - keys // width, i % width - keys % width
            scores += table[head, (dy + window[0] - 1) * (2 * width - 1) + dx + width - 1]
        weights = np.exp(scores - scores.max(initial=0))
        out[b, head, i] = weights @ v[b, head, keys] / max(weights.sum(), 1e-300)
    return out


@with_and_without_bias
@every_case
def test_reference_is_the_definition(case, bias):
    tensors, table, dictionary, window = make(case, bias=bias)
    arrays = [None if x is None else x.detach().numpy() for x in (*tensors, table)]
    expected = torch.from_numpy(loop(*arrays[:3], dictionary, arrays[3], window))
    got = attend(*tensors, dictionary, table, window, backend="reference").detach()
    assert_close({"out": got}, {"out": expected}, 1e-12)


@pytest.mark.parametrize("special", ["regions", "hermits"])
@every_backend
def test_gradients_equal_finite_differences(backend, special):
    tensors, table, dictionary, window = make(((2, 3), 3, 4, special), b=1, heads=2)
    run = partial(attend, window=window, backend=backend)
    assert torch.autograd.gradcheck(lambda *x: run(*x[:3], dictionary, x[3]), (*tensors, table))


@every_backend
def test_large_scores_stay_finite(backend):
    (q, k, v), table, dictionary, window = make(((3, 5), 4, 8, ""), torch.float32)
    got = outputs([(q.detach() * 1e4).requires_grad_(), k, v], table, dictionary, window, backend)
    assert all(x.isfinite().all() for x in got.values())


@pytest.mark.parametrize("backend", PLAIN)
def test_half_precision_and_strided_inputs(backend):
    tensors, table, dictionary, window = make(CASES[0], torch.float32)
    strided = [x.transpose(1, 2).contiguous().transpose(1, 2).bfloat16() for x in tensors]
    got = attend(*strided, dictionary, table.bfloat16(), window, backend=backend)
    assert got.dtype == torch.bfloat16
    expected = exact(tensors, table, dictionary, window)
    assert_close({"out": got}, {"out": expected["out"]}, 0.03)


@pytest.mark.parametrize(("k", "name"), [(3, "gather"), (4, "mask")])
def test_auto_gathers_only_a_small_part(k, name, monkeypatch):
    (q, _, _), _, _, _ = make(((8, 15), 1, 4, ""))
    dictionary = build_dictionary(torch.randn(2, 120, 4), k)
    monkeypatch.setitem(BACKENDS, name, lambda *inputs: name)
    assert attend(q, q, q, dictionary) == name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"q": torch.randn(2, 6, 12)}, r"got \[2, 6, 12\]"),
        ({"k": torch.randn(2, 3, 5, 4)}, r"\[2, 3, 5, 4\].*split the heads"),
        ({"v": torch.randn(2, 3, 6, 4).double()}, "float64.*convert"),
        ({"k": torch.randn(2, 3, 6, 4, device="meta")}, "on cpu, meta, cpu; move"),
        ({"dictionary": build_dictionary(torch.randn(2, 5, 4), 2)}, r"\[2, 6\].*\[2, 5\]"),
        ({"window": None}, "needs its window"),
        ({"window": (-2, -3)}, r"\(-2, -3\).*N=6"),
        ({"window": (6,)}, r"\(6,\).*N=6"),
        ({"bias_table": None, "window": (2, 2)}, r"\(2, 2\).*N=6"),
        ({"bias_table": torch.randn(3, 14)}, r"\[3, 15\].*got \[3, 14\]"),
        ({"backend": "Gather"}, "unknown attention back end 'Gather'.*gather"),
        ({"bias_table": torch.randn(3, 15).double()}, "float64 on cpu but q"),
    ],
)
def test_refuses_what_does_not_fit(changes, message):
    (q, k, v), table, dictionary, window = make(((2, 3), 3, 4, ""), torch.float32)
    good = {"q": q, "k": k, "v": v, "dictionary": dictionary, "bias_table": table, "window": window}
    with pytest.raises(ValueError, match=message):
        attend(**good | changes)


def entries(change=None):
    """A good dictionary of 6 tokens and 3 keys, one row of two; then an entry or all is changed."""
    indices = torch.tensor([[[1, 2, 3], [0, 2, 6], [0, 1, 5], [0, 1, 2], [1, 2, 3], [2, 3, 4]]])
    indices, counts = indices.int(), torch.tensor([[3, 2, 3, 3, 3, 3]]).int()
    if isinstance(change, tuple):
        indices[change[0]] = change[1]
    return Dictionary(*(change(indices, counts) if callable(change) else (indices, counts)))


@pytest.mark.parametrize("backend", ["fused", "mask", "auto"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (((0, 2, 0), -1), r"indices\[0, 2, 0\] is -1: not in 0..5"),
        (((0, 0, 1), 2**31 - 1), r"indices\[0, 0, 1\] is 2147483647: not in"),
        (((0, 4, 1), 1), r"indices\[0, 4, 1\] is 1: not above .*duplicated"),
        (((0, 4, 0), 3), r"indices\[0, 4, 1\] is 2: not above"),
        (((0, 1, 2), 4), r"indices\[0, 1, 2\] is 4: not 6"),
        (lambda i, c: (i.long(), c), "indices .*int64"),
        (lambda i, c: (i, c.float()), "counts .*float32"),
        (lambda i, c: (i.mT.contiguous().mT, c), r"strides \(18, 1, 6\)"),
        (lambda i, c: (i, c[..., :5]), r"got \[1, 6, 3\] and \[1, 5\]"),
        (lambda i, c: (i, c + 1), r"0..3, got up to 4|is 6: not in"),
    ],
)
def test_refuses_wrong_dictionaries_before_any_kernel_runs(change, message, backend):
    q = torch.randn(1, 2, 6, 8)
    with pytest.raises(InputError, match=message):
        attend(q, q, q, entries(change), backend=backend)
    expected = attend(q, q, q, entries(), backend="reference")  # unchanged it is accepted
    assert_close({"out": attend(q, q, q, entries())}, {"out": expected}, 1e-6)
