"""Servers for the HTTP client's tests: one that follows a script, one of the standard library."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import http.server
import json
import socket
import threading
import urllib.parse
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Self

import links

CLOSE = object()  # in a script: the connection ends here


def reply(body: bytes = b"", *fields: str, status: str = "200 OK", length: bool = True) -> bytes:
    lines = [f"HTTP/1.1 {status}", *fields]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(*pieces: bytes, trailer: bytes = b"") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n%s\r\n" % trailer


def receive_request(file: Any) -> tuple[bytes, bytes] | None:
    """(head, decoded body) of the next request, or None at the end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = file.readline()
        if not line:
            return None
        head += line
    lower = head.lower()
    if b"\r\ntransfer-encoding: chunked" in lower:
        parts = []
        while size := int(file.readline(), 16):
            parts.append(file.read(size))
            file.readline()
        file.readline()
        return head, b"".join(parts)
    _, found, rest = lower.partition(b"\r\ncontent-length:")
    return head, file.read(int(rest.split(b"\r\n")[0])) if found else b""


class Scripted:
    """Answers the requests that come, on any connection, with the next answers of a script.

    An answer is bytes, CLOSE, a callable that is given the socket, or a tuple of these.
    """

    def __init__(self, *answers: Any, context: Any = None) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[bytes, bytes]] = []
        self.connections = 0
        self._context = context
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self._start(self._accept)

    def _start(self, work: Callable[..., Any], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(links.SOON)
            with self._lock:
                self._open.add(sock)
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._context is not None:
                raw, sock = sock, self._context.wrap_socket(sock, server_side=True)
                with self._lock:
                    self._open.discard(raw)
                    self._open.add(sock)
            with sock.makefile("rb") as file:
                while (request := receive_request(file)) is not None:
                    with self._lock:
                        self.requests.append(request)
                        answer = self.answers.pop(0) if self.answers else CLOSE
                    if not self._answer(sock, answer):
                        break
        with self._lock:
            self._open.discard(sock)
        with contextlib.suppress(OSError):
            sock.close()

    def _answer(self, sock: socket.socket, answer: Any) -> bool:
        for part in answer if isinstance(answer, tuple) else (answer,):
            if part is CLOSE:
                return False
            if callable(part):
                part(sock)
            else:
                sock.sendall(part)
        return True

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(links.SOON)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def useless(session: Any) -> bool:
    """Whether no idle connection of a session can be used any more."""
    kept = session._pool._kept.values()
    return not any(connection.idle for connections in kept for connection in connections)


# ------------------------------------------------------------------ a standard server


class Handler(http.server.BaseHTTPRequestHandler):
    """Says what was asked, as JSON; and a few paths that do more."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def answer(self, body: bytes, status: int = 200, **fields: str) -> None:
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def handle_any(self) -> None:
        body = self.body()
        path, _, query = self.path.partition("?")
        name = path.strip("/").split("/")[0].replace("-", "_")
        method = getattr(self, f"path_{name}", None)
        if method is not None:
            method(path, urllib.parse.parse_qs(query), body)
            return
        said = {
            "method": self.command,
            "path": self.path,
            "headers": {key.lower(): value for key, value in self.headers.items()},
            "body": body.decode("latin-1"),
            "peer": self.client_address[1],
        }
        self.answer(json.dumps(said).encode(), Content_Type="application/json")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = handle_any

    def path_redirect(self, path: str, query: Any, body: bytes) -> None:
        self.answer(b"moved", int(query["status"][0]), Location=query["to"][0])

    def path_status(self, path: str, query: Any, body: bytes) -> None:
        self.answer(b"so it is", int(query["code"][0]))

    def path_cookies(self, path: str, query: Any, body: bytes) -> None:
        self.send_response(200)
        for value in query.get("set", []):
            self.send_header("Set-Cookie", value)
        got = self.headers.get("Cookie", "").encode()
        self.send_header("Content-Length", str(len(got)))
        self.end_headers()
        self.wfile.write(got)

    def path_gzip(self, path: str, query: Any, body: bytes) -> None:
        self.answer(gzip.compress(b"packed " * 1000), Content_Encoding="gzip")

    def path_deflate(self, path: str, query: Any, body: bytes) -> None:
        self.answer(zlib.compress(b"packed " * 1000), Content_Encoding="deflate")

    def path_basic(self, path: str, query: Any, body: bytes) -> None:
        wanted = "Basic " + base64.b64encode("ann:pä:ss".encode()).decode()
        if self.headers.get("Authorization") == wanted:
            self.answer(b"welcome")
        else:
            self.answer(b"no", 401, WWW_Authenticate='Basic realm="r"')

    def path_digest(self, path: str, query: Any, body: bytes) -> None:
        algorithm = query.get("algorithm", ["MD5"])[0]
        given = self.headers.get("Authorization", "")
        if given.startswith("Digest ") and self.digest_is_right(given, algorithm):
            self.answer(b"welcome " + body)
            return
        qop = "" if "plain" in query else ', qop="auth-int,auth"'
        self.answer(b"no", 401, WWW_Authenticate=(
            f'Basic realm="x", Digest realm="a \\"r\\"", nonce="abc123"{qop}, '
            f'algorithm={algorithm}, opaque="op"'))  # fmt: skip

    def digest_is_right(self, given: str, algorithm: str) -> bool:
        fields = {}
        for part in given[7:].split(", "):
            name, _, value = part.partition("=")
            fields[name] = value.strip('"') if '\\"' not in value else value[1:-1]
        name = algorithm.removesuffix("-sess").replace("SHA-512-256", "sha512_256")

        def digest(text: str) -> str:
            return hashlib.new(name.replace("-", "").lower(), text.encode()).hexdigest()

        secret = digest('ann:a "r":secret')
        if algorithm.endswith("-sess"):
            secret = digest(f"{secret}:abc123:{fields['cnonce']}")
        asked = digest(f"{self.command}:{self.path}")
        if "qop" in fields:
            asked = f"{fields['nc']}:{fields['cnonce']}:auth:{asked}"
        right = digest(f"{secret}:abc123:{asked}")
        return fields["response"] == right and fields["uri"] == self.path

    def path_count(self, path: str, query: Any, body: bytes) -> None:
        self.answer(bytes(range(256)) * int(query["times"][0]))

    def log_message(self, *args: Any) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    """Ends its connections when it is closed."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, context: Any = None, handler: Any = Handler) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.tls = context
        self.connections: list[Any] = []
        self.port = self.server_port
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"

    def get_request(self) -> Any:
        sock, address = super().get_request()
        if self.tls is not None:
            sock.settimeout(links.SOON)
            try:
                sock = self.tls.wrap_socket(sock, server_side=True)
            except OSError:
                sock.close()
                raise
        self.connections.append(sock)
        return sock, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@contextlib.contextmanager
def serving(context: Any = None, handler: Any = Handler) -> Iterator[Server]:
    server = Server(context, handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        for sock in server.connections:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        server.server_close()


# ------------------------------------------------------------------------- a proxy


class Proxy(http.server.BaseHTTPRequestHandler):
    """Forwards whole URLs, and makes tunnels for CONNECT."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, str | None]]

    def do_CONNECT(self) -> None:
        self.seen.append(("CONNECT", self.path, self.headers.get("Proxy-Authorization")))
        host, _, port = self.path.rpartition(":")
        if host == "refused.example":
            self.send_error(403, "not for you")
            return
        with socket.create_connection((host.strip("[]"), int(port)), links.SOON) as there:
            self.send_response(200, "go on")
            self.end_headers()
            self.wfile.flush()
            back = threading.Thread(target=pump, args=(there, self.connection))
            back.start()
            pump(self.connection, there)
            back.join()
        self.close_connection = True

    def do_GET(self) -> None:
        self.seen.append((self.command, self.path, self.headers.get("Proxy-Authorization")))
        body = f"by proxy: {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


def pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for sock in (source, target):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def proxying() -> Iterator[tuple[Server, list[Any]]]:
    seen: list[Any] = []
    handler = type("SeenProxy", (Proxy,), {"seen": seen})
    with serving(handler=handler) as server:
        yield server, seen
