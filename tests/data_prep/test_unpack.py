"""Archives from strangers: whole or not at all, and never outside the folder."""

import os
import stat
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from unittest.mock import Mock

import pytest
from archives import packed

import data_prep.unpack as unpacking
from data_prep.unpack import unpack
from semanir.errors import InputError

FILES = {"photos/a.png": b"first", "photos/deep/b.png": b"second" * 1000}


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def refused(archive, message, **options):
    """The error names archive and reason; nothing is left, inside or outside."""
    before = set(archive.parent.rglob("*"))
    with pytest.raises(InputError, match=message) as error:
        unpack(archive, archive.parent / "out", **options)
    assert archive.name in str(error.value)
    assert set(archive.parent.rglob("*")) == before


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz", "tgz", "rar"])
def test_an_archive_comes_out_whole(tmp_path, ending):
    junk = ("__MACOSX/photos/._a.png", "photos/._a.png", "photos/.DS_Store")
    path = packed(tmp_path / f"a.{ending}", FILES | dict.fromkeys(junk, b"x"))
    (tmp_path / "out").mkdir()
    (tmp_path / ".out.unpacking").mkdir()
    (tmp_path / ".out.unpacking/half.png").write_bytes(b"half")
    unpack(path, tmp_path / "out")
    with pytest.raises(InputError, match="out is not empty"):
        unpack(path, tmp_path / "out")
    assert contents(tmp_path / "out") == FILES
    assert {each.name for each in tmp_path.iterdir()} == {"out", path.name}


def test_nothing_comes_out_executable(tmp_path):
    info = tarfile.TarInfo("run.png")
    info.mode = 0o4777
    unpack(packed(tmp_path / "a.tar.gz", [(info, b"#!/bin/sh")]), tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out/run.png").stat().st_mode) & 0o7111 == 0


def test_a_kill_leaves_no_half_of_a_folder(tmp_path):
    path = packed(tmp_path / "a.zip", FILES)
    code = f"""
import os, signal, data_prep.unpack as unpacking
from pathlib import Path
Path.rename = lambda self, target: os.kill(os.getpid(), signal.SIGKILL)
unpacking.unpack(Path({str(path)!r}), Path({str(tmp_path / "out")!r}))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert not (tmp_path / "out").exists()
    unpack(path, tmp_path / "out")
    assert contents(tmp_path / "out") == FILES


ESCAPES = ["../evil.png", "photos/../../evil.png", "/evil.png", "C:/e.png"]
# RAR means folders by backslashes, and rarfile says so
CASES = [(name, ending) for name in ESCAPES for ending in ("zip", "tar.gz", "rar")]
CASES += [(name, ending) for name in ("..\\evil.png", "C:\\e.png") for ending in ("zip", "tar.gz")]


@pytest.mark.parametrize(("name", "ending"), CASES)
def test_no_member_leaves_the_folder(tmp_path, name, ending):
    (tmp_path / "inside").mkdir()
    path = packed(tmp_path / "inside" / f"a.{ending}", {"good.png": b"good", name: b"evil"})
    refused(path, "leads out of the folder")
    assert [*tmp_path.iterdir()] == [tmp_path / "inside"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
@pytest.mark.parametrize("to", ["/etc", "a.png", ""])
def test_no_links_and_no_devices_in_a_tar(tmp_path, kind, to):
    info = tarfile.TarInfo("photos")
    info.type, info.linkname = kind, to
    path = packed(tmp_path / "a.tar.gz", [(info, b""), ("photos/a.png", b"through the link")])
    refused(path, "'photos' is a link or device")


def test_no_links_in_a_zip(tmp_path):
    info = zipfile.ZipInfo("photos")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    path = packed(tmp_path / "a.zip", {info: "/etc", "photos/a.png": b"through the link"})
    refused(path, "'photos' is a link")


def test_two_members_of_one_name_are_refused(tmp_path):
    for members in ([("a.png", b"one"), ("a.png", b"two")], [("a.png", b""), ("a.png/b", b"")]):
        path = packed(tmp_path / "a.tar.gz", members)
        refused(path, f"two members called {members[1][0]}")


@pytest.mark.parametrize("ending", ["zip", "tar.gz"])
def test_a_bomb_is_refused_by_its_size(tmp_path, ending):
    path = packed(tmp_path / f"a.{ending}", {"a.png": b"a", "zeros.png": bytes(1 << 20)})
    assert path.stat().st_size < 3000
    refused(path, rf"more than {1 << 20} bytes .*zeros\.png", limit=1 << 20)
    unpack(path, tmp_path / "out", limit=(1 << 20) + 1)


def test_the_limits_follow_the_archive_and_the_disk(tmp_path, monkeypatch):
    path = packed(tmp_path / "a.zip", {"a.png": bytes(5000), "b.png": b""})
    monkeypatch.setattr(unpacking, "EXTRA", 0)
    monkeypatch.setattr(unpacking, "RATIO", 2)
    refused(path, f"more than {2 * path.stat().st_size} bytes")
    monkeypatch.setattr(unpacking, "RATIO", 1000)
    usage = type("usage", (), {"free": 4999})
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda folder: usage)
    refused(path, "more than 4999 bytes")
    usage.free = 5000
    monkeypatch.setattr(unpacking, "MOST_MEMBERS", 1)
    refused(path, "or 1 files")


def in_both_headers(at, value):
    """Change a byte of the first member's header and of its copy in the directory."""

    def change(data):
        changed = bytearray(data)
        changed[at] = changed[data.index(b"PK\1\2") + at + 2] = value
        return bytes(changed)

    return change


EVERY, SIZE = ("zip", "tar.gz", "rar"), struct.pack("<I", 50_000)
DAMAGES = {
    "truncated": (EVERY, lambda data: data[:60_000], "damaged"),
    "another format": (EVERY, lambda data: b"<html>" * 99, "damaged"),
    "nothing": (EVERY, lambda data: b"", "damaged"),
    "a bit": (EVERY, lambda d: d[:5000] + bytes([d[5000] ^ 1]) + d[5001:], "damaged"),
    # the size in the directory of a zip is what the member claims, not what it holds
    "too long": (("zip",), lambda d: d.replace(SIZE, struct.pack("<I", 10)), "damaged"),
    "encrypted": (("zip",), in_both_headers(6, 1), r"a\.png.* is encrypted"),
    "unknown method": (("zip",), in_both_headers(8, 99), "compression"),
    "another ending": (("7z",), lambda data: b"7z", "zip, tar, tar.gz, tgz or rar"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_archive_is_named(tmp_path, damage):
    endings, change, message = DAMAGES[damage]
    for ending in endings:
        path = tmp_path / f"a.{ending}"
        path.write_bytes(b"")
        if ending != "7z":
            packed(path, {"a.png": os.urandom(50_000), "b.png": os.urandom(50_000)})
        path.write_bytes(change(path.read_bytes()))
        refused(path, message)


def test_a_compressed_rar_without_a_tool_says_what_to_install(tmp_path, monkeypatch):
    no_tool = Mock(side_effect=unpacking.rarfile.RarCannotExec("Cannot find working tool"))
    monkeypatch.setattr(unpacking.rarfile.RarFile, "open", no_tool)
    refused(packed(tmp_path / "a.rar", {"a.png": b"data"}), "install unrar, bsdtar")


def test_a_full_disk_is_one_error(tmp_path, monkeypatch):
    path = packed(tmp_path / "a.zip", FILES)
    monkeypatch.setattr(Path, "open", Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(InputError, match=f"no space left to write {tmp_path}/out"):
        unpack(path, tmp_path / "out")
