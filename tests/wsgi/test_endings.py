"""Clients that read slowly but do read, and connections that the server ends."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import links
from fastnet import Limits
from wsgi_kit import Client, hello, request, serving

SIZE = 1_600_000
HASTY = Limits(send_timeout=1)


def pieces(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Length", str(SIZE))])
    return (bytes(40_000) for _ in range(SIZE // 40_000))


def whole(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Length", str(SIZE)), ("Connection", "close")])
    return [bytes(SIZE)]


class Sparse:
    """An application that answers with a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(SIZE))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", str(SIZE))])
        return environ["wsgi.file_wrapper"](open(self.path, "rb"))


class Slow(Client):
    """Has a small window, and reads so many bytes a second."""

    def __init__(self, server: Any, context: Any = None, rate: int = 500_000) -> None:
        self.rate = rate
        super().__init__(server, context)

    def _more(self) -> bool:
        time.sleep(0.05)
        more = self.sock.recv(self.rate // 20)
        self._got += more
        return bool(more)


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Client sockets that hold little, so that the server feels how they read."""

    def connect(address: Any) -> socket.socket:
        sock = socket.socket(socket.AF_INET)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 15)
        sock.connect(address)
        return sock

    monkeypatch.setattr("wsgi_kit.connect", connect)


@pytest.mark.usefixtures("small_windows")
@pytest.mark.parametrize("kind", ["pieces", "whole", "file", "tls"])
def test_who_reads_slowly_gets_all(tmp_path: Path, kind: str, certificates: Any) -> None:
    app = {"whole": whole, "file": Sparse(tmp_path / "file")}.get(kind, pieces)
    safe = kind == "tls"
    options = {"ssl_context": certificates.server} if safe else {}
    with serving(app, check=False, limits=HASTY, **options) as server:
        with Slow(server, certificates.client if safe else None) as client:
            client.send(request())
            assert len(client.reply().body) == SIZE


@pytest.mark.usefixtures("small_windows")
def test_what_comes_behind_a_last_request_destroys_nothing() -> None:
    with serving(whole, check=False) as server, Client(server) as client:
        client.send(request())
        assert client._more()
        client.send(request() * 3)
        assert len(client.reply().body) == SIZE
        assert client.closed()


@pytest.mark.usefixtures("small_windows")
def test_an_early_reply_to_a_slow_reader() -> None:
    with serving(whole, 1, check=False) as server, Slow(server) as client:
        client.send(request("Content-Length: 9000000", method="POST"), bytes(280_000))
        assert len(client.reply().body) == SIZE


@pytest.mark.usefixtures("small_windows")
def test_a_file_that_is_sent_while_its_request_comes_slowly(tmp_path: Path) -> None:
    file = Sparse(tmp_path / "file")

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["wsgi.input"].read(300_000)
        return file(environ, start_response)

    limits = Limits(request_timeout=1)
    with serving(app, 1, check=False, limits=limits) as server, Slow(server) as client:
        client.send(request("Content-Length: 400000", method="POST"), bytes(310_000))
        assert len(client.reply().body) == SIZE


def test_blocks_do_not_wait_for_the_next() -> None:
    seen = threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("200 OK", [("Content-Length", "12")])
        if environ["PATH_INFO"] == "/write":
            write(b"first ")
            assert seen.wait(links.SOON)
            return [b"second"]
        return blocks()

    def blocks() -> Iterator[bytes]:
        yield b"first "
        assert seen.wait(links.SOON)
        yield b"second"

    with serving(app, check=False) as server, Client(server) as client:
        for target in ("/write", "/iterate"):
            seen.clear()
            client.send(request(target=target))
            assert client._until(b"first ").endswith(b"\r\n\r\n")
            seen.set()
            assert client._exactly(6) == b"second"


def test_who_reads_on_after_the_reply_is_told() -> None:
    ends: list[Exception] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        def read() -> None:
            try:
                while environ["wsgi.input"].read(65536):
                    pass
            except OSError as error:
                ends.append(error)

        threading.Thread(target=read).start()
        return hello(environ, start_response)

    with serving(app, 1, check=False) as server, Client(server) as client:
        client.send(request("Content-Length: 900000", method="POST"), bytes(300_000))
        assert client.reply().status == 200
        links.wait_until(lambda: ends)
    assert isinstance(ends[0], ConnectionResetError)


@pytest.mark.usefixtures("small_windows")
@pytest.mark.parametrize("last", ["keep-alive", "close"])
def test_who_has_stalled_gets_the_last_reply_too(last: str) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "6000000")])
        return [bytes(6_000_000)]

    with serving(app, check=False) as server, Client(server) as client:
        client.send(request(), request(f"Connection: {last}"))
        time.sleep(3.5)  # longer than any connection lingers that has nothing to send
        assert len(client.reply().body) == 6_000_000
        assert len(client.reply().body) == 6_000_000


def test_a_server_that_ends_does_not_wait_for_who_reads_nothing() -> None:
    limits = Limits(send_timeout=1, keep_alive_timeout=None)

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [bytes(SIZE)]

    with serving(app, check=False, limits=limits) as server, Client(server) as client:
        client.send(request())
        assert client._until(b"\r\n\r\n")
        began = time.monotonic()
        server.shutdown(links.SOON)
        assert time.monotonic() - began < links.SOON / 2


def test_a_thread_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    real, failed = threading.Thread.start, []

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("fastnet-wsgi") and not failed:
            failed.append(thread)
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with serving(hello, 1) as server:
        with Client(server) as client:
            client.send(request())
            assert client.closed()
        with Client(server) as client:
            assert client.ask(target="/then").body == b"/then"


# -------------------------------------------------------------------------- retiring


@contextlib.contextmanager
def retiring(server: Any) -> Iterator[Callable[[], bool]]:
    """Has the server retire; gives whether it is still at that."""
    thread = threading.Thread(target=server.retire)
    thread.start()
    try:
        yield thread.is_alive
    finally:
        server.shutdown(0)
        thread.join()


def test_retiring_cuts_nothing() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", "30")])
        for _ in range(30):
            time.sleep(0.1)
            yield b"x"

    limits = Limits(keep_alive_timeout=1)
    with serving(app, 1, check=False, limits=limits) as server, Client(server) as client:
        client.send(request())
        client._until(b"\r\n\r\n")
        with retiring(server):
            assert client._exactly(30) == b"x" * 30


@pytest.mark.parametrize("safe", [False, True])
def test_who_has_connected_is_answered(safe: bool, certificates: Any) -> None:
    options = {"ssl_context": certificates.server} if safe else {}
    with serving(hello, **options) as server:
        client = Client(server)
        links.wait_until(lambda: server.stats()["open"] == 1)
        with client, retiring(server) as still:
            if safe:
                client.sock = certificates.client.wrap_socket(
                    client.sock, server_hostname="localhost"
                )
            assert still()
            assert client.ask().status == 200


def test_a_request_cannot_be_made_by_hand() -> None:
    found: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        found.append(type(start_response.__self__))
        return hello(environ, start_response)

    with serving(app, check=False) as server, Client(server) as client:
        assert client.ask().status == 200
    with pytest.raises(TypeError):
        found[0]()
    with pytest.raises(RuntimeError):
        found[0].__new__(found[0]).start_response("200 OK", [])
