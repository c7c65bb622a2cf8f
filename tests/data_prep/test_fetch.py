"""One file from hostile servers, mirrors and interrupted processes: right, or one clear error."""

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import data_prep.fetch as module
from data_prep.fetch import fetch
from data_prep.mirror import address, mirror_from_environment, mirrored, place
from semanir.errors import InputError

DATA = bytes(range(256)) * 2000  # 512,000 bytes, of several chunks
OTHER = bytes(reversed(DATA))
SUM = hashlib.sha256(DATA).hexdigest()
PAGE = b"<!DOCTYPE html><html><title>hello</title></html>"
LOGIN = b'<html><form><input type="password"></form></html>'
CONFIRM = b"<html><title>Google Drive - Virus scan warning</title></html>"
PATIENT, HASTY = (60.0, 60.0), (60.0, 0.2)  # seconds to connect, and between two packets
QUOTA = b"<html>Google Drive: download quota exceeded</html>"


class Hostile(BaseHTTPRequestHandler):
    """What it does is the first part of the path; the server counts the requests of each path."""

    protocol_version = "HTTP/1.0"

    def log_message(self, *arguments):
        pass

    def answer(self, data, status=200, length=None, **headers):
        self.send_response(status)
        headers = {"Content-Type": "application/octet-stream"} | headers
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        server = self.server
        with server.guard:
            server.seen.append((self.path, dict(self.headers)))
            count = sum(path == self.path for path, _ in server.seen)
        getattr(self, self.path.split("/")[1].replace("-", "_"))(count)

    def ranged(self, data, etag='"one"', **headers):
        """A well-behaved server."""
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted and self.headers.get("If-Range", etag) == etag:
            start = int(wanted[1])
            if start >= len(data):
                self.answer(b"", 416, Content_Range=f"bytes */{len(data)}")
                return
            span = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.answer(data[start:], 206, Content_Range=span, ETag=etag, **headers)
            return
        self.answer(data, ETag=etag, **headers)

    def ok(self, count):
        self.ranged(DATA)

    def plain(self, count):
        self.answer(DATA)

    def truncates(self, count):
        """The first connection breaks in the middle."""
        if count == 1:
            self.answer(DATA[:200_000], length=len(DATA), ETag='"one"')
        else:
            self.ranged(DATA)

    def truncates_always(self, count):
        self.answer(DATA[:100], length=len(DATA))

    def changes(self, count):
        """Breaks, and comes back as another version of the same length."""
        if count == 1:
            self.answer(OTHER[:200_000], length=len(DATA), ETag='"old"')
        else:
            self.ranged(DATA, '"new"')

    def forgets(self, count):
        """Breaks, and continues with other bytes without saying so."""
        if count == 1:
            self.answer(OTHER[:200_000], length=len(DATA))
        else:
            self.ranged(DATA)

    def ignores_range(self, count):
        if count == 1:
            self.answer(DATA[:200_000], length=len(DATA), ETag='"one"')
        else:
            self.answer(DATA, ETag='"one"')

    def elsewhere(self, count):
        """Answers a range with another one."""
        if count == 1:
            self.answer(DATA[:200_000], length=len(DATA), ETag='"one"')
        elif "Range" in self.headers:
            self.answer(DATA[7:], 206, Content_Range=f"bytes 7-{len(DATA) - 1}/{len(DATA)}")
        else:
            self.answer(DATA)

    def stalls(self, count):
        """Once; the next answer is waited for."""
        if count == 1:
            module.TIMEOUT = PATIENT
            self.send_response(200)
            self.send_header("Content-Length", str(len(DATA)))
            self.send_header("ETag", '"one"')
            self.end_headers()
            self.wfile.write(DATA[:100_000])
            self.wfile.flush()
            self.server.over.wait(20)
        else:
            self.ranged(DATA)

    def stalls_always(self, count):
        self.server.over.wait(20)

    def slow(self, count):
        """Gives two thirds, then nothing until somebody kills the reader."""
        if "Range" in self.headers:
            self.ranged(DATA)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(DATA)))
        self.send_header("ETag", '"one"')
        self.end_headers()
        self.wfile.write(DATA[:340_000])
        self.wfile.flush()
        self.server.over.wait(600)

    def gone(self, count):
        self.answer(b"not here", 404)

    def forbidden(self, count):
        self.answer(b"no", 403)

    def broken_once(self, count):
        self.answer(b"oops", 500) if count == 1 else self.ranged(DATA)

    def broken(self, count):
        self.answer(b"oops", 500)

    def busy(self, count):
        self.answer(b"later", 429, Retry_After="1") if count == 1 else self.ranged(DATA)

    def busy_for_days(self, count):
        self.answer(b"later", 429, Retry_After="Wed, 21 Oct 2099 07:28:00 GMT")

    def wrong(self, count):
        self.answer(OTHER)

    def short(self, count):
        self.answer(DATA[:-1])

    def page(self, count):
        self.answer(PAGE, Content_Type="text/html; charset=utf-8")

    def page_in_disguise(self, count):
        self.answer(b"\n " + PAGE)

    def drive(self, count):
        self.answer(CONFIRM, Content_Type="text/html")

    def quota(self, count):
        self.answer(QUOTA, Content_Type="text/html")

    def login(self, count):
        self.send_response(302)
        self.send_header("Location", "/signin")
        self.end_headers()

    def signin(self, count):
        self.answer(LOGIN, Content_Type="text/html")

    def moved(self, count):
        self.send_response(302)
        self.send_header("Location", "/ok/a.bin")
        self.end_headers()

    def to_file(self, count):
        self.send_response(302)
        self.send_header("Location", "file:///etc/passwd")
        self.end_headers()


@pytest.fixture(scope="module")
def web():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    server.daemon_threads = True
    server.seen, server.guard, server.over = [], threading.Lock(), threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def hurried(monkeypatch, web):
    monkeypatch.setattr(module, "BACK_OFF", 0.01)
    monkeypatch.setattr(module, "TIMEOUT", PATIENT)
    monkeypatch.setenv("NO_PROXY", "*")
    web.seen.clear()


def url(web, path):
    return f"http://127.0.0.1:{web.server_port}/{path}"


def get(web, tmp_path, *paths, **options):
    """Fetch with the sum known unless an option says otherwise."""
    options = {"sha256": SUM} | options
    target = tmp_path / "a.bin"
    assert fetch([url(web, path) for path in paths], target, **options) == SUM
    assert target.read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == [
        "a.bin"
    ]


def refused(web, tmp_path, *paths, **options):
    options = {"sha256": SUM} | options
    target = tmp_path / "a.bin"
    with pytest.raises(InputError) as error:
        fetch([url(web, path) for path in paths], target, **options)
    assert not target.exists()
    assert "\n" not in str(error.value)
    return str(error.value)


def ranges(web):
    return [headers.get("Range") for _, headers in web.seen]


# --- servers that give in ----------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False], ids=["sum known", "sum unknown"])
@pytest.mark.parametrize(
    "path",
    ["ok/a.bin", "plain/a.bin", "truncates", "ignores-range", "elsewhere", "stalls", "moved"],
)
def test_the_right_file_arrives(web, tmp_path, monkeypatch, path, known):
    if path == "stalls":
        monkeypatch.setattr(module, "TIMEOUT", HASTY)
    get(web, tmp_path, path, sha256=SUM if known else None)


def test_a_broken_connection_is_resumed_not_repeated(web, tmp_path):
    get(web, tmp_path, "truncates")
    assert ranges(web) == [None, "bytes=200000-"]


@pytest.mark.parametrize("known", [True, False], ids=["sum known", "sum unknown"])
def test_another_version_is_not_spliced_onto_the_first(web, tmp_path, known):
    """If-Range asks for the version the part is of; this server then sends the whole new one."""
    get(web, tmp_path, "changes", sha256=SUM if known else None)
    assert len(web.seen) == 2


def test_a_wrong_splice_is_noticed_and_fetched_once_more_from_the_start(web, tmp_path):
    """Without a version to name, only the sum can tell."""
    get(web, tmp_path, "forgets")
    assert ranges(web) == [None, "bytes=200000-", None]


def test_without_sum_and_version_nothing_is_resumed(web, tmp_path):
    get(web, tmp_path, "forgets", sha256=None)
    assert ranges(web) == [None, None]


def test_a_server_error_is_tried_again(web, tmp_path):
    get(web, tmp_path, "broken-once")
    assert len(web.seen) == 2


def test_a_busy_server_is_given_the_time_it_asks_for(web, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    get(web, tmp_path, "busy")
    assert waits == [1]


def test_no_server_makes_us_wait_for_days(web, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    assert "HTTP 429" in refused(web, tmp_path, "busy-for-days")
    assert waits == [module.LONGEST_WAIT] * (module.ATTEMPTS - 1)


def test_waits_double(web, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    refused(web, tmp_path, "broken")
    assert waits == [0.01, 0.02, 0.04, 0.08]


def test_the_next_address_is_tried(web, tmp_path):
    get(web, tmp_path, "gone", "wrong", "short", "page", "ok/a.bin", size=len(DATA))


def test_a_part_of_one_address_is_continued_at_another_if_the_sum_is_known(web, tmp_path):
    get(web, tmp_path, "truncates-always", "ok/a.bin")
    assert ranges(web)[-1] == "bytes=100-"


def test_a_whole_part_needs_no_more_bytes(web, tmp_path):
    """Killed between the last byte and the move: the server answers 416, which is fine."""
    (tmp_path / ".a.bin.part").write_bytes(DATA)
    notes = f'{{"url": "{url(web, "ok/a.bin")}", "validator": "\\"one\\""}}'
    (tmp_path / ".a.bin.part.json").write_text(notes)
    get(web, tmp_path, "ok/a.bin", size=len(DATA))
    assert ranges(web) == [f"bytes={len(DATA)}-"]


def test_a_part_that_is_too_long_is_dropped(web, tmp_path):
    (tmp_path / ".a.bin.part").write_bytes(DATA + b"more")
    (tmp_path / ".a.bin.part.json").write_text("{}")
    get(web, tmp_path, "ok/a.bin")


def test_broken_notes_of_a_part_cost_only_the_part(web, tmp_path):
    (tmp_path / ".a.bin.part").write_bytes(OTHER[:1000])
    (tmp_path / ".a.bin.part.json").write_text("{")
    get(web, tmp_path, "ok/a.bin")


def test_a_right_file_is_not_fetched_again_and_a_wrong_one_is(web, tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(DATA)
    get(web, tmp_path, "ok/a.bin")
    assert web.seen == []
    for wrong in (OTHER, DATA[:-1]):
        target.write_bytes(wrong)
        get(web, tmp_path, "ok/a.bin")
    target.write_bytes(DATA[:-1])
    get(web, tmp_path, "ok/a.bin", sha256=None, size=len(DATA))
    assert len(web.seen) == 3


# --- servers that do not -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("gone", "HTTP 404"),
        ("forbidden", "HTTP 403"),
        ("broken", r"HTTP 500 .*\(attempt 5\)"),
        (
            "truncates-always",
            r"the connection ended after 100 of 512000 bytes|the connection broke",
        ),
        ("stalls-always", r"no answer in time \(attempt 5\)"),
        ("wrong", "SHA-256 is [0-9a-f]{64}, expected " + SUM),
        ("page", "an HTML page instead of the file; open the address in a browser"),
        ("page-in-disguise", "an HTML page instead of the file"),
        ("drive", "Google Drive's confirmation page instead of the file"),
        ("quota", "Google Drive's page that the download quota is used up"),
        ("login", r"a login page \(127\.0\.0\.1\) instead of the file"),
        ("to-file", "No connection adapters were found"),
    ],
)
def test_the_reason_is_named(web, tmp_path, monkeypatch, path, reason):
    if path == "stalls-always":
        monkeypatch.setattr(module, "TIMEOUT", HASTY)
    message = refused(web, tmp_path, path)
    assert re.search(reason, message), message
    assert url(web, path) in message
    assert "SEMANIR_MIRROR" in message and f"put the file at {tmp_path / 'a.bin'}" in message


@pytest.mark.parametrize("path", ["gone", "forbidden"])
def test_what_will_not_change_is_not_tried_again(web, tmp_path, path):
    refused(web, tmp_path, path)
    assert len(web.seen) == 1


def test_a_wrong_length_is_refused_before_it_is_read(web, tmp_path):
    message = refused(web, tmp_path, "short", size=len(DATA))
    assert "it has 511999 bytes where 512000 are expected" in message


def test_all_reasons_are_listed_in_order(web, tmp_path):
    message = refused(web, tmp_path, "gone", "page")
    assert message.index("HTTP 404") < message.index("an HTML page")


def test_nobody_there(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(InputError, match="the connection broke"):
        fetch([f"http://127.0.0.1:{port}/a.bin"], tmp_path / "a.bin")
    with pytest.raises(InputError, match="the host is unknown or there is no network"):
        fetch(["http://photographs.invalid/a.bin"], tmp_path / "a.bin")


def test_a_disk_that_is_too_small_is_named_before_anything_is_written(web, tmp_path, monkeypatch):
    usage = type("usage", (), {"free": len(DATA) - 1})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: usage)
    message = refused(web, tmp_path, "ok/a.bin")
    assert f"needs {len(DATA)} more bytes" in message and f"has {len(DATA) - 1} free" in message
    assert not (tmp_path / ".a.bin.part").exists()


def test_a_disk_that_fills_up_keeps_the_part(web, tmp_path, monkeypatch):
    real = os.fsync

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    assert "the disk is full" in refused(web, tmp_path, "ok/a.bin")
    assert (tmp_path / ".a.bin.part").stat().st_size > 0
    monkeypatch.setattr(module.os, "fsync", real)
    get(web, tmp_path, "ok/a.bin")


# --- kills and company -------------------------------------------------------------------------

PROGRAM = """
import sys
from pathlib import Path
import data_prep.fetch as module
module.TIMEOUT = (60.0, 60.0)
module.fetch([sys.argv[1]], Path(sys.argv[2]), sha256=sys.argv[3])
"""


def start(address, target):
    return subprocess.Popen([sys.executable, "-c", PROGRAM, address, str(target), SUM])


def test_a_kill_in_the_middle_is_resumed(web, tmp_path):
    target, part = tmp_path / "a.bin", tmp_path / ".a.bin.part"
    process = start(url(web, "slow"), target)
    while process.poll() is None and not (part.exists() and part.stat().st_size > 200_000):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    have = part.stat().st_size
    assert 200_000 < have < len(DATA)
    assert not target.exists()
    get(web, tmp_path, "slow")
    assert ranges(web) == [None, f"bytes={have}-"]


def test_two_processes_fetch_a_file_once(web, tmp_path):
    target = tmp_path / "a.bin"
    processes = [start(url(web, "truncates"), target) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert target.read_bytes() == DATA
    assert ranges(web) == [None, "bytes=200000-"]


# --- mirrors -----------------------------------------------------------------------------------


def mirror_with(tmp_path, data, name="host.invalid/folder/a b.bin"):
    path = tmp_path / "mirror" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(tmp_path / "mirror")


def test_a_folder_is_asked_first_and_no_socket_is_opened(tmp_path, monkeypatch):
    def blocked(*arguments):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", blocked)
    monkeypatch.setattr(socket, "getaddrinfo", blocked)
    mirror = mirror_with(tmp_path, DATA)
    target = tmp_path / "a.bin"
    assert (
        fetch(["https://host.invalid/folder/a%20b.bin"], target, sha256=SUM, mirror=mirror) == SUM
    )


def test_a_mirror_is_held_to_the_same_sum(tmp_path):
    mirror = mirror_with(tmp_path, OTHER)
    with pytest.raises(InputError, match=f"a b.bin: SHA-256 is .*, expected {SUM}"):
        fetch(["https://host.invalid/folder/a b.bin"], tmp_path / "a", sha256=SUM, mirror=mirror)


def test_what_a_mirror_lacks_is_fetched(web, tmp_path):
    (tmp_path / "mirror").mkdir()
    get_from = {"mirror": str(tmp_path / "mirror"), "sha256": SUM}
    assert fetch([url(web, "ok/a.bin")], tmp_path / "a.bin", **get_from) == SUM


def test_a_server_can_be_a_mirror(web, tmp_path):
    """The whole address becomes its path; where it lacks a file the origin is asked."""
    mirror = url(web, "ok/cache/")
    assert fetch(["https://host.invalid/a b.bin"], tmp_path / "a", sha256=SUM, mirror=mirror) == SUM
    assert web.seen[0][0] == "/ok/cache/host.invalid/a%20b.bin"
    web.seen.clear()
    (tmp_path / "new").mkdir()
    get(web, tmp_path / "new", "ok/a.bin", mirror=url(web, "gone"))
    assert [path for path, _ in web.seen] == [
        f"/gone/127.0.0.1%3A{web.server_port}/ok/a.bin",
        "/ok/a.bin",
    ]


def test_several_mirrors_are_asked_in_order(web, tmp_path):
    """The first holds another file, the second the right one; the origin is not asked."""
    (tmp_path / "empty").mkdir()
    wrong, right = (
        mirror_with(tmp_path / name, data) for name, data in (("1", OTHER), ("2", DATA))
    )
    mirrors = f"{tmp_path / 'empty'}, {wrong},{right}"
    address = "https://host.invalid/folder/a b.bin"
    assert fetch([address], tmp_path / "a", sha256=SUM, mirror=mirrors) == SUM
    with pytest.raises(InputError, match=r"no mirror folder .*nowhere"):
        fetch([address], tmp_path / "b", sha256=SUM, mirror=f"{tmp_path}/nowhere,{right}")


def test_a_folder_with_a_comma_in_its_name_is_one_mirror(tmp_path):
    mirror = mirror_with(tmp_path / "a,b", DATA)
    assert "a,b" in mirror
    assert fetch(["https://host.invalid/folder/a b.bin"], tmp_path / "a", mirror=mirror) == SUM


def test_the_environment_names_the_mirror(monkeypatch, tmp_path):
    monkeypatch.setenv("SEMANIR_MIRROR", "")
    assert mirror_from_environment() is None
    monkeypatch.setenv("SEMANIR_MIRROR", str(tmp_path))
    assert mirror_from_environment() == str(tmp_path)
    with pytest.raises(InputError, match=r"no mirror folder .*nowhere; correct SEMANIR_MIRROR"):
        mirrored("https://a.org/b", str(tmp_path / "nowhere"))


def test_places_in_a_mirror():
    assert place("https://A.org/x%20y/z.png") == ("a.org", "x y", "z.png")
    assert place("https://user:secret@a.org:8008/z.png") == ("a.org:8008", "z.png")
    assert place("https://a.org/get?id=7&b=1/2") == ("a.org", "get?id=7&b=1%2F2")
    assert place("gdrive:1A_b-C")[0] == "drive.usercontent.google.com"
    assert "id=1A_b-C" in place("gdrive:1A_b-C")[1]
    assert address("gdrive:../../x").startswith(
        "https://drive.usercontent.google.com/download?id=..%2F"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        *("https://a.org/../b", "https://a.org/x/%2e%2e/b", "https://a.org/%2e%2e%2fb"),
        *("https://a.org/x%2fb", "https://a.org/x%5cb", "https://a.org/x%00b", "https://../b"),
        *("https://a.org/x//b", "https://a.org/./b", "https://a.org/", "https://a.org"),
    ],
)
def test_no_part_of_a_url_leads_elsewhere(tmp_path, wrong):
    with pytest.raises(InputError, match="no file of a mirror can stand for"):
        mirrored(wrong, str(tmp_path))


@pytest.mark.parametrize(
    "wrong", ["file:///etc/passwd", "ftp://a.org/b", "a.org/b", "https:///b", ""]
)
def test_only_http_and_drive_addresses_are_fetched(tmp_path, wrong):
    with pytest.raises(InputError, match="only http, https and gdrive: addresses are"):
        fetch([wrong], tmp_path / "a")


@given(st.text(max_size=40), st.text(max_size=40))
def test_every_place_is_inside(host, path):
    """Whatever a URL is made of: one name per part, none of which moves up."""
    try:
        names = place(f"https://{host}/{path}")
    except (InputError, ValueError):
        return
    joined = Path("/mirror").joinpath(*names)
    assert os.path.normpath(joined) == str(joined)
    assert joined.parts[:2] == ("/", "mirror") and len(joined.parts) == 2 + len(names)


def test_links_out_of_a_mirror_are_refused(tmp_path):
    """The mirror itself may be a link; a link inside it to another file of it is fine."""
    mirror = Path(mirror_with(tmp_path, DATA, "host.invalid/a.bin"))
    (tmp_path / "secret").write_bytes(b"secret")
    (mirror / "host.invalid/out.bin").symlink_to(tmp_path / "secret")
    (mirror / "host.invalid/in.bin").symlink_to("a.bin")
    (tmp_path / "link").symlink_to(mirror)
    with pytest.raises(InputError, match="a link that leads out of the mirror"):
        mirrored("https://host.invalid/out.bin", str(tmp_path / "link"))
    found = mirrored("https://host.invalid/in.bin", str(tmp_path / "link"))
    assert found is not None and Path(found).read_bytes() == DATA
    assert mirrored("https://host.invalid/none.bin", str(mirror)) is None
