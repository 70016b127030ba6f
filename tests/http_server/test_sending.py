"""Which bytes of a file are sent, and of which file."""

from __future__ import annotations

import gzip
import http.client
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import links
from app_kit import call
from fastnet._native import streamwriter
from fastnet.http import _beneath, server
from fastnet.http.files import Files
from fastnet.wsgi import make_server
from wsgi_kit import Client, serving

DATA = bytes(range(251)) * 4000  # a megabyte, in which places can be told apart


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(DATA)
    return path


def fetched(opens: Callable[[], Any], size: int) -> bytes:
    """What a handler sends whose `send_head` gives this file."""

    class Handler(server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def send_head(self) -> Any:
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            return opens()

    with server.HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.handle_request)
        thread.start()
        client = http.client.HTTPConnection(*running.server_address, timeout=links.SOON)
        client.request("GET", "/")
        try:
            return client.getresponse().read()
        finally:
            client.close()
            thread.join()


@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize("place", [0, 100_001, len(DATA) - 5])
def test_a_file_goes_from_where_it_stands(large: Path, place: int, buffering: int) -> None:
    def opens() -> Any:
        file = large.open("rb", buffering)
        file.seek(place)
        return file

    assert fetched(opens, len(DATA) - place) == DATA[place:]


def test_a_file_goes_as_it_reads(tmp_path: Path) -> None:
    data = os.urandom(300_000)  # so that it is as large when it is packed
    path = tmp_path / "packed.gz"
    path.write_bytes(gzip.compress(data))
    for opens in (gzip.GzipFile, lambda path: io.BufferedReader(gzip.GzipFile(path))):
        assert fetched(lambda: opens(path), len(data)) == data  # noqa: B023


def test_ranges_are_the_servers_to_send(large: Path) -> None:
    wrapped: list[Any] = []

    def wrapper(file: Any, block: int) -> list[bytes]:
        with file:
            wrapped.append((file.tell(), file.read()))
        return [wrapped[-1][1]]

    with Files(large.parent) as files:
        for start, stop in ((0, 10), (100_001, 900_001), (5, len(DATA))):
            header = {"HTTP_RANGE": f"bytes={start}-{stop - 1}", "wsgi.file_wrapper": wrapper}
            assert call(files, "GET", "/large", **header).body == DATA[start:stop]
            assert wrapped.pop() == (start, DATA[start:stop])


def test_ranges_over_a_socket(large: Path) -> None:
    with Files(large.parent) as files, make_server("127.0.0.1", 0, files) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        client = http.client.HTTPConnection("127.0.0.1", running.server_port, timeout=links.SOON)
        try:
            for start, stop in ((0, 1), (0, len(DATA)), (100_001, 900_001), (5, len(DATA))):
                client.request("GET", "/large", headers={"Range": f"bytes={start}-{stop - 1}"})
                reply = client.getresponse()
                assert (reply.status, reply.read()) == (206, DATA[start:stop])
        finally:
            client.close()
            running.shutdown()
            thread.join()


def test_closing_while_a_path_is_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("served", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    files = Files(tmp_path / "served")
    before, others = os.stat, []

    def stat(*args: Any, **options: Any) -> os.stat_result:
        files.close()  # as another thread may
        others.append(os.open(tmp_path / "other", os.O_RDONLY))
        return before(*args, **options)

    monkeypatch.setattr(_beneath.os, "stat", stat)
    reply = call(files, "GET", "/file")
    monkeypatch.undo()
    for descriptor in others:
        os.close(descriptor)
    assert (reply.status, reply.body) == (200, b"served")
    assert call(files, "GET", "/file").status == 404


@pytest.mark.parametrize("threads", [0, 2])
def test_the_system_sends_files_and_ranges(
    threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, sizes = streamwriter.sendfile, []

    def sendfile(*args: int) -> int:
        sizes.append(args[3])
        return int(real(*args))

    monkeypatch.setattr(streamwriter, "sendfile", sendfile)
    content = bytes(range(250)) * 1000
    (tmp_path / "file").write_bytes(content)
    with (
        Files(tmp_path) as files,
        serving(files, threads, check=False) as server,
        Client(server) as client,
    ):
        assert client.ask(target="/file").body == content
        assert sizes
        sizes.clear()
        assert client.ask("Range: bytes=1000-100999", target="/file").body == content[1000:101_000]
        assert sizes
        assert max(sizes) <= 100_000
