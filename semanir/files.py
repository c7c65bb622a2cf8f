"""Files that are either whole or absent, their names and hashes, and what is read of folders."""

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from semanir.errors import FULL, InputError, OutputError, unwritable

LONGEST_NAME = 143  # bytes of a name: what eCryptfs allows; most file systems allow 255
JUNK = ("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini")  # what systems leave in folders


# --- writing ---------------------------------------------------------------------------------


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a path beside `path`; rename it onto `path` if the block ends well, else delete it.

    A kill at any moment leaves either the old file or the new one, never half of one. The new file
    has the mode that the umask says, whatever wrote it. Raises OutputError where the place cannot
    be written or is full; other errors of the block pass.
    """
    path = Path(path)
    partial = hidden_file(path, f"{os.getpid()}.partial")
    try:
        with blamed_on(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.touch()
            mode = partial.stat().st_mode
        try:
            yield partial
            with partial.open("rb") as written:
                os.fsync(written.fileno())
        except Exception as error:
            number = getattr(error, "errno", None)
            # numpy and torch do not say what kept them from writing
            if number in FULL or (number is None and _is_full(partial)):
                raise unwritable(path, OSError(errno.ENOSPC, "")) from None
            raise
        with blamed_on(path):
            if partial.stat().st_mode != mode:
                partial.chmod(stat.S_IMODE(mode))
            os.replace(partial, path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def hidden_file(path: Path, ending: str) -> Path:
    """The hidden file .<name>.<ending> in the folder of `path`, for what belongs to it.

    A long name is cut and gets a hash of the whole, so that it differs from others.
    """
    name = f".{path.name}.{ending}"
    if len(os.fsencode(name)) > LONGEST_NAME:
        digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
        name = f".{path.name[:16]}~{digest}.{ending}"
    return path.with_name(name)


def check_writable(*paths: Path) -> None:
    """Raise OutputError unless files could be written at all these places now.

    For work that takes long and writes at its end. Leaves nothing behind.
    """
    for path in paths:
        with blamed_on(path), suppress(FileNotFoundError, NotADirectoryError):
            path.lstat()  # a name that is too long
        if path.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder; name a file")
    for folder in dict.fromkeys(path.parent for path in paths):
        made = [each for each in (folder, *folder.parents) if not each.exists()]
        trial = folder / f".{os.getpid()}.partial"
        try:
            with blamed_on(folder):
                folder.mkdir(parents=True, exist_ok=True)
                with trial.open("wb") as file:
                    file.write(bytes(4096))
                    file.flush()
                    os.fsync(file.fileno())
        finally:
            with suppress(OSError):
                trial.unlink(missing_ok=True)
                for each in made:
                    each.rmdir()


@contextmanager
def blamed_on(path: Path) -> Iterator[None]:
    """Turn an OSError of a block that only writes `path` into OutputError."""
    try:
        yield
    except OSError as error:
        raise unwritable(path, error) from None


def _is_full(partial: Path) -> bool:
    """Whether not even a little more could be written."""
    try:
        with partial.open("ab") as file:
            file.write(bytes(1 << 16))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno in FULL
    return False


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8; bytes of file names that are none become escapes."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: str | Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


# --- reading ---------------------------------------------------------------------------------


def read_json(path: Path, kind: type, next_step: str) -> Any:
    """What a JSON file holds, a list or dict as `kind` says.

    Raises InputError with the line that is broken and the next step; FileNotFoundError.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(f"broken {path}, line {error.lineno}: {error.msg}; {next_step}") from None
    except UnicodeDecodeError:
        raise InputError(f"broken {path}: it is no text; {next_step}") from None
    if not isinstance(value, kind):
        raise InputError(
            f"broken {path}: a {kind.__name__} is expected, not {str(value)[:40]}; {next_step}"
        )
    return value


def read_list(path: Path, fields: dict[str, type], next_step: str) -> list[dict[str, Any]]:
    """A JSON list of entries with at least these fields; errors as `read_json`."""
    entries: list[dict[str, Any]] = read_json(path, list, next_step)
    for entry in entries:
        for name, kind in fields.items():
            if not isinstance(entry, dict) or not isinstance(entry.get(name), kind):
                raise InputError(f"broken {path}: an entry without {name!r}; {next_step}")
    return entries


def read_yaml(path: Path, kind: type = dict) -> Any:
    """The entries of a YAML file that people write; InputError names the line that is broken."""
    import yaml

    # libyaml reads in a tenth of the time, where PyYAML was built with it
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    except UnicodeDecodeError:
        raise InputError(f"broken {path}: it is no text; restore it with git checkout") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "no YAML"
        raise InputError(f"broken {path}{where}: {problem}; mend that line") from None
    if not isinstance(value, kind):
        raise InputError(f"broken {path}: it holds no entries; restore it with git checkout")
    return value


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is what systems put beside those of people."""
    return name.startswith(".") or name.casefold() in JUNK


def visible(paths: Iterable[Path]) -> list[Path]:
    """Paths in sorted order, without those of hidden names."""
    return sorted(path for path in paths if not is_hidden(path.name))


def sha256(path: str | Path) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
