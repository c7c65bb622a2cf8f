"""Files and their places: whole or absent, long names, the umask, full disks, broken files."""

import errno
import json
import os
import signal
import stat
import subprocess
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from checkout import python
from restoring import fails, names_in
from safetensors.torch import save_file

from data_prep.images import write_image
from data_prep.pictures import Picture, write_picture
from semanir import files
from semanir.errors import InputError, OutputError, one_line_errors
from semanir.files import replacing, write_json, write_text
from semanir.inference import checkpoint
from semanir.network import build
from semanir.train.spikes import Spikes
from semanir.train.state import save_state

NOISE = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)


@pytest.mark.parametrize("letter", ["x", "é", "\udce9"], ids=["ascii", "utf-8", "byte"])
@pytest.mark.parametrize("length", [1, 117, 118, 125, 200, 255])
def test_names_of_up_to_255_bytes_are_written(tmp_path, length, letter):
    size = len(os.fsencode(letter))
    name = letter * (length // size) + "x" * (length % size)
    with replacing(tmp_path / name) as partial:
        assert files.is_hidden(partial.name) and partial.match("*.partial")
        assert partial.parent == tmp_path and len(os.fsencode(partial.name)) <= 143  # eCryptfs
        partial.write_text("new")
    assert names_in(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "new"


def test_hidden_files_are_each_ones_own(tmp_path):
    """Long names that begin and end alike stay two; so do processes; short ones are readable."""
    one, other = (tmp_path / f"{'x' * 200}{middle}{'y' * 50}" for middle in "ab")
    first, second = (files.hidden_file(path, "1.partial") for path in (one, other))
    assert first != second != files.hidden_file(other, "2.partial")
    assert files.hidden_file(tmp_path / "a.png", "12.partial").name == ".a.png.12.partial"


def test_what_systems_leave_behind_is_hidden(tmp_path):
    shown = {"_a.png", "a._b.png", "a.png"}
    hidden = {"._a.png", ".DS_Store", "Thumbs.db", "thumbs.DB", "desktop.ini", "__MACOSX"}
    paths = files.visible(tmp_path / name for name in shown | hidden)
    assert paths == [tmp_path / name for name in sorted(shown)]


def test_names_that_are_no_text_become_escapes_in_files(tmp_path):
    write_text(tmp_path / "page.html", "caf\udce9, naïve")
    assert (tmp_path / "page.html").read_bytes() == b"caf\\udce9, na\xc3\xafve"
    write_json(tmp_path / "a.json", ["caf\udce9"])
    assert json.loads((tmp_path / "a.json").read_bytes()) == ["caf\udce9"]


def by(write):
    def write_whole(path):
        with replacing(path) as partial:
            write(partial)

    return write_whole


def by_training(path):
    run = SimpleNamespace(state_path=path, fingerprint="f00", step=1, network=tiny(), average=None)
    run.spikes, run.good = Spikes(), {}
    run.optimizer = torch.optim.AdamW(run.network.parameters())
    save_state(run)


tiny = partial(build, "semanir-u-tiny", channels=1)
WRITERS = {
    "text": lambda path: write_text(path, "text" * 70_000),
    "array": by(lambda path: np.zeros(50_000).tofile(path)),
    "photograph": lambda path: write_image(path, NOISE),
    "weights": lambda path: checkpoint.save(path, tiny()),
    "weights by safetensors": by(lambda path: save_file({"a": torch.zeros(3)}, path)),
    "training": by_training,
}


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077], ids=oct)
@pytest.mark.parametrize("kind", WRITERS)
def test_files_have_the_mode_that_the_umask_says(tmp_path, kind, umask):
    before = os.umask(umask)
    try:
        WRITERS[kind](tmp_path / "new" / "file")
    finally:
        os.umask(before)
    mode = stat.S_IMODE((tmp_path / "new" / "file").stat().st_mode)
    assert oct(mode) == oct(0o666 & ~umask)


def no_space(path):
    return pytest.raises(OutputError, match=f"no space left to write {path}")


@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind != "weights by safetensors"])
def test_a_full_disk_is_one_error_and_leaves_the_old_file(small_disk, kind):
    """Whatever a library makes of it: OSError with or without its number, RuntimeError."""
    path = small_disk / "file"
    path.write_bytes(b"old")
    with no_space(path):
        WRITERS[kind](path)
    assert names_in(small_disk) == ["file"] and path.read_bytes() == b"old"


@pytest.mark.parametrize("ending", ["png", "tif", "webp", "jpg", "bmp"])
def test_pictures_on_a_full_disk(small_disk, ending):
    image = NOISE.astype(np.uint16) if ending in ("png", "tif") else NOISE
    with no_space(small_disk / f"a.{ending}"):
        write_picture(small_disk / f"a.{ending}", Picture(image))
    assert names_in(small_disk) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT], ids=["full", "quota"])
def test_a_full_disk_by_a_stub(tmp_path, monkeypatch, number):
    monkeypatch.setattr(os, "fsync", Mock(side_effect=OSError(number, os.strerror(number))))
    with no_space(tmp_path / "file"):
        write_text(tmp_path / "file", "text")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("error", [PermissionError(errno.EACCES, "no", "in.png"), RuntimeError()])
def test_other_errors_of_a_block_stay_what_they_are(tmp_path, error):
    """An input that cannot be read is no fault of the output."""
    with pytest.raises(type(error)) as raised, replacing(tmp_path / "file"):
        raise error
    assert raised.value is error and names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("file/new", "Not a directory|File exists"),
        ("folder", "it is a folder"),
        ("x" * 256, "File name too long"),
        (f"{'x' * 256}/new", "File name too long"),
    ],
)
def test_writable_places_are_left_as_they_were_and_others_refused(tmp_path, name, reason):
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "folder").mkdir()
    files.check_writable(tmp_path / "file", tmp_path / "new", tmp_path / "a" / "b" / "c")
    with pytest.raises(OutputError, match=reason):
        files.check_writable(tmp_path / "good", tmp_path / name)
    assert names_in(tmp_path) == ["file", "folder"] and (tmp_path / "file").read_bytes() == b"old"


def test_read_only_and_full_folders_are_refused(read_only, small_disk):
    for write in (lambda path: files.check_writable(path), lambda path: write_text(path, "text")):
        with pytest.raises(OutputError, match=f"cannot write {read_only}"):
            write(read_only / "new")
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "all").write_bytes(bytes(1 << 20))
    with no_space(small_disk):
        files.check_writable(small_disk / "new")
    assert names_in(small_disk) == ["all"]


LONG_WORK = """train --task sr-x2 --model semanir-s
evaluate --task sr-x2 --model semanir-s
evaluate --what activation --task denoise_color-blind --model semanir-u
evaluate --what visual --task sr-x2 --model semanir-s
measure record results/smoke/cost/swinir/count.json
measure runtime
measure attention memory
measure attention complexity
bench --scale smoke
bench --growth --scale smoke"""


@pytest.mark.parametrize("work", LONG_WORK.splitlines())
def test_long_work_tries_its_output_first(tmp_path, monkeypatch, capsys, work):
    """`results` is a file: nothing can be written below it, and nothing is read or computed."""
    monkeypatch.chdir(tmp_path)
    Path("results").write_text("")
    assert fails(capsys, *work.split()).startswith("error: cannot write results/smoke/")


def run(body, encoding="utf-8", **options):
    """A process whose command line does `body`."""
    program = (
        "import sys; from semanir.errors import one_line_errors\n"
        f"@one_line_errors\ndef main(argv=None): {body}\nmain()"
    )
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return python(program, env={"PYTHONIOENCODING": encoding}, **streams)


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", b"\xc3\xafve"), ("ascii", b"\\xefve")])
def test_names_that_a_terminal_lacks_are_escaped(encoding, shown):
    ended = run("[print('\\xefve \\udce9', file=f) for f in (sys.stdout, sys.stderr)]", encoding)
    assert ended.returncode == 0 and ended.stdout == ended.stderr == shown + b" \\udce9\n"


def test_a_reader_who_has_gone_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    ended = run("print('line\\n' * 10**5)", stdout=writing)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_output_that_goes_nowhere_is_one_line():
    with open("/dev/full", "wb") as full:
        ended = run("print('done')", stdout=full)
    assert ended.returncode == 2
    assert ended.stderr.startswith(b"error: no space left") and ended.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("two\nlines"), "error: two lines"),
        (PermissionError(errno.EACCES, "Permission denied", b"a.png"), "a.png: Permission denied"),
        (OSError(errno.ENOSPC, "No space left", "a.png"), "error: no space left to write a.png"),
        (OSError("odd"), "error: odd"),
    ],
)
def test_errors_end_in_one_line(capsys, error, line):
    @one_line_errors
    def main(argv=None):
        raise error

    with pytest.raises(SystemExit) as stop:
        main()
    shown = capsys.readouterr().err
    assert stop.value.code == 2
    assert line in shown and shown.startswith("error: ") and shown.count("\n") == 1


json_dict = partial(files.read_json, kind=dict, next_step="mend it")
entries = partial(files.read_list, fields={"file": str}, next_step="mend it")


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (json_dict, '{"a": 1,\n}', "line 2.*; mend it"),
        (json_dict, "", "line 1.*; mend it"),
        (json_dict, "[1]", "a dict is expected.*; mend it"),
        (json_dict, "\udc80", "it is no text; mend it"),
        *(
            (entries, f'[{{"file": "a.png"}}, {entry}]', "an entry without 'file'; mend it")
            for entry in ("3", "{}", '{"file": 7}', '{"fiel": "a.png"}', "null")
        ),
        (files.read_yaml, "a: 1\nb: [\n", "line 3"),
        (files.read_yaml, "a: 1\n\tb: 2", "line 2"),
        (files.read_yaml, "- 1", "holds no"),
        (files.read_yaml, "\udc80", "it is no text"),
    ],
)
def test_broken_files_are_named_by_their_line(tmp_path, read, text, message):
    path = tmp_path / "a.file"
    path.write_bytes(os.fsencode(text))
    with pytest.raises(InputError, match=rf"broken .*a\.file.*{message}"):
        read(path)


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_the_old_file_stands_until_the_block_has_ended(tmp_path):
    path = tmp_path / "new" / "folder" / "file.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), replacing(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert contents(path.parent) == {"file.txt": "old"}
    with replacing(path) as partial:
        partial.write_text("new")
        assert partial.parent == path.parent and path.read_text() == "old"
    assert contents(path.parent) == {"file.txt": "new"}


@pytest.mark.parametrize("end", ["os._exit(3)", "os.kill(os.getpid(), signal.SIGKILL)"])
@pytest.mark.parametrize("before", [True, False], ids=["old file", "no file"])
def test_a_killed_process_leaves_the_old_file_or_none(tmp_path, end, before):
    """What it leaves besides is hidden and in nobody's way."""
    path = tmp_path / "file.txt"
    if before:
        write_text(path, "old")
    program = f"""import os, signal, sys
from semanir.files import replacing
with replacing(sys.argv[1]) as partial:
    partial.write_text("half")
    {end}
"""
    assert python(program, path).returncode == (3 if "exit" in end else -signal.SIGKILL)
    left = contents(tmp_path)
    assert left.pop("file.txt", None) == ("old" if before else None)
    assert [name.endswith(".partial") for name in left] == [True]
    write_text(path, "new")
    assert path.read_text() == "new"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_files_hold_no_nan(tmp_path, value):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"a": value})
    assert contents(tmp_path) == {}
