"""Dispatchers at work, and their clients: for tests only."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

import links
from fastnet import fdpass

HERE = ("127.0.0.1", 0)


def echo(sock: socket.socket, address: Any) -> None:
    """Says which process it is, and echoes."""
    sock.sendall(b"%d\n" % os.getpid())
    while data := sock.recv(65536):
        sock.sendall(data)


@contextlib.contextmanager
def dispatching(handler: Any, address: Any = HERE, **options: Any) -> Iterator[fdpass.Dispatcher]:
    """A dispatcher at work, its workers complete."""
    with fdpass.Dispatcher(address, handler, **options) as dispatcher:
        dispatcher.start()
        links.wait_until(lambda: len(dispatcher.pids) == options.get("workers", 1))
        yield dispatcher


def connect(dispatcher: fdpass.Dispatcher) -> socket.socket:
    """A connection, with a timeout that no test should reach."""
    unix = isinstance(dispatcher.address, str)
    sock = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
    sock.settimeout(3 * links.SOON)
    try:
        sock.connect(dispatcher.address)
    except OSError:
        sock.close()
        raise
    return sock


def line(sock: socket.socket) -> int | None:
    """The number on the line that comes, or None at the end."""
    got = b""
    while not got.endswith(b"\n"):
        piece = sock.recv(1)
        if not piece:
            return None
        got += piece
    return int(got)


def rest(sock: socket.socket) -> bytes:
    """What comes until the end, after nothing more is sent."""
    sock.shutdown(socket.SHUT_WR)
    got = b""
    while piece := sock.recv(65536):
        got += piece
    return got
