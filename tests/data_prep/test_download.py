"""Datasets from a mirror to prepared and degraded sets: verified, resumed, refused by name."""

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from hostile_server import block_sockets
from photographs import pixels, png_bytes
from PIL import Image
from small_registry import ARCHIVE, DATASETS, HOST, PHOTOGRAPHS, serve, sha, small_registry, zipped

from data_prep import download as downloading
from data_prep import inventory
from data_prep.datasets import get_set
from data_prep.degrade import degrade_set
from data_prep.download import download
from data_prep.images import read_image
from data_prep.prepare import convert, load_index, prepare
from data_prep.raw_files import load_listing
from semanir.cli import main
from semanir.errors import InputError

A, B = PHOTOGRAPHS


@pytest.fixture
def place(tmp_path, monkeypatch):
    with small_registry(tmp_path, monkeypatch) as folder:
        yield folder


def write(folder, files=PHOTOGRAPHS):
    for name, data in files.items():
        path = Path("data/raw") / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.fixture
def served(place):
    for name, data in PHOTOGRAPHS.items():
        serve(place, f"list/{name}", data)
    return place


def listed(name):
    files = load_listing(Path("data/raw") / name)
    return {file: path.read_bytes() for file, path in files.items()}


def lock():
    return json.loads(Path("data/lock.json").read_text())


def forget(refused):
    """Run the command that the message names."""
    (command,) = re.findall("semanir (data forget .*)", str(refused.value))
    main(shlex.split(command))


@pytest.mark.parametrize("name", ["listed", "either"])
@pytest.mark.parametrize("moved", [(), (B,)], ids=["first address", "second address"])
def test_a_listed_dataset_is_fetched_verified_and_prepared(served, name, moved):
    for file in moved:
        serve(served, f"second/{file}", PHOTOGRAPHS[file])
        (served / "mirror" / HOST / "list" / file).unlink()
    download(name)
    assert listed(name) == PHOTOGRAPHS
    assert not Path("data/lock.json").exists()
    prepare(name, Path("data/sets") / name)
    for line in load_index(Path("data/sets") / name):
        assert Path("data/sets", name, line["file"]).read_bytes() == PHOTOGRAPHS[line["file"]]
        assert line["shape"] == [24, 20, 3]


def test_files_of_the_list_are_found_in_a_subfolder(place):
    """As an archive unpacks them; another file of the same name is passed over."""
    write("listed/Old/x", {name: png_bytes(pixels(9, 9, seed=9)) for name in PHOTOGRAPHS})
    write("listed/Set [1]/original")
    download("listed")
    assert listed("listed") == PHOTOGRAPHS
    prepare("listed", place / "out")
    assert len(load_index(place / "out")) == len(PHOTOGRAPHS)


def test_wrong_bytes_are_refused_with_their_address(served):
    serve(served, f"list/{B}", PHOTOGRAPHS[A])
    with pytest.raises(InputError, match=r"listed: .*list/b\.png"):
        download("listed")
    assert [path.name for path in Path("data/raw/listed").glob("[!.]*")] == [A]


def test_an_archive_is_unpacked_counted_and_not_kept(place):
    serve(place, "packed.zip", ARCHIVE)
    download("packed")
    assert set(listed("packed")) == {"packed/photos/a.png", "packed/photos/b.png"}
    assert not Path("data/raw/packed/packed.zip").exists()
    serve(place, "u.zip", zipped({A: PHOTOGRAPHS[A]}))
    with pytest.raises(InputError, match="unsummed: found 1 images where 2 belong"):
        download("unsummed")
    assert not Path("data/raw/unsummed/files.json").exists()


def test_without_a_published_sum_the_first_one_is_recorded(place, capsys):
    serve(place, "u.zip", ARCHIVE)
    download("unsummed")
    assert lock()["unsummed/u.zip"] == sha(ARCHIVE)
    assert "no SHA-256 was published" in capsys.readouterr().out
    downloading.remember(Path("data/raw"), "unsummed_too", "0" * 64)

    shutil.rmtree("data/raw/unsummed")
    other = zipped({A: PHOTOGRAPHS[B], B: png_bytes(pixels(9, 9, 3))})
    serve(place, "u.zip", other)
    with pytest.raises(InputError, match=f"{sha(other)}, recorded {sha(ARCHIVE)}") as refused:
        download("unsummed")
    assert not list(Path("data/raw/unsummed").glob("*.zip"))

    forget(refused)
    assert lock() == {"unsummed_too": "0" * 64}
    download("unsummed")
    assert lock()["unsummed/u.zip"] == sha(other)


def test_a_lock_elsewhere_is_named_in_the_command(tmp_path):
    downloading.remember(tmp_path / "vgg", "weights/vgg.safetensors", "0" * 64)
    with pytest.raises(InputError) as refused:
        downloading.remember(tmp_path / "vgg", "weights/vgg.safetensors", "1" * 64)
    forget(refused)
    assert json.loads((tmp_path / "lock.json").read_text()) == {}


@pytest.mark.parametrize(
    ("text", "named"),
    [('{"a": "1",\n}', "line 2"), ('{"a": 1}', "a has no SHA-256"), ("[]", "dict"), ("", "line 1")],
)
def test_a_lock_that_somebody_broke_is_named_at_once(place, text, named):
    serve(place, "u.zip", ARCHIVE)
    Path("data").mkdir()
    Path("data/lock.json").write_text(text)
    with pytest.raises(InputError, match=f"^broken data/lock.json.*{named}"):
        download("unsummed")
    assert Path("data/lock.json").read_text() == text
    assert Path("data/raw/unsummed/u.zip").read_bytes() == ARCHIVE


def test_what_a_person_has_to_get_says_where_and_is_then_verified(place):
    with pytest.raises(InputError, match=r"asked: ask nobody@.* into data/raw/asked"):
        download("asked")
    write("asked")
    download("asked")
    assert listed("asked") == PHOTOGRAPHS
    # another photograph in its place is noticed, now and after the listing is gone
    write("asked", {B: png_bytes(pixels(9, 9, 3))})
    with pytest.raises(InputError, match=r"b\.png changed"):
        download("asked")
    Path("data/raw/asked/files.json").unlink()
    with pytest.raises(InputError, match="asked is not what was downloaded first"):
        download("asked")


def test_files_that_changed_or_vanished_are_named(served):
    with pytest.raises(InputError, match="run semanir data download listed"):
        prepare("listed", Path("data/sets/listed"))
    download("listed")
    folder = Path("data/raw/listed")
    (folder / A).write_bytes(PHOTOGRAPHS[A][:-1] + b"x")
    with pytest.raises(InputError, match=r"a\.png changed"):
        load_listing(folder)
    (folder / A).unlink()
    with pytest.raises(InputError, match=r"missing file .*a\.png; delete .*files\.json"):
        load_listing(folder)
    (folder / "files.json").write_text("[")
    with pytest.raises(InputError, match=r"broken .*files\.json"):
        load_listing(folder)


@pytest.mark.parametrize("filled", [False, True], ids=["mirror", "by hand"])
def test_no_socket_is_opened_for_what_is_there_nor_afterwards(served, monkeypatch, filled):
    block_sockets(monkeypatch)
    if filled:
        shutil.rmtree(served / "mirror")
        write("listed")
    download("listed")
    prepare("listed", Path("data/sets/listed"))
    degrade_set("sr", "x2", Path("data/sets/listed"), Path("data/degraded/sr/listed/x2"))
    assert len(load_index(Path("data/degraded/sr/listed/x2"))) == 2


def test_the_command_downloads_by_entry_or_set(served, capsys):
    main(["data", "download", "one"])
    assert listed("listed") == PHOTOGRAPHS
    assert not Path("data/raw/derived").exists()  # which is made of the other
    prepare("one", Path("data/sets/one"))
    assert [line["file"] for line in load_index(Path("data/sets/one"))] == [A]
    with pytest.raises(SystemExit) as stopped:
        main(["data", "download", "lsited"])
    assert stopped.value.code == 2
    assert "unknown dataset 'lsited'; did you mean listed" in capsys.readouterr().err


def test_a_grey_file_among_colour_is_repeated_and_other_formats_become_png(place):
    images = {"colour.png": pixels(16, 16, 3), "grey.png": pixels(16, 16)}
    write("asked", dict.fromkeys(("colour.tif", "grey.bmp"), b""))
    for (name, image), ending in zip(images.items(), (".tif", ".bmp"), strict=True):
        Image.fromarray(image).save(Path("data/raw/asked", name).with_suffix(ending))
    download("asked")
    prepare("asked", Path("data/sets/asked"))
    index = load_index(Path("data/sets/asked"))
    assert [line["file"] for line in index] == [*images]
    assert [line.get("grey", False) for line in index] == [False, True]
    for name, image in images.items():
        expected = np.stack([image] * 3, axis=2) if image.ndim == 2 else image
        np.testing.assert_array_equal(read_image(Path("data/sets/asked") / name), expected)


@pytest.mark.parametrize(("shape", "top", "left"), [((512, 768), 6, 134), ((768, 512), 134, 6)])
def test_kodak_is_cropped_as_denoising_papers_do(shape, top, left):
    image = pixels(*shape, 3)
    cropped = convert(image, get_set("kodak24_500"))
    np.testing.assert_array_equal(cropped, image[top : top + 500, left : left + 500])
    with pytest.raises(InputError, match="got 500x500"):
        convert(cropped, get_set("kodak24_500"))


def lines_of(text):
    return {line.split()[0]: line for line in text.splitlines() if line.split()}


def test_check_says_what_is_there_what_is_not_and_how_to_get_it(served, capsys):
    serve(served, "packed.zip", ARCHIVE)
    download("listed")
    download("packed")
    write("packed/packed/photos", {A: b"spoilt"})
    write("asked", {A: PHOTOGRAPHS[A]})
    main(["data", "check"])
    lines = lines_of(capsys.readouterr().out)
    assert set(DATASETS) < set(lines)
    assert lines["listed"].split()[1:4] == ["yes", "yes", "2"]
    assert lines["derived"].split()[1:3] == ["yes", "yes"]
    assert lines["packed"].split()[1:3] == ["yes", "NO"] and "a.png changed" in lines["packed"]
    assert lines["asked"].split()[1:4] == ["1", "files", "-"] and "ask nobody@" in lines["asked"]
    assert lines["unsummed"].split()[1] == "no"
    assert "semanir data download unsummed (?)" in lines["unsummed"]


def test_sizes_price_a_download_before_it_starts(place, capsys):
    total = inventory.human(sum(map(len, PHOTOGRAPHS.values())))
    main(["data", "sizes"])
    text = capsys.readouterr().out
    assert total in lines_of(text)["listed"] and "by hand" in lines_of(text)["asked"]
    assert f"To fetch: {total}, 0 s at 100 Mbit/s" in text
    assert "besides packed, unsummed, either, asked" in text
    with pytest.raises(InputError, match="'papr'; valid: mini"):
        inventory.sizes("papr")


def test_sizes_as_people_read_them():
    texts = {None: "?", 0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB"}
    texts |= {999_951: "1.0 MB", 3_530_603_713: "3.5 GB", 2 * 10**12: "2.0 TB"}
    assert {size: inventory.human(size) for size in texts} == texts


@pytest.mark.parametrize("name", ["set5", "set14", "set12", "cbsd68", "mcmaster", "classic5"])
def test_real_sets_come_out_of_the_mirror(mirror, tmp_path, name):
    download(name, tmp_path / "raw", mirror=str(mirror))
    download(name, tmp_path / "raw", mirror=str(mirror))
    prepare(name, tmp_path / "sets" / name, tmp_path / "raw")
    index = load_index(tmp_path / "sets" / name)
    assert len(index) == get_set(name).images
    assert {len(line["shape"]) for line in index} == {3 if get_set(name).channels == 3 else 2}
