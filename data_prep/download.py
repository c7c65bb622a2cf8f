"""Raw photographs on disk: data/raw/<entry>/ with files.json, which is written last.

Bytes from an address, from a mirror or put there by a person are held against the same sums: the
published SHA-256 where there is one, else that of the first download, recorded in data/lock.json.
"""

import glob
import hashlib
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from filelock import FileLock
from tqdm import tqdm

from data_prep.datasets import RAW, Remote, datasets, prepared_sets, remote_files
from data_prep.fetch import fetch
from data_prep.lock import ChangedError, LockError, remember
from data_prep.mirror import mirror_from_environment
from data_prep.raw_files import images_below, load_listing
from data_prep.real_pairs import find_pairs
from data_prep.unpack import unpack
from semanir.errors import InputError, OutputError
from semanir.files import replacing, sha256, write_json
from semanir.names import known_name

AT_ONCE = 8  # small files fetched in parallel


def download(name: str, raw: Path = RAW, mirror: str | None = None) -> None:
    """Fetch one entry of datasets.yaml to raw/<name>/, files.json last, or raise InputError.

    A folder that already holds the right files is taken as it is. The sources are tried in order;
    the error lists why each of them failed and what to do.
    """
    entry = datasets()[known_name(name, datasets(), "dataset")]
    if "folder" in entry:
        return
    if "from" in entry:
        download(entry["from"], raw, mirror)
        return
    mirror = mirror or mirror_from_environment()
    folder = raw / name
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        missing = adopt(name, folder)
        if not missing:
            return
        # a folder that somebody filled: what is wrong with it comes first
        problems = [missing] if images_below(folder) else []
        for source in entry["sources"]:
            try:
                _from_source(name, source, folder, mirror)
                _write_listing(name, folder, _check_sets(name, folder))
                return
            except (OutputError, LockError):
                raise  # no other source helps
            except InputError as error:
                problems.append(str(error))
        raise InputError(f"{name}: " + "; ".join(problems))


def adopt(name: str, folder: Path) -> str:
    """Take a folder that already holds all files of an entry; else return what is missing.

    Raises InputError where a file changed since it was listed, or is not what the lock recorded.
    """
    if (folder / "files.json").is_file():
        load_listing(folder)
        return ""
    files = files_of_manifest(name, folder)
    if files is None and _has_manifest(name):
        return f"{folder} does not hold all files of the list"
    try:
        _write_listing(name, folder, files or _check_sets(name, folder))
    except (ChangedError, LockError):
        raise
    except InputError as error:
        return str(error)
    return ""


def files_of_manifest(name: str, folder: Path) -> list[Path] | None:
    """The files of an entry's list of SHA-256 sums, if all of them are in the folder.

    A file may lie in another subfolder, as archives have them: it is linked to its place.
    """
    for source in datasets()[name]["sources"]:
        if "manifests" in source:
            paths = {remote: _locate(folder, remote) for remote in remote_files(source)}
            if None not in paths.values():
                for remote, path in paths.items():
                    if path is not None:
                        _link(path, folder / remote.path)
                return [folder / remote.path for remote in paths]
    return None


def _locate(folder: Path, remote: Remote) -> Path | None:
    """The file of a manifest: in its place, or else anywhere below the folder by name and sum."""
    place = folder / remote.path
    if place.is_file():
        return place if sha256(place) == remote.sha256 else None
    others = sorted(folder.rglob(glob.escape(place.name)))
    return next((path for path in others if sha256(path) == remote.sha256), None)


def _link(path: Path, place: Path) -> None:
    """Make `place` a hard link to `path`, or a copy of it."""
    if path == place:
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, place)
    except OSError:  # not on every file system
        with replacing(place) as partial:
            shutil.copyfile(path, partial)


def _from_source(name: str, source: dict[str, Any], folder: Path, mirror: str | None) -> None:
    if "by_hand" in source:
        raise InputError(f"{source['by_hand']} into {folder}, then run the same command again")
    wanted = remote_files(source)
    if "manifests" in source:
        _fetch_all(name, wanted, folder, mirror)
        return
    for remote in wanted:
        archive = folder / remote.path
        out = folder / remote.path.partition(".")[0]
        if out.is_dir():
            continue  # unpacked by an earlier attempt, whole
        digest = fetch(remote.urls, archive, sha256=remote.sha256, size=remote.bytes, mirror=mirror)
        if remote.sha256 is None:
            try:
                remember(folder.parent, f"{name}/{remote.path}", digest)
            except ChangedError:
                archive.unlink()
                raise
        unpack(archive, out)
        archive.unlink()


def _fetch_all(name: str, wanted: Sequence[Remote], folder: Path, mirror: str | None) -> None:
    """Many small files in parallel; the first failure stops what has not begun."""
    total = sum(remote.bytes or 0 for remote in wanted)

    def fetch_one(remote: Remote) -> int:
        target = folder / remote.path
        fetch(
            remote.urls,
            target,
            sha256=remote.sha256,
            size=remote.bytes,
            mirror=mirror,
            progress=False,
        )
        return remote.bytes or 0

    bar = tqdm(total=total, desc=name, unit="B", unit_scale=True, delay=5)
    with bar, ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for count in pool.map(fetch_one, wanted):
                bar.update(count)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _check_sets(name: str, folder: Path) -> list[Path]:
    """All raw files of an entry's prepared sets, in as many photographs as there must be."""
    files: dict[Path, None] = {}
    for prepared in (each for each in prepared_sets().values() if each.raw == name):
        if prepared.pairs:
            for pair in find_pairs(folder, prepared.pairs, prepared.name, prepared.images):
                files |= dict.fromkeys(pair)
            continue
        images = images_below(folder, prepared.files)
        if len(images) != prepared.images:
            raise InputError(
                f"{prepared.name}: found {len(images)} images where {prepared.images} belong: "
                f"{', '.join(prepared.files)} in {folder}"
            )
        files |= dict.fromkeys(images)
    if _has_manifest(name):
        files |= dict.fromkeys(files_of_manifest(name, folder) or [])
    return sorted(files or images_below(folder))


def _has_manifest(name: str) -> bool:
    return any("manifests" in source for source in datasets()[name]["sources"])


def _write_listing(name: str, folder: Path, files: Sequence[Path]) -> None:
    entries: list[dict[str, Any]] = [
        {
            "file": path.relative_to(folder).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": sha256(path),
        }
        for path in tqdm(files, desc=f"verify {name}", unit="file", delay=10)
    ]
    if not _has_manifest(name):
        # of the contents alone: another archive of the same photographs is no change
        sums = sorted(entry["sha256"] for entry in entries)
        remember(folder.parent, name, hashlib.sha256("\n".join(sums).encode()).hexdigest())
    write_json(folder / "files.json", entries)
