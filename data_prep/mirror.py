"""Where a mirror would hold a URL: <mirror>/<host>/<path>, on a folder or a server.

A query becomes part of the name: https://example.org/get?id=7 is <mirror>/example.org/get?id=7.
Several mirrors are one string with commas, asked in that order.
"""

import os
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from semanir.errors import InputError

DRIVE = "https://drive.usercontent.google.com/download?id={}&export=download&confirm=t"


def address(url: str) -> str:
    """The http(s) address of a URL of the registry; gdrive:ID is a Google Drive file.

    Raises InputError for any other scheme, and for addresses without a host.
    """
    if url.startswith("gdrive:"):
        return DRIVE.format(quote(url.removeprefix("gdrive:"), safe=""))
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"cannot fetch {url}: only http, https and gdrive: addresses are")
    return url


def mirror_from_environment() -> str | None:
    """SEMANIR_MIRROR, or None where it is unset or empty."""
    return os.environ.get("SEMANIR_MIRROR") or None


def mirror_path(url: str) -> tuple[str, ...]:
    """Folders and name of a URL below a mirror: host, then the decoded path, once decoded.

    Raises InputError for a URL that could name something outside: `..`, an empty or hidden part, a
    separator or NUL after decoding.
    """
    parts = urlsplit(address(url))
    host = parts.netloc.rpartition("@")[2].lower()
    names = [host, *(unquote(name) for name in parts.path.lstrip("/").split("/"))]
    if parts.query:
        names[-1] += "?" + unquote(parts.query).replace("/", "%2F")
    for name in names:
        if name in ("", ".", "..") or any(character in name for character in "/\\\0"):
            raise InputError(f"no file of a mirror can stand for {url}: part {name!r} of its path")
    return tuple(names)


def all_mirrors(mirrors: str | None) -> list[str]:
    """The mirrors of "A,B", in order; a folder whose own name has a comma is one."""
    if not mirrors:
        return []
    if Path(mirrors).expanduser().is_dir():
        return [mirrors]
    return [name.strip() for name in mirrors.split(",") if name.strip()]


def mirrored(url: str, mirror: str) -> Path | str | None:
    """The file of a mirror folder, or the address on a mirror server, that stands for a URL.

    None where a folder does not hold it. Links inside a mirror folder may not lead out of it.
    Raises InputError for a folder that does not exist and for URLs that name no file inside.
    """
    names = mirror_path(url)
    if mirror.startswith(("http://", "https://")):
        return "/".join([mirror.rstrip("/"), *(quote(name, safe="") for name in names)])
    root = Path(mirror).expanduser().resolve()
    if not root.is_dir():
        raise InputError(
            f"no mirror folder {mirror}; correct SEMANIR_MIRROR or --config mirror=..."
        )
    path = root.joinpath(*names)
    if not path.is_file():
        return None
    if not path.resolve().is_relative_to(root):
        raise InputError(f"{path} is a link that leads out of the mirror {mirror}; copy the file")
    return path
