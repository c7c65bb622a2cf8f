"""`semanir.restore`, the Python interface: arrays and pictures, networks and weights."""

import numpy as np
import pytest
from checkout import REPOSITORY
from PIL import ImageCms
from restoring import picture, pixels, save, trained

import semanir
from data_prep.pictures import Picture, read_picture, write_picture
from semanir.errors import InputError, OutputError
from semanir.inference import pictures, shipped
from semanir.inference.restore import restore

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def network():
    return trained("semanir-u-tiny", channels=1, window=4)


def test_arrays_are_restored_as_by_the_function_for_arrays(network, monkeypatch):
    image = pixels(40, 30)
    for options in (
        {},
        {"self_ensemble": True},
        {"k": 3, "tile": 16, "overlap": 4, "dtype": np.uint8},
    ):
        expected = restore(network, image, **options)
        np.testing.assert_array_equal(semanir.restore(network, image, **options), expected)
    monkeypatch.setattr(pictures, "choose_tile", lambda *given: 16)
    for tile, same in ((None, 16), (0, None)):
        expected = restore(network, image, tile=same, overlap=4)
        returned = semanir.restore(network, image, tile=tile, overlap=4)
        np.testing.assert_array_equal(returned, expected)


@pytest.mark.parametrize("given", ["network", "path", "str", "name"])
def test_a_picture_by_a_network_its_weights_or_their_name(tmp_path, network, monkeypatch, given):
    """Grey denoisers take the channels of colour one by one; that they are one, the file says."""
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path)
    path = save(tmp_path / "denoise_gray-blind.safetensors", network, task="denoise_gray-blind")
    image = picture(tmp_path / "in.png", 20, 24, 3)
    which = {"network": network, "path": path, "str": str(path), "name": path.stem}[given]
    options = {"task": "denoise_gray-blind"} if given == "network" else {}
    expected = [restore(network, image[..., c], dtype=np.uint8) for c in range(3)]
    for source in (tmp_path / "in.png", str(tmp_path / "in.png")):
        out = semanir.restore(which, source, **options)
        np.testing.assert_array_equal(out, np.dstack(expected))
        assert out.dtype == np.uint8
    assert {path.name for path in tmp_path.iterdir()} == {"in.png", path.name}


def test_a_picture_is_written_with_what_belongs_to_it(tmp_path, network):
    image = pixels(20, 24)
    write_picture(tmp_path / "in.png", Picture(image, icc=SRGB, alpha=image[::-1]))
    out = tmp_path / "new" / "out.tif"
    returned = semanir.restore(network, tmp_path / "in.png", out=str(out))
    result = read_picture(out)
    np.testing.assert_array_equal(result.pixels, returned)
    np.testing.assert_array_equal(returned, restore(network, image, dtype=np.uint8))
    np.testing.assert_array_equal(result.alpha, image[::-1])
    assert result.icc == SRGB


def test_no_file_is_overwritten(tmp_path, network, read_only):
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    picture(source, 9, 9)
    out.write_bytes(b"old")
    for target in (source, out):
        before = target.read_bytes()
        with pytest.raises(InputError, match=f"{target} is there already"):
            semanir.restore(network, source, out=target)
        assert target.read_bytes() == before
    with pytest.raises(OutputError, match=f"cannot write {read_only}"):
        semanir.restore(network, source, out=read_only / "a.png")


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ("gone.png", {}, r"no such picture: gone\.png"),
        (pixels(9, 9, 3), {}, "the image is in colour, the network is grey"),
        (pixels(9), {}, r"got shape \(9,\)"),
        (pixels(9, 9), {"out": "o.png"}, r"out='o\.png' is for a picture"),
        (REPOSITORY / "docs/table07.png", {"dtype": "uint8"}, "dtype='uint8' is for arrays"),
    ],
)
def test_what_does_not_fit_is_refused(network, given, options, message):
    with pytest.raises(InputError, match=message):
        semanir.restore(network, given, **options)
    with pytest.raises(InputError, match=r"no such weights: gone\.safetensors"):
        semanir.restore("gone.safetensors", given, **options)
