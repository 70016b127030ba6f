"""WSGI servers at work, and clients that speak to them by hand: for tests only."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self
from wsgiref.validate import validator

import links
from fastnet.wsgi import WSGIServer
from serve_kit import connect

SOON = 30.0
PLAIN = [("Content-Type", "text/plain")]


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]  # lower-case names
    body: bytes
    version: str = "HTTP/1.1"


class Errors(io.StringIO):
    """Takes the place of sys.stderr."""


@contextlib.contextmanager
def serving(app: Any, threads: int = 0, *, check: bool = True, **options: Any) -> Iterator[Any]:
    """A server at work for an application, which wsgiref's validator looks at."""
    address = options.pop("address", ("127.0.0.1", 0))
    server = WSGIServer(address, validator(app) if check else app, threads=threads, **options)
    with server:
        server.start()
        yield server


class Client:
    """A connection that is spoken by hand."""

    def __init__(self, server: Any, context: Any = None) -> None:
        address = server if isinstance(server, tuple) else server.server_address
        self.sock = connect(address)
        self.sock.settimeout(SOON)
        if context is not None:
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        self._got = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def send(self, *data: bytes | str) -> None:
        self.sock.sendall(b"".join(d.encode("latin-1") if isinstance(d, str) else d for d in data))

    def ask(self, *lines: str, body: bytes = b"", method: str = "GET", target: str = "/",
            version: str = "1.1") -> Reply:  # fmt: skip
        """Sends a request, and reads the reply to it."""
        self.send(request(*lines, body=body, method=method, target=target, version=version))
        return self.reply(method)

    def _more(self) -> bool:
        more = self.sock.recv(1 << 16)
        self._got += more
        return bool(more)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._got:
            if not self._more():
                raise EOFError(f"ended at {self._got!r}")
        found, _, self._got = self._got.partition(mark)
        return found

    def _exactly(self, count: int) -> bytes:
        while len(self._got) < count:
            if not self._more():
                raise EOFError(f"{len(self._got)} bytes of {count}")
        found, self._got = self._got[:count], self._got[count:]
        return found

    def reply(self, method: str = "GET") -> Reply:
        """The next reply; EOFError where the connection ends before it is whole."""
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, _ = head[0].split(" ", 2)
        headers: dict[str, str] = {}
        for line in head[1:]:
            name, _, value = line.partition(": ")
            name = name.lower()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        assert not ("content-length" in headers and "transfer-encoding" in headers)
        if method == "HEAD" or int(status) in (100, 204, 304):
            body = b""
        elif "content-length" in headers:
            body = self._exactly(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            body = self._chunks()
        else:
            while self._more():
                pass
            body, self._got = self._got, b""
        return Reply(int(status), headers, body, version)

    def _chunks(self) -> bytes:
        pieces = []
        while size := int(self._until(b"\r\n"), 16):
            pieces.append(self._exactly(size))
            assert self._exactly(2) == b"\r\n"
        assert self._until(b"\r\n") == b""
        return b"".join(pieces)

    def closed(self) -> bool:
        """Waits for the end; whether nothing came before it."""
        try:
            while self._more():
                pass
        except ConnectionError:
            pass
        return not self._got

    def quiet(self) -> bool:
        """Whether the connection is still of use: it answers one more request."""
        try:
            return self.ask().status > 0
        except (OSError, EOFError):
            return False


def request(*lines: str, body: bytes = b"", method: str = "GET", target: str = "/",
            version: str = "1.1") -> bytes:  # fmt: skip
    """A request's bytes, with a Host, and a length for its body."""
    head = [f"{method} {target} HTTP/{version}", "Host: a", *lines]
    named = any(line.lower().startswith(("content-length", "transfer-enc")) for line in lines)
    if body and not named:
        head.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + body


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answers with the path."""
    data = environ["PATH_INFO"].encode("latin-1")
    start_response("200 OK", [*PLAIN, ("Content-Length", str(len(data)))])
    return [data]


def echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answers with the request's body."""
    data = []
    while piece := environ["wsgi.input"].read(50_000):
        data.append(piece)
    start_response("200 OK", PLAIN)
    return [b"".join(data)]


def reading(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Reads the body, and answers "ok"."""
    while environ["wsgi.input"].read(1 << 16):
        pass
    start_response("200 OK", PLAIN)
    return [b"ok"]


class Body:
    """An iterable that counts how often it is closed."""

    def __init__(self, pieces: Any, closing: Callable[[], None] = lambda: None) -> None:
        self.pieces = iter(pieces)
        self.closes = 0
        self.closed = threading.Event()
        self._closing = closing

    def __iter__(self) -> Iterator[Any]:
        return self.pieces

    def close(self) -> None:
        self.closes += 1
        self.closed.set()
        self._closing()

    def was_closed_once(self) -> bool:
        """Waits for it."""
        return self.closed.wait(SOON) and self.closes == 1


def reset(client: Client) -> None:
    """The client goes without a word."""
    if isinstance(client.sock, socket.socket):
        links.reset(client.sock)
