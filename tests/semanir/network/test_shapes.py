"""Shapes of operators on meta: those of the operators' own results."""

import pytest
import torch

from semanir.network.shapes import SHAPES, on_meta

aten = torch.ops.aten
FOUR, WIDE = (2, 12, 6, 8), (2, 6, 8, 12)
# operator, arguments: a tuple of sizes stands for a tensor, a list of tuples for tensors
CASES = {
    "gelu": (aten.gelu.default, FOUR),
    "sigmoid": (aten.sigmoid.default, FOUR),
    "relu": (aten.relu.default, FOUR),
    "leaky_relu": (aten.leaky_relu.default, FOUR, 0.2),
    "leaky_relu_": (aten.leaky_relu_.default, FOUR, 0.2),
    "add_": (aten.add_.Tensor, FOUR, FOUR),
    "roll": (aten.roll.default, FOUR, [1, 2], [2, 3]),
    "add": (aten.add.Tensor, FOUR, FOUR),
    "add-alpha": (aten.add.Tensor, FOUR, (8,)),
    "sub-row": (aten.sub.Tensor, (6, 1), (1, 8)),
    "mul-number": (aten.mul.Tensor, FOUR, 0.5),
    "mul-smaller": (aten.mul.Tensor, (8,), FOUR),
    "div-number": (aten.div.Tensor, FOUR, 2.0),
    "div-smaller": (aten.div.Tensor, (6, 1), FOUR),
    "mean-kept": (aten.mean.dim, FOUR, [-1, -2], True),
    "mean": (aten.mean.dim, FOUR, [1]),
    "stack": (aten.stack.default, [(2, 3), (2, 3)]),
    "stack-last": (aten.stack.default, [(2, 3), (2, 3), (2, 3)], -1),
    "cat": (aten.cat.default, [(2, 3, 4), (2, 5, 4)], 1),
    "cat-first": (aten.cat.default, [(2, 3), (1, 3)]),
    "cat-last": (aten.cat.default, [(2, 3), (2, 1), (2, 4)], -1),
    "repeat": (aten.repeat.default, (3, 4), [2, 1, 5]),
    "pixel_shuffle": (aten.pixel_shuffle.default, FOUR, 2),
    "bicubic": (aten._upsample_bicubic2d_aa.default, FOUR, [9, 11], False),
    "mm": (aten.mm.default, (3, 4), (4, 5)),
    "addmm": (aten.addmm.default, (5,), (3, 4), (4, 5)),
    "layer_norm": (aten.native_layer_norm.default, WIDE, [12], (12,), (12,), 1e-5),
    "layer_norm-two": (aten.native_layer_norm.default, WIDE, [8, 12], None, None, 1e-5),
    "conv": (aten.convolution.default, FOUR, (5, 12, 3, 3), (5,), [1, 1], [1, 1], [1, 1], False,
             [0, 0], 1),
    "conv-odd": (aten.convolution.default, FOUR, (6, 4, 3, 2), None, [2, 3], [0, 1], [2, 1],
                 False, [0, 0], 3),
    "conv-up": (aten.convolution.default, FOUR, (12, 2, 2, 4), None, [2, 2], [0, 1], [1, 1], True,
                [1, 0], 2),
}  # fmt: skip


def tensors(argument, device):
    if isinstance(argument, tuple):
        return torch.zeros(argument, device=device)
    if isinstance(argument, list) and isinstance(argument[0], tuple):
        return [torch.zeros(sizes, device=device) for sizes in argument]
    return argument


def facts(result):
    results = result if isinstance(result, tuple) else (result,)
    return [(x.shape, x.stride(), x.dtype) for x in results]


def shaped(func, *arguments):
    return on_meta(func, tuple(tensors(a, "meta") for a in arguments), {})


@pytest.mark.parametrize("name", CASES)
def test_an_operator_has_the_shape_of_its_result(name):
    func, *arguments = CASES[name]
    out = shaped(func, *arguments)
    assert facts(out) == facts(func(*(tensors(a, "cpu") for a in arguments)))
    assert all(x.is_meta for x in (out if isinstance(out, tuple) else (out,)))


WRONG = {
    "add_": (aten.add_.Tensor, (3, 4), (3, 5)),
    "add": (aten.add.Tensor, (3, 4), (3, 5)),
    "cat": (aten.cat.default, [(2, 3), (3, 2)], 1),
    "mm": (aten.mm.default, (3, 4), (5, 4)),
    "addmm": (aten.addmm.default, (4,), (3, 4), (4, 5)),
    "layer_norm": (aten.native_layer_norm.default, WIDE, [6], (6,), (6,), 1e-5),
    "pixel_shuffle": (aten.pixel_shuffle.default, (1, 6, 4, 4), 2),
    "conv": (aten.convolution.default, FOUR, (5, 3, 3, 3), None, [1, 1], [1, 1], [1, 1], False,
             [0, 0], 1),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused_by_torch(name):
    with pytest.raises((RuntimeError, ValueError)):
        shaped(*WRONG[name])


def test_every_shape_has_a_case():
    assert {func.overloadpacket for func, *_ in CASES.values()} == set(SHAPES)


def test_whole_numbers_keep_their_kind_and_values():
    """Times a fraction they become floats; only tensors on meta have no values."""
    whole = torch.zeros(3, dtype=torch.int64, device="meta")
    assert on_meta(aten.mul.Tensor, (whole, 0.5), {}).dtype == torch.float32
    assert on_meta(aten.mul.Tensor, (whole, 2), {}).dtype == torch.int64
    assert on_meta(aten.mul.Tensor, (torch.full((2,), 3), 2), {}).tolist() == [6, 6]
