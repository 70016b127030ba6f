"""Servers of the socketserver kind and their clients: for tests only."""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import Iterator
from typing import Any

import links
from fastnet.sockets import Socket, create_connection

_serial = itertools.count()


def Echo(module: Any) -> Any:
    """The recipe's echo handler."""

    class EchoHandler(module.BaseRequestHandler):  # type: ignore[misc]
        def handle(self) -> None:
            while True:
                msg = self.request.recv(8192)
                if not msg:
                    break
                self.request.send(msg)

    return EchoHandler


def Lines(module: Any) -> Any:
    """The recipe's echo handler by lines."""

    class LinesHandler(module.StreamRequestHandler):  # type: ignore[misc]
        def handle(self) -> None:
            for line in self.rfile:
                self.wfile.write(line)

    return LinesHandler


def Failing(module: Any) -> Any:
    """A handler that raises."""

    class FailingHandler(module.BaseRequestHandler):  # type: ignore[misc]
        def handle(self) -> None:
            raise ValueError("on purpose")

    return FailingHandler


def address(name: str, folder: Any) -> Any:
    """An address for a server class of that name."""
    return f"{folder}/s{next(_serial)}" if "Unix" in name else ("127.0.0.1", 0)


def loops(server: Any, threads: int, poll_interval: float) -> list[links.Background]:
    """Threads in serve_forever.  A shutdown is for those that are there, so all are awaited."""
    at_work = [links.Background(server.serve_forever, poll_interval) for _ in range(threads)]
    if threads > 1:
        links.wait_until(lambda: len(server._BaseServer__loops) == threads)
    return at_work


@contextlib.contextmanager
def running(server: Any, *, poll_interval: float = 0.05, threads: int = 1) -> Iterator[Any]:
    """Serves in threads; shuts down and closes afterwards."""
    at_work = loops(server, threads, poll_interval)
    try:
        yield server
    finally:
        server.shutdown()
        for thread in at_work:
            thread.result()
        server.server_close()


def connect(server: Any) -> socket.socket:
    """A connection to a stream server."""
    sock = socket.socket(server.address_family, socket.SOCK_STREAM)
    sock.settimeout(links.SOON)
    try:
        sock.connect(server.server_address)
    except BaseException:
        sock.close()
        raise
    return sock


def datagram_socket(server: Any, folder: Any) -> socket.socket:
    """A socket to talk to a datagram server."""
    sock = socket.socket(server.address_family, socket.SOCK_DGRAM)
    sock.settimeout(links.SOON)
    sock.bind(address("Unix", folder) if server.address_family == socket.AF_UNIX else ("", 0))
    return sock


def exactly(sock: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer at the end."""
    parts = []
    while size and (part := sock.recv(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def our_tcp_pair(keep: Any, **options: Any) -> tuple[Socket, Socket]:
    """Two connected Sockets over TCP; options are for the connecting one."""
    with Socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        one = keep(create_connection(listening.getsockname(), **options))
        two, address = listening.accept()
    assert address == one.getsockname()
    return one, keep(two)
