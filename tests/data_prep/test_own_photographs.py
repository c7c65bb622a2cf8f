"""Photographs of one's own as a prepared set: what is taken, cut, held out, and made again."""

import numpy as np
import pytest
from PIL import Image
from restoring import picture, pixels

from data_prep.images import read_image, to_grey, to_y
from data_prep.own_photographs import held_out, middle, pieces, prepare_own
from data_prep.prepare import load_index
from data_prep.tasks import get_task
from semanir.errors import InputError

GREY, COLOUR = get_task("denoise_gray-sigma25"), get_task("denoise_color-sigma25")


def album(folder, count=3, side=40, **options):
    """A folder of `count` small colour pictures a.png, b.png, ..."""
    folder.mkdir()
    for number in range(count):
        picture(folder / f"{chr(97 + number)}.png", side, side + 8, 3, seed=number, **options)
    return folder


@pytest.mark.parametrize(("height", "width"), [(512, 513), (100, 1600), (1025, 30)])
def test_pieces_are_the_whole_picture_each_once(height, width):
    """Row by row, of 512 pixels at most, and at least half as long where they were cut."""
    image = pixels(height, width, 3)
    found = list(pieces(image, 512))
    across = -(-width // 512)
    rows = [np.hstack(found[n : n + across]) for n in range(0, len(found), across)]
    np.testing.assert_array_equal(np.vstack(rows), image)
    cut = {
        s for part in found for s, whole in zip(part.shape, image.shape, strict=True) if s < whole
    }
    assert cut and min(cut) >= 256 and max(cut) <= 512


def test_what_is_held_out():
    names = [f"{n:03}" for n in range(1, 1001)]
    assert held_out(names[:9], "", "folder") == ["009"]
    assert held_out(names[:35], "", "folder") == ["010", "020", "030"]
    assert held_out(names, "", "folder") == names[49::50]  # twenty
    assert held_out(names[:35], "02", "folder") == names[19:29]


def test_the_set_holds_the_photographs(tmp_path):
    """The third one held out; a large one in pieces; index and files as any prepared set."""
    folder = album(tmp_path / "in")
    large = picture(folder / "b.png", 20, 600, 3, seed=7)
    counts = prepare_own(folder, tmp_path / "out", COLOUR, 16)
    assert counts == (2, 1)
    index = load_index(tmp_path / "out", shape=list)
    assert [entry["of"] for entry in index] == ["a.png", "b.png", "b.png", "c.png"]
    images = [read_image(tmp_path / "out" / entry["file"]) for entry in index]
    assert [list(image.shape) for image in images] == [entry["shape"] for entry in index]
    np.testing.assert_array_equal(np.hstack(images[1:3]), large)
    np.testing.assert_array_equal(images[3], read_image(folder / "c.png"))
    assert [entry["file"].startswith("held-out") for entry in index] == [False] * 3 + [True]


def test_of_a_held_out_photograph_the_middle_is_kept(tmp_path):
    folder = album(tmp_path / "in")
    image = picture(folder / "c.png", 300, 400, 3)
    prepare_own(folder, tmp_path / "out", COLOUR, 16)
    kept = read_image(tmp_path / "out" / "held-out-000003-001.png")
    np.testing.assert_array_equal(kept, image[22:278, 72:328])
    np.testing.assert_array_equal(middle(image, 1000), image)


def test_grey_and_colour_as_in_prepared_sets(tmp_path):
    """Grey counts as colour with equal channels; colour becomes the grey of the task; 16 bits 8."""
    folder = album(tmp_path / "in")
    grey = picture(folder / "a.png", 40, 40)
    deep = picture(folder / "b.png", 40, 40, dtype=np.uint16)
    colour = read_image(folder / "c.png")
    for task, wanted in (
        (COLOUR, [grey, np.rint(deep / 257), colour]),
        (GREY, [grey, np.rint(deep / 257), to_grey(colour)]),
        (get_task("jpeg_gray-qf10"), [grey, np.rint(deep / 257), to_y(colour)]),
    ):
        out = tmp_path / task.name
        prepare_own(folder, out, task, 16)
        for entry, image in zip(load_index(out), wanted, strict=True):
            if task is COLOUR and image.ndim == 2:
                image = np.repeat(image[..., None], 3, axis=2)
            np.testing.assert_array_equal(read_image(out / entry["file"]), image)


def test_made_again_when_anything_changed_and_only_then(tmp_path):
    folder, out = album(tmp_path / "in"), tmp_path / "out"

    def made():
        prepare_own(folder, out, COLOUR, 16)
        return {path.name: path.stat().st_mtime_ns for path in out.iterdir()}

    first = made()
    assert made() == first
    picture(folder / "d.png", 50, 50, 3)  # it is the held-out one now
    second = made()
    assert "held-out-000003-001.png" in first and "held-out-000003-001.png" not in second
    picture(folder / "a.png", 50, 50, 3, seed=9)
    assert made()["index.json"] != second["index.json"]
    (out / "index.json").unlink()  # it was killed
    assert set(made()) == set(second)
    (folder / "d.png").unlink()
    assert set(made()) == set(first)


def test_pictures_that_cannot_be_taken_are_all_named(tmp_path):
    folder, out = album(tmp_path / "in"), tmp_path / "out"
    (folder / "broken.jpg").write_bytes(b"broken")
    picture(folder / "small.png", 15, 90, 3)
    Image.fromarray(pixels(40, 40, 4)).save(folder / "clear.png")
    with pytest.raises(InputError) as error:
        prepare_own(folder, out, COLOUR, 16)
    said = str(error.value)
    assert said.startswith("3 of 6 pictures cannot be trained on") and "\n" not in said
    for words in (
        "broken.jpg: not a PNG",
        "small.png: 90x15 pixels, 16x16 are",
        "clear.png: is tr",
    ):
        assert words in said
    assert not (out / "index.json").exists()


def test_what_is_no_set_of_photographs(tmp_path):
    folder = album(tmp_path / "in", 1)
    (folder / "inner").mkdir()
    picture(folder / "inner" / "b.png", 40, 40)
    (folder / "notes.txt").write_text("no picture")
    with pytest.raises(InputError, match=r"in holds 1 pictures .*inner folders are not taken"):
        prepare_own(folder, tmp_path / "out", COLOUR, 16)
    with pytest.raises(InputError, match="no such folder of photographs"):
        prepare_own(tmp_path / "nowhere", tmp_path / "out", COLOUR, 16)
    picture(folder / "inside.png", 40, 40)
    (folder / "a.png").rename(folder / "in.png")
    for prefix, count in (("x", 0), ("in", 2)):
        with pytest.raises(InputError, match=f"{count} of the 2 photographs"):
            prepare_own(folder, tmp_path / "out", COLOUR, 16, prefix)
    before = sorted(folder.iterdir())
    with pytest.raises(InputError, match=r"in holds other files"):  # nothing of it is deleted
        prepare_own(folder, folder, COLOUR, 16)
    assert sorted(folder.iterdir()) == before
