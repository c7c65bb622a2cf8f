"""Datasets from a mirror to prepared and degraded sets: verified, resumed, refused by name."""

import hashlib
import io
import json
import re
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import data_prep.datasets as registry
from data_prep import download as engine
from data_prep import inventory
from data_prep.__main__ import main
from data_prep.datasets import get_set
from data_prep.degrade import degrade_set
from data_prep.download import download, load_listing
from data_prep.images import read_image
from data_prep.prepare import load_index, prepare
from semanir.errors import InputError

HOST = "photographs.invalid"  # never resolves: whatever is not in the mirror fails at once


def png(seed: int, shape: tuple[int, ...] = (24, 20, 3)) -> bytes:
    image = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(image).save(out, format="PNG")
    return out.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def entry(**fields):
    common = {"role": "test", "tasks": ["sr"], "scales": ["mini"], "channels": 3, "images": 2}
    return common | {"layout": "a.png", "licence": "CC0", "citation": "nobody"} | fields


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


PHOTOGRAPHS = {"a.png": png(1), "b.png": png(2)}
ARCHIVE = zipped({f"photos/{name}": data for name, data in PHOTOGRAPHS.items()})


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder, a mirror, and a registry of small datasets of each kind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEMANIR_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setattr("data_prep.fetch.ATTEMPTS", 1, raising=False)
    here = tmp_path / "package"
    (here / "manifests").mkdir(parents=True)
    lines = ["url\tbytes\tsha256"]
    for name, data in PHOTOGRAPHS.items():
        lines.append(f"https://{HOST}/list/{name}\t{len(data)}\t{sha(data)}")
    (here / "manifests/listed.tsv").write_text("\n".join(lines) + "\n")
    url = f"https://{HOST}"
    entries = {
        "listed": entry(
            sources=[{"manifests": {"": "listed"}, "also": [f"{url}/second/{{name}}"]}]
        ),
        "packed": entry(
            sources=[
                {
                    "archives": {
                        "packed.zip": {"urls": [f"{url}/packed.zip"], "sha256": sha(ARCHIVE)}
                    }
                }
            ]
        ),
        "unsummed": entry(sources=[{"archives": {"u.zip": {"urls": [f"{url}/u.zip"]}}}]),
        "either": entry(
            sources=[
                {"archives": {"gone.zip": {"urls": [f"{url}/gone.zip"], "sha256": "0" * 64}}},
                {"manifests": {"": "listed"}},
            ]
        ),
        "asked": entry(
            sources=[{"by_hand": "ask nobody@photographs.invalid and put a.png, b.png"}]
        ),
        "derived": {
            **entry(),
            "from": "listed",
            "sets": {"one": {"images": 1, "files": ["a.png"]}},
        },
    }
    monkeypatch.setattr(registry, "datasets", lambda: entries)
    for module in (
        engine,
        inventory,
        sys.modules["data_prep.prepare"],
        sys.modules[main.__module__],
    ):
        monkeypatch.setattr(module, "datasets", lambda: entries, raising=False)
    monkeypatch.setattr(registry, "HERE", here)
    registry.prepared_sets.cache_clear()
    yield tmp_path
    registry.prepared_sets.cache_clear()


def serve(place: Path, path: str, data: bytes) -> Path:
    file = place / "mirror" / HOST / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def serve_listed(place: Path, folder: str = "list") -> None:
    for name, data in PHOTOGRAPHS.items():
        serve(place, f"{folder}/{name}", data)


# --- from the mirror to data/raw ---------------------------------------------------------------


def test_a_listed_dataset_is_fetched_verified_and_listed(place):
    serve_listed(place)
    download("listed")
    listing = json.loads((place / "data/raw/listed/files.json").read_text())
    assert {line["file"]: line["sha256"] for line in listing} == {
        name: sha(data) for name, data in PHOTOGRAPHS.items()
    }
    assert load_listing(Path("data/raw/listed"))["a.png"].read_bytes() == PHOTOGRAPHS["a.png"]
    assert not (place / "data/lock.json").exists()


def test_files_of_the_list_are_found_in_a_subfolder(place):
    """As an archive unpacks them; another file of the same name is passed over."""
    for name, data in PHOTOGRAPHS.items():
        for folder, content in (("Old/x", png(9)), ("Set [1]/original", data)):
            target = place / "data/raw/listed" / folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    download("listed")
    listed = load_listing(Path("data/raw/listed"))
    assert {name: path.read_bytes() for name, path in listed.items()} == PHOTOGRAPHS
    prepare("listed", place / "out")
    assert len(load_index(place / "out")) == len(PHOTOGRAPHS)


def test_the_second_address_is_tried_for_each_file(place):
    serve(place, "list/a.png", PHOTOGRAPHS["a.png"])
    serve(place, "second/b.png", PHOTOGRAPHS["b.png"])
    download("listed")
    assert set(load_listing(Path("data/raw/listed"))) == {"a.png", "b.png"}


def test_the_second_source_is_tried_for_the_whole(place):
    serve_listed(place)
    download("either")
    assert set(load_listing(Path("data/raw/either"))) == {"a.png", "b.png"}


def test_wrong_bytes_are_refused_with_their_address(place):
    serve_listed(place)
    serve(place, "list/b.png", PHOTOGRAPHS["a.png"])
    with pytest.raises(InputError, match=r"listed: .*b\.png") as error:
        download("listed")
    assert "\n" not in str(error.value)
    assert not (place / "data/raw/listed/files.json").exists()
    assert not (place / "data/raw/listed/b.png").exists()
    assert (place / "data/raw/listed/a.png").read_bytes() == PHOTOGRAPHS["a.png"]


def test_an_archive_is_unpacked_and_not_kept(place):
    serve(place, "packed.zip", ARCHIVE)
    download("packed")
    assert set(load_listing(Path("data/raw/packed"))) == {
        "packed/photos/a.png",
        "packed/photos/b.png",
    }
    assert not (place / "data/raw/packed/packed.zip").exists()


def test_an_archive_with_too_few_photographs_is_refused(place):
    serve(place, "u.zip", zipped({"photos/a.png": PHOTOGRAPHS["a.png"]}))
    with pytest.raises(InputError, match="unsummed: found 1 images where 2 belong"):
        download("unsummed")
    assert not (place / "data/raw/unsummed/files.json").exists()


def test_without_a_published_sum_the_first_one_is_kept(place, capsys):
    """And another one refused, naming both; a command takes it for a new version."""
    serve(place, "u.zip", ARCHIVE)
    download("unsummed")
    lock = json.loads((place / "data/lock.json").read_text())
    assert lock["unsummed/u.zip"] == sha(ARCHIVE)
    assert "no SHA-256 was published" in capsys.readouterr().out

    shutil.rmtree(place / "data/raw/unsummed")
    other = zipped({"photos/a.png": PHOTOGRAPHS["b.png"], "photos/b.png": PHOTOGRAPHS["a.png"]})
    serve(place, "u.zip", other)
    with pytest.raises(InputError, match=f"{sha(other)}, recorded {sha(ARCHIVE)}.*forget"):
        download("unsummed")
    assert not list((place / "data/raw/unsummed").glob("*.zip"))

    serve(place, "u.zip", ARCHIVE)
    download("unsummed")


def test_what_is_forgotten_is_recorded_anew(place, capsys):
    """With a dataset its archives; the command that the error names does it."""
    serve(place, "u.zip", ARCHIVE)
    download("unsummed")
    engine.remember(Path("data/raw"), "unsummed_too", "0" * 64)
    shutil.rmtree(place / "data/raw/unsummed")
    other = zipped({"photos/a.png": png(7), "photos/b.png": png(8)})
    serve(place, "u.zip", other)
    with pytest.raises(InputError) as refused:
        download("unsummed")
    (command,) = re.findall("python -m data_prep (forget .*)", str(refused.value))
    main(command.split())
    assert json.loads(Path("data/lock.json").read_text()) == {"unsummed_too": "0" * 64}
    assert "unsummed/u.zip" in capsys.readouterr().out
    download("unsummed")
    assert json.loads(Path("data/lock.json").read_text())["unsummed/u.zip"] == sha(other)


def test_a_lock_elsewhere_is_named_in_the_command(tmp_path):
    engine.remember(tmp_path / "vgg", "weights/vgg.safetensors", "0" * 64)
    with pytest.raises(InputError) as refused:
        engine.remember(tmp_path / "vgg", "weights/vgg.safetensors", "1" * 64)
    (command,) = re.findall("python -m data_prep (forget .*)", str(refused.value))
    main(command.split())
    assert json.loads((tmp_path / "lock.json").read_text()) == {}


@pytest.mark.parametrize(
    ("text", "named"),
    [('{"a": "1",\n}', "line 2"), ('{"a": 1}', "a has no SHA-256"), ("[]", "dict"), ("", "line 1")],
)
def test_a_lock_that_somebody_broke_is_named_at_once(place, text, named):
    """No other source is tried, and nothing that was fetched is taken away."""
    serve(place, "u.zip", ARCHIVE)
    (place / "data").mkdir(exist_ok=True)
    (place / "data/lock.json").write_text(text)
    with pytest.raises(InputError, match=f"^broken data/lock.json.*{named}"):
        download("unsummed")
    assert (place / "data/lock.json").read_text() == text
    assert (place / "data/raw/unsummed/u.zip").read_bytes() == ARCHIVE


def test_what_a_person_has_to_get_says_where_and_is_then_verified(place):
    with pytest.raises(InputError, match=r"asked: ask nobody@.* into data/raw/asked, then run"):
        download("asked")
    for name, data in PHOTOGRAPHS.items():
        (place / "data/raw/asked" / name).write_bytes(data)
    download("asked")
    assert set(load_listing(Path("data/raw/asked"))) == {"a.png", "b.png"}
    # another photograph in its place is noticed, now and after the listing is gone
    (place / "data/raw/asked/b.png").write_bytes(png(3))
    with pytest.raises(InputError, match=r"b\.png changed since it was downloaded"):
        download("asked")
    (place / "data/raw/asked/files.json").unlink()
    with pytest.raises(InputError, match="asked is not what was downloaded first"):
        download("asked")


def test_a_folder_somebody_filled_is_taken_without_any_network(place):
    (place / "data/raw/listed").mkdir(parents=True)
    for name, data in PHOTOGRAPHS.items():
        (place / "data/raw/listed" / name).write_bytes(data)
    download("listed")
    assert set(load_listing(Path("data/raw/listed"))) == {"a.png", "b.png"}


def test_a_derived_dataset_fetches_what_it_is_made_of(place):
    serve_listed(place)
    download("derived")
    assert (place / "data/raw/listed/files.json").is_file()
    assert not (place / "data/raw/derived").exists()
    prepare("one", Path("data/sets/one"))
    assert [line["file"] for line in load_index(Path("data/sets/one"))] == ["a.png"]


def test_files_that_changed_or_vanished_are_named(place):
    serve_listed(place)
    download("listed")
    path = place / "data/raw/listed/a.png"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match=r"a\.png changed since it was downloaded"):
        load_listing(Path("data/raw/listed"))
    path.unlink()
    with pytest.raises(InputError, match=r"missing file .*a\.png; delete .*files\.json"):
        load_listing(Path("data/raw/listed"))
    (place / "data/raw/listed/files.json").write_text("[")
    with pytest.raises(InputError, match=r"broken .*files\.json"):
        load_listing(Path("data/raw/listed"))


def test_a_dataset_that_is_not_there_names_the_command(place):
    with pytest.raises(InputError, match="run python -m data_prep download listed"):
        prepare("listed", Path("data/sets/listed"))


def test_no_socket_is_opened_for_what_the_mirror_holds_nor_afterwards(place, monkeypatch):
    """Download from a folder, prepare and degrade, with sockets blocked."""

    def blocked(*arguments):
        raise AssertionError(f"a socket was opened: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", blocked)
    monkeypatch.setattr(socket, "getaddrinfo", blocked)
    serve_listed(place)
    download("listed")
    prepare("listed", Path("data/sets/listed"))
    degrade_set("sr", "x2", Path("data/sets/listed"), Path("data/degraded/sr/listed/x2"))
    assert len(load_index(Path("data/degraded/sr/listed/x2"))) == 2


def test_the_command_line_downloads_by_entry_or_set(place, capsys):
    serve_listed(place)
    main(["download", "one"])
    assert (place / "data/raw/listed/files.json").is_file()
    with pytest.raises(SystemExit) as stopped:
        main(["download", "lsited"])
    assert stopped.value.code == 2
    assert "unknown dataset 'lsited'; did you mean listed" in capsys.readouterr().err


# --- prepared sets -----------------------------------------------------------------------------


def test_prepared_photographs_are_the_decoded_sources(place):
    """PNG files byte by byte; the index holds shape and SHA-256."""
    serve_listed(place)
    download("listed")
    prepare("listed", Path("data/sets/listed"))
    for line in load_index(Path("data/sets/listed")):
        path = Path("data/sets/listed") / line["file"]
        assert path.read_bytes() == PHOTOGRAPHS[line["file"]]
        assert line["shape"] == [24, 20, 3]


def test_a_grey_file_among_colour_is_repeated_and_other_formats_become_png(place, monkeypatch):
    """As Set14's bridge; BMP and TIFF are decoded."""
    grey = np.random.default_rng(5).integers(0, 256, (16, 16), dtype=np.uint8)
    colour = np.random.default_rng(6).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    folder = place / "data/raw/asked"
    folder.mkdir(parents=True)
    Image.fromarray(grey).save(folder / "grey.bmp")
    Image.fromarray(colour).save(folder / "colour.tif")
    download("asked")
    prepare("asked", Path("data/sets/asked"))
    index = load_index(Path("data/sets/asked"))
    assert [line["file"] for line in index] == ["colour.png", "grey.png"]
    assert [line.get("grey", False) for line in index] == [False, True]
    np.testing.assert_array_equal(read_image("data/sets/asked/colour.png"), colour)
    np.testing.assert_array_equal(
        read_image("data/sets/asked/grey.png"), np.stack([grey] * 3, axis=2)
    )


def test_two_photographs_of_one_name_are_refused(place):
    folder = place / "data/raw/asked"
    for part in ("one", "two"):
        (folder / part).mkdir(parents=True)
        (folder / part / "a.png").write_bytes(PHOTOGRAPHS["a.png"])
    download("asked")
    with pytest.raises(InputError, match="asked: 1 images of different names"):
        prepare("asked", Path("data/sets/asked"))


@pytest.mark.parametrize(
    ("height", "width", "top", "left"), [(512, 768, 6, 134), (768, 512, 134, 6)]
)
def test_kodak_is_cropped_as_denoising_papers_do(height, width, top, left):
    from data_prep.prepare import convert

    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    cropped = convert(image, get_set("kodak24_500"))
    np.testing.assert_array_equal(cropped, image[top : top + 500, left : left + 500])
    with pytest.raises(InputError, match="a Kodak photograph is 768x512, got 500x500"):
        convert(cropped, get_set("kodak24_500"))


# --- check and sizes ---------------------------------------------------------------------------


def lines_of(text: str) -> dict[str, str]:
    return {line.split()[0]: line for line in text.splitlines() if line.split()}


def test_check_says_what_is_there_what_is_not_and_how_to_get_it(place):
    serve_listed(place)
    serve(place, "packed.zip", ARCHIVE)
    download("listed")
    download("packed")
    (place / "data/raw/packed/packed/photos/a.png").write_bytes(b"spoilt")
    (place / "data/raw/asked").mkdir()
    (place / "data/raw/asked/a.png").write_bytes(PHOTOGRAPHS["a.png"])
    lines = lines_of(inventory.check())
    assert set(registry.datasets()) < set(lines)
    assert lines["listed"].split()[1:4] == ["yes", "yes", "2"]
    assert lines["derived"].split()[1:3] == ["yes", "yes"]
    assert lines["packed"].split()[1:3] == ["yes", "NO"] and "a.png changed" in lines["packed"]
    assert lines["asked"].split()[1:4] == ["1", "files", "-"] and "ask nobody@" in lines["asked"]
    assert lines["unsummed"].split()[1] == "no"
    assert "python -m data_prep download unsummed (?)" in lines["unsummed"]


def test_sizes_price_a_download_before_it_starts(place):
    total = sum(map(len, PHOTOGRAPHS.values()))
    text = inventory.sizes("mini")
    assert inventory.human(total) in lines_of(text)["listed"]
    assert "by hand" in lines_of(text)["asked"]
    assert f"To fetch: {inventory.human(total)}, 0 s at 100 Mbit/s" in text
    assert "besides packed, unsummed, either, asked" in text
    assert inventory.sizes("smoke") == "The smoke scale needs no download."
    with pytest.raises(InputError, match="unknown scale 'papr'; did you mean paper"):
        inventory.sizes("papr")


def test_the_paper_scale_has_a_price():
    """Of the real registry: DIV2K alone is 3.5 GB, and unknown sizes are named."""
    text = inventory.sizes("paper")
    assert "3.5 GB" in lines_of(text)["div2k_train_hr"]
    assert "by hand" in lines_of(text)["manga109"]
    assert "wed" in text.splitlines()[-1] and "whose size is not known" in text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "?"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_951, "1.0 MB"),
        (3_530_603_713, "3.5 GB"),
        (2 * 10**12, "2.0 TB"),
    ],
)
def test_sizes_as_people_read_them(size, text):
    assert inventory.human(size) == text


# --- the real mirror ---------------------------------------------------------------------------

IN_MIRROR = ["set5", "set14", "set12", "cbsd68", "mcmaster", "classic5"]


@pytest.mark.parametrize("name", IN_MIRROR)
def test_real_sets_come_out_of_the_mirror(mirror, tmp_path, name):
    """Every SHA-256 of the committed list, decoded into as many photographs as the set has."""
    download(name, tmp_path / "raw", mirror=str(mirror))
    prepare(name, tmp_path / "sets" / name, tmp_path / "raw")
    index = load_index(tmp_path / "sets" / name)
    prepared = get_set(name)
    assert len(index) == prepared.images
    assert {len(line["shape"]) for line in index} == {3 if prepared.channels == 3 else 2}


def test_importing_the_tables_opens_no_network_library():
    """Planning and rendering must not pay for requests."""
    code = "import sys; import semanir.plan.runs, reports.tables.tables; print('requests' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
