"""Files that are whole or absent, whatever ends the block that writes them."""

import signal

import pytest
from checkout import python

from semanir.files import replacing, write_json, write_text


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
    run = python(program, path)
    assert run.returncode == (3 if "exit" in end else -signal.SIGKILL)
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
