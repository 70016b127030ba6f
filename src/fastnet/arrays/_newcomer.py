"""Connections that have not introduced themselves yet."""

from __future__ import annotations

import contextlib
import socket
import time

from fastnet.arrays._end import REFUSED, End
from fastnet.arrays._stream import Stream
from fastnet.arrays._tls import TlsTransport
from fastnet.limits import Limits

__all__ = [
    "ACCEPTS_PER_TURN",
    "ERR_BUSY",
    "ERR_SHUTDOWN",
    "ERR_TIMEOUT",
    "PAUSE_WITHOUT_DESCRIPTORS",
    "TEMPORARY",
    "YOUNG",
    "Newcomer",
    "host_of",
    "part",
    "pending_per_address",
    "turn_away",
]

ERR_BUSY, ERR_TIMEOUT, ERR_SHUTDOWN = 3, 4, 6
PAUSE_WITHOUT_DESCRIPTORS = 0.05  # seconds
ACCEPTS_PER_TURN = 16
YOUNG = 0.25  # seconds in which a handshake is not given up for another
TEMPORARY = (BlockingIOError, ConnectionAbortedError, InterruptedError)

_PARTING = 64 * 1024  # bytes
_SHARE = 8  # handshakes at once that any address may have, where there is a limit


class Newcomer:
    """A connection whose handshake is not complete.

    deadline and since: of time.monotonic().
    """

    def __init__(
        self,
        stream: Stream,
        transport: TlsTransport | None,
        host: str,
        patience: float | None,
        keyed: bool,
    ) -> None:
        self.stream = stream
        self.host = host
        self.since = time.monotonic()
        self.deadline = float("inf") if patience is None else self.since + patience
        self._transport = transport
        self._keyed = keyed
        self._greeted = False

    def advance(self) -> bool:
        """Takes what has come; True when the peer has introduced itself."""
        if not self._greeted:
            if self._transport is not None and not self._transport.handshake_step():
                return False
            self._greeted = True
            if not self._keyed:  # with a key, nobody is greeted who has not shown it
                self.stream._link.send_preface(0.0)
        return self.stream._link.poll_preface()


def pending_per_address(limits: Limits, keyed: bool) -> int | None:
    """Handshakes that one address may have under way.

    With a key there is a limit in any case: half of all, so that no single
    host can keep all others out.
    """
    if limits.pending_per_address is not None or not keyed or limits.pending is None:
        return limits.pending_per_address
    return max(_SHARE, limits.pending // 2)


def host_of(sock: socket.socket) -> str:
    """Where a peer comes from, as limits count it."""
    try:
        name = sock.getpeername()
    except OSError:
        return ""
    return str(name[0]) if isinstance(name, tuple) else "unix"


def part(stream: End, error: Exception) -> None:
    """Tells a peer that did something wrong what it was; the stream is closed next."""
    if isinstance(error, REFUSED):
        stream._refuse(error)
    if not stream._link.has_transport:
        # Closing over unread bytes would send a reset, which can overtake those words.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(stream._socket, socket.SHUT_WR)
            socket.socket.recv(stream._socket, _PARTING)


def turn_away(stream: Stream, error: Exception) -> None:
    """Parts with a peer that did something wrong, and closes."""
    part(stream, error)
    stream.abort()
