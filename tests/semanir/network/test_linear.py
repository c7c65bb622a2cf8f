"""The compiled linear layer against torch in float64, and the heads it is cut into.

# M rows, K inputs, O outputs
"""

import copy

import pytest
import torch
from torch import nn

from semanir.attention.cpu.build import kernels
from semanir.attention.heads import split_heads
from semanir.network.linear import Linear

compiled = pytest.mark.skipif(kernels() is None, reason="no C++ compiler or no ninja")
SIZES = [(2, 3, 1), (7, 2, 512), (49, 512, 1), (100, 17, 30), (96, 48, 144), (700, 30, 65)]
BEFORE = {
    "nothing": lambda width: None,
    "norm": nn.LayerNorm,
    "gelu": lambda width: nn.GELU(),
    "relu": lambda width: nn.ReLU(),
}


def make(size, before, residual=True, bias=True):
    """A layer, what stands before it, and leaves x [M,K] and the residual [M,O]."""
    m, k, o = size
    torch.manual_seed(m)
    layer, first = Linear(k, o, bias=bias), BEFORE[before](k)
    for module in (layer, first):
        for parameter in module.parameters() if module is not None else ():
            nn.init.normal_(parameter)
    x = 2 * torch.randn(m, k)
    x[0] = 0  # where the slope of ReLU jumps
    return layer, first, x, torch.randn(m, o) if residual else None


def outputs(layer, before, x, residual):
    """The output and the gradients of all that goes in, of a fixed sum of the output."""
    leaves = {"x": x, "residual": residual, **dict(layer.named_parameters())}
    if isinstance(before, nn.LayerNorm):
        leaves |= {f"norm {name}": value for name, value in before.named_parameters()}
    leaves = {name: value for name, value in leaves.items() if value is not None}
    for value in leaves.values():
        value.requires_grad_()
    # plain C++ is not used, as torch is quicker, but right as well
    run = layer._compiled if x.dtype == torch.float32 else layer
    out = run(x, before, residual)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(0)).to(out)
    grads = torch.autograd.grad((out * weights).sum(), list(leaves.values()))
    return {"out": out.detach(), **dict(zip(leaves, grads, strict=True))}


def in_double(*inputs):
    return [None if value is None else copy.deepcopy(value).double() for value in inputs]


@compiled
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "M{}-K{}-O{}".format(*size))
@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("rest", [{}, {"residual": False}, {"bias": False}], ids=str)
def test_output_and_gradients_equal_float64(size, before, rest):
    inputs = make(size, before, **rest)
    assert inputs[0].compiles(inputs[2]) == (kernels().instruction_set != "DEFAULT")
    exact, got = outputs(*in_double(*inputs)), outputs(*inputs)
    assert got.keys() == exact.keys()
    for name, value in exact.items():
        assert got[name].shape == value.shape
        difference = (got[name].double() - value).abs().max() / value.abs().max().clamp(min=1e-3)
        print(f"{name}: {difference:.1e}")
        assert difference < 2e-5, name


@compiled
def test_repeatable_whatever_the_number_of_threads():
    inputs, threads, results = make((5000, 24, 72), "norm"), torch.get_num_threads(), []
    try:
        for number in (1, 2, 3, 7):
            torch.set_num_threads(number)
            results.append(outputs(*inputs))
    finally:
        torch.set_num_threads(threads)
    for other in results[1:]:
        assert all(torch.equal(results[0][name], other[name]) for name in other)


@compiled
def test_strided_inputs_and_refused_second_derivative():
    layer, norm, x, residual = make((96, 48, 30), "norm")
    expected = outputs(layer, norm, x, residual)
    strided = [value.detach().t().contiguous().t() for value in (x, residual)]
    for name, value in outputs(layer, norm, *strided).items():
        assert torch.equal(value, expected[name]), name
    out = layer._compiled(x, norm, None)
    with pytest.raises(NotImplementedError, match="no second derivative"):
        torch.autograd.grad(out.sum(), x, create_graph=True)


def test_other_types_and_contexts_take_the_plain_path():
    layer, _, x, _ = make((5, 6, 7), "nothing")
    assert not layer.double().compiles(x.double())
    layer.float()
    with torch.no_grad():
        assert not layer.compiles(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert not layer.compiles(x)
    with torch.device("meta"):
        assert not layer.to("meta").compiles(torch.empty(5, 6))


@pytest.mark.parametrize("side_by_side", [True, False])
def test_gradients_of_heads(side_by_side):
    """Whether a back end wrote those of q, k and v side by side or apart."""
    b, n, heads, d = 2, 5, 3, 4
    qkv = torch.randn(b, n, 3 * heads * d, dtype=torch.float64, requires_grad=True)
    parts = split_heads(qkv, heads)
    expected = qkv.view(b, n, 3, heads, d)
    for number, part in enumerate(parts):
        assert torch.equal(part, expected[:, :, number].transpose(1, 2))

    packed = torch.randn(b, n, 3, heads, d, dtype=torch.float64)
    grads = packed.permute(2, 0, 3, 1, 4)
    grads = grads if side_by_side else [grad.contiguous() for grad in grads]
    (got,) = torch.autograd.grad(parts, qkv, list(grads))
    assert torch.equal(got, packed.view(b, n, -1))
    assert (got.data_ptr() == packed.data_ptr()) == side_by_side
    assert torch.autograd.gradcheck(lambda x: split_heads(x, heads), qkv)
    assert torch.autograd.gradgradcheck(lambda x: split_heads(x, heads), qkv)
