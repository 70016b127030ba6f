"""Servers made by `fastnet.serve`, and their clients: for tests only."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import fastnet
import links

_serial = itertools.count()
HERE = ("127.0.0.1", 0)
STREAMS = ["tcp4", "tcp6", "unix", "abstract"]
DATAGRAMS = ["udp4", "udp6", "unix-datagram"]
POLLERS = ["epoll", "select"] if sys.platform == "linux" else ["select"]


@contextlib.contextmanager
def served(factory: Any, address: Any = HERE, **options: Any) -> Iterator[fastnet.Server]:
    """A server at work."""
    with fastnet.serve(factory, address, **options) as server:
        server.start()
        yield server


def place(kind: str, folder: Any) -> tuple[Any, int]:
    """An address of that kind, and the type of its sockets."""
    if kind in ("tcp6", "udp6") and not links.has_ipv6():
        pytest.skip("this machine has no IPv6")
    if kind == "abstract" and sys.platform != "linux":
        pytest.skip("abstract names are Linux's")
    name = f"fastnet-{os.getpid()}-{next(_serial)}"
    where: dict[str, Any] = {
        "unix": f"unix:{folder}/{name}",
        "unix-datagram": f"unix:{folder}/{name}",
        "abstract": f"unix:\0{name}",
        "tcp6": ("::1", 0),
        "udp6": ("::1", 0),
    }
    datagrams = kind in DATAGRAMS
    return where.get(kind, HERE), socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM


def connect(address: Any, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """A connected socket, with a timeout that no test should reach."""
    if isinstance(address, (str, bytes)):
        family = socket.AF_UNIX
    else:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        sock.settimeout(links.SOON)
        if family == socket.AF_UNIX and kind == socket.SOCK_DGRAM:
            sock.bind("")
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def exactly(sock: socket.socket, count: int) -> bytes:
    """So many bytes, or what came before the end."""
    got = bytearray()
    while len(got) < count:
        more = sock.recv(count - len(got))
        if not more:
            break
        got += more
    return bytes(got)


def said(sock: socket.socket, data: bytes) -> bytes:
    """What comes back for data, of the same length."""
    sock.sendall(data)
    return exactly(sock, len(data))


def everything(sock: socket.socket) -> bytes:
    """All up to the end."""
    got = bytearray()
    while more := sock.recv(1 << 16):
        got += more
    return bytes(got)


def refused(address: Any) -> bool:
    """Whether nobody listens there any more."""
    try:
        connect(address).close()
    except OSError:
        return True
    return False


def stuff(sock: socket.socket, quiet: float = 0.2, most: int = 1 << 40) -> int:
    """Sends until the other end has taken nothing for so long; how many bytes went."""
    import select

    sock.setblocking(False)
    sent = 0
    data = bytes(1 << 16)
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    while sent < most and poll.poll(quiet * 1000):
        with contextlib.suppress(BlockingIOError):
            sent += sock.send(data)
    sock.settimeout(links.SOON)
    return sent
