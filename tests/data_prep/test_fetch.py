"""One file from hostile servers, mirrors and interrupted processes: right, or one clear error."""

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
from hostile_server import DATA, HASTY, OTHER, PATIENT, SUM, Web, block_sockets, running
from hypothesis import given
from hypothesis import strategies as st

import data_prep.fetch as fetching
from data_prep.fetch import fetch
from data_prep.mirror import address, mirror_path, mirrored
from semanir.errors import InputError


@pytest.fixture(scope="module")
def server():
    with running() as server:
        yield server


@pytest.fixture
def web(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "BACK_OFF", 0.01)
    monkeypatch.setattr(fetching, "TIMEOUT", PATIENT)
    monkeypatch.setenv("NO_PROXY", "*")
    server.seen.clear()
    (tmp_path / "raw").mkdir()
    return Web(server, tmp_path / "raw" / "a.bin")


# path: where the requests start
ASKED = {"ok/a.bin": [0], "plain": [0], "moved": [0, 0], "broken-once": [0, 0]}
# If-Range asks for the version the part is of; "changes" then sends the whole new one
ASKED |= {name: [0, 200_000] for name in ("truncates", "ignores-range", "changes")}
ASKED |= {"elsewhere": [0, 200_000, 0], "stalls": [0, 100_000], "forgets": [0, 200_000, 0]}


@pytest.mark.parametrize("known", [True, False], ids=["sum known", "sum unknown"])
@pytest.mark.parametrize("path", ASKED)
def test_the_right_file_arrives_by_the_fewest_bytes(web, monkeypatch, path, known):
    if path == "stalls":
        monkeypatch.setattr(fetching, "TIMEOUT", HASTY)
    web.get(path, sha256=SUM if known else None)
    # without a version to name, only the sum can tell a wrong splice
    starts = [0, 0] if path == "forgets" and not known else ASKED[path]
    assert web.ranges == [f"bytes={start}-" if start else None for start in starts]


def test_waits_double_or_are_as_long_as_the_server_asks(web, monkeypatch):
    waits = []
    monkeypatch.setattr(fetching.time, "sleep", waits.append)
    assert "HTTP 500" in web.refuse("broken")
    assert waits == [0.01, 0.02, 0.04, 0.08]
    assert "HTTP 429" in web.refuse("busy-for-days")
    assert waits[4:] == [fetching.LONGEST_WAIT] * (fetching.ATTEMPTS - 1)
    web.get("busy")
    assert waits[8:] == [1]


def test_the_next_address_is_tried_and_continues_the_part_if_the_sum_is_known(web):
    web.get("gone", "wrong", "short", "page", "truncates-always", "ok/a.bin", size=len(DATA))
    assert web.ranges[-1] == "bytes=100-"


@pytest.mark.parametrize(
    ("part", "notes", "asked"),
    [
        # killed between the last byte and the move: the server answers 416, which is fine
        (DATA, '{{"url": "{}", "validator": "\\"one\\""}}', f"bytes={len(DATA)}-"),
        (DATA + b"more", "{{}}", f"bytes={len(DATA) + 4}-"),
        (OTHER[:1000], "{{", None),
    ],
    ids=["whole", "too long", "broken notes"],
)
def test_what_a_kill_left_is_continued_or_dropped(web, part, notes, asked):
    web.part.write_bytes(part)
    web.notes.write_text(notes.format(web.url("ok/a.bin")))
    web.get("ok/a.bin")
    assert web.ranges[0] == asked


def test_a_right_file_is_not_fetched_again_and_a_wrong_one_is(web):
    web.target.write_bytes(DATA)
    web.get("ok/a.bin")
    assert web.paths == []
    for wrong, options in ((OTHER, {}), (DATA[:-1], {}), (DATA[:-1], {"sha256": None})):
        web.target.write_bytes(wrong)
        web.get("ok/a.bin", size=len(DATA), **options)
    assert len(web.paths) == 3


REASONS = {
    "gone": "HTTP 404",
    "broken": r"HTTP 500 .*\(attempt 5\)",
    "truncates-always": "after 100 of 512000 bytes|the connection broke",
    "stalls-always": r"no answer in time \(attempt 5\)",
    "wrong": f"SHA-256 is {hashlib.sha256(OTHER).hexdigest()}, expected {SUM}",
    "short": "511999 bytes where 512000 are expected",
    "page": "an HTML page instead of the file; open the address",
    "page-in-disguise": "an HTML page instead of the file",
    "drive": "Google Drive's confirmation page",
    "quota": "Google Drive's page that the download quota is used up",
    "login": r"a login page \(127\.0\.0\.1\)",
    "to-file": "No connection adapters were found",
}


@pytest.mark.parametrize("path", REASONS)
def test_the_reason_is_named(web, monkeypatch, path):
    if path == "stalls-always":
        monkeypatch.setattr(fetching, "TIMEOUT", HASTY)
    message = web.refuse(path, size=len(DATA) if path == "short" else None)
    assert re.search(REASONS[path], message), message
    assert web.url(path) in message
    assert "SEMANIR_MIRROR" in message and f"put the file at {web.target}" in message
    if path in ("gone", "short"):
        assert len(web.paths) == 1


def test_nobody_there(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching.time, "sleep", lambda seconds: None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for url, reason in (
        (f"http://127.0.0.1:{port}/a.bin", "the connection broke"),
        ("http://photographs.invalid/a.bin", "the host is unknown or there is no network"),
    ):
        with pytest.raises(InputError, match=reason):
            fetch([url], tmp_path / "a.bin")


def test_a_disk_that_is_too_small_is_named_before_anything_is_written(web, monkeypatch):
    usage = type("usage", (), {"free": len(DATA) - 1})
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda folder: usage)
    message = web.refuse("ok/a.bin")
    assert f"needs {len(DATA)} more bytes" in message and f"has {len(DATA) - 1} free" in message
    assert not web.part.exists()


def test_a_disk_that_fills_up_keeps_the_part(web, monkeypatch):
    full = OSError(28, "No space left on device")
    with monkeypatch.context() as changed:
        changed.setattr(fetching.os, "fsync", Mock(side_effect=full))
        assert "the disk is full" in web.refuse("ok/a.bin")
    assert web.part.stat().st_size > 0
    web.get("ok/a.bin")


def start(address, target):
    code = "import data_prep.fetch as f; from pathlib import Path; f.TIMEOUT = 60, 60; "
    code += f"f.fetch([{address!r}], Path({str(target)!r}), sha256={SUM!r})"
    return subprocess.Popen([sys.executable, "-c", code])


def test_a_kill_in_the_middle_is_resumed(web):
    process = start(web.url("slow"), web.target)
    while process.poll() is None and not (web.part.exists() and web.part.stat().st_size > 200_000):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    have = web.part.stat().st_size
    assert 200_000 < have < len(DATA) and not web.target.exists()
    web.get("slow")
    assert web.ranges == [None, f"bytes={have}-"]


def test_two_processes_fetch_a_file_once(web):
    processes = [start(web.url("truncates"), web.target) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert web.target.read_bytes() == DATA
    assert web.ranges == [None, "bytes=200000-"]


URL = "https://host.invalid/folder/a%20b.bin"


def mirror_with(folder, data, name="host.invalid/folder/a b.bin"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(folder)


def test_mirror_folders_are_asked_in_order_and_no_socket_is_opened(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    wrong, right = mirror_with(tmp_path / "1", OTHER), mirror_with(tmp_path / "2", DATA)
    with pytest.raises(InputError, match=f"a b.bin: SHA-256 is .*, expected {SUM}"):
        fetch([URL], tmp_path / "c", sha256=SUM, mirror=wrong)
    block_sockets(monkeypatch)
    mirrors = f"{tmp_path / 'empty'}, {wrong},{right}"
    assert fetch([URL], tmp_path / "a", sha256=SUM, mirror=mirrors) == SUM
    assert fetch([URL], tmp_path / "b", mirror=mirror_with(tmp_path / "a,b", DATA)) == SUM
    with pytest.raises(InputError, match=r"no mirror folder .*nowhere"):
        fetch([URL], tmp_path / "c", sha256=SUM, mirror=f"{tmp_path}/nowhere,{right}")


def test_a_server_can_be_a_mirror(web):
    assert fetch([URL], web.target, sha256=SUM, mirror=web.url("ok/cache/")) == SUM
    assert web.paths == ["/ok/cache/host.invalid/folder/a%20b.bin"]
    web.target.unlink()
    web.server.seen.clear()
    web.get("ok/a.bin", mirror=web.url("gone"))
    assert web.paths == [f"/gone/127.0.0.1%3A{web.server.server_port}/ok/a.bin", "/ok/a.bin"]


def test_paths_in_a_mirror():
    assert mirror_path("https://A.org/x%20y/z.png") == ("a.org", "x y", "z.png")
    assert mirror_path("https://user:secret@a.org:8008/z.png") == ("a.org:8008", "z.png")
    assert mirror_path("https://a.org/get?id=7&b=1/2") == ("a.org", "get?id=7&b=1%2F2")
    host, name = mirror_path("gdrive:1A_b-C")
    assert host == "drive.usercontent.google.com" and "id=1A_b-C" in name
    assert "download?id=..%2F" in address("gdrive:../../x")


WRONG = """https://a.org/../b https://a.org/x/%2e%2e/b https://a.org/%2e%2e%2fb https://a.org/x%2fb
https://a.org/x%5cb https://a.org/x%00b https://../b https://a.org/x//b https://a.org/./b
https://a.org/ https://a.org file:///etc/passwd ftp://a.org/b a.org/b https:///b"""


@pytest.mark.parametrize("wrong", [*WRONG.split(), ""])
def test_no_part_of_a_url_leads_elsewhere(tmp_path, wrong):
    with pytest.raises(InputError, match=r"no file of a mirror|only http, https"):
        mirrored(wrong, str(tmp_path))
    with pytest.raises(InputError):
        fetch([wrong], tmp_path / "a", mirror=str(tmp_path))


@given(st.text(max_size=40), st.text(max_size=40))
def test_every_path_is_inside(host, path):
    try:
        names = mirror_path(f"https://{host}/{path}")
    except (InputError, ValueError):
        return
    joined = Path("/mirror").joinpath(*names)
    assert os.path.normpath(joined) == str(joined)
    assert joined.parts[:2] == ("/", "mirror") and len(joined.parts) == 2 + len(names)


def test_links_out_of_a_mirror_are_refused(tmp_path):
    mirror = Path(mirror_with(tmp_path / "mirror", DATA, "host.invalid/a.bin"))
    (tmp_path / "secret").write_bytes(b"secret")
    (mirror / "host.invalid/out.bin").symlink_to(tmp_path / "secret")
    (mirror / "host.invalid/in.bin").symlink_to("a.bin")
    (tmp_path / "link").symlink_to(mirror)
    with pytest.raises(InputError, match="a link that leads out of the mirror"):
        mirrored("https://host.invalid/out.bin", str(tmp_path / "link"))
    inside = mirrored("https://host.invalid/in.bin", str(tmp_path / "link"))
    assert Path(inside).read_bytes() == DATA
    assert mirrored("https://host.invalid/none.bin", str(mirror)) is None
