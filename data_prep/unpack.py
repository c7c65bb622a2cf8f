"""Unpacking archives from strangers: zip, tar, tar.gz and rar, whole or not at all.

No path leaves the folder, no links, no devices, no more bytes than fit. That a member has the bytes
and the checksum that it declares is seen to by zipfile, gzip and rarfile. tarfile's data filter
is not used: it cuts off a leading slash and lets links inside the folder pass, which are refused
here in all formats alike.
"""

import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import rarfile

from semanir.errors import FULL, InputError, unwritable
from semanir.files import blamed_on, hidden_file, is_hidden

RATIO, EXTRA = 20, 100_000_000  # bytes allowed: RATIO times the archive plus EXTRA
MOST_MEMBERS = 1_000_000
CHUNK = 1 << 20
# zipfile raises RuntimeError for what is encrypted or packed in a way it does not know
BROKEN: tuple[type[Exception], ...] = (zipfile.BadZipFile, tarfile.TarError, rarfile.Error)
BROKEN += (zlib.error, EOFError, OSError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Member:
    """One regular file of an archive; `open` gives its bytes."""

    name: str
    bytes: int
    open: Callable[[], Any]


def unpack(archive: Path, out: Path, *, limit: int | None = None) -> None:
    """Unpack an archive into the folder `out`, which must not exist yet or be empty.

    The files grow in a hidden folder beside `out`, which takes its name at the end: a kill leaves
    no half of it. limit: bytes that may come out, 20 times the archive and 100 MB where not given.

    Raises InputError that names archive and member for anything unsafe, damaged, encrypted or of
    another format, and if there is no room for its contents; OutputError if they cannot be written.
    """
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty; {archive.name} is unpacked there: move it elsewhere")
    limit = RATIO * archive.stat().st_size + EXTRA if limit is None else limit
    limit = min(limit, shutil.disk_usage(out.parent).free)
    partial_folder = hidden_file(out, "unpacking")
    shutil.rmtree(partial_folder, ignore_errors=True)
    partial_folder.mkdir(parents=True)
    try:
        with _members_of(archive) as members:
            _extract(archive, members, partial_folder, limit, out)
        if out.is_dir():
            out.rmdir()
        partial_folder.rename(out)
    except InputError:
        raise
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise unwritable(out, error) from None
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"cannot unpack {archive}: {reason}; if it is damaged, move it elsewhere and download "
            "it again"
        ) from None
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)


def _extract(archive: Path, members: Iterator[Member], folder: Path, limit: int, out: Path) -> None:
    """Write members below `folder`, which is going to be called `out`."""
    total = 0
    for count, member in enumerate(members, 1):
        path = safe_path(archive, member.name)
        total += member.bytes
        if total > limit or count > MOST_MEMBERS:
            raise InputError(
                f"{archive} would unpack to more than {limit} bytes or {MOST_MEMBERS} files (at "
                f"{member.name}); that is no archive of photographs, or the disk is too small"
            )
        if any(map(is_hidden, path.parts)):
            continue
        target = folder / path
        parents = [parent for parent in target.parents if parent.is_relative_to(folder)]
        if target.exists() or any(parent.is_file() for parent in parents):
            raise InputError(f"{archive} holds two members called {member.name}; refused")
        with blamed_on(out / path):
            target.parent.mkdir(parents=True, exist_ok=True)
            file = target.open("xb")
        with file, member.open() as source:
            while chunk := source.read(CHUNK):
                with blamed_on(out / path):
                    file.write(chunk)


def safe_path(archive: Path, name: str) -> PurePosixPath:
    """A member's path, or InputError if it could lead anywhere but below the folder."""
    path, windows = PurePosixPath(name), PureWindowsPath(name)
    outside = path.is_absolute() or windows.drive or windows.root or ".." in path.parts
    if outside or not path.parts or "\\" in name or "\0" in name:
        raise InputError(f"{archive}: member {name!r} leads out of the folder; refused")
    return path


@contextmanager
def _members_of(archive: Path) -> Iterator[Iterator[Member]]:
    """The regular files of an archive, by the ending of its name."""
    readers: dict[str, Callable[[Path], AbstractContextManager[Iterator[Member]]]] = {
        ".zip": _zip,
        ".tar": _tar,
        ".gz": _tar,
        ".tgz": _tar,
        ".rar": _rar,
    }
    reader = readers.get(archive.suffix.lower())
    if reader is None:
        raise InputError(f"cannot unpack {archive}: it must be a zip, tar, tar.gz, tgz or rar")
    with reader(archive) as members:
        yield members


@contextmanager
def _zip(archive: Path) -> Iterator[Iterator[Member]]:
    with zipfile.ZipFile(archive) as file:
        infos = file.infolist()
        for info in infos:
            if info.external_attr >> 28 == 0xA:
                raise InputError(f"{archive}: member {info.filename!r} is a link; refused")
        yield (
            Member(info.filename, info.file_size, partial(file.open, info))
            for info in infos
            if not info.is_dir()
        )


@contextmanager
def _tar(archive: Path) -> Iterator[Iterator[Member]]:
    def members(file: tarfile.TarFile) -> Iterator[Member]:
        for info in file:
            if info.isdir():
                safe_path(archive, info.name)
                continue
            if not info.isreg():
                raise InputError(f"{archive}: member {info.name!r} is a link or device; refused")
            yield Member(info.name, info.size, partial(file.extractfile, info))
        while file.fileobj and file.fileobj.read(CHUNK):
            pass  # the checksum of a tar.gz stands at its end

    with tarfile.open(archive, "r:*") as file:
        yield members(file)


@contextmanager
def _rar(archive: Path) -> Iterator[Iterator[Member]]:
    with rarfile.RarFile(archive) as file:
        infos = file.infolist()
        if file.needs_password():  # infolist is empty where the headers are encrypted as well
            raise InputError(f"{archive} is encrypted; unpack it by hand")
        for info in infos:
            if info.is_symlink() or getattr(info, "file_redir", None):
                raise InputError(f"{archive}: member {info.filename!r} is a link; refused")

        def open_member(info: rarfile.RarInfo) -> Any:
            try:
                return file.open(info)
            except rarfile.RarCannotExec:
                raise InputError(
                    f"{archive} is a compressed RAR: install unrar, bsdtar (libarchive-tools) or "
                    "7z and run the same command again"
                ) from None

        yield (
            Member(info.filename, info.file_size, partial(open_member, info))
            for info in infos
            if not info.is_dir()
        )
