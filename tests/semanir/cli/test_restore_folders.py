"""`semanir restore`: which files are read and written, of one picture and of a folder."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from restoring import fails, names_in, pixels, semanir, shown_by, written

from semanir.cli import outputs
from semanir.cli import restore as command_restore
from semanir.inference import pictures

# --- one picture -------------------------------------------------------------------------------


@pytest.fixture
def single(tmp_path, album):
    """A picture, where it goes, and the command that restores it."""
    source, target = album[0] / "b.png", tmp_path / "out.png"
    return source, target, ("restore", source, "-o", target, *album[1][-2:])


@pytest.mark.parametrize("link", ["same", "symbolic", "hard"])
def test_the_input_is_never_overwritten(single, capsys, link):
    source, target, command = single
    before = source.read_bytes()
    if link == "symbolic":
        target.symlink_to(source)
    if link == "hard":
        target.hardlink_to(source)
    if link == "same":
        command = (*command[:3], source, *command[4:])
    assert "is the input, which is never overwritten" in fails(capsys, *command, "--overwrite")
    assert source.read_bytes() == before


def test_an_output_is_overwritten_on_demand(single, capsys):
    source, target, command = single
    target.write_bytes(b"old")
    assert "out.png is there already; pass --overwrite" in fails(capsys, *command)
    assert target.read_bytes() == b"old"
    semanir(*command, "--overwrite")
    np.testing.assert_array_equal(written(target), written(source))


# --- a folder ----------------------------------------------------------------------------------


@pytest.fixture
def good(album):
    """The album without its broken picture."""
    (album[0] / "a.tif").unlink()
    return album


def test_a_broken_picture_is_named_and_the_others_are_done(tmp_path, album, capsys):
    folder, command = album
    shown = shown_by(capsys, *command, code=1)
    others, failed = shown.err.splitlines()
    assert others.startswith("left out: notes.txt (no PNG") and others.endswith("; 1 folder")
    assert failed.startswith(f"failed: {folder}/a.tif: cannot decode picture")
    assert shown.out == f"3 restored, 0 there already, 1 failed: {tmp_path}/out\n"
    assert names_in(tmp_path / "out") == ["b.png", "c.png", "d.png"]
    np.testing.assert_array_equal(written(tmp_path / "out/c.png"), pixels(9, 11, 3, seed=2))


def test_finished_pictures_are_left_out_unless_told(tmp_path, good, capsys):
    _, command = good
    finished = tmp_path / "out" / "b.png"
    finished.parent.mkdir()
    finished.write_bytes(b"old")
    for options, counts in (([], "2 restored, 1"), ([], "0 restored, 3"), (["--overwrite"], "3 r")):
        assert finished.read_bytes() == b"old"
        semanir(*command, *options)
        assert capsys.readouterr().out.startswith(counts)
    assert finished.read_bytes() != b"old"


def test_the_format_of_a_folder(tmp_path, good, capsys):
    folder, command = good
    semanir(*command, "--format", "tif")
    assert names_in(tmp_path / "out") == ["b.tif", "c.tif", "d.tif"]
    np.testing.assert_array_equal(written(tmp_path / "out/b.tif"), pixels(9, 11, 3, seed=1))
    capsys.readouterr()
    command = ("restore", folder / "b.png", "-o", tmp_path / "o.png", *command[-2:])
    assert "--format is for folders" in fails(capsys, *command, "--format", "tif")


def test_an_interrupt_keeps_what_is_finished(tmp_path, good, capsys, monkeypatch):
    restore_file = pictures.restore_file

    def interrupted(source, *rest, **options):
        if source.name == "c.bmp":
            raise KeyboardInterrupt
        return restore_file(source, *rest, **options)

    monkeypatch.setattr(pictures, "restore_file", interrupted)
    shown = fails(capsys, *good[1], code=130)
    assert shown.endswith("\ninterrupted; the same command resumes\n")
    assert names_in(tmp_path / "out") == ["b.png"]


def test_hidden_files_are_left_out_and_others_named(tmp_path, album, capsys):
    folder, command = album
    for name in ("._b.png", ".thumb.png", "Thumbs.db", ".DS_Store"):
        shutil.copy(folder / "b.png", folder / name)
    for name in ("a.tif", "c.bmp", "d.JPG"):
        (folder / name).unlink()
    for name in ("e.heic", "f.gif", "g.jfif", "h.JPE", "i.apng"):
        Image.fromarray(pixels(9, 11, 3)).save(folder / name, "PNG")
    semanir(*command)
    shown = capsys.readouterr()
    assert shown.out == f"4 restored, 0 there already, 0 failed: {tmp_path}/out\n"
    assert names_in(tmp_path / "out") == ["b.png", "g.png", "h.png", "i.png"]
    assert shown.err.startswith("left out: e.heic, f.gif, notes.txt (no PNG, JPEG")
    assert shown.err.endswith("; 4 hidden files; 1 folder\n")


@pytest.mark.parametrize(("count", "line"), [(10, "08.gif, 09.gif (no PNG"), (12, "and 3 more (")])
def test_what_is_left_out(tmp_path, count, line):
    assert outputs.left_out(SimpleNamespace(input=tmp_path, output=tmp_path), []) == ""
    for number in range(count):
        (tmp_path / f"{number:02}.gif").touch()
    args = SimpleNamespace(input=tmp_path, output=tmp_path / "out")
    args.output.mkdir()  # which is not told
    assert line in outputs.left_out(args, [])


def test_names_that_are_no_text_are_restored_and_printed(tmp_path, album, capsys):
    folder, command = album
    for old, new in (("b.png", "b\udce9.png"), ("a.tif", "a\udce9.tif"), ("notes.txt", "n\udce9")):
        (folder / old).rename(folder / new)
    weights = shutil.copy(command[-1], tmp_path / "w\udce9.safetensors")
    command = (*command[:3], tmp_path / "out\udce9", "--weights", weights)
    shown = shown_by(capsys, *command, code=1)
    assert shown.out.endswith("/out\\udce9\n")
    assert "left out: n\\udce9 " in shown.err and "a\\udce9.tif" in shown.err
    assert (tmp_path / "out\udce9" / "b\udce9.png").is_file()


@pytest.mark.parametrize(
    ("source", "output", "message"),
    [
        ("album", "album", "album is the folder of the inputs; name another one"),
        ("album", "album/notes.txt", "is a folder, but -o"),
        ("album/b.png", "album", "album is a folder; name the picture"),
        ("album/gone.png", "o.png", "no such picture: "),
        ("empty", "out", "BMP picture; left out: 1 hidden file"),
        ("twice", "out", "twice/b.webp would both become {0}/out/b.png; rename one"),
    ],
)
def test_wrong_inputs_and_outputs_are_refused(tmp_path, album, capsys, source, output, message):
    for name in ("empty/._a.png", "twice/b.png", "twice/b.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    command = ("restore", tmp_path / source, "-o", tmp_path / output, *album[1][-2:])
    assert message.format(tmp_path) in fails(capsys, *command)
    assert not (tmp_path / "out").exists()


# --- outputs that cannot be written --------------------------------------------------------------


@pytest.mark.parametrize("name", ["album/b.png/out", f"{'x' * 300}/out", "closed", "out"])
def test_an_output_that_cannot_be_is_one_error_before_any_work(
    tmp_path, album, capsys, monkeypatch, read_only, name
):
    """Below a file, of too long a name, read-only, a folder in place of a picture."""
    monkeypatch.setattr(command_restore, "_load", None)  # is not called
    monkeypatch.setattr(pictures, "restore_file", None)
    (tmp_path / "out" / "c.png").mkdir(parents=True)
    command = (*album[1][:3], tmp_path / name, *album[1][4:], "--overwrite")
    shown = fails(capsys, *command)
    assert f"{tmp_path}/{name}" in shown and ("cannot write" in shown or "too long" in shown)


def test_a_disk_that_fills_up_ends_the_run(tmp_path, good, capsys, monkeypatch):
    """At once; what is finished stays, an old file too, and nothing half done."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "c.png").write_bytes(b"old")
    save, calls = Image.Image.save, []

    def filling(image, file, *rest, **options):
        calls.append(file)
        if len(calls) == 2:
            file.write(b"half")
            raise OSError(28, "No space left on device")
        save(image, file, *rest, **options)

    monkeypatch.setattr(Image.Image, "save", filling)
    line = shown_by(capsys, *good[1], "--overwrite", code=2).err.splitlines()[-1]
    assert line.startswith("error: no space left to write ") and "/c.png;" in line
    assert len(calls) == 2 and names_in(tmp_path / "out") == ["b.png", "c.png"]
    assert (tmp_path / "out" / "c.png").read_bytes() == b"old"
