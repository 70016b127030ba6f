"""``fastnet serve files``, ``rest`` and ``wsgi``."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

import links
from cli_command import Running, one_line, run
from tlsfiles import Files

APPLICATIONS = """
from fastnet.rest import PathDispatcher
api = PathDispatcher()
@api.get("/hello")
def hello(request):
    return "hello"
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"app"]
number = 5
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APPLICATIONS)
    (tmp_path / "large").write_bytes(b"x" * 1_000_000)
    return tmp_path


def test_mistakes_are_told_in_one_line(folder: Path) -> None:
    for args, status, words in (
        (("rest",), 2, "needs MODULE:OBJECT"),
        (("wsgi", "shop"), 2, "is not MODULE:OBJECT"),
        (("wsgi", "nothing:app"), 1, "No module named"),
        (("wsgi", "shop:nothing"), 1, "no attribute"),
        (("wsgi", "shop:number"), 1, "cannot be called"),
        (("rest", "shop:app"), 1, "no PathDispatcher"),
        (("files", "nowhere"), 1, "No such file"),
        (("files", "large"), 1, "Not a directory"),
        (("files", "--udp"), 2, "--udp is not for files"),
        (("files", "--allow", "10.0.0.0/8"), 2, "--allow is not for files"),
        (("files", "--bind", "0.0.0.0:8000"), 1, "--insecure"),
        (("files", "--bind", "127.0.0.1:0"), 2, "ports go from 1"),
        (("files", "--bind", "127.0.0.1:1", "--unix", "/x"), 2, "one address"),
        (("files", "--key-file", "k"), 2, "needs --cert"),
        (("files", "--cert", "large"), 1, "large"),
        (("files", "--access-log", "no/where"), 1, "No such file"),
        (("wsgi", "shop:app", "--no-listing"), 2, "is for files"),
        (("echo", "--cert", "x"), 2, "is for files, rest and wsgi"),
    ):
        assert words in one_line(run("serve", *args, cwd=folder), status), args


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def fetch(make: Any, path: str) -> tuple[int, bytes]:
    """One GET, as soon as the server listens."""
    deadline = time.monotonic() + links.SOON
    while True:
        client = make()
        with contextlib.closing(client):
            try:
                client.request("GET", path)
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                time.sleep(0.01)
                continue
            reply = client.getresponse()
            return reply.status, reply.read()


@pytest.mark.parametrize("service", ["files", "rest", "wsgi"])
def test_serving(folder: Path, service: str) -> None:
    pytest.importorskip("fastnet.wsgi")
    what, path, expected = {
        "files": ("", "/large", b"x" * 1_000_000),
        "rest": ("shop:api", "/hello", b"hello"),
        "wsgi": ("shop:app", "/any", b"app"),
    }[service]
    port = free_port()
    words = [what] if what else []
    log = folder / "log"
    place = ("--bind", f"127.0.0.1:{port}", "--access-log", log)
    with Running("serve", service, *words, *place, cwd=folder) as server:
        assert server.address == ("127.0.0.1", port)
        got = fetch(lambda: http.client.HTTPConnection("127.0.0.1", port, links.SOON), path)
        assert got == (200, expected)
        server.process.send_signal(signal.SIGTERM)
        server.process.communicate(timeout=links.SOON)
    assert f"GET {path}" in log.read_text()


def test_serving_on_tls(folder: Path) -> None:
    pytest.importorskip("fastnet.wsgi")
    files, port = Files(folder), free_port()
    context = ssl.create_default_context(cafile=files.ca)
    options = ("--cert", files.server, "--key-file", files.server_key)
    place = ("--bind", f"127.0.0.1:{port}")
    with Running("serve", "files", folder, *place, *options):
        got = fetch(
            lambda: http.client.HTTPSConnection("localhost", port, context=context), "/large"
        )
        assert got == (200, b"x" * 1_000_000)
