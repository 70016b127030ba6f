"""The Unix socket under a connection, for one call, and one message over it.

A message is one byte, the number of descriptors modulo 256, with the
descriptors beside it (unix(7), SCM_RIGHTS).  It belongs to no frame: whoever
receives it must know that it comes.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import os
import resource
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Self

from fastnet.errors import ProtocolError, TransferTimeout

__all__ = ["MOST", "Channel", "close_all", "descriptor_of"]

MOST = 253  # descriptors in one message (SCM_MAX_FD of Linux)
# macOS may lose a descriptor whose sender closes it before it is received; as in
# multiprocessing.reduction the receiver says when it has them.
ACKNOWLEDGE = sys.platform == "darwin"
_ACK = b"A"
_INT = array.array("i").itemsize
_SCM_PIDFD = 4  # of Linux; a descriptor of its own, where somebody asked for it
# Always the room for as many as there can be: then too many can be told from too few
# descriptors being left.  What else may come beside them is small.
_ROOM = socket.CMSG_SPACE(MOST * _INT) + socket.CMSG_SPACE(256)
_NOW = socket.MSG_DONTWAIT
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_NOSIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)


def descriptor_of(handle: Any) -> int:
    """The number of a descriptor, or of what has a `fileno`.

    Raises TypeError for anything else, ValueError for one that is closed.
    """
    fd = handle if isinstance(handle, int) else getattr(handle, "fileno", lambda: None)()
    if not isinstance(fd, int) or isinstance(fd, bool):
        raise TypeError(f"a descriptor, or an object with fileno(), not {handle!r}")
    if fd < 0:
        raise ValueError(f"{handle!r} has no descriptor: it is closed")
    return fd


def close_all(fds: Sequence[int]) -> None:
    """Closes descriptors, whatever is wrong with them."""
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)


class Channel:
    """A connection's Unix socket, borrowed until the context ends.

    Parameters:
        conn: a Unix stream socket, or what has the `fileno` of one.
        timeout: seconds for all that is done with it; None takes the timeout of
            a socket object, and for anything else waits for ever.

    Raises:
        ValueError: no Unix socket, so no descriptor can pass; or timeout below 0.
    """

    def __init__(self, conn: Any, timeout: float | None) -> None:
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"timeout must be None or at least 0 seconds, not {timeout!r}")
        self._conn = conn
        if timeout is None and isinstance(conn, socket.socket):
            timeout = conn.gettimeout()
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def __enter__(self) -> Self:
        self._fd = descriptor_of(self._conn)
        # A socket object over somebody else's descriptor, and no duplicate, since there may
        # be no descriptor left.  With a default timeout Python makes it non-blocking.
        blocking = os.get_blocking(self._fd)
        try:
            self._sock = socket.socket(fileno=self._fd)
        except OSError as error:
            if error.errno != errno.ENOTSOCK:
                raise
            raise ValueError(
                "descriptors pass over a Unix socket only; a Pipe() must be duplex for that"
            ) from None
        if os.get_blocking(self._fd) != blocking:
            self._sock.settimeout(None)
            os.set_blocking(self._fd, blocking)
        if self._sock.family != socket.AF_UNIX:
            family = self._sock.family
            self._sock.detach()
            raise ValueError(f"descriptors pass over a Unix socket only, not {family!r}")
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.detach()

    @property
    def socket(self) -> socket.socket:
        """The socket, for as long as the context lasts."""
        return self._sock

    def _wait(self, events: int) -> None:
        left = None if self._deadline is None else self._deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TransferTimeout("no descriptor passed in time")
        poller = select.poll()
        poller.register(self._fd, events)
        poller.poll(None if left is None else min(left, 1e6) * 1e3)

    def send(self, fds: Sequence[int]) -> None:
        """One message; its descriptors may be closed here afterwards."""
        rights = array.array("i", fds)
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
        while True:
            try:
                self._sock.sendmsg([bytes([len(fds) % 256])], control, _NOW | _NOSIGNAL)
                break
            except BlockingIOError:
                self._wait(select.POLLOUT)
        if ACKNOWLEDGE and self._byte() != _ACK:
            raise ProtocolError("the receiver did not say that it has the descriptors")

    def _byte(self) -> bytes:
        while True:
            try:
                return self._sock.recv(1, _NOW)
            except BlockingIOError:
                self._wait(select.POLLIN)

    def receive(self) -> list[int]:
        """The descriptors of one message, none of them inheritable.

        Raises:
            EOFError: the peer has closed the connection.
            ProtocolError: a byte without descriptors, or not as many as it says.
            OSError: EMFILE, when this process may open no more.
        """
        while True:
            try:
                said, items, flags, _ = self._sock.recvmsg(1, _ROOM, _NOW | _CLOEXEC)
                break
            except BlockingIOError:
                self._wait(select.POLLIN)
        fds = list(_descriptors(items))
        try:
            if not said and not items:
                raise EOFError("the peer has closed the connection")
            if ACKNOWLEDGE:
                self._sock.send(_ACK)
            if flags & socket.MSG_CTRUNC:
                raise self._lost(len(fds), said)
            if not fds:
                raise ProtocolError("descriptors were expected, and a byte came without any")
            if bytes([len(fds) % 256]) != said:
                raise ProtocolError(
                    f"{len(fds)} descriptors came, and the sender says {said[0] if said else 0}"
                )
            if not _CLOEXEC:
                for fd in fds:
                    os.set_inheritable(fd, False)
        except BaseException:
            close_all(fds)
            raise
        return fds

    def _lost(self, came: int, said: bytes) -> OSError:
        """Why the system cut descriptors off (recvmsg(2), MSG_CTRUNC)."""
        of = f"{came} of {said[0]}" if said else f"{came}"
        try:
            os.close(fcntl.fcntl(self._fd, fcntl.F_DUPFD_CLOEXEC, 0))
        except OSError as error:
            if error.errno != errno.EMFILE:
                raise
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            return OSError(
                errno.EMFILE,
                f"only {of} descriptors could be received, and were closed: this process has "
                f"reached its limit of {limit} open descriptors (RLIMIT_NOFILE)",
            )
        return ProtocolError(f"only {of} descriptors could be received, and were closed")


def _descriptors(items: list[tuple[int, int, bytes]]) -> Iterator[int]:
    """Every descriptor among the control messages."""
    for level, kind, data in items:
        if level == socket.SOL_SOCKET and kind in (socket.SCM_RIGHTS, _SCM_PIDFD):
            whole = data[: len(data) - len(data) % _INT]
            yield from struct.unpack(f"{len(whole) // _INT}i", whole)
