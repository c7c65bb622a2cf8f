"""What a network caches fits its context: it gives what a fresh one gives, whatever came before."""

import copy
import pickle
from contextlib import nullcontext
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from tiny_networks import randomise
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.func import functional_call, vmap
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from baselines.art import ART
from baselines.cat import CAT
from baselines.deepjoint import DeepJoint
from baselines.dncnn import DnCNN
from baselines.ffdnet import FFDNet
from baselines.transweather import TransWeather
from baselines.xformer import Xformer
from semanir.attention import AllKeys, attend, build_dictionary
from semanir.attention.cpu.build import kernels
from semanir.errors import InputError
from semanir.inference import tiling
from semanir.network import build, layers, windows
from semanir.network.cache import SAMPLE, ParameterCache, freeze
from semanir.network.linear import Linear


def columnar(**switches):
    sizes = {"dim": 8, "features": 4, "stages": 2, "layers": 1, "window": 4, "k": 5, "skip": "none"}
    return build("semanir-s-tiny", upscale=2, channels=1, **{**sizes, **switches})


def ushape(**switches):
    sizes = {"dims": (4, 6), "layers": 1, "window": 4, "k": 5}
    return build("semanir-u-tiny", channels=1, **{**sizes, **switches})


SMALL_XFORMER = (3, 4, (1, 1, 1), (2, 1, 1, 1), 1, (1, 1, 1, 1))
SMALL_ART = {"dim": 16, "heads": 2, "intervals": (4,), "depth": 2, "window": 4, "upscale": 1}
# how it is built, and the shape of an input
NETWORKS = {
    "columnar": (columnar, (1, 7, 9)),
    "columnar dense": (partial(columnar, keys="all"), (1, 7, 9)),
    "columnar post-norm": (partial(columnar, norm="post", similarity="cosine"), (1, 7, 9)),
    "U2": (ushape, (1, 9, 10)),
    "U2 cosine": (partial(ushape, attention="cosine", dictionary="layer"), (1, 9, 10)),
    "U1": (partial(ushape, layout="U1", similarity="layernorm"), (1, 9, 10)),
    "DnCNN": (partial(DnCNN, depth=3, width=4), (1, 7, 9)),
    "FFDNet": (partial(FFDNet, depth=3, width=4), (1, 8, 10)),
    "DeepJoint": (partial(DeepJoint, depth=3, width=4), (3, 40, 41)),
    "CAT": (partial(CAT, dim=32, heads=2, depth=2, widths=(2,), upscale=1), (3, 6, 8)),
    "ART": (partial(ART, **SMALL_ART), (3, 7, 9)),
    "Xformer": (partial(Xformer, *SMALL_XFORMER, window=2), (3, 16, 16)),
    "TransWeather": (partial(TransWeather, (4, 4, 8, 8), (1, 1, 2, 2)), (3, 48, 48)),
}
SLOW = ("U1", "U2 mask", "U2 gather", "U2 reference", "CAT", "Xformer")
for backend in ("mask", "gather", "reference", "fused"):
    NETWORKS[f"U2 {backend}"] = partial(ushape, backend=backend), (1, 9, 10)
CONTEXTS = {"inference": torch.inference_mode, "with gradients": nullcontext}
CONTEXTS |= {"without gradients": torch.no_grad}


def step(network, x):
    """A fused optimizer leaves the versions of parameters as they are."""
    with torch.enable_grad():
        network(x).square().mean().backward()
    torch.optim.AdamW(network.parameters(), lr=0.01, fused=True).step()
    return network


def load(network, x):
    network.load_state_dict({name: 0.9 * value for name, value in network.state_dict().items()})
    return network


def edit(network, x):
    """The same numbers in another order, and then others, in place."""
    for parameter in network.parameters():
        parameter.data.copy_(parameter.data.flip(0))
    return network


CHANGES = {
    "step": step,
    "load_state_dict": load,
    "data": edit,
    "deepcopy": lambda network, x: copy.deepcopy(network),
    "double": lambda network, x: network.double(),
    "float": lambda network, x: network.float(),
    "bfloat16": lambda network, x: network.to(torch.bfloat16),
}
ALL = [*CONTEXTS, *(f"{name}, autocast" for name in CONTEXTS), *CHANGES]
SOME = ["inference, autocast", "with gradients", "without gradients"]
SOME += ["step", "load_state_dict", "double", "float"]


def each_after_each(events):
    """A walk in which each event follows each other and itself once."""
    for number, event in enumerate(events):
        yield event
        for other in events[number + 1 :]:
            yield event
            yield other
    yield events[0]


def seen(network, x, context):
    """The output and the gradients, where there are any; or the error as text."""
    network.zero_grad()
    name, _, cast = context.partition(", ")
    with CONTEXTS[name](), torch.autocast("cpu", torch.bfloat16, enabled=bool(cast)):
        try:
            out = network(x)
        except InputError as error:
            return str(error)
    if not out.requires_grad:
        return {"out": out}
    out.float().square().mean().backward()
    return {"out": out.detach()} | {n: p.grad for n, p in network.named_parameters()}


WALKS = [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in NETWORKS]


@pytest.mark.parametrize("name", WALKS)
def test_a_network_gives_what_a_fresh_one_gives(name):
    make, shape = NETWORKS[name]
    if "fused" in name and kernels() is None:
        pytest.skip("no C++ compiler or no ninja")
    for constant in (layers._log_offsets, windows._reflected, windows.region_labels):
        constant.cache_clear()  # what inference makes first, autograd must take
    unused, network = make().eval(), randomise(make(), 0.4).eval()
    events = ALL if name in ("columnar", "U2") else SOME
    pixels = torch.rand(1, *shape, generator=torch.Generator().manual_seed(1))
    refused = 0
    for event in each_after_each(events):
        print(event)  # the last ones, where it fails
        dtype = next(network.parameters()).dtype
        if event in CHANGES:
            if "fused" not in name or event != "step" or dtype == torch.float32:
                network = CHANGES[event](network, pixels.to(dtype))
            continue
        fresh = copy.deepcopy(unused).to(dtype)
        fresh.load_state_dict(network.state_dict())
        got, expected = (seen(one, pixels.to(dtype), event) for one in (network, fresh))
        if isinstance(expected, str):
            assert got == expected
        else:
            assert_close(got, expected, rtol=0, atol=0)
        refused += isinstance(expected, str)
    assert (refused > 0) == ("fused" in name)  # which takes float32 alone


@pytest.mark.parametrize("change", CHANGES)
def test_a_frozen_network_notices_changes(change):
    network, x = randomise(ushape(), 0.4).eval(), PIXELS
    freeze(network)
    with torch.no_grad():
        before = network(x)
    network = CHANGES[change](network, x)
    x = x.to(next(network.parameters()).dtype)
    fresh = ushape().eval().to(x.dtype)
    fresh.load_state_dict(network.state_dict())
    with torch.no_grad():
        got, expected = network(x), fresh(x)
    assert torch.equal(got, expected)
    same = change in ("deepcopy", "float")
    assert same == torch.equal(got, before.to(x.dtype))


def test_a_frozen_network_compares_some_values_until_it_is_trained():
    network = randomise(build("semanir-u-small", channels=1, layers=1), 0.4).eval()

    def largest_compared():
        with torch.no_grad():
            network(PIXELS)
            with torch.profiler.profile(record_shapes=True) as profile:
                network(PIXELS)
        shapes = [e.input_shapes[0] for e in profile.events() if e.name == "aten::equal"]
        return max(torch.Size(shape).numel() for shape in shapes)

    everything = largest_compared()
    freeze(network)
    assert largest_compared() <= SAMPLE < everything
    network.train().eval()
    assert largest_compared() == everything


PIXELS = torch.rand(1, 1, 9, 10, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("backend", ["auto", "mask", "gather"])
def test_torchs_defaults_do_not_matter(backend):
    """A default device is for those who ask for none; what is cached then serves without it."""
    network = randomise(ushape(backend=backend), 0.4).eval()
    x = torch.rand(1, 1, 11, 13)  # of a size of which nothing is cached yet
    with torch.no_grad():
        with torch.device("meta"):
            on_meta = network(x)
        torch.set_default_dtype(torch.float64)
        try:
            in_double = network(x)
        finally:
            torch.set_default_dtype(torch.float32)
        expected = network(x)
    assert torch.equal(on_meta, expected) and torch.equal(in_double, expected)


@pytest.mark.parametrize("make", [columnar, ushape])
def test_fake_tensors_are_not_cached(make):
    """Shapes alone, as tracers and exporters run a network: the next pass is a real one."""
    network, x = randomise(make(keys="all"), 0.4).eval(), torch.rand(1, 1, 14, 17)
    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
        fake = copy.deepcopy(network)(torch.rand(1, 1, 14, 17))
    assert isinstance(fake, FakeTensor)
    with torch.no_grad():
        assert network(x).shape == fake.shape


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_networks_are_stacked_by_vmap():
    """An ensemble, as torch's own guide runs it; the one that lent its shape is as it was."""
    network, x = randomise(ushape(keys="all"), 0.4).eval().double(), PIXELS.double()
    states = [{n: (1 + i / 9) * p for n, p in network.state_dict().items()} for i in range(3)]
    stacked = {name: torch.stack([state[name] for state in states]) for name in states[0]}
    with torch.no_grad():
        expected = torch.stack([functional_call(network, state, (x,)) for state in states])
        got = vmap(lambda state: functional_call(network, state, (x,)))(stacked)
        assert_close(got, expected)
        assert torch.equal(network(x), expected[0])


def test_counts_do_not_depend_on_what_is_cached():
    network, counts = ushape().eval(), set()
    for _ in range(3):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(PIXELS)
        peak = tiling.meta_peak_bytes(network, (1, 1, 22, 26))
        counts.add((counter.get_total_flops(), peak))
        with torch.no_grad():
            network(PIXELS)
    assert len(counts) == 1


@pytest.mark.parametrize("backend", ["mask", "gather", "fused", "dense"])
@pytest.mark.parametrize("made", ["made", "used"])
def test_a_dictionary_of_inference_serves_training(backend, made):
    """Autograd refuses tensors of inference mode: what a dictionary keeps is made outside of it."""
    if backend == "fused" and kernels() is None:
        pytest.skip("no C++ compiler or no ninja")
    tokens = torch.randn(2, 12, 4)
    q, k, v = torch.randn(3, 2, 2, 12, 8, requires_grad=True)
    labels = torch.arange(12).repeat(2, 1) // 7
    with torch.inference_mode(made == "made"):
        keys = AllKeys(labels) if backend == "dense" else build_dictionary(tokens, 3, valid=labels)
    chosen = "auto" if backend == "dense" else backend
    with torch.inference_mode():
        attend(q, k, v, keys, backend=chosen)
    (grad,) = torch.autograd.grad(attend(q, k, v, keys, backend=chosen).sum(), v)
    assert grad.sum() == pytest.approx(v.numel(), rel=1e-4)


@pytest.mark.parametrize("rows", [1, 3, 64, 1000])
@pytest.mark.parametrize("sizes", [(1, 1), (30, 17), (180, 540)], ids=str)
def test_packed_weights_make_the_same_sums(rows, sizes):
    linear, x = Linear(*sizes), torch.randn(2, rows, sizes[0])
    exact = F.linear(x.double(), linear.weight.double(), linear.bias.double()).detach()
    with torch.inference_mode():
        outputs = linear(x), linear(x.mT.contiguous().mT)  # another layout in memory
    for out in outputs:
        torch.testing.assert_close(out.double(), exact, rtol=0, atol=2e-6)


def test_copies_have_a_cache_of_their_own():
    linear, x = Linear(6, 4), torch.randn(3, 6)
    with torch.inference_mode():
        linear(x)
        for copied in (copy.deepcopy(linear), pickle.loads(pickle.dumps(linear))):
            assert isinstance(copied._cache, ParameterCache) and copied._cache is not linear._cache
            assert torch.equal(copied(x), linear(x))
