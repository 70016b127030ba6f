"""Calls WSGI applications, always through wsgiref's validator: for tests only."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import threading
import urllib.parse
import wsgiref.simple_server
import wsgiref.util
import wsgiref.validate
from collections.abc import Iterator
from typing import Any

import links


class Reply:
    """What came back."""

    def __init__(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status = int(status[:3])
        self.line = status
        self.pairs = headers
        self.body = body

    def __getitem__(self, name: str) -> str | None:
        found = [value for key, value in self.pairs if key.lower() == name.lower()]
        assert len(found) <= 1, (name, found)
        return found[0] if found else None

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)

    def problem(self) -> tuple[int, str]:
        """Status and detail of a problem document that is as it should be."""
        assert self["Content-Type"] == "application/problem+json"
        document = self.json()
        assert document["status"] == self.status
        assert document["title"]
        return self.status, document.get("detail", "")


class Trickle(io.BytesIO):
    """An input that gives a few bytes at a time, as a network may."""

    def read(self, size: int = -1) -> bytes:
        return super().read(min(size, 7) if size > 0 else size)


def environment(
    method: str, target: str, body: bytes | None = None, kind: str | None = None, **more: Any
) -> dict[str, Any]:
    """A WSGI environment; headers are given as HTTP_…"""
    path, _, query = target.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": urllib.parse.unquote(path, "latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": Trickle(body or b""),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if body is not None:
        environ["CONTENT_LENGTH"] = str(len(body))
    if kind is not None:
        environ["CONTENT_TYPE"] = kind
    return {**environ, **more}


def call(app: Any, method: str, target: str, *rest: Any, **more: Any) -> Reply:
    """One request, see `environment`."""
    return run(app, environment(method, target, *rest, **more))


def run(app: Any, environ: dict[str, Any]) -> Reply:
    """One request with an environment of one's own."""
    started: list[Any] = []
    written: list[bytes] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        assert exc_info or not started
        started[:] = [status, headers]
        return written.append

    blocks = wsgiref.validate.validator(app)(environ, start_response)
    try:
        body = b"".join(blocks)
    finally:
        blocks.close()
    reply = Reply(started[0], started[1], b"".join(written) + body)
    length = reply["Content-Length"]
    if environ["REQUEST_METHOD"] == "HEAD" or reply.status in (204, 304):
        assert reply.body == b""
    elif length is not None:
        assert int(length) == len(reply.body)
    return reply


class _Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@contextlib.contextmanager
def served(app: Any) -> Iterator[http.client.HTTPConnection]:
    """A client of an application on wsgiref's server."""
    checked = wsgiref.validate.validator(app)
    with wsgiref.simple_server.make_server("127.0.0.1", 0, checked, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        client = http.client.HTTPConnection(*server.server_address, timeout=links.SOON)
        try:
            yield client
        finally:
            client.close()
            server.shutdown()
            thread.join()
