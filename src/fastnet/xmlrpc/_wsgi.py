"""XML-RPC as a WSGI application (PEP 3333)."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterable
from typing import Any
from xmlrpc.client import gzip_encode

from fastnet.xmlrpc._dispatch import SimpleXMLRPCDispatcher
from fastnet.xmlrpc._lengths import MOST, length_of

Start = Callable[..., Any]
Environ = dict[str, Any]

_PHRASES = {
    400: "400 Bad Request",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    411: "411 Length Required",
    413: "413 Content Too Large",
    501: "501 Not Implemented",
}
_PIECE = 1 << 20  # bytes read at once: memory follows what came, not what was claimed


class _Refused(Exception):
    """A request gets a status in place of an answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class XMLRPCApp(SimpleXMLRPCDispatcher):
    """An XML-RPC service as a WSGI application: register functions, then run it on any server.

        app = XMLRPCApp()
        app.register_function(pow)
        fastnet.wsgi.run(app, ("127.0.0.1", 8000))

    Parameters:
        allow_none, encoding, use_builtin_types: as for `SimpleXMLRPCDispatcher`.
        dispatcher: who answers; the application itself by default.  One with
            `get_dispatcher`, like a `MultiPathXMLRPCServer`, is asked by path.
        rpc_paths: the paths that are answered; any path, when empty.
        max_request_size: bytes that a request's body may have, in gzip or out
            of it; None for no limit.
        encode_threshold: bytes from which an answer goes out in gzip, to
            clients that ask for it; None for never.
    """

    def __init__(
        self,
        allow_none: bool = False,
        encoding: str | None = None,
        use_builtin_types: bool = False,
        *,
        dispatcher: Any = None,
        rpc_paths: Iterable[str] = ("/", "/RPC2"),
        max_request_size: int | None = 16 << 20,
        encode_threshold: int | None = 1400,
    ) -> None:
        super().__init__(allow_none, encoding, use_builtin_types)
        self.rpc_paths = frozenset(rpc_paths)
        self.max_request_size = max_request_size
        self.encode_threshold = encode_threshold
        self._by_path = getattr(dispatcher, "get_dispatcher", None)
        self._answer = (self if dispatcher is None else dispatcher)._marshaled_dispatch

    def __call__(self, environ: Environ, start_response: Start) -> list[bytes]:
        """Answers one request."""
        try:
            answer = self._serve(environ)
        except _Refused as refused:
            return _refuse(refused, start_response)
        headers = [("Content-Type", "text/xml"), ("Content-Length", str(len(answer)))]
        limit = self.encode_threshold
        if limit is not None and len(answer) > limit and _takes_gzip(environ):
            answer = gzip_encode(answer)
            headers = [
                ("Content-Type", "text/xml"),
                ("Content-Encoding", "gzip"),
                ("Content-Length", str(len(answer))),
            ]
        start_response("200 OK", headers)
        return [answer]

    def _serve(self, environ: Environ) -> bytes:
        path = environ.get("PATH_INFO", "") or "/"
        if self.rpc_paths and path not in self.rpc_paths:
            raise _Refused(404, "No such page")
        if environ["REQUEST_METHOD"] != "POST":
            raise _Refused(405, "XML-RPC is called with POST")
        data = self._body(environ)
        if self._by_path is not None:
            try:
                self._by_path(path)
            except KeyError:
                raise _Refused(404, "No such page") from None
        return bytes(self._answer(data, None, path))

    def _body(self, environ: Environ) -> bytes:
        data = self._read(environ)
        coding = environ.get("HTTP_CONTENT_ENCODING", "identity").lower()
        if coding == "identity":
            return data
        if coding != "gzip":
            raise _Refused(501, f"encoding {coding!r} not supported")
        return _unpacked(data, self.max_request_size)

    def _read(self, environ: Environ) -> bytes:
        text, limit = environ.get("CONTENT_LENGTH", ""), self.max_request_size
        source = environ["wsgi.input"]
        if not text:
            if environ.get("wsgi.input_terminated"):
                return _read_to_end(source, limit)
            raise _Refused(411, "a call has a Content-Length")
        size = length_of(text)
        if size is None:
            raise _Refused(400, "Content-Length is not a number")
        if size > (most := MOST - 1 if limit is None else limit):
            raise _too_large(most)
        data: bytes = source.read(size) if size <= _PIECE else _read_pieces(source, size)
        if len(data) != size:
            raise _Refused(400, "the body is shorter than its Content-Length")
        return data


def _too_large(limit: int) -> _Refused:
    return _Refused(413, f"a call may have {limit} bytes")


def _unpacked(data: bytes, limit: int | None) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            found = file.read(-1 if limit is None else limit + 1)
    except (OSError, EOFError, zlib.error):
        raise _Refused(400, "error decoding gzip content") from None
    if limit is not None and len(found) > limit:
        raise _too_large(limit)
    return found


def _read_pieces(source: Any, size: int) -> bytes:
    pieces = []
    while size and (piece := source.read(min(size, _PIECE))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _read_to_end(source: Any, limit: int | None) -> bytes:
    data = _read_pieces(source, -1 if limit is None else limit + 1)
    if limit is not None and len(data) > limit:
        raise _too_large(limit)
    return data


def _takes_gzip(environ: Environ) -> bool:
    for coding in environ.get("HTTP_ACCEPT_ENCODING", "").lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() == "gzip":
            weight = weight.replace(" ", "").removeprefix("q=")
            return not weight or weight.strip("0.") != ""
    return False


def _refuse(refused: _Refused, start_response: Start) -> list[bytes]:
    text = str(refused).encode("ascii", "backslashreplace")
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))]
    if refused.status == 405:
        headers.append(("Allow", "POST"))
    start_response(_PHRASES[refused.status], headers)
    return [text]


def application(dispatcher: Any, **options: Any) -> XMLRPCApp:
    """A WSGI application for a dispatcher, or for a server that was never bound.

    Parameters:
        dispatcher: a `SimpleXMLRPCDispatcher`, or what has its
            `_marshaled_dispatch`.
        options: as for `XMLRPCApp`.
    """
    return XMLRPCApp(dispatcher=dispatcher, **options)
