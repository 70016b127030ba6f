"""Connections over a descriptor, and pipes."""

from __future__ import annotations

import os
import socket
from multiprocessing import reduction
from types import TracebackType
from typing import Any, Self, SupportsIndex

from fastnet._native import mpconn, mppickle
from fastnet.connection._allowed import Allowed

__all__ = ["Connection", "Pipe", "rebuild_connection", "reduce_connection"]


class _ConnectionBase:
    """What connections over descriptors and over TLS share."""

    def close(self) -> None:
        """Closes the connection."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Connection(mpconn.Channel, _ConnectionBase):
    """Messages over the descriptor of a stream socket or pipe, which belongs to it from here on.

    One thread may send while another receives.  It may be sent to other
    processes, as an argument of `multiprocessing.Process` or over another
    connection.

    Parameters:
        handle: the descriptor.
        readable, writable: which directions are in use.
        allowed: pairs of module and name that `recv` may look up while it
            unpickles; None for anything, which only a trusted peer deserves.
    """

    def __init__(
        self,
        handle: SupportsIndex,
        readable: bool = True,
        writable: bool = True,
        *,
        allowed: Allowed | None = None,
    ) -> None:
        super().__init__(handle, readable, writable)
        self._allowed = allowed

    def send(self, obj: Any) -> None:
        """Pickles an object and sends it; large buffers in it go out from where they lie.

        Raises:
            OSError: the connection is closed, read-only, or broke.
        """
        mppickle.send(self, obj)

    def recv(self) -> Any:
        """The next object; its large buffers are received where they stay.

        Raises:
            EOFError: the peer closed the connection and nothing is left.
            pickle.UnpicklingError: `allowed` does not name what the pickle asks for.
            OSError: the connection is closed, write-only, or broke.
        """
        return mppickle.receive(self, self._allowed)


def Pipe(duplex: bool = True) -> tuple[Connection, Connection]:
    """Two connected connections: both ways, or from the second to the first."""
    if duplex:
        one, two = socket.socketpair()
        one.setblocking(True)  # whatever socket.setdefaulttimeout() says
        two.setblocking(True)
        return Connection(one.detach()), Connection(two.detach())
    reader, writer = os.pipe()
    return Connection(reader, writable=False), Connection(writer, readable=False)


def reduce_connection(conn: Connection) -> tuple[Any, ...]:
    """A connection on its way to another process (multiprocessing.reduction)."""
    handle = reduction.DupFd(conn.fileno())
    return rebuild_connection, (handle, conn.readable, conn.writable, conn._allowed)


def rebuild_connection(
    handle: Any, readable: bool, writable: bool, allowed: Allowed | None = None
) -> Connection:
    """The connection again, in the other process."""
    return Connection(handle.detach(), readable, writable, allowed=allowed)


reduction.register(Connection, reduce_connection)
