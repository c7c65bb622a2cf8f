"""Archives from strangers: whole or not at all, and never outside the folder."""

import io
import os
import stat
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

import data_prep.unpack as module
from data_prep.unpack import unpack
from semanir.errors import InputError

FILES = {"photos/a.png": b"first", "photos/deep/b.png": b"second" * 1000}


def zipped(path, files, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path, members, mode="w:gz"):
    """members: (TarInfo or name, data)."""
    with tarfile.open(path, mode) as archive:
        for info, data in members:
            if isinstance(info, str):
                info = tarfile.TarInfo(info)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def rarred(path, files):
    """RAR 4 with stored members, by its technical note: marker, archive header, file headers."""

    def block(kind, flags, body, data=b""):
        head = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
        return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head + data

    out = b"Rar!\x1a\x07\x00" + block(0x73, 0, b"\0" * 6)
    for name, data in files.items():
        raw = name.encode()
        body = struct.pack(
            "<IIBIIBBHI", len(data), len(data), 3, zlib.crc32(data), 0, 20, 0x30, len(raw), 0o100644
        )
        out += block(0x74, 0x8000, body + raw, data)
    path.write_bytes(out + block(0x7B, 0x4000, b""))
    return path


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def refused(archive, out, **options):
    """The one line of the refusal; nothing is left, inside or outside."""
    before = set(archive.parent.rglob("*"))
    with pytest.raises(InputError) as error:
        unpack(archive, out, **options)
    assert "\n" not in str(error.value)
    assert archive.name in str(error.value)
    assert set(archive.parent.rglob("*")) == before
    return str(error.value)


# --- what is fine ------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz", "tgz", "rar"])
def test_an_archive_comes_out_whole(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    if ending == "zip":
        zipped(path, FILES, compression=zipfile.ZIP_DEFLATED)
    elif ending == "rar":
        rarred(path, FILES)
    else:
        tarred(path, FILES.items(), "w" if ending == "tar" else "w:gz")
    unpack(path, tmp_path / "out")
    assert contents(tmp_path / "out") == FILES
    assert path.is_file()


def test_an_empty_folder_is_taken_and_a_full_one_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", FILES)
    (tmp_path / "out").mkdir()
    unpack(path, tmp_path / "out")
    with pytest.raises(InputError, match="out is not empty"):
        unpack(path, tmp_path / "out")
    assert contents(tmp_path / "out") == FILES


def test_what_a_mac_adds_is_left_out(tmp_path):
    junk = {"__MACOSX/photos/._a.png": b"x", "photos/._a.png": b"x", "photos/.DS_Store": b"x"}
    unpack(zipped(tmp_path / "a.zip", FILES | junk), tmp_path / "out")
    assert contents(tmp_path / "out") == FILES


def test_nothing_comes_out_executable(tmp_path):
    info = tarfile.TarInfo("run.png")
    info.mode = 0o4777
    unpack(tarred(tmp_path / "a.tar.gz", [(info, b"#!/bin/sh")]), tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out/run.png").stat().st_mode) & 0o7111 == 0


def test_what_a_killed_process_left_is_in_nobodys_way(tmp_path):
    left = tmp_path / ".out.unpacking"
    left.mkdir()
    (left / "half.png").write_bytes(b"half")
    unpack(zipped(tmp_path / "a.zip", FILES), tmp_path / "out")
    assert contents(tmp_path / "out") == FILES
    assert not left.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a process")
def test_a_kill_leaves_no_half_of_a_folder(tmp_path):
    path = zipped(tmp_path / "a.zip", FILES)
    code = f"""
import os, signal, data_prep.unpack as module
from pathlib import Path
real = Path.rename
def die(self, target):
    os.kill(os.getpid(), signal.SIGKILL)
Path.rename = die
module.unpack(Path({str(path)!r}), Path({str(tmp_path / "out")!r}))
"""
    run = subprocess.run([sys.executable, "-c", code], check=False)
    assert run.returncode == -9
    assert not (tmp_path / "out").exists()
    unpack(path, tmp_path / "out")
    assert contents(tmp_path / "out") == FILES


# --- what is not -------------------------------------------------------------------------------

ESCAPES = [
    "../evil.png",
    "photos/../../evil.png",
    "/evil.png",
    "..\\evil.png",
    "C:\\evil.png",
    "C:/e.png",
]


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("ending", ["zip", "tar.gz", "rar"])
def test_no_member_leaves_the_folder(tmp_path, name, ending):
    inside = tmp_path / "inside"
    inside.mkdir()
    path = inside / f"a.{ending}"
    files = {"good.png": b"good", name: b"evil"}
    if ending == "zip":
        zipped(path, files)
    elif ending == "rar":
        if "\\" in name:
            pytest.skip("RAR means folders by backslashes, and rarfile says so")
        rarred(path, files)
    else:
        tarred(path, files.items())
    if ending == "zip" and name.startswith("C:\\"):
        name = name.replace("\\", "\\\\")
    assert "leads out of the folder" in refused(path, inside / "out")
    assert [*tmp_path.iterdir()] == [inside]


def link(name, to, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


@pytest.mark.parametrize(
    "member",
    [
        link("photos", "/etc", tarfile.SYMTYPE),
        link("inner", "a.png", tarfile.SYMTYPE),
        link("passwd.png", "/etc/passwd", tarfile.LNKTYPE),
        link("null.png", "", tarfile.CHRTYPE),
        link("pipe.png", "", tarfile.FIFOTYPE),
    ],
    ids=["symlink", "inner symlink", "hard link", "device", "fifo"],
)
def test_no_links_and_no_devices_in_a_tar(tmp_path, member):
    path = tarred(tmp_path / "a.tar.gz", [(member, b""), ("photos/a.png", b"through the link")])
    assert "is a link or device; refused" in refused(path, tmp_path / "out")


def test_no_links_in_a_zip(tmp_path):
    info = zipfile.ZipInfo("photos")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc")
        archive.writestr("photos/a.png", b"through the link")
    assert "'photos' is a link; refused" in refused(path, tmp_path / "out")


@pytest.mark.parametrize("ending", ["zip", "tar.gz"])
def test_a_bomb_is_refused_by_its_size(tmp_path, ending):
    """A megabyte of zeros packs into a kilobyte."""
    path, zeros = tmp_path / f"a.{ending}", bytes(1 << 20)
    if ending == "zip":
        zipped(path, {"a.png": b"a", "zeros.png": zeros}, compression=zipfile.ZIP_DEFLATED)
    else:
        tarred(path, [("a.png", b"a"), ("zeros.png", zeros)])
    assert path.stat().st_size < 3000
    message = refused(path, tmp_path / "out", limit=1 << 20)
    assert "zeros.png" in message and f"more than {1 << 20} bytes" in message
    unpack(path, tmp_path / "out", limit=(1 << 20) + 1)


def test_the_limit_follows_the_archive_and_the_disk(tmp_path, monkeypatch):
    path = zipped(tmp_path / "a.zip", {"a.png": bytes(5000)}, compression=zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(module, "EXTRA", 0)
    monkeypatch.setattr(module, "RATIO", 2)
    assert "would unpack to more" in refused(path, tmp_path / "out")
    monkeypatch.setattr(module, "RATIO", 1000)
    usage = type("usage", (), {"free": 4999})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: usage)
    assert "more than 4999 bytes" in refused(path, tmp_path / "out")


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_MEMBERS", 1)
    assert "or 1 files" in refused(zipped(tmp_path / "a.zip", FILES), tmp_path / "out")


def test_a_member_longer_than_declared_is_refused(tmp_path):
    """The size in the directory of a zip is what the member claims, not what it holds."""
    path = zipped(tmp_path / "a.zip", {"a.png": bytes(100_000)}, compression=zipfile.ZIP_DEFLATED)
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", 100_000), struct.pack("<I", 10)))
    message = refused(path, tmp_path / "out")
    assert "damaged" in message or "longer than" in message


def test_two_members_of_one_name_are_refused(tmp_path):
    path = tarred(tmp_path / "a.tar.gz", [("a.png", b"one"), ("a.png", b"two")])
    assert "two members called a.png" in refused(path, tmp_path / "out")
    path = tarred(tmp_path / "b.tar.gz", [("a", b"file"), ("a/b.png", b"below it")])
    assert "two members called a/b.png" in refused(path, tmp_path / "out")


@pytest.mark.parametrize("ending", ["zip", "tar.gz", "rar"])
@pytest.mark.parametrize("damage", ["truncated", "another format", "empty"])
def test_a_damaged_archive_is_named(tmp_path, ending, damage):
    path = tmp_path / f"a.{ending}"
    files = {"a.png": os.urandom(50_000), "b.png": os.urandom(50_000)}
    if ending == "zip":
        zipped(path, files)
    elif ending == "rar":
        rarred(path, files)
    else:
        tarred(path, files.items())
    data = path.read_bytes()
    path.write_bytes(
        {"truncated": data[:60_000], "another format": b"<html>" * 99, "empty": b""}[damage]
    )
    assert "damaged" in refused(path, tmp_path / "out")


def test_a_flipped_bit_is_noticed(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a.png": bytes(range(256)) * 50})
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
    assert "damaged" in refused(path, tmp_path / "out")


def test_other_formats_are_refused_by_name(tmp_path):
    path = tmp_path / "a.7z"
    path.write_bytes(b"7z")
    assert "it must be a zip, tar, tar.gz, tgz or rar" in refused(path, tmp_path / "out")


def test_an_encrypted_zip_is_named(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a.png": b"secret"})
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\x01\x02")
    data[6] |= 1
    data[central + 8] |= 1
    path.write_bytes(data)
    assert "is encrypted (a.png); unpack it by hand" in refused(path, tmp_path / "out")


def test_a_compressed_rar_without_a_tool_says_what_to_install(tmp_path, monkeypatch):
    path = rarred(tmp_path / "a.rar", {"a.png": b"data"})

    def no_tool(self, info):
        raise module.rarfile.RarCannotExec("Cannot find working tool")

    monkeypatch.setattr(module.rarfile.RarFile, "open", no_tool)
    assert "install unrar, bsdtar (libarchive-tools) or 7z" in refused(path, tmp_path / "out")


def test_a_full_disk_is_one_error(tmp_path, monkeypatch):
    path = zipped(tmp_path / "a.zip", FILES)

    def full(self, *arguments, **options):
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(InputError, match=f"no space left to write {tmp_path}/out"):
        unpack(path, tmp_path / "out")
