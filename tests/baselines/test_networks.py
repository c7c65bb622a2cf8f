"""Systems of other authors: networks, padding, tiles, and what the released weights give."""

import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from checkout import REPOSITORY, python
from mirrored import photographs
from small_networks import shrink

from baselines import adapt, libraries, networks
from baselines.art import ART
from baselines.cat import _AxialAttention
from baselines.deepjoint import DeepJoint
from baselines.layers import DynamicPositionBias, offset_index
from baselines.padding import pad_to
from baselines.registry import COMMERCIAL, get_system, systems, weights_for
from baselines.weights_download import download_weights
from baselines.xformer import Xformer
from data_prep.degradations import awgn, jpeg
from data_prep.images import read_image
from data_prep.tasks import get_task
from semanir.errors import InputError
from semanir.evaluate.metrics import score
from semanir.inference.restore import restore
from semanir.network import flops

# millions of parameters that the released networks have
PARAMETERS = """\
dncnn:denoise_gray=0.555 dncnn:denoise_color=0.668 drunet:denoise_color=32.641 swinir:x2=11.752
swinir:x4=11.900 swinir:denoise_color=11.504 swinir:denoise_gray=11.498
restormer:denoise_gray=26.109 restormer:denoise_color=26.112 restormer:deblur=26.127
grl:denoise_color=19.805 grl:demosaick=3.120 grl-s:jpeg_color=3.120 hat:x4=20.773 cat:x4=16.604
cat:x4-A-2=16.604 art:x4=16.546 xformer:denoise_color=25.228 xformer:denoise_gray=25.220
rcan:x4=15.592 ipt:x4=115.608 fbcnn:jpeg_color=71.922 nafnet:deblur=17.112 mprnet:deblur=20.127
deepjoint:demosaick=0.561 transweather:weather=38.052
"""
NETWORKS = [name for name, entry in systems().items() if "network" in entry]


pytestmark = pytest.mark.usefixtures("noncommercial")


@cache
def on_meta(model, variant):
    """At full size, once for all tests; shapes alone."""
    with flops.weightless():
        return adapt.adapted(model, variant).eval().to("meta")


@pytest.mark.parametrize("line", PARAMETERS.split())
def test_parameters_are_those_of_the_released_networks(line):
    name, _, printed = line.partition("=")
    counted = sum(parameter.numel() for parameter in on_meta(*name.split(":")).parameters())
    assert counted / 1e6 == pytest.approx(float(printed), abs=0.0006)


def passes(network, model, variant, height, width, **options):
    """What it makes of a random picture, of the size that the variant promises."""
    made = get_system(model)["variants"][variant]
    scale = made.get("upscale") or np.max(made.get("scale", 1))
    out = network(torch.rand(1, network.settings.channels, height, width, **options))
    assert out.shape == (1, network.settings.channels, height * scale, width * scale), variant
    return out


@pytest.mark.slow
@pytest.mark.parametrize("model", NETWORKS)
def test_every_network_runs_at_full_size_on_meta_tensors(model):
    variant = next(iter(get_system(model)["variants"]))
    passes(on_meta(model, variant), model, variant, 73, 80, device="meta")


@pytest.mark.parametrize("model", NETWORKS)
def test_every_variant_runs_on_an_odd_picture(model, monkeypatch):
    """With few narrow layers, at the smallest size it takes."""
    shrink(monkeypatch, model)
    for variant in get_system(model)["variants"]:
        network = adapt.adapted(model, variant).eval()
        least = max(network.settings.min_side, 9)
        with torch.inference_mode():
            assert torch.isfinite(passes(network, model, variant, least, least + 6)).all(), variant


def test_libraries_are_imported_without_torchvision():
    """The stand-in is gone afterwards, so that nobody else takes it for the real one."""
    python(
        "import sys; from baselines import libraries; libraries.library_class('spandrel.SwinIR');"
        "found = sys.modules.get('torchvision'); assert found is None or found.__spec__",
        check=True,
    )


def test_what_cannot_be_built_says_why(monkeypatch):
    monkeypatch.delenv(COMMERCIAL)
    for system, variant, words in (
        ("edt", "", "edt has no network: its repository carries no licence"),
        ("swinir", "x5", "unknown variant 'x5'; did you mean"),
        ("restormer", "", "restormer is licensed for non-commercial use"),
    ):
        with pytest.raises(InputError, match=words):
            networks.build(system, variant)
    networks.build("restormer", noncommercial=True)
    monkeypatch.setitem(sys.modules, "spandrel.architectures.SwinIR", None)
    with pytest.raises(InputError, match=r"baselines/requirements\.txt"):
        libraries.library_class("spandrel.SwinIR")


def footprint(function, shape, place):
    """Which positions of the output depend on one position of a random input [1,H,W,...]."""
    x = torch.rand(1, *shape, dtype=torch.float64)
    changed = x.clone()
    changed[0, *place] = torch.rand_like(changed[0, *place])
    with torch.no_grad():
        return (function(x) - function(changed)).abs().flatten(3).sum(-1)[0] > 1e-9


@pytest.mark.parametrize(
    ("shift", "column", "strip"),
    # wrapped: alone with its neighbour
    [(0, 5, range(4, 8)), (2, 5, range(2, 6)), (2, 0, range(0, 2)), (2, 11, range(10, 12))],
)
def test_strips_of_cat_reach_as_far_as_the_paper_says(shift, column, strip):
    """The whole height of a strip 4 wide; shifted by 2, and the strip at the edge in two halves."""
    attention = _AxialAttention(48, 3, 4, shift, True).double()
    reached = footprint(attention, (8, 12, 3, 48), (3, column))
    assert reached.all(0).nonzero().flatten().tolist() == list(strip)
    assert torch.equal(reached.any(0), reached.all(0))


def test_horizontal_strips_of_cat_are_vertical_ones_of_the_transposed_image():
    """With a bias that looks at offsets alone: exchange rows and columns of its input."""
    one, other = (_AxialAttention(48, 3, 4, 2, v).double() for v in (True, False))
    other.load_state_dict(one.state_dict())
    with torch.no_grad():
        other.pos.pos_proj.weight.copy_(one.pos.pos_proj.weight.flip(1))
    x = torch.rand(2, 8, 12, 3, 48, dtype=torch.float64)
    torch.testing.assert_close(other(x.transpose(1, 2)), one(x).transpose(1, 2))


@pytest.mark.parametrize(("sparse", "h", "w"), [(False, 16, 24), (True, 16, 24), (True, 18, 23)])
def test_blocks_of_art_are_dense_or_sparse(sparse, h, w):
    """A window of 8, or every fourth token of the image; padding is nobody's key."""
    block = art_block(heads=2, sparse=sparse)
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    same = (y % 4 == 9 % 4) & (x % 4 == 13 % 4) if sparse else (y // 8 == 1) & (x // 8 == 1)
    assert torch.equal(footprint(block, (h, w, 48), (9, 13)), same)


def art_block(heads, sparse):
    groups = ART(dim=48, heads=heads, depth=2, intervals=(4,)).layers
    return groups[0].residual_group.blocks[int(sparse)].double()


def test_padding_of_art_changes_no_weight():
    """An image of 18 x 23 attends as if nothing was beyond its edges: the same tokens, by hand."""
    block = art_block(heads=1, sparse=True)
    x = torch.rand(1, 18, 23, 48, dtype=torch.float64)
    part = x[0, 1::4, 2::4]
    rows, columns = part.shape[:2]
    with torch.no_grad():
        out = block._attend(x)[0, 1::4, 2::4]
        q, k, v = block.attn.qkv(part.flatten(0, 1)).chunk(3, -1)
        bias = block.attn.pos(5, 6)[0].view(5, 6, 5, 6)[:rows, :columns, :rows, :columns]
        bias = bias.reshape(rows * columns, -1)
        expected = block.attn.proj((q @ k.T / 48**0.5 + bias).softmax(-1) @ v)
    torch.testing.assert_close(out.flatten(0, 1), expected)


@pytest.mark.parametrize(
    ("index", "place", "ends"), [(0, 5, (4, 8)), (1, 5, (2, 6)), (1, 0, (0, 2))]
)
def test_windows_of_xformer_shift_in_every_other_block(index, place, ends):
    block = Xformer(dim=8, heads=(1, 1, 1, 1), window=4, refinement=1).encoder1[index].double()

    def last(x):
        return block(x.movedim(-1, 1)).movedim(1, -1)

    inside = torch.isin(torch.arange(12), torch.arange(*ends))
    reached = footprint(last, (12, 12, 8), (place, place))
    assert torch.equal(reached, inside[:, None] & inside)


def test_position_bias_is_a_function_of_the_offset_alone():
    bias = DynamicPositionBias(16, 2)(3, 5)
    index = offset_index(3, 5, torch.device("cpu"))
    assert index.min() == 0 and index.max() == 5 * 9 - 1
    assert all((bias[:, index == i].std(1, correction=0) == 0).all() for i in index.unique())


@pytest.mark.parametrize("size", [(40, 40), (41, 47)])
def test_deepjoint_sees_the_mosaic_alone_in_its_own_phase(size):
    network = DeepJoint().eval()
    x = torch.rand(1, 3, *size)
    mask = torch.zeros(3, *size)  # RGGB
    mask[0, ::2, ::2] = mask[1, ::2, 1::2] = mask[1, 1::2, ::2] = mask[2, 1::2, 1::2] = 1
    with torch.inference_mode():
        out = network(x)
        torch.testing.assert_close(network(x * mask), out)
        assert (network(x * (1 - mask)) - out).abs().max() > 1e-4
    assert out.shape == x.shape


@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize("mode", ["reflect", "symmetric", "replicate"])
@pytest.mark.parametrize("size", [(5, 7), (8, 16), (3, 9), (1, 1)])
def test_padding_is_that_of_numpy(mode, size, always):
    """Below and to the right, also where the padding is longer than the image."""
    x = torch.arange(2.0 * size[0] * size[1]).view(1, 2, *size)
    out = pad_to(x, 8, mode, always)
    target = [(n // 8 + 1) * 8 if always else -(-n // 8) * 8 for n in size]
    assert list(out.shape[-2:]) == target
    width = [(0, 0), (0, 0), *((0, t - n) for t, n in zip(target, size, strict=True))]
    padded = np.pad(x.numpy(), width, mode={"replicate": "edge"}.get(mode, mode))
    np.testing.assert_array_equal(out.numpy(), padded)


# what these make of a pixel depends on the means of the whole picture, or of the whole tile
GLOBAL = ("restormer", "xformer", "nafnet", "mprnet", "transweather")


@pytest.mark.parametrize("model", [name for name in NETWORKS if name != "ipt"])  # crops alone
def test_tiles_meet_without_seams(model, monkeypatch):
    """With few narrow layers, whose reach half the overlap covers, tiles give the whole picture.

    But for those that take means of all they see: there columns beside a seam differ as in the
    whole picture, by a quarter and two grey values at most.
    """
    shrink(monkeypatch, model)
    network = adapt.adapted(model)
    network.eval().level = 25.0
    if model.startswith("grl"):  # the windows of the small one are smaller
        network.settings = replace(network.settings, min_side=1)
        network.tile_unit = network.network.pad_size
    unit = network.tile_unit
    least = 3 * unit if model.startswith("grl") else 48
    tile = -(-least // unit) * unit
    overlap = min(-(-least * 2 // 3 // unit) * unit, tile - unit)
    picture = read_image(REPOSITORY / "data_prep/embedded/test_rgb/chelsea.png")
    picture = np.concatenate((picture, picture[:, ::-1], picture), axis=1)  # flipped: no new edge
    image = picture[: max(unit, 48), : tile * 2]
    image = image[..., 0] if network.settings.channels == 1 else image
    whole = restore(network, image)
    tiled = restore(network, image, tile=tile, overlap=overlap)
    assert tiled.shape == whole.shape and np.isfinite(tiled).all()
    if model in GLOBAL:
        seam = whole.shape[1] // image.shape[1] * (tile - overlap // 2)
        assert jump(tiled, seam) <= 1.25 * jump(whole, seam) + 2 / 255
        return
    assert np.abs(tiled - whole).max() < 0.005
    apart = restore(network, image, tile=tile, overlap=0)
    assert np.abs(apart - whole).max() > 0.01  # the picture would show it


def jump(image, column):
    """Mean difference of two neighbouring columns."""
    return float(np.abs(image[:, column] - image[:, column - 1]).mean())


@pytest.fixture
def psnr_of(mirror, tmp_path, monkeypatch):
    """(system, task, set, level, limit) -> its mean PSNR over the first files of the set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.chdir(tmp_path)

    def measure(model, task, name, level, limit=None):
        paths = photographs(mirror, name)
        url = get_system(model)["weights"]["url"].removeprefix("https://")
        url += weights_for(model, task).file.replace("%3D", "=")
        if not (mirror / url).is_file():
            pytest.skip(f"the mirror lacks {url}")
        download_weights(model, task, mirror=str(mirror))
        restorer = adapt.restorer(model, get_task(task), 2)
        assert restorer.facts["weights"]["licence"] == "MIT"
        value, scores = int(level[-2:]), []
        for clean in map(read_image, paths[:limit]):
            noisy = level.startswith("sigma")
            degraded = awgn(clean, value, 0) if noisy else jpeg(clean, value) / np.float32(255)
            restored = restorer(degraded, level)[0]
            scores.append(score(restored, clean, task.partition("-")[0])["psnr"])
        return float(np.mean(scores))

    return measure


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "task", "name", "level", "psnr", "tolerance"),
    [
        # as the code base of DnCNN's authors gives it
        ("dncnn", "denoise_gray-sigma15", "Set12", "sigma15", 32.851, 0.002),
        ("dncnn", "denoise_gray-sigma50", "Set12", "sigma50", 27.169, 0.002),
        ("dncnn", "denoise_gray-blind", "Set12", "sigma25", 30.349, 0.002),
        # as printed, but for the noise's seed
        ("ffdnet", "denoise_gray-blind", "Set12", "sigma25", 30.43, 0.02),
        # DnCNN paper, Table IV
        ("dncnn3", "jpeg_gray-blind", "Classic5", "qf10", 29.40, 0.02),
    ],
)
def test_released_weights_give_the_printed_psnr(psnr_of, model, task, name, level, psnr, tolerance):
    assert psnr_of(model, task, name, level) == pytest.approx(psnr, abs=tolerance)


@pytest.mark.slow
def test_ffdnet_on_mcmaster(psnr_of):
    """Three photographs: 0.35 dB and more above the blind DnCNN, as in print for the whole set."""
    given = ("denoise_color-blind", "McMaster", "sigma25", 3)
    assert psnr_of("ffdnet", *given) - psnr_of("dncnn", *given) > 0.35
