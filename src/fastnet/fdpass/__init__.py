"""Descriptors from one process to another: sockets, files, and whole servers' connections.

    send_handle(conn, client.fileno(), worker_pid)      # the recipe's two calls
    fd = recv_handle(conn)

    send_socket(conn, client)                           # the same, with the objects
    client = recv_socket(conn)

`conn` is a Unix socket, or a connection of `multiprocessing` over one, as
`Pipe()` and a `Listener` at a path make them; the bytes are those of
`multiprocessing.reduction`, which may be at the other end.  A `Dispatcher`
accepts in one process and hands the connections to others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastnet.fdpass._credentials import Credentials, check_peer, peer_credentials
from fastnet.fdpass._handles import (
    recv_handle,
    recv_handles,
    recvfds,
    send_handle,
    send_handles,
    sendfds,
)
from fastnet.fdpass._objects import (
    DupFd,
    recv_file,
    recv_socket,
    recv_sockets,
    send_file,
    send_socket,
    send_sockets,
)

if TYPE_CHECKING:
    from fastnet.fdpass._dispatcher import Dispatcher as Dispatcher

__all__ = [
    "Credentials",
    "Dispatcher",
    "DupFd",
    "check_peer",
    "peer_credentials",
    "recv_file",
    "recv_handle",
    "recv_handles",
    "recv_socket",
    "recv_sockets",
    "recvfds",
    "send_file",
    "send_handle",
    "send_handles",
    "send_socket",
    "send_sockets",
    "sendfds",
]


def __getattr__(name: str) -> Any:
    if name == "Dispatcher":
        from fastnet.fdpass._dispatcher import Dispatcher

        return Dispatcher
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
