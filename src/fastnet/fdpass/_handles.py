"""Descriptors by their numbers: the calls of `multiprocessing.reduction`, and several at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastnet.errors import IncompleteTransfer, ProtocolError, TransferTimeout
from fastnet.fdpass._channel import MOST, Channel, close_all, descriptor_of

__all__ = ["recv_handle", "recv_handles", "recvfds", "send_handle", "send_handles", "sendfds"]


def send_handle(
    conn: Any, handle: Any, destination_pid: int | None = None, *, timeout: float | None = None
) -> None:
    """Sends a descriptor; the receiver gets one of its own for the same thing.

    Parameters:
        conn: a Unix stream socket, or a connection over one, such as an end
            of `multiprocessing.Pipe` or of a `Listener` at a path.
        handle: the descriptor, or an object with `fileno`.  It may be closed
            as soon as the call returns.
        destination_pid: as in `multiprocessing.reduction`; not needed here.
        timeout: seconds; None takes a socket's own timeout, and for other
            connections waits for ever.

    Raises:
        ValueError: no Unix socket, or a closed object.
        TransferTimeout: the time was up.
        OSError: the connection failed; EBADF for what is no descriptor;
            ETOOMANYREFS when too many wait to be received (unix(7)).
    """
    sendfds(conn, [handle], timeout=timeout)


def recv_handle(conn: Any, *, timeout: float | None = None) -> int:
    """Receives a descriptor, which is the caller's to close; it is not inheritable.

    Parameters:
        conn, timeout: as for `send_handle`.

    Raises:
        EOFError: the peer has closed the connection.
        ProtocolError: something else came than one descriptor.  What came is
            closed.
        OSError: EMFILE, when this process may open no more; what came is lost.
        TransferTimeout: the time was up.
    """
    return recv_handles(conn, 1, timeout=timeout)[0]


def sendfds(sock: Any, fds: Iterable[Any], *, timeout: float | None = None) -> None:
    """Sends descriptors in one message, as `multiprocessing.reduction.sendfds`.

    Parameters:
        sock, timeout: as for `send_handle`.
        fds: descriptors or objects with `fileno`, from 1 to 253.

    Raises as `send_handle` does, ValueError for too few or too many.
    """
    numbers = [descriptor_of(fd) for fd in fds]
    if not 1 <= len(numbers) <= MOST:
        raise ValueError(f"from 1 to {MOST} descriptors go in a message, not {len(numbers)}")
    with Channel(sock, timeout) as channel:
        channel.send(numbers)


def recvfds(sock: Any, size: int, *, timeout: float | None = None) -> list[int]:
    """Receives the descriptors of one message, as `multiprocessing.reduction.recvfds`.

    Parameters:
        sock, timeout: as for `send_handle`.
        size: how many there may be.

    Raises as `recv_handle` does; ProtocolError also for more than `size`,
    which are closed.
    """
    with Channel(sock, timeout) as channel:
        fds = channel.receive()
    if len(fds) > size:
        close_all(fds)
        raise ProtocolError(f"{len(fds)} descriptors came where {size} may, and were closed")
    return fds


def send_handles(conn: Any, handles: Iterable[Any], *, timeout: float | None = None) -> None:
    """Sends several descriptors, in as many messages as it takes.

    Parameters:
        conn, timeout: as for `send_handle`.
        handles: descriptors or objects with `fileno`, at least one.

    Raises as `send_handle` does.
    """
    numbers = [descriptor_of(handle) for handle in handles]
    if not numbers:
        raise ValueError("there is nothing to send")
    with Channel(conn, timeout) as channel:
        for start in range(0, len(numbers), MOST):
            try:
                channel.send(numbers[start : start + MOST])
            except TransferTimeout as error:
                raise TransferTimeout(str(error), start, len(numbers)) from None


def recv_handles(conn: Any, count: int, *, timeout: float | None = None) -> list[int]:
    """Receives exactly so many descriptors, in as many messages as they come.

    Parameters:
        conn, timeout: as for `send_handle`.
        count: how many; at least 1.

    Raises as `recv_handle` does; IncompleteTransfer when the peer ends the
    connection after some; ProtocolError for more than `count`.  In every
    case those that came are closed.
    """
    if count < 1:
        raise ValueError(f"at least one descriptor, not {count}")
    got: list[int] = []
    try:
        with Channel(conn, timeout) as channel:
            while len(got) < count:
                got += _some(channel, len(got), count)
        if len(got) > count:
            raise ProtocolError(
                f"{len(got)} descriptors came where {count} were expected, and were closed"
            )
    except BaseException:
        close_all(got)
        raise
    return got


def _some(channel: Channel, before: int, count: int) -> list[int]:
    try:
        return channel.receive()
    except EOFError as error:
        if not before:
            raise
        raise IncompleteTransfer(
            f"the peer closed the connection after {before} of {count} descriptors", before, count
        ) from error
    except TransferTimeout as error:
        raise TransferTimeout(str(error), before, count) from None
