"""Pairs of real files as the archives lay them out, what is refused, and TransWeather's sizes."""

import re
import shutil
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from photographs import pixels
from PIL import Image

from data_prep.datasets import prepared_sets
from data_prep.real_pairs import find_pairs, flat_name, resize_as_transweather, transweather_size
from semanir.errors import InputError

# those of datasets.yaml, and a few that are wrong
RULES = {name: prepared.pairs for name, prepared in prepared_sets().items() if prepared.pairs} | {
    "flat": ({"degraded": "data/*", "clean": ["^data/", "gt/"]},),
    "one name": ({"degraded": "data/**/*.png", "clean": ["^data/(.)/.", r"gt/\1/z"]},),
    "never": ({"degraded": "input/*.png", "clean": ["blur/", "target/"]},),
    "twice": ({"degraded": "input/*.png", "clean": ["in", "target/"]},),
}


def expand(*patterns):
    """{a,b}/c stands for a/c and b/c."""
    names = []
    for pattern in patterns:
        start, _, rest = pattern.partition("{")
        inner, _, end = rest.partition("}")
        names += expand(*(start + part + end for part in inner.split(","))) if rest else [pattern]
    return names


def write(folder, *patterns, size=(6, 4)):
    for name in expand(*patterns):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size).save(path, "JPEG" if path.suffix.lower() == ".jpg" else "PNG")
    return folder


def pairs_in(folder, dataset, count=None):
    pairs = find_pairs(folder, RULES[dataset], dataset, count)
    return [tuple(path.relative_to(folder).as_posix() for path in pair) for pair in pairs]


def refused(folder, dataset, *parts, count=None):
    """The message begins with the set's name and has these parts."""
    with pytest.raises(InputError, match=f"^{dataset}: ") as error:
        pairs_in(folder, dataset, count)
    assert all(part in str(error.value) for part in parts), str(error.value)


FRAMES = ["GOPR0384_11_00-000001.png", "GOPR0384_11_00-000002.png", "GOPR0410_11_00-000001.png"]
FLAT = f"{{{','.join(FRAMES)}}}"
BLUR, SHARP, GAMMA = (FLAT.replace("-", f"/{kind}/") for kind in ("blur", "sharp", "blur_gamma"))
OTHER = "GOPR0372_07_00/{blur,blur_gamma,sharp}/000047.png"
PEOPLE = "{1fromGOPR1096.png,70fromGOPR1109.png}"
SMILES = "{beautiful_smile_00003.jpg,city_art_00007.jpg}"
RAIN = [f"im_03{scene:02}_s{haze}_a04.png" for scene in (1, 2) for haze in (80, 85, 90)]
SCENES = [name[:7] for name in RAIN]

# set, its degraded and its clean files, and files that belong to none
LAYOUTS = [
    ("gopro_test", f"test/{BLUR}", f"test/{SHARP}", f"test/{GAMMA}", f"train/{OTHER}"),
    ("gopro_train", f"train/{BLUR}", f"train/{SHARP}", f"train/{GAMMA}", f"test/{OTHER}"),
    ("gopro_test", f"test/G/input/{FLAT}", f"test/G/target/{FLAT}"),
    ("gopro_train", f"train/input/{FLAT}", f"train/target/{FLAT}"),
    ("hide", f"test/HIDE/input/{PEOPLE}", f"test/HIDE/target/{PEOPLE}"),
    ("hide", f"input/{PEOPLE}", f"target/{PEOPLE}"),
    (
        *("hide", "test/test-{close-ups/1fromGOPR1096,long-shot/70fromGOPR1109}.png"),
        *(f"GT/{PEOPLE}", "{train,GT}/12fromGOPR0950.png"),
    ),
    (
        *("snow100k_l", f"Snow100K-L/synthetic/{SMILES}", f"Snow100K-L/gt/{SMILES}"),
        *("Snow100K-M/{synthetic,gt,mask}/car_00001.jpg", "Snow100K-L/mask/city_art_00007.jpg"),
    ),
    (
        *("raindrop_a", "test_a/data/{0,1,10}_rain.png", "test_a/gt/{0,1,10}_clean.png"),
        "{train,test_b}/{data/0_rain,gt/0_clean}.png",
    ),
    ("outdoor_rain_test1", f"input/{{{','.join(RAIN)}}}", f"gt/{{{','.join(SCENES)}}}.png"),
]


def write_layout(folder, layout, top=""):
    dataset, degraded, clean, *others = layout
    write(folder, *(top + file for file in (degraded, clean, *others)))
    return dataset, list(zip(expand(top + degraded), expand(top + clean), strict=True))


@pytest.mark.parametrize("top", ["", "GOPRO_Large/", "media/jdway/"], ids=["bare", "one", "two"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=[layout[0] for layout in LAYOUTS])
def test_each_archive_is_paired(tmp_path, layout, top):
    dataset, pairs = write_layout(tmp_path, layout, top)
    assert pairs_in(tmp_path, dataset, len(pairs)) == sorted(pairs)
    for files in map(set, zip(*pairs, strict=True)):
        names = [flat_name(PurePosixPath(file)) for file in files]
        assert len(set(names)) == len(names)
        assert set(names) == set(FRAMES) or not dataset.startswith("gopro")
    assert flat_name(PurePosixPath("blur/000001.png")) == "000001.png"


def test_the_first_rule_that_finds_anything_is_used(tmp_path):
    _, pre_split = write_layout(tmp_path, LAYOUTS[2])
    dataset, original = write_layout(tmp_path, LAYOUTS[0])
    assert pairs_in(tmp_path, dataset) == original
    for sequence in (tmp_path / "test").glob("GOPR*"):
        shutil.rmtree(sequence)
    assert pairs_in(tmp_path, dataset) == pre_split


def test_a_folder_may_be_a_link_or_relative(tmp_path, monkeypatch):
    write(tmp_path / "disk", "a.png", "target/a.png")
    (tmp_path / "disk/input").mkdir()
    (tmp_path / "disk/input/a.png").symlink_to("../a.png")
    (tmp_path / "raw").symlink_to(tmp_path / "disk")
    assert pairs_in(tmp_path / "raw", "hide") == [("input/a.png", "target/a.png")]
    monkeypatch.chdir(tmp_path)
    pairs = find_pairs(Path("raw"), RULES["hide"], "hide")
    assert pairs == [(Path("raw/input/a.png"), Path("raw/target/a.png"))]


def test_order_case_and_junk(tmp_path):
    # by folder, then file: `b-` after `b/`
    for kind in ("input", "target"):
        write(tmp_path / "hide", f"{{b/{kind}/1,b-/{kind}/2,a/{kind}/3}}.png")
    degraded = [one for one, _ in pairs_in(tmp_path / "hide", "hide")]
    assert degraded == ["a/input/3.png", "b/input/1.png", "b-/input/2.png"]

    # endings and folders in any case count, what a Mac adds and other files do not
    drops = [
        ("A/Test_A/data/0_rain.PNG", "A/Test_A/GT/0_clean.png"),
        ("b/test_a/data/1_RAIN.png", "b/test_a/gt/1_clean.PNG"),
    ]
    folder = write(tmp_path / "drops", *drops[0], *drops[1])
    junk = ["b/test_a/{data/._1_rain,gt/._1_clean}.png", "b/test_a/gt/Thumbs.db"]
    junk += ["{__MACOSX,.hidden}/test_a/data/7_rain.png", "b/test_a/data/9_rain.txt"]
    for name in expand(*junk):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"junk")
    assert pairs_in(folder, "raindrop_a", 2) == drops
    # a clean file of the very name goes before one of other case
    write(tmp_path / "case", "A/input/x.png", "{A,a}/target/x.png")
    assert pairs_in(tmp_path / "case", "hide") == [("A/input/x.png", "A/target/x.png")]


def write_list(folder, lines, where="allweather.txt"):
    """The TransWeather training set of two photographs and one that no list names."""
    write(folder, "{input,gt}/{a.jpg,b.png,unlisted.png}")
    (folder / where).parent.mkdir(parents=True, exist_ok=True)
    (folder / where).write_bytes(lines if isinstance(lines, bytes) else lines.encode())
    return folder


LISTS = {
    "plain": "input/b.png\ninput/a.jpg\n",
    "dot and CRLF": "./input/a.jpg\r\n\r\n./input/b.png  \r\n",
    "slash": "/input/a.jpg\n  /input/b.png",
    "prefix": "./allweather/input/a.jpg\ndata/train/allweather/input/b.png\n",
    "backslash": "input\\a.jpg\ninput\\b.png\n",
    "bare name": "a.jpg\n./b.png\n",
    "indented": " input/a.jpg\n\tinput/b.png\n",
    "case": "Input/A.JPG\nINPUT/b.png\n",
    "BOM": b"\xef\xbb\xbfinput/a.jpg\ninput/b.png\n",
}


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("where", ["allweather.txt", "lists/AllWeather.txt"])
def test_a_list_names_its_files_as_seen_from_any_root(tmp_path, kind, where):
    write_list(tmp_path / "top", LISTS[kind], where)
    pairs = [("top/input/a.jpg", "top/gt/a.jpg"), ("top/input/b.png", "top/gt/b.png")]
    assert pairs_in(tmp_path, "allweather_train", 2) == pairs


def test_a_listed_layout_follows_the_plain_one(tmp_path):
    write(tmp_path, "snow100k/{input,gt}/x.jpg")
    refused(tmp_path, "snow100k_l", "**/Snow100K-L/synthetic/*.jpg, **/input/*.jpg listed in **/sn")
    (tmp_path / "snow100k/snowtest100k_L.txt").write_text("./snow100k/input/x.jpg\n")
    assert pairs_in(tmp_path, "snow100k_l") == [("snow100k/input/x.jpg", "snow100k/gt/x.jpg")]


@pytest.mark.parametrize(
    ("top", "line", "copies", "degraded"),
    [
        ("", "input/a.jpg", "old/{input,gt}/a.jpg", "input/a.jpg"),
        ("train", "allweather/input/a.jpg", "allweather/{input,gt}/a.jpg", "train/input/a.jpg"),
        ("lists", "data/rain/input/c.png", "{rain,snow}/{input,gt}/c.png", "rain/input/c.png"),
    ],
)
def test_of_several_copies_the_nearest_is_meant(tmp_path, top, line, copies, degraded):
    write_list(tmp_path / top, line)
    write(tmp_path, copies)
    assert [one for one, _ in pairs_in(tmp_path, "allweather_train")] == [degraded]


def test_copies_of_a_list_must_be_equal(tmp_path):
    write_list(tmp_path, "input/a.jpg\n")
    write_list(tmp_path, "input/a.jpg\r\n", "lists/allweather.txt")
    assert pairs_in(tmp_path, "allweather_train", 1) == [("input/a.jpg", "gt/a.jpg")]
    write_list(tmp_path, "input/b.png\n", "lists/allweather.txt")
    refused(tmp_path, "allweather_train", "allweather.txt and lists/allweather.txt")


@pytest.mark.parametrize(
    ("lines", "parts"),
    [
        ("a.jpg\n\n./no/b.png\nc.png\nd.png\n", "line 3 names ./no/b.png|and 2 more lines"),
        ("input/a.jpg\nb.png\na.jpg\n", "line 3 names top/input/a.jpg again, as line 1 does"),
        ("a.jpg\ninput/e.png\n", "line 2 may mean rain/|or snow/old/input/e.png"),
    ],
)
def test_a_wrong_list_is_named_with_its_line(tmp_path, lines, parts):
    write_list(tmp_path / "top", lines)
    write(tmp_path, "{rain,snow/old}/{input,gt}/e.png")
    refused(tmp_path, "allweather_train", *parts.split("|"))
    (tmp_path / "top/allweather.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"allweather\.txt is no text"):
        pairs_in(tmp_path, "allweather_train")


INCOMPLETE = "the archive may be incomplete, fetch and unpack it again"
PERSON = "1fromGOPR1096.png"
REFUSED = [
    ("hide", "input/{1,2,3}.png", "no clean image target/1.png", "and 2 more images", INCOMPLETE),
    (
        *("hide", "{input/1.png,target/1.png,target/2.png,target/9.PNG}"),
        *("no degraded image belongs to target/2.png", "and 1 more image;", INCOMPLETE),
    ),
    ("gopro_train", "{input/1,target/1,target/2}.png", "belongs to target/2.png"),
    ("hide", f"{{test/{PERSON},GT/{PERSON},GT/12fromGOPR0950.png}}", "to GT/12fromGOPR0950.png"),
    # on some disks they would be one file; prepared sets are PNG
    (
        *("hide", "{HIDE/input/a,HIDE/target/a,more/input/A,more/target/A}.png"),
        "HIDE/input/a.png and more/input/A.png would both be called A.png",
    ),
    ("flat", "{data,gt}/a.{jpg,png}", "data/a.jpg and data/a.png would both be called a.png"),
    ("one name", "{data/1/x,data/2/y,gt/1/z,gt/2/z}.png", "gt/1/z.png and gt/2/z.png would both"),
    ("never", "{input,target}/in.png", "rule blur/ must match input/in.png exactly once"),
    ("twice", "{input,target}/in.png", "rule in must match input/in.png exactly once"),
]


@pytest.mark.parametrize("case", REFUSED, ids=[f"{case[0]} {case[2]}" for case in REFUSED])
def test_what_is_no_whole_set_is_refused_by_file(tmp_path, case):
    dataset, files, *parts = case
    refused(write(tmp_path, files), dataset, *parts)


def test_a_shared_clean_image_is_an_orphan_only_without_any_input(tmp_path):
    dataset, pairs = write_layout(tmp_path, LAYOUTS[-1])
    (tmp_path / pairs[0][0]).unlink()
    assert pairs_in(tmp_path, dataset) == pairs[1:]
    for degraded, _ in pairs[1:3]:
        (tmp_path / degraded).unlink()
    refused(tmp_path, dataset, "belongs to gt/im_0301.png")


@pytest.fixture
def pre_split(tmp_path):
    return write(tmp_path, "HIDE/{input,target}/{1,2,3}.png")


def test_pairs_of_different_size_or_number(pre_split):
    refused(pre_split, "hide", "found 3 pairs where 2025 belong", INCOMPLETE, count=2025)
    refused(pre_split, "hide", "found 3 pairs where 2 belong", "remove what does", count=2)
    write(pre_split, "HIDE/target/3.png", size=(4, 6))
    refused(pre_split, "hide", "HIDE/input/3.png is 6x4", "HIDE/target/3.png is 4x6", count=3)


def test_only_headers_are_read(pre_split):
    path = pre_split / "HIDE/target/2.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"IDAT") + 4])
    assert len(pairs_in(pre_split, "hide", 3)) == 3
    for broken in (b"", b"GIF", whole[:20]):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=r"cannot decode picture .*target/2\.png"):
            pairs_in(pre_split, "hide", 3)


@pytest.mark.parametrize("kind", ["input", "target"])
def test_a_link_that_leads_out_is_refused(pre_split, tmp_path_factory, kind):
    path, inside = pre_split / f"HIDE/{kind}/2.png", pre_split / "inside.png"
    path.rename(inside)
    path.symlink_to(inside)
    assert len(pairs_in(pre_split, "hide", 3)) == 3
    path.unlink()
    path.symlink_to(inside.rename(tmp_path_factory.mktemp("outside") / "2.png"))
    refused(pre_split, "hide", f"HIDE/{kind}/2.png leads out of {pre_split}")


def test_a_linked_folder_is_not_entered(tmp_path):
    write(tmp_path / "outside", "{input,target}/a.png")
    folder = tmp_path / "raw"
    refused(folder, "hide", f"no folder {folder}")
    folder.mkdir()
    (folder / "HIDE").symlink_to(tmp_path / "outside")
    refused(folder, "hide", "HIDE is a link and not entered")
    write(folder, "{input,target}/b.png")
    (folder / "again").symlink_to(folder)
    assert pairs_in(folder, "hide") == [("input/b.png", "target/b.png")]


def size_in_transweather(ht_new, wd_new):
    """The lines of ValData.get_images in val_data_functions.py of TransWeather."""
    if ht_new > wd_new and ht_new > 1024:
        wd_new = int(np.ceil(wd_new * 1024 / ht_new))
        ht_new = 1024
    elif ht_new <= wd_new and wd_new > 1024:
        ht_new = int(np.ceil(ht_new * 1024 / wd_new))
        wd_new = 1024
    wd_new = int(16 * np.ceil(wd_new / 16.0))
    ht_new = int(16 * np.ceil(ht_new / 16.0))
    return ht_new, wd_new


SIDES = st.integers(1, 1100) | st.integers(1, 20000)


@given(height=SIDES, width=SIDES)
@example(height=1024, width=1024)
@example(height=1024, width=1025)
@example(height=1280, width=721)  # 576.8 -> 577 -> 592
@example(height=1, width=20000)
def test_sizes_are_those_of_transweather(height, width):
    size = transweather_size(height, width)
    assert size == size_in_transweather(height, width)
    assert all(type(side) is int and side % 16 == 0 and 16 <= side <= 1024 for side in size)
    assert transweather_size(width, height) == size[::-1]
    assert transweather_size(*size) == size
    with pytest.raises(InputError, match=f"{width}x0 is empty"):
        transweather_size(0, width)


@pytest.mark.parametrize("shape", [(33, 47, 3), (600, 1100, 3), (1100, 30, 3), (32, 48, 3)])
def test_resizing_is_pillows_lanczos(shape):
    image = pixels(*shape)
    height, width = size_in_transweather(*shape[:2])
    resized = resize_as_transweather(image)
    assert (resized is image) == ((height, width) == shape[:2])
    assert np.array_equal(resized, Image.fromarray(image).resize((width, height), Image.LANCZOS))
    for wrong in (image[..., 0], image.astype(np.float32)):
        with pytest.raises(InputError, match=re.escape(f"got {wrong.dtype} {wrong.shape}")):
            resize_as_transweather(wrong)
