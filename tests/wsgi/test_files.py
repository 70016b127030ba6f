"""wsgi.file_wrapper: files as bodies, sent by the system where it can."""

from __future__ import annotations

import errno
import gzip
import io
import pathlib
import tempfile
from typing import Any

import pytest

import links
from fastnet import Limits
from fastnet._native import streamwriter
from wsgi_kit import PLAIN, Client, hello, request, reset, serving

pytestmark = pytest.mark.parametrize("threads", [0, 4])

CONTENT = bytes(range(256)) * 8000  # 2 MB


class Files:
    """An application that answers with a file, and keeps all that it has opened."""

    def __init__(self, path: Any) -> None:
        self.path = path
        self.headers: list[tuple[str, str]] = []
        self.offset = 0
        self.opened: list[Any] = []
        self.raw = False
        self.during = lambda: None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/hello":
            return hello(environ, start_response)
        file = io.BytesIO(CONTENT) if self.raw else open(self.path, "rb")  # noqa: SIM115
        file.seek(self.offset)
        self.opened.append(file)
        start_response("200 OK", [*PLAIN, *self.headers])
        self.during()
        return environ["wsgi.file_wrapper"](file, 10_000)

    def are_closed(self) -> bool:
        links.wait_until(lambda: all(file.closed for file in self.opened))
        return bool(self.opened)


@pytest.fixture
def files(tmp_path: Any) -> Files:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return Files(path)


def test_files_and_what_is_like_them(threads: int, files: Files) -> None:
    with serving(files, threads, check=False) as server, Client(server) as client:
        for files.raw in (False, True):
            for files.offset in (0, 1_000_001, len(CONTENT), len(CONTENT) + 5):
                assert client.ask().body == CONTENT[files.offset :]
                assert client.ask(target="/hello").body == b"/hello"
            files.offset = 0
            files.headers = [("Content-Length", "300000")]
            reply = client.ask()
            assert reply.body == CONTENT[:300_000]
            assert reply.headers["content-length"] == "300000"
            assert client.ask(target="/hello").body == b"/hello"
            files.headers = []
            assert client.ask(method="HEAD").status == 200
            assert client.ask(target="/hello").body == b"/hello"
            client.send(request() * 3, request(target="/hello"))
            assert [client.reply().body == CONTENT for _ in range(3)] == [True] * 3
            assert client.reply().body == b"/hello"
    assert files.are_closed()


def test_old_clients(threads: int, files: Files) -> None:
    with serving(files, threads, check=False) as server, Client(server) as client:
        assert client.ask(version="1.0").body == CONTENT
        assert client.closed()


def test_a_file_shorter_than_was_said(threads: int, files: Files, capsys: Any) -> None:
    files.headers = [("Content-Length", str(len(CONTENT) + 1))]
    with serving(files, threads, check=False) as server:
        with Client(server) as client, pytest.raises(EOFError):
            client.ask()
    assert files.are_closed()
    assert "Content-Length says" in capsys.readouterr().err


def test_files_whose_descriptor_holds_other_bytes(threads: int, tmp_path: Any) -> None:
    comm = pathlib.Path("/proc/self/comm")  # has no size, and holds something
    made = {
        "/gzip": lambda: gzip.open(tmp_path / "gz"),  # noqa: SIM115
        "/proc": lambda: comm.open("rb"),
        "/temporary": lambda: temporary(b"of a while"),
        "/subclass": lambda: Upper(tmp_path / "plain"),
        "/holder": lambda: Holder(tmp_path / "plain"),
    }

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", PLAIN)
        return environ["wsgi.file_wrapper"](made[environ["PATH_INFO"]]())

    with gzip.open(tmp_path / "gz", "wb") as file:
        file.write(b"plain text")
    (tmp_path / "plain").write_bytes(b"plain")
    with serving(app, threads, check=False) as server, Client(server) as client:
        assert client.ask(target="/gzip").body == b"plain text"
        assert client.ask(target="/proc").body == comm.read_bytes()
        assert client.ask(target="/temporary").body == b"of a while"
        assert client.ask(target="/subclass").body == b"PLAIN"
        assert client.ask(target="/holder").body == b"PLAIN"


def temporary(content: bytes) -> Any:
    file = tempfile.NamedTemporaryFile()  # noqa: SIM115
    file.write(content)
    file.seek(0)
    return file


class Upper(io.FileIO):
    """Reads other bytes than there are."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size).upper()  # type: ignore[union-attr]


class Holder:
    """Likewise, of a file that it has."""

    def __init__(self, path: Any) -> None:
        self.file = open(path, "rb")  # noqa: SIM115
        self.fileno, self.tell, self.close = self.file.fileno, self.file.tell, self.file.close

    def read(self, size: int) -> bytes:
        return self.file.read(size).upper()


def test_a_file_that_the_system_does_not_send(
    threads: int, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> int:
        raise OSError(errno.EINVAL, "no such thing here")

    lines: list[str] = []
    monkeypatch.setattr(streamwriter, "sendfile", refuse)
    with serving(files, threads, check=False, access_log=lines.append) as server:
        with Client(server) as client:
            assert client.ask().body == CONTENT
            assert client.ask().body == CONTENT
    assert all(line.endswith(f" 200 {len(CONTENT)}") for line in lines)


def test_through_tls(threads: int, files: Files, certificates: Any) -> None:
    with serving(files, threads, check=False, ssl_context=certificates.server) as server:
        with Client(server, certificates.client) as client:
            assert client.ask().body == CONTENT
            assert client.ask(target="/hello").body == b"/hello"
    assert files.are_closed()


def test_a_client_that_goes(threads: int, files: Files) -> None:
    with serving(files, threads, check=False) as server:
        for leave in (Client.close, reset):
            client = Client(server)
            client.send(request() * 20)
            assert client._until(b"\r\n\r\n")
            leave(client)
            links.wait_until(lambda: server.stats()["open"] == 0)
        assert files.are_closed()


def test_a_client_that_reads_nothing(threads: int, files: Files) -> None:
    limits = Limits(send_timeout=0.4)
    with serving(files, threads, check=False, limits=limits) as server:
        with Client(server) as client:
            client.send(request() * 20)
            links.wait_until(lambda: files.opened and server.stats()["open"] == 0)
        assert files.are_closed()


def test_a_server_that_ends_amid_a_file(threads: int, files: Files) -> None:
    with serving(files, threads, check=False) as server:
        with Client(server) as client:
            client.send(request() * 20)
            assert client._until(b"\r\n\r\n")
            server.shutdown(0.1)
    assert files.are_closed()


def test_the_validator_wraps_it(threads: int, files: Files) -> None:
    with serving(files, threads) as server, Client(server) as client:
        assert client.ask().body == CONTENT
    assert files.are_closed()
