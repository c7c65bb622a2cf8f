"""data/lock.json: the SHA-256 of the first download of everything that has no published one."""

from pathlib import Path

from filelock import FileLock

from semanir.errors import InputError
from semanir.files import read_json, write_json
from semanir.names import known_name

LOCK = Path("data/lock.json")


class ChangedError(InputError):
    """Bytes that differ from those that were recorded first."""


class LockError(InputError):
    """The lock itself is broken, whatever the source."""


def remember(raw: Path, key: str, digest: str) -> None:
    """Record the SHA-256 of something for which none was published, or refuse another one.

    data/lock.json beside the raw folder can be copied to other machines to hold them to the same
    bytes. Raises InputError with both sums if `key` was recorded with another one.
    """
    path = raw.parent / "lock.json"
    with FileLock(raw.parent / ".lock.json.lock"):
        recorded = read_lock(path)
        if recorded.get(key, digest) != digest:
            # a dataset goes with its archives, weights one by one
            name = key if key.startswith("weights/") else key.partition("/")[0]
            option = "" if path == LOCK else f" --lock {path}"
            raise ChangedError(
                f"{key} is not what was downloaded first: SHA-256 {digest}, recorded "
                f"{recorded[key]}; if the publisher announced a new version: semanir data forget "
                f"{name}{option}"
            )
        if key not in recorded:
            print(f"{key}: no SHA-256 was published; recorded {digest} in {path}", flush=True)
            write_json(path, dict(sorted({**recorded, key: digest}.items())))


def forget(key: str, path: Path = LOCK) -> list[str]:
    """Take sums out of a lock, so that the next download is recorded anew; returns their keys.

    key: as `remember` names it, or what stands before a / of several: a dataset with its archives.
    Raises InputError for a key that is not recorded.
    """
    if not path.is_file():
        raise InputError(f"nothing is recorded yet: there is no {path}")
    with FileLock(path.with_name(f".{path.name}.lock")):
        recorded = read_lock(path)
        forgotten = [name for name in recorded if name == key or name.startswith(f"{key}/")]
        if not forgotten:
            known_name(key, recorded, f"entry of {path}")
        write_json(path, {name: recorded[name] for name in recorded if name not in forgotten})
    return forgotten


def read_lock(path: Path = LOCK) -> dict[str, str]:
    """The recorded sums by key, none where there is no file; LockError names a broken line."""
    if not path.is_file():
        return {}
    remedy = f"mend it, or move {path} elsewhere to record all sums anew"
    try:
        recorded: dict[str, str] = read_json(path, dict, remedy)
    except InputError as error:
        raise LockError(str(error)) from None
    for key, digest in recorded.items():
        if not isinstance(digest, str):
            raise LockError(f"broken {path}: {key} has no SHA-256, but {digest!r}; {remedy}")
    return recorded
