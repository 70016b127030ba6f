"""Sockets and files instead of numbers."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable
from typing import IO, Any

from fastnet.errors import ProtocolError
from fastnet.fdpass._channel import close_all
from fastnet.fdpass._handles import recv_handle, recv_handles, send_handle, send_handles

__all__ = [
    "DupFd",
    "recv_file",
    "recv_socket",
    "recv_sockets",
    "send_file",
    "send_socket",
    "send_sockets",
]


def _refuse_tls(sock: Any) -> None:
    ssl = sys.modules.get("ssl")
    if ssl is not None and isinstance(sock, ssl.SSLSocket):
        raise TypeError("a TLS socket's descriptor is of no use without its session, which stays")


def send_socket(conn: Any, sock: socket.socket, *, timeout: float | None = None) -> None:
    """Sends a socket; close it here when the other end alone is to have it.

    Parameters:
        conn, timeout: as for `send_handle`.
        sock: any socket but a TLS one.

    Raises as `send_handle` does; TypeError for a TLS socket.
    """
    _refuse_tls(sock)
    send_handle(conn, sock, timeout=timeout)


def recv_socket(conn: Any, *, timeout: float | None = None) -> socket.socket:
    """Receives a socket: of the family, type and protocol it has, with the default timeout.

    Parameters:
        conn, timeout: as for `send_handle`.

    Raises as `recv_handle` does; ProtocolError for a descriptor that is no
    socket, which is closed.
    """
    return _sockets([recv_handle(conn, timeout=timeout)])[0]


def send_sockets(
    conn: Any, socks: Iterable[socket.socket], *, timeout: float | None = None
) -> None:
    """Sends several sockets; as `send_socket`."""
    socks = list(socks)
    for sock in socks:
        _refuse_tls(sock)
    send_handles(conn, socks, timeout=timeout)


def recv_sockets(conn: Any, count: int, *, timeout: float | None = None) -> list[socket.socket]:
    """Receives exactly so many sockets; as `recv_socket` and `recv_handles`."""
    return _sockets(recv_handles(conn, count, timeout=timeout))


def _sockets(fds: list[int]) -> list[socket.socket]:
    """Socket objects for descriptors; ProtocolError, with all closed, if one is none."""
    made: list[socket.socket] = []
    try:
        for fd in fds:
            sock = socket.socket(fileno=fd)
            made.append(sock)
            sock.settimeout(socket.getdefaulttimeout())  # the sender's may be non-blocking
    except OSError as error:
        for sock in made:
            sock.close()
        close_all(fds[len(made) :])
        raise ProtocolError(f"a descriptor came that is no socket: {error.strerror}") from None
    return made


def send_file(conn: Any, file: IO[Any], *, timeout: float | None = None) -> None:
    """Sends an open file; what it has buffered is written before.

    Both ends share the position in the file (open(2)).

    Parameters:
        conn, timeout: as for `send_handle`.
        file: an object with `fileno`.

    Raises as `send_handle` does.
    """
    if hasattr(file, "flush"):
        file.flush()
    send_handle(conn, file, timeout=timeout)


def recv_file(
    conn: Any, mode: str = "rb", *, timeout: float | None = None, **options: Any
) -> IO[Any]:
    """Receives an open file as an object.

    Parameters:
        conn, timeout: as for `send_handle`.
        mode, options: as for `open`; the mode must be one that the descriptor
            was opened for, or reading and writing fail later.

    Raises as `recv_handle` does; OSError for what cannot be a file object, such
    as a directory, which is closed.
    """
    left = [recv_handle(conn, timeout=timeout)]
    try:
        # Of a number that it was given, open closes some and leaves others when it fails;
        # what an opener gives it is its own, whatever happens.
        return open(f"/dev/fd/{left[0]}", mode, opener=lambda *_: left.pop(), **options)
    finally:
        close_all(left)


def DupFd(fd: int) -> Any:
    """An object that carries a descriptor through pickle: `multiprocessing.reduction.DupFd`.

    To a process that is being started it goes along; to others a thread of
    this process hands it out to whoever has `multiprocessing`'s key.  The
    receiver calls its `detach`.
    """
    from multiprocessing import reduction

    return reduction.DupFd(fd)
