"""Pairs of real files as the archives lay them out, what is refused, and TransWeather's sizes."""

import shutil
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from data_prep.datasets import prepared_sets
from data_prep.real_pairs import find_pairs, flat_name, resize_as_transweather, transweather_size
from semanir.errors import InputError

SNOW = {"clean": [r"^(.*/)?synthetic/([^/]+)$", r"\1gt/\2"]}
DROPS = {"clean": [r"^(.*/)?data/([^/]+)_rain\.([a-z]+)$", r"\1gt/\2_clean.\3"]}

# those of datasets.yaml, and the same rules on the archives' other folders
RULES = {name: prepared.pairs for name, prepared in prepared_sets().items() if prepared.pairs} | {
    "snow100k_s": ({"degraded": "**/Snow100K-S/synthetic/*.jpg", **SNOW},),
    "raindrop_train": ({"degraded": "**/train/data/*_rain.*", **DROPS},),
    "raindrop_b": ({"degraded": "**/test_b/data/*_rain.*", **DROPS},),
}


def write(folder, *names, size=(6, 4)):
    """Images of `size` (width, height) at these paths below the folder."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size).save(path, "JPEG" if path.suffix.lower() == ".jpg" else "PNG")
    return folder


def found(folder, dataset, count=None):
    """The pairs as paths relative to the folder."""
    pairs = find_pairs(folder, RULES[dataset], dataset, count)
    return [tuple(path.relative_to(folder).as_posix() for path in pair) for pair in pairs]


def refused(folder, dataset, count=None):
    """The message of the refusal, which is one line that starts with the set's name."""
    with pytest.raises(InputError) as error:
        find_pairs(folder, RULES[dataset], dataset, count)
    message = str(error.value)
    assert "\n" not in message
    return message


# --- the layout of each archive: files, and the pairs they are ----------------------------------


def gopro_original(part):
    one, two = f"{part}/GOPR0384_11_00", f"{part}/GOPR0410_11_00"
    frames = [f"{one}/{{}}/000001.png", f"{one}/{{}}/000002.png", f"{two}/{{}}/000001.png"]
    kinds = ("blur", "blur_gamma", "sharp")
    other = "train" if part == "test" else "test"
    extra = [f"{other}/GOPR0372_07_00/{kind}/000047.png" for kind in kinds]
    files = [frame.format(kind) for frame in frames for kind in kinds]
    return files + extra, [(frame.format("blur"), frame.format("sharp")) for frame in frames]


def flat(degraded, clean, names, partners=None):
    """{degraded,clean}/ with the same names, or with the partners' names."""
    pairs = [
        (f"{degraded}/{name}", f"{clean}/{partner}")
        for name, partner in zip(names, partners or names, strict=True)
    ]
    return [path for pair in pairs for path in pair], pairs


FRAMES = ["GOPR0384_11_00-000001.png", "GOPR0384_11_00-000002.png", "GOPR0410_11_00-000001.png"]
SCENES = [f"im_03{scene:02}_s{haze}_a04.png" for scene in (1, 2) for haze in (80, 85, 90)]


def hide_original():
    pairs = [
        ("test/test-close-ups/1fromGOPR1096.png", "GT/1fromGOPR1096.png"),
        ("test/test-long-shot/70fromGOPR1109.png", "GT/70fromGOPR1109.png"),
    ]
    files = [path for pair in pairs for path in pair]
    return [*files, "train/12fromGOPR0950.png", "GT/12fromGOPR0950.png"], pairs


def snow(size):
    names = ["beautiful_smile_00003.jpg", "city_art_00007.jpg"]
    files, pairs = flat(f"Snow100K-{size}/synthetic", f"Snow100K-{size}/gt", names)
    masks = [f"Snow100K-{size}/mask/{name}" for name in names]
    others = [f"Snow100K-M/{kind}/car_00001.jpg" for kind in ("synthetic", "gt", "mask")]
    return [*files, *masks, *others], pairs


def drops(part, ending="png"):
    degraded, clean = ([f"{n}_{kind}.{ending}" for n in (0, 1, 10)] for kind in ("rain", "clean"))
    files, pairs = flat(f"{part}/data", f"{part}/gt", degraded, clean)
    parts = {"train", "test_a", "test_b"} - {part}
    others = [f"{each}/{name}" for each in parts for name in ("data/0_rain.png", "gt/0_clean.png")]
    return [*files, *others], pairs


LAYOUTS = {
    "gopro test, original": ("gopro_test", *gopro_original("test")),
    "gopro train, original": ("gopro_train", *gopro_original("train")),
    "gopro test, pre-split": ("gopro_test", *flat("test/GoPro/input", "test/GoPro/target", FRAMES)),
    "gopro train, pre-split": ("gopro_train", *flat("train/input", "train/target", FRAMES)),
    "hide, pre-split": (
        "hide",
        *flat("test/HIDE/input", "test/HIDE/target", ["1fromGOPR1096.png"]),
    ),
    "hide, bare": ("hide", *flat("input", "target", ["1fromGOPR1096.png"])),
    "hide, original": ("hide", *hide_original()),
    "snow L": ("snow100k_l", *snow("L")),
    "snow S": ("snow100k_s", *snow("S")),
    "raindrop train": ("raindrop_train", *drops("train")),
    "raindrop a": ("raindrop_a", *drops("test_a")),
    "raindrop b": ("raindrop_b", *drops("test_b", "jpg")),
    "outdoor rain": (
        "outdoor_rain_test1",
        *flat("input", "gt", SCENES, [f"{name[:7]}.png" for name in SCENES]),
    ),
}


@pytest.mark.parametrize("top", ["", "GOPRO_Large/", "media/jdway/"], ids=["bare", "one", "two"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_archive_is_paired(tmp_path, layout, top):
    """The same pairs below any number of folders of the archive's own."""
    dataset, files, pairs = LAYOUTS[layout]
    write(tmp_path, *(top + file for file in files))
    expected = [(top + degraded, top + clean) for degraded, clean in pairs]
    assert found(tmp_path, dataset, len(expected)) == sorted(expected)


@pytest.mark.parametrize("dataset", ["gopro_test", "gopro_train"])
def test_gopro_is_paired_in_bare_folders(tmp_path, dataset):
    files, pairs = flat("input", "target", FRAMES)
    assert found(write(tmp_path, *files), dataset) == pairs


def test_the_first_rule_that_finds_anything_is_used(tmp_path):
    """With both copies of GoPro there, it is the original one."""
    original, pairs = gopro_original("test")
    pre_split, second = flat("test/GoPro/input", "test/GoPro/target", FRAMES)
    write(tmp_path, *original, *pre_split)
    assert found(tmp_path, "gopro_test") == pairs
    shutil.rmtree(tmp_path / "test")
    assert found(write(tmp_path, *pre_split), "gopro_test") == second


def test_a_folder_may_be_a_link_or_relative(tmp_path, monkeypatch):
    """Data may lie on another disk; the paths come back as the folder was given."""
    files, pairs = flat("input", "target", ["a.png"])
    write(tmp_path / "disk", *files)
    (tmp_path / "disk/input/a.png").rename(tmp_path / "disk/a.png")
    (tmp_path / "disk/input/a.png").symlink_to("../a.png")
    (tmp_path / "raw").symlink_to(tmp_path / "disk")
    assert found(tmp_path / "raw", "hide") == pairs
    monkeypatch.chdir(tmp_path)
    pairs = find_pairs(Path("raw"), RULES["hide"], "hide")
    assert pairs == [(Path("raw/input/a.png"), Path("raw/target/a.png"))]


def test_pairs_are_sorted_by_path(tmp_path):
    """By folder, then file, whatever the order on disk: `b-` sorts after `b/` here."""
    write(tmp_path, *(f"{top}/{kind}/{n}.png" for top, n in (("b", 1), ("b-", 2), ("a", 3))
                      for kind in ("input", "target")))  # fmt: skip
    assert [one for one, _ in found(tmp_path, "hide")] == [
        "a/input/3.png",
        "b/input/1.png",
        "b-/input/2.png",
    ]


def test_case_and_junk_are_no_matter(tmp_path):
    """Upper-case endings and folders count; what a Mac adds and other files do not."""
    write(
        tmp_path, "A/Test_A/data/0_rain.PNG", "A/Test_A/GT/0_clean.png", "b/test_a/data/1_RAIN.png"
    )
    write(tmp_path, "b/test_a/gt/1_clean.PNG")
    for junk in ("b/test_a/data/._1_rain.png", "b/test_a/gt/._1_clean.png", "b/test_a/gt/Thumbs.db",
                 "__MACOSX/test_a/data/7_rain.png", ".hidden/test_a/data/8_rain.png",
                 "b/test_a/data/9_rain.txt"):  # fmt: skip
        (tmp_path / junk).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / junk).write_bytes(b"junk")
    assert found(tmp_path, "raindrop_a", 2) == [
        ("A/Test_A/data/0_rain.PNG", "A/Test_A/GT/0_clean.png"),
        ("b/test_a/data/1_RAIN.png", "b/test_a/gt/1_clean.PNG"),
    ]


def test_a_clean_file_of_the_very_name_goes_before_one_of_other_case(tmp_path):
    write(tmp_path, "A/input/x.png", "A/target/x.png", "a/target/x.png")
    assert found(tmp_path, "hide") == [("A/input/x.png", "A/target/x.png")]


# --- lists --------------------------------------------------------------------------------------


def allweather(folder, lines, where="allweather.txt"):
    write(folder, *(f"{kind}/{name}" for kind in ("input", "gt") for name in ("a.jpg", "b.png")))
    write(folder, "input/unlisted.png", "gt/unlisted.png")
    (folder / where).parent.mkdir(parents=True, exist_ok=True)
    (folder / where).write_bytes(lines if isinstance(lines, bytes) else lines.encode())
    return folder


@pytest.mark.parametrize(
    "lines",
    [
        "input/b.png\ninput/a.jpg\n",
        "./input/a.jpg\r\n\r\n./input/b.png  \r\n",
        "/input/a.jpg\n  /input/b.png",
        "./allweather/input/a.jpg\ndata/train/allweather/input/b.png\n",
        "input\\a.jpg\ninput\\b.png\n",
        "a.jpg\n./b.png\n",
        " input/a.jpg\n\tinput/b.png\n",
        "Input/A.JPG\nINPUT/b.png\n",
        b"\xef\xbb\xbfinput/a.jpg\ninput/b.png\n",
    ],
    ids=[
        "plain",
        "dot and CRLF",
        "slash",
        "prefix",
        "backslash",
        "bare name",
        "indented",
        "case",
        "BOM",
    ],
)
@pytest.mark.parametrize("where", ["allweather.txt", "lists/allweather.txt"])
def test_a_list_names_its_files_as_seen_from_any_root(tmp_path, lines, where):
    """Sorted, without the files that it leaves out, whose clean images are no orphans."""
    allweather(tmp_path / "top", lines, where)
    pairs = [("top/input/a.jpg", "top/gt/a.jpg"), ("top/input/b.png", "top/gt/b.png")]
    assert found(tmp_path, "allweather_train", 2) == pairs


def test_a_listed_layout_follows_the_plain_one(tmp_path):
    """Snow100K as TransWeather arranges it; without its list no rule fits."""
    write(tmp_path, "snow100k/input/x.jpg", "snow100k/gt/x.jpg")
    assert refused(tmp_path, "snow100k_l") == (
        f"snow100k_l: no degraded images in {tmp_path}; looked for **/Snow100K-L/synthetic/*.jpg, "
        "**/input/*.jpg listed in **/snowtest100k_L.txt; unpack the archive there"
    )
    (tmp_path / "snow100k/snowtest100k_L.txt").write_text("./snow100k/input/x.jpg\n")
    assert found(tmp_path, "snow100k_l") == [("snow100k/input/x.jpg", "snow100k/gt/x.jpg")]


def test_the_folder_of_the_list_goes_before_other_copies(tmp_path):
    """A copy elsewhere with the same tail is left out, and its clean image is no orphan."""
    allweather(tmp_path, "input/a.jpg\n")
    write(tmp_path, "old/input/a.jpg", "old/gt/a.jpg")
    assert found(tmp_path, "allweather_train") == [("input/a.jpg", "gt/a.jpg")]


def test_it_does_so_even_before_a_longer_tail(tmp_path):
    allweather(tmp_path / "train", "allweather/input/a.jpg\n")
    write(tmp_path, "allweather/input/a.jpg", "allweather/gt/a.jpg")
    assert found(tmp_path, "allweather_train") == [("train/input/a.jpg", "train/gt/a.jpg")]


def test_a_list_may_spell_names_in_another_case(tmp_path):
    write(tmp_path, "Input/A.JPG", "Gt/A.JPG")
    (tmp_path / "AllWeather.txt").write_text("input/a.jpg\n")
    assert found(tmp_path, "allweather_train") == [("Input/A.JPG", "Gt/A.JPG")]


def test_the_longest_tail_decides(tmp_path):
    allweather(tmp_path, "data/rain/input/c.png\n", "lists/allweather.txt")
    write(
        tmp_path, *(f"{top}/{kind}/c.png" for top in ("rain", "snow") for kind in ("input", "gt"))
    )
    assert found(tmp_path, "allweather_train") == [("rain/input/c.png", "rain/gt/c.png")]


def test_a_line_that_may_mean_two_files_is_refused(tmp_path):
    allweather(tmp_path, "a.jpg\ninput/c.png\n", "lists/allweather.txt")
    tops = ("rain", "snow/old")
    write(tmp_path, *(f"{top}/{kind}/c.png" for top in tops for kind in ("input", "gt")))
    assert refused(tmp_path, "allweather_train") == (
        "allweather_train: lists/allweather.txt, line 2 may mean rain/input/c.png or "
        f"snow/old/input/c.png in {tmp_path}; remove one copy"
    )


def test_listed_files_that_are_absent_are_named_with_their_line(tmp_path):
    """A file of that name in another folder is not the listed one."""
    allweather(tmp_path, "input/a.jpg\n\n./other/b.png\ninput/c.png\n/input/d.png\n")
    assert refused(tmp_path, "allweather_train") == (
        f"allweather_train: allweather.txt, line 3 names ./other/b.png, which is not in {tmp_path}"
        ", and 2 more lines; the archive may be incomplete, fetch and unpack it again"
    )


def test_a_file_listed_twice_is_named_with_both_lines(tmp_path):
    allweather(tmp_path, "input/a.jpg\ninput/b.png\n./input/a.jpg\n")
    message = refused(tmp_path, "allweather_train")
    assert "allweather.txt, line 3 names input/a.jpg again, as line 1 does" in message


def test_copies_of_a_list_must_be_equal(tmp_path):
    """Line ends apart."""
    allweather(tmp_path, "input/a.jpg\n")
    allweather(tmp_path, "input/a.jpg\r\n", "lists/allweather.txt")
    assert found(tmp_path, "allweather_train", 1) == [("input/a.jpg", "gt/a.jpg")]
    allweather(tmp_path, "input/b.png\n", "lists/allweather.txt")
    message = refused(tmp_path, "allweather_train")
    assert f"allweather.txt and lists/allweather.txt in {tmp_path} differ" in message


@pytest.mark.parametrize(
    ("lines", "message"),
    [(b"\r\n \n", "allweather.txt in .* is empty"), (b"\xff\xfe\x00", "allweather.txt is no text")],
    ids=["empty", "binary"],
)
def test_a_broken_list_is_named(tmp_path, lines, message):
    allweather(tmp_path, lines)
    with pytest.raises(InputError, match=message):
        found(tmp_path, "allweather_train")


# --- what is refused ----------------------------------------------------------------------------


@pytest.fixture
def pre_split(tmp_path):
    """Three whole pairs of HIDE as they come pre-split."""
    return write(tmp_path, *flat("HIDE/input", "HIDE/target", ["1.png", "2.png", "3.png"])[0])


def test_no_layout_fits(tmp_path):
    message = refused(write(tmp_path, "elsewhere/1.png"), "gopro_test")
    assert message == (
        f"gopro_test: no degraded images in {tmp_path}; looked for **/test/*/blur/*.png, "
        "**/test/**/input/*.png, input/*.png; unpack the archive there"
    )


def test_no_folder(tmp_path):
    message = f"hide: no folder {tmp_path / 'gone'}; unpack the archive there"
    assert refused(tmp_path / "gone", "hide") == message


def test_a_degraded_image_without_its_clean_one(pre_split):
    (pre_split / "HIDE/target/2.png").unlink()
    assert refused(pre_split, "hide", 3) == (
        f"hide: HIDE/input/2.png has no clean image HIDE/target/2.png in {pre_split}; "
        "the archive may be incomplete, fetch and unpack it again"
    )
    (pre_split / "HIDE/target/3.png").unlink()
    assert f"2.png in {pre_split}, and 1 more image; " in refused(pre_split, "hide")
    (pre_split / "HIDE/target/1.png").unlink()
    assert f"1.png in {pre_split}, and 2 more images; " in refused(pre_split, "hide")


def test_a_clean_image_that_nothing_uses(pre_split):
    (pre_split / "HIDE/input/2.png").unlink()
    assert refused(pre_split, "hide", 3) == (
        f"hide: no degraded image belongs to HIDE/target/2.png in {pre_split}; "
        "the archive may be incomplete, fetch and unpack it again"
    )
    write(pre_split, "HIDE/target/9.PNG")
    message = refused(pre_split, "hide")
    assert f"HIDE/target/2.png in {pre_split}, and 1 more image; " in message


def test_a_shared_clean_image_is_an_orphan_only_without_any_input(tmp_path):
    _, files, pairs = LAYOUTS["outdoor rain"]
    write(tmp_path, *files)
    (tmp_path / pairs[0][0]).unlink()
    assert found(tmp_path, "outdoor_rain_test1") == pairs[1:]
    for degraded, _ in pairs[1:3]:
        (tmp_path / degraded).unlink()
    assert "belongs to gt/im_0301.png" in refused(tmp_path, "outdoor_rain_test1")


def test_a_clean_image_of_neither_part_of_hide_is_an_orphan(tmp_path):
    write(tmp_path, *hide_original()[0])
    (tmp_path / "train/12fromGOPR0950.png").unlink()
    assert "belongs to GT/12fromGOPR0950.png" in refused(tmp_path, "hide")


def test_a_listed_set_has_orphans_too(tmp_path):
    allweather(tmp_path, "input/a.jpg\n")
    (tmp_path / "input/unlisted.png").unlink()
    assert "belongs to gt/unlisted.png" in refused(tmp_path, "allweather_train")


def test_pairs_of_different_size(pre_split):
    """Both sizes are named, width first; a turned image is not the same."""
    write(pre_split, "HIDE/target/3.png", size=(4, 6))
    assert refused(pre_split, "hide", 3) == (
        "hide: HIDE/input/3.png is 6x4, its clean image HIDE/target/3.png is 4x6 "
        f"in {pre_split}; fetch both again"
    )


def test_only_headers_are_read(pre_split):
    """A file that ends after its header has a size; a file without one is named."""
    path = pre_split / "HIDE/target/2.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"IDAT") + 4])
    assert len(found(pre_split, "hide", 3)) == 3
    for broken in (b"", b"GIF", whole[:20]):
        path.write_bytes(broken)
        with pytest.raises(
            InputError, match=r"cannot decode picture .*target/2\.png: .*get it again"
        ):
            found(pre_split, "hide", 3)


def test_a_wrong_number_of_pairs(pre_split):
    assert refused(pre_split, "hide", 2025) == (
        f"hide: found 3 pairs where 2025 belong: **/input/*.png in {pre_split}; "
        "the archive may be incomplete, fetch and unpack it again"
    )
    assert refused(pre_split, "hide", 2) == (
        f"hide: found 3 pairs where 2 belong: **/input/*.png in {pre_split}; "
        "remove what does not belong to it"
    )


def test_two_copies_of_a_set(pre_split):
    """The second file of the same flat name is named, beside the first."""
    write(pre_split, "copy/input/3.png", "copy/target/3.png")
    assert refused(pre_split, "hide") == (
        "hide: HIDE/input/3.png and copy/input/3.png would both be called 3.png; remove one copy"
    )


def test_names_that_differ_in_case_only(pre_split):
    """On some disks they would be one file."""
    write(pre_split, "HIDE/input/a.png", "HIDE/target/a.png", "more/input/A.png")
    write(pre_split, "more/target/A.png")
    message = "HIDE/input/a.png and more/input/A.png would both be called A.png"
    assert message in refused(pre_split, "hide")


def test_names_that_differ_in_their_ending_only(tmp_path):
    """Prepared sets are PNG, so a.jpg and a.png are the same name there."""
    write(tmp_path, *(f"{kind}/a.{end}" for kind in ("data", "gt") for end in ("jpg", "png")))
    rules = [{"degraded": "data/*", "clean": ["^data/", "gt/"]}]
    with pytest.raises(
        InputError, match=r"data/a\.jpg and data/a\.png would both be called a\.png"
    ):
        find_pairs(tmp_path, rules, "set")


def test_two_clean_files_of_one_name(tmp_path):
    write(tmp_path, "data/1/x.png", "data/2/y.png", "gt/1/z.png", "gt/2/z.png")
    rules = [{"degraded": "data/**/*.png", "clean": ["^data/(.)/.", r"gt/\1/z"]}]
    with pytest.raises(
        InputError, match=r"gt/1/z\.png and gt/2/z\.png would both be called z\.png"
    ):
        find_pairs(tmp_path, rules, "set")


@pytest.mark.parametrize("expression", ["blur/", "in"], ids=["never", "twice"])
def test_a_rule_must_match_exactly_once(tmp_path, expression):
    write(tmp_path, "input/in.png", "target/in.png")
    rules = [{"degraded": "input/*.png", "clean": [expression, "target/"]}]
    message = f"set: the rule {expression} must match input/in.png exactly once; mend the rule"
    with pytest.raises(InputError) as error:
        find_pairs(tmp_path, rules, "set")
    assert str(error.value) == message


@pytest.mark.parametrize("kind", ["input", "target"])
def test_a_link_that_leads_out_is_refused(pre_split, tmp_path_factory, kind):
    """One that stays inside is followed."""
    path = pre_split / f"HIDE/{kind}/2.png"
    kept = pre_split / "kept.png"
    path.rename(kept)
    path.symlink_to(kept)
    assert len(found(pre_split, "hide", 3)) == 3
    outside = tmp_path_factory.mktemp("outside") / "2.png"
    kept.rename(outside)
    path.unlink()
    path.symlink_to(outside)
    message = f"hide: HIDE/{kind}/2.png leads out of {pre_split}; copy the file itself there"
    assert refused(pre_split, "hide") == message


def test_a_linked_folder_is_not_entered(tmp_path):
    """Neither into the open nor round in circles; the message names the link."""
    write(tmp_path / "outside", "input/a.png", "target/a.png")
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "HIDE").symlink_to(tmp_path / "outside")
    assert refused(folder, "hide") == (
        f"hide: no degraded images in {folder}; looked for **/input/*.png, **/test/**/*.png; "
        "HIDE is a link and not entered, move the folder itself there"
    )
    write(folder, "input/b.png", "target/b.png")
    (folder / "again").symlink_to(folder)
    assert found(folder, "hide") == [("input/b.png", "target/b.png")]


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("GOPRO_Large/test/GOPR0384_11_00/blur/000001.png", "GOPR0384_11_00-000001.png"),
        ("train/GOPR0384_11_00/sharp/000001.png", "GOPR0384_11_00-000001.png"),
        ("GOPR0384_11_00/Blur_Gamma/000001.png", "GOPR0384_11_00-000001.png"),
        ("test/GoPro/input/GOPR0384_11_00-000001.png", "GOPR0384_11_00-000001.png"),
        ("Snow100K-L/synthetic/city_art_00007.jpg", "city_art_00007.jpg"),
        ("blur/000001.png", "000001.png"),
        ("000001.png", "000001.png"),
    ],
)
def test_flat_names(path, name):
    assert flat_name(PurePosixPath(path)) == name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_flat_names_tell_the_files_of_a_set_apart(layout):
    _, _, pairs = LAYOUTS[layout]
    for kind in zip(*pairs, strict=True):
        files = set(kind)
        assert len({flat_name(PurePosixPath(file)) for file in files}) == len(files)


def test_both_copies_of_gopro_give_the_same_names():
    _, original = gopro_original("test")
    assert [flat_name(PurePosixPath(path)) for path, _ in original] == FRAMES


# --- TransWeather's sizes -----------------------------------------------------------------------


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
@example(height=480, width=640)
@example(height=1024, width=1024)
@example(height=1025, width=1025)
@example(height=1024, width=1025)
@example(height=1, width=20000)
def test_sizes_are_those_of_transweather(height, width):
    size = transweather_size(height, width)
    assert size == size_in_transweather(height, width)
    assert all(type(side) is int and side % 16 == 0 and 16 <= side <= 1024 for side in size)
    shrunk = min(1, 1024 / max(height, width))
    for new, old in zip(size, (height, width), strict=True):
        assert -1e-9 <= new - old * shrunk < 17  # less than one pixel, then less than 16 more
    assert transweather_size(width, height) == size[::-1]
    assert transweather_size(*size) == size


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [
        (480, 720, (480, 720)),  # RainDrop
        (480, 640, (480, 640)),
        (481, 640, (496, 640)),
        (720, 1280, (576, 1024)),
        (1280, 721, (1024, 592)),  # 576.8 -> 577 -> 592
    ],
)
def test_sizes_of_the_test_sets(height, width, size):
    assert transweather_size(height, width) == size


@pytest.mark.parametrize(("height", "width"), [(0, 5), (5, 0)])
def test_an_empty_image_has_no_size(height, width):
    with pytest.raises(InputError, match=f"an image of {width}x{height} is empty"):
        transweather_size(height, width)


@pytest.mark.parametrize("shape", [(33, 47, 3), (600, 1100, 3), (1100, 30, 3)])
def test_resizing_is_pillows_lanczos(shape):
    image = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    height, width = size_in_transweather(*shape[:2])
    expected = np.asarray(Image.fromarray(image).resize((width, height), Image.LANCZOS))
    resized = resize_as_transweather(image)
    assert resized.dtype == np.uint8
    assert resized.shape == (height, width, 3)
    assert np.array_equal(resized, expected)


def test_an_image_of_that_size_is_returned_unchanged():
    image = np.random.default_rng(3).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    assert resize_as_transweather(image) is image


@pytest.mark.parametrize(
    "image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32)], ids=["grey", "float"]
)
def test_only_colour_of_8_bits_is_resized(image):
    with pytest.raises(InputError, match=r"expected a non-empty uint8 image \[H,W,3\]"):
        resize_as_transweather(image)
