"""The WSGI applications of the benchmarks; every server runs the same ones."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterable
from typing import Any

Environ = dict[str, Any]
Start = Callable[..., Any]
App = Callable[[Environ, Start], Iterable[bytes]]

TEXT = b"Hello, world!"
TEN_KIB = (TEXT * 788)[: 10 << 10]
QUARTER_MIB = (TEXT * 20165)[: 256 << 10]
PIECE, FILE_PIECE = 1 << 16, 1 << 18
APP_VARIABLE = "FASTNET_BENCH_APP"


def plain(body: bytes) -> App:
    """Always the same reply."""
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", headers[:])
        return [body]

    return app


def path(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Answers with the path, so that the order of replies can be seen."""
    body = environ["PATH_INFO"].encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def post(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Reads the body; answers with its length, and at /crc with its checksum too."""
    read = environ["wsgi.input"].read
    left = int(environ.get("CONTENT_LENGTH") or 0)
    pieces = []
    while left and (piece := read(min(left, PIECE))):
        left -= len(piece)
        pieces.append(piece)
    body = b"".join(pieces)
    text = b"%d" % len(body)
    if environ["PATH_INFO"] == "/crc":
        text += b" %d" % zlib.crc32(body)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text]


def mixed(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """Hello, and at /big enough to fill the buffers of a connection that nobody reads."""
    if environ["PATH_INFO"] == "/post":
        environ["wsgi.input"].read()
    body = QUARTER_MIB if environ["PATH_INFO"] == "/big" else TEXT
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def file_app(name: str) -> App:
    """Sends a file by ``wsgi.file_wrapper``."""

    def app(environ: Environ, start_response: Start) -> Iterable[bytes]:
        headers = [("Content-Type", "application/octet-stream")]
        headers += [("Content-Length", str(os.path.getsize(name)))]
        start_response("200 OK", headers)
        file = open(name, "rb")  # noqa: SIM115 (closed by the server)
        wrap = environ.get("wsgi.file_wrapper")
        if wrap is None:  # PEP 3333 leaves it to the server
            return iter(lambda: file.read(FILE_PIECE), b"")
        wrapped: Iterable[bytes] = wrap(file, FILE_PIECE)
        return wrapped

    return app


def recipe_dispatcher(dispatcher: Any) -> App:
    """The two resources of recipe 11.5, registered at a dispatcher like the recipe's."""
    import http_recipe

    dispatcher.register("GET", "/hello", http_recipe.hello)
    dispatcher.register("GET", "/localtime", http_recipe.localtime)
    made: App = dispatcher
    return made


def rest() -> App:
    """The recipe on `fastnet.rest`."""
    from fastnet.rest import PathDispatcher

    return recipe_dispatcher(PathDispatcher())


def recipe() -> App:
    """The recipe on its own dispatcher."""
    import http_recipe

    return recipe_dispatcher(http_recipe.Dispatcher())


def add(x: Any, y: Any) -> Any:
    return x + y


def xmlrpc() -> App:
    """`fastnet.xmlrpc`'s WSGI application with one function."""
    from fastnet.xmlrpc.server import XMLRPCApp

    made = XMLRPCApp()
    made.register_function(add)
    app: App = made
    return app


def make(app: str, file: str = "") -> App:
    """The application of that name."""
    makers: dict[str, Callable[[], App]] = {
        "hello": lambda: plain(TEXT),
        "10k": lambda: plain(TEN_KIB),
        "path": lambda: path,
        "post": lambda: post,
        "mixed": lambda: mixed,
        "file": lambda: file_app(file),
        "rest": rest,
        "recipe": recipe,
        "xmlrpc": xmlrpc,
    }
    return makers[app]()


def from_environment() -> App:
    """The application for a server that imports it in another process."""
    return make(**json.loads(os.environ[APP_VARIABLE]))
