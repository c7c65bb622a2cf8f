"""One file from the first address that has it: resumed, retried, verified, never half there.

On requests, filelock and tqdm. pooch, the usual choice, cannot resume a partial file, wait as a
server asks or tell a web page from a file, and leaves an empty file behind when it is killed.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3
from filelock import FileLock
from requests.exceptions import InvalidSchema
from tqdm import tqdm

from data_prep.mirror import address, all_mirrors, mirrored
from semanir.errors import FULL, InputError, OutputError
from semanir.files import hidden_file
from semanir.files import sha256 as sha256_of

ATTEMPTS = 5  # of one address
BACK_OFF = 1.0  # seconds before the second attempt, doubled for each further one
LONGEST_WAIT = 60.0  # seconds, whatever a server's Retry-After says
TIMEOUT = (10.0, 30.0)  # seconds to connect, and between two packets
CHUNK = 1 << 18
NO_HOST = "the host is unknown or there is no network"
NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError)
TRY_AGAIN = (408, 429, 500, 502, 503, 504)


class FetchError(Exception):
    """An address does not have the file; the message is the reason."""


class _RetryError(Exception):
    """Worth another attempt, after `wait` seconds if the server said so."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def fetch(
    urls: Sequence[str],
    target: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    mirror: str | None = None,
    progress: bool = True,
) -> str:
    """Put a file at `target` and return its SHA-256; a right one that is there already is kept.

    urls in order of preference, each looked for in the mirrors first ("A,B": in that order). A kill
    at any moment leaves a part that the next call resumes; two processes at once fetch it once.
    sha256 and size (bytes) are enforced where they are known.

    Raises InputError with the reason of every address and the next step, and for addresses that are
    none; OutputError on a full disk.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _naming_full_disk(target), FileLock(hidden_file(target, "lock")):
        if target.is_file() and size in (None, target.stat().st_size):
            digest = sha256_of(target)
            if sha256 in (None, digest):
                return digest
        reasons = []
        for url in urls:
            copies = [mirrored(url, each) for each in all_mirrors(mirror)]
            for place in (*(copy for copy in copies if copy), address(url)):
                try:
                    if isinstance(place, Path):
                        _copy(place, target, sha256, size)
                    else:
                        _download(place, target, sha256, size, progress)
                    return sha256_of(target)
                except FetchError as error:
                    reasons.append(f"{place}: {error}")
        raise InputError(
            f"cannot get {target.name}: {'; '.join(reasons)}. Check the network, name a mirror "
            f"that holds it (SEMANIR_MIRROR), or put the file at {target} by hand"
        )


def _copy(source: Path, target: Path, sha256: str | None, size: int | None) -> None:
    """Copy a file of a mirror folder; FetchError where its size or sum is another."""
    _check_size(size, source.stat().st_size)
    _check_disk(target, source.stat().st_size)
    part = hidden_file(target, "copy")
    try:
        shutil.copyfile(source, part)
        _check_sum(part, sha256)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _download(url: str, target: Path, sha256: str | None, size: int | None, progress: bool) -> None:
    """Download from a server; once more from the start if a resumed file has a wrong sum."""
    download = _Download(target, sha256, size, progress)
    for first in (True, False):
        download.run(url)
        try:
            _check_sum(download.part, sha256)
            break
        except FetchError:
            download.part.unlink()
            if not (first and download.resumed):
                raise
    os.replace(download.part, target)
    download.notes.unlink(missing_ok=True)


class _Download:
    """A download: its bytes so far in .<name>.part, their origin in .<name>.part.json."""

    def __init__(self, target: Path, sha256: str | None, size: int | None, progress: bool) -> None:
        self.target, self.sha256, self.size, self.progress = target, sha256, size, progress
        self.part, self.notes = hidden_file(target, "part"), hidden_file(target, "part.json")
        self.resumed = False

    def run(self, url: str) -> None:
        """Fill the part, in several attempts where that may help; else FetchError."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._receive(url)
                return
            except (_RetryError, *NETWORK_ERRORS) as error:
                reason = _reason(error)
                hopeless = reason == NO_HOST and not self.part.exists()
                if attempt == ATTEMPTS or hopeless or isinstance(error, InvalidSchema):
                    raise FetchError(f"{reason} (attempt {attempt})") from None
                wait = getattr(error, "wait", None)
                wait = BACK_OFF * 2 ** (attempt - 1) if wait is None else wait
                time.sleep(min(wait, LONGEST_WAIT))

    def _receive(self, url: str) -> None:
        """One request: the rest of the part, or the whole."""
        have, validator = self._resumable(url)
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-"} | ({"If-Range": validator} if validator else {})
        with requests.get(url, stream=True, timeout=TIMEOUT, headers=headers) as response:
            have = self._accept(response, have)
            if response.status_code == 416:
                _check_size(self.size, have)
                return  # the part is whole
            length = response.headers.get("Content-Length", "")
            total = have + int(length) if length.isdigit() else self.size
            _check_size(self.size, total)
            _check_disk(self.target, (total or 0) - have)
            self.resumed |= have > 0
            self.notes.write_text(json.dumps({"url": url, "validator": _validator(response)}))
            self._write(response, have, total)

    def _resumable(self, url: str) -> tuple[int, str]:
        """(bytes at hand that may be continued, what the server called that version)."""
        try:
            notes = json.loads(self.notes.read_text())
            have = self.part.stat().st_size
        except (OSError, ValueError):
            return 0, ""
        same = notes.get("url") == url and bool(notes.get("validator"))
        # bytes of another address may be continued if the sum of the whole is known
        if same:
            return have, notes["validator"]
        return (have, "") if self.sha256 else (0, "")

    def _accept(self, response: requests.Response, have: int) -> int:
        """How many bytes at hand the answer continues; FetchError, _RetryError if it is no file."""
        status = response.status_code
        if status == 416 and have:
            if response.headers.get("Content-Range", "") == f"bytes */{have}":
                return have
            self.part.unlink()
            raise _RetryError("the server cannot continue the part", wait=0)
        if status in TRY_AGAIN:
            raise _RetryError(f"HTTP {status} {response.reason}", _retry_after(response))
        if status >= 400 or status not in (200, 206):
            raise FetchError(f"HTTP {status} {response.reason}")
        if "text/html" in response.headers.get("Content-Type", ""):
            self._refuse_page(response, response.raw.read(CHUNK))
        if status == 206:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                self.part.unlink(missing_ok=True)
                raise _RetryError("the server continued at another place", wait=0)
            return have
        return 0

    def _write(self, response: requests.Response, have: int, total: int | None) -> None:
        on_terminal = sys.stderr.isatty()
        bar = tqdm(
            desc=self.target.name,
            total=total,
            initial=have,
            unit="B",
            unit_scale=True,
            disable=not self.progress,
            delay=1 if on_terminal else 10,
            mininterval=0.2 if on_terminal else 30,
        )
        received = have
        with bar, self.part.open("ab" if have else "wb") as file:
            # read1 gives what has come, so that a broken connection costs none of it
            while chunk := response.raw.read1(CHUNK):
                if not received and chunk.lstrip()[:14].lower().startswith(
                    (b"<!doctype html", b"<html")
                ):
                    self._refuse_page(response, chunk)
                file.write(chunk)
                received += len(chunk)
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())
        if total is not None and received < total:
            raise _RetryError(f"the connection ended after {received} of {total} bytes")

    def _refuse_page(self, response: requests.Response, page: bytes) -> None:
        if self.target.suffix in (".html", ".htm"):
            return
        text, host = page.decode("utf-8", "replace").lower(), urlsplit(response.url).hostname or ""
        kind = "an HTML page"
        if "accounts.google" in host or 'type="password"' in text or "type=password" in text:
            kind = f"a login page ({host})"
        elif "quota" in text and ("google" in host or "drive" in text):
            kind = "Google Drive's page that the download quota is used up"
        elif "google drive" in text or "drive.usercontent" in host:
            kind = "Google Drive's confirmation page"
        raise FetchError(f"{kind} instead of the file; open the address in a browser")


@contextmanager
def _naming_full_disk(target: Path) -> Iterator[None]:
    """Turn "no space left" into one OutputError; the part is left in place."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise OutputError(
            f"the disk is full at {target.parent}; free some space and run the same command "
            "again, it resumes"
        ) from None


def _check_size(expected: int | None, size: int | None) -> None:
    if expected is not None and size is not None and expected != size:
        raise FetchError(f"it has {size} bytes where {expected} are expected")


def _check_sum(path: Path, sha256: str | None) -> None:
    digest = sha256_of(path) if sha256 else None
    if digest != sha256:
        raise FetchError(f"SHA-256 is {digest}, expected {sha256}")


def _check_disk(target: Path, needed: int) -> None:
    """Raise OutputError unless the folder of `target` has room for so many more bytes."""
    free = shutil.disk_usage(target.parent).free
    if needed > free:
        raise OutputError(
            f"{target.name} needs {needed} more bytes and {target.parent} has {free} free; "
            "free some space or set another working folder"
        )


def _validator(response: requests.Response) -> str:
    """What a later If-Range may name: a strong ETag, else the date."""
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _retry_after(response: requests.Response) -> float | None:
    """Seconds of a Retry-After header, in either of its forms."""
    value = response.headers.get("Retry-After", "")
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _reason(error: Exception) -> str:
    """The reason of a network library's error, in a few words."""
    text = " ".join(str(error).split())
    if isinstance(error, _RetryError | InvalidSchema):
        return text
    if "resolve" in text or "resolution" in text:
        return NO_HOST
    if "timed out" in text.lower() or isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.TooManyRedirects):
        return text
    return "the connection broke"
