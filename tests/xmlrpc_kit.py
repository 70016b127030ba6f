"""What the tests of XML-RPC share: values, comparison with the standard library, servers."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import math
import random
import xmlrpc.client as standard
from collections.abc import Iterator
from typing import Any

import tlsfiles
from fastnet.socketserver import ThreadingMixIn
from fastnet.xmlrpc import server as ours

HERE = ("127.0.0.1", 0)


class Text(str):
    """A subclass of a standard type: cannot be sent."""


class Thing:
    """An instance: sent as a struct of its attributes."""

    def __init__(self) -> None:
        self.a = 1


ODD = (Text("x"), Thing(), 1j, {1}, Thing, 1 << 31, -(1 << 31) - 1, 10**30)
PLAIN = (
    *(0, -1, (1 << 31) - 1, -(1 << 31), 0.0, -0.0, 5e-324, 1e300, math.inf, -math.inf, math.nan),
    *(True, False, None, "", b"", bytearray(b"xyz"), standard.Binary(b"data")),
    *(standard.DateTime("20240229T12:30:59"), standard.DateTime(" x<y "), standard.DateTime(1e9)),
    *(datetime.datetime(1, 2, 3), datetime.datetime(2024, 2, 29, 23, 59, 59, 999)),
)
LETTERS = "ab <>&\"'\n\t]é€😀"
RARE = LETTERS + "\r\ud800\x00\x7f\ufffe\ufffd"


class Values:
    """Random values of every kind, the same for the same seed."""

    def __init__(self, seed: int, odd: float = 0.03) -> None:
        self.random, self.odd = random.Random(seed), odd

    def text(self) -> str:
        """A short text, seldom one that XML cannot have."""
        letters = RARE if self.random.random() < self.odd else LETTERS
        return "".join(self.random.choices(letters, k=self.random.randrange(8)))

    def value(self, depth: int = 0) -> Any:
        """A value, with others in it."""
        choose = self.random.randrange(10 if depth < 4 else 6)
        if choose < 2:
            return self.text()
        if choose == 2:
            return self.random.randrange(-(10**9), 10**9)
        if choose == 3:
            return self.random.randbytes(self.random.randrange(130))
        if choose < 6:
            return self.random.choice(ODD if self.random.random() < self.odd else PLAIN)
        items = [self.value(depth + 1) for _ in range(self.random.randrange(5))]
        if choose < 8:
            return items if choose == 6 else tuple(items)
        names: list[Any] = [self.text() for _ in items]
        if names and self.random.random() < self.odd:
            names[0] = self.random.choice([1, Text("k")])
        return dict(zip(names, items, strict=True))


def normal(x: Any) -> Any:
    """A value in a form that compares by type, and tells -0.0 from 0.0."""
    if isinstance(x, (list, tuple)):
        return type(x), [normal(item) for item in x]
    if isinstance(x, dict):
        return dict, [(normal(name), normal(value)) for name, value in x.items()]
    if isinstance(x, (standard.Binary, standard.DateTime)):
        return type(x), x.__dict__
    return type(x), repr(x)


def outcome(function: Any, *args: Any, **options: Any) -> Any:
    """What a call returns or raises."""
    try:
        return "returned", normal(function(*args, **options))
    except standard.Fault as fault:
        return "fault", normal(dict(sorted(vars(fault).items())))
    except Exception as error:
        words = error.args if isinstance(error, standard.Error) else str(error)
        return "raised", type(error), words


class KeepAlive(ours.SimpleXMLRPCRequestHandler):
    """Serves several calls on one connection."""

    protocol_version = "HTTP/1.1"
    timeout = 30


class Threaded(ThreadingMixIn, ours.SimpleXMLRPCServer):
    """A thread for each connection, and a count of them."""

    connections = 0

    def get_request(self) -> tuple[Any, Any]:
        """The next connection."""
        taken = super().get_request()
        self.connections += 1
        return taken


@contextlib.contextmanager
def served(kind: Any = Threaded, handler: Any = KeepAlive, **options: Any) -> Iterator[Any]:
    """A server, and its URL; it knows pow, add and echo."""
    server = kind(HERE, handler, logRequests=False, **options)
    server.register_function(pow)
    server.register_function(lambda x, y: x + y, "add")
    server.register_function(lambda *values: list(values), "echo")
    with tlsfiles.Serving(server):
        yield server, f"http://127.0.0.1:{server.server_address[1]}/RPC2"


def posted(server: Any, body: bytes, path: str = "/RPC2", **headers: str) -> Any:
    """The answer to one POST, and its body."""
    connection = http.client.HTTPConnection(*server.server_address, timeout=30)
    with contextlib.closing(connection):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", path, body, {"Content-Type": "text/xml", **named})
        answer = connection.getresponse()
        return answer, answer.read()
