"""A server that breaks off, changes its mind, forgets, stalls and lies, and how a test uses it."""

import hashlib
import re
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import Mock

import pytest

import data_prep.fetch as fetching
from data_prep.fetch import fetch
from semanir.errors import InputError

DATA = bytes(range(256)) * 2000  # 512,000 bytes, of several chunks
OTHER = bytes(reversed(DATA))
SUM = hashlib.sha256(DATA).hexdigest()
PATIENT, HASTY = (60.0, 60.0), (60.0, 0.2)  # seconds to connect, and between two packets


class Hostile(BaseHTTPRequestHandler):
    """What it does is the first part of the path, a key of ROUTES."""

    protocol_version = "HTTP/1.0"

    def log_message(self, *arguments):
        pass

    def answer(self, data, status=200, length=None, **headers):
        self.send_response(status)
        for name, value in ({"Content-Type": "application/octet-stream"} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def do_GET(self):
        with self.server.guard:
            self.server.seen.append((self.path, dict(self.headers)))
            count = sum(path == self.path for path, _ in self.server.seen)
        answers = ROUTES[self.path.split("/")[1]]
        answers[min(count, len(answers)) - 1](self)

    def part(self, data=DATA[:200_000], **headers):
        self.answer(data, length=len(DATA), **headers)

    def ranged(self, etag='"one"'):
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not wanted or self.headers.get("If-Range", etag) != etag:
            self.answer(DATA, ETag=etag)
        elif (start := int(wanted[1])) >= len(DATA):
            self.answer(b"", 416, Content_Range=f"bytes */{len(DATA)}")
        else:
            span = f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"
            self.answer(DATA[start:], 206, Content_Range=span, ETag=etag)

    def another_range(self):
        if "Range" in self.headers:
            self.answer(DATA[7:], 206, Content_Range=f"bytes 7-{len(DATA) - 1}/{len(DATA)}")
        else:
            self.answer(DATA)

    def stall_once(self):
        fetching.TIMEOUT = PATIENT
        self.part(DATA[:100_000], ETag='"one"')
        self.server.over.wait(20)

    def slow(self):
        """Two thirds, then nothing until somebody kills the reader."""
        if "Range" in self.headers:
            self.ranged()
            return
        self.part(DATA[:340_000], ETag='"one"')
        self.server.over.wait(600)


def status(code, **headers):
    return lambda server: server.answer(b"no", code, **headers)


def page(text):
    return lambda server: server.answer(text, Content_Type="text/html; charset=utf-8")


PAGE = b"<!DOCTYPE html><html><title>hello</title></html>"
OK, BREAK = Hostile.ranged, lambda server: server.part(ETag='"one"')
# path: what is done for the first request, the second, ...; the last one for all that follow
ROUTES = {
    "ok": [OK],
    "plain": [lambda server: server.answer(DATA)],
    "truncates": [BREAK, OK],
    "truncates-always": [lambda server: server.part(DATA[:100])],
    # comes back as another version of the same length, and without saying so
    "changes": [lambda s: s.part(OTHER[:200_000], ETag='"old"'), lambda s: s.ranged('"new"')],
    "forgets": [lambda server: server.part(OTHER[:200_000]), OK],
    "ignores-range": [BREAK, lambda server: server.answer(DATA, ETag='"one"')],
    "elsewhere": [BREAK, Hostile.another_range],
    "stalls": [Hostile.stall_once, OK],
    "stalls-always": [lambda server: server.server.over.wait(20)],
    "slow": [Hostile.slow],
    "gone": [status(404)],
    "broken": [status(500)],
    "broken-once": [status(500), OK],
    "busy": [status(429, Retry_After="1"), OK],
    "busy-for-days": [status(429, Retry_After="Wed, 21 Oct 2099 07:28:00 GMT")],
    "wrong": [lambda server: server.answer(OTHER)],
    "short": [lambda server: server.answer(DATA[:-1])],
    "page": [page(PAGE)],
    "page-in-disguise": [lambda server: server.answer(b"\n " + PAGE)],
    "drive": [page(b"<html><title>Google Drive - Virus scan warning</title></html>")],
    "quota": [page(b"<html>Google Drive: download quota exceeded</html>")],
    "login": [status(302, Location="/signin")],
    "signin": [page(b'<html><form><input type="password"></form></html>')],
    "moved": [status(302, Location="/ok/a.bin")],
    "to-file": [status(302, Location="file:///etc/passwd")],
}


@contextmanager
def running():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    server.daemon_threads = True
    server.seen, server.guard, server.over = [], threading.Lock(), threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


def block_sockets(monkeypatch):
    blocked = Mock(side_effect=AssertionError("a socket was opened"))
    monkeypatch.setattr(socket.socket, "connect", blocked)
    monkeypatch.setattr(socket, "getaddrinfo", blocked)


class Web:
    """The server as a test uses it; each test fetches `target`."""

    def __init__(self, server, target):
        self.server, self.target = server, target
        self.part = target.with_name(".a.bin.part")
        self.notes = target.with_name(".a.bin.part.json")

    def url(self, path):
        return f"http://127.0.0.1:{self.server.server_port}/{path}"

    def get(self, *paths, **options):
        """Fetch with the sum known unless an option says otherwise; nothing else is left."""
        urls = [self.url(path) for path in paths]
        assert fetch(urls, self.target, **({"sha256": SUM} | options)) == SUM
        assert self.target.read_bytes() == DATA
        left = {path.name for path in self.target.parent.iterdir() if path.suffix != ".lock"}
        assert left == {"a.bin"}

    def refuse(self, *paths, **options):
        with pytest.raises(InputError) as error:
            fetch([self.url(path) for path in paths], self.target, **({"sha256": SUM} | options))
        assert not self.target.exists() and "\n" not in str(error.value)
        return str(error.value)

    @property
    def ranges(self):
        return [headers.get("Range") for _, headers in self.server.seen]

    @property
    def paths(self):
        return [path for path, _ in self.server.seen]
