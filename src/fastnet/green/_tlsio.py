"""Bytes between OpenSSL and a connection of a green server.

OpenSSL reads from one block of memory and writes to another; what lies between them and the
connection is the green socket's own `recv` and `sendall`.  Bytes that OpenSSL has made go to
the reactor at once, in one step in which no other greenlet runs, so they keep their order
whichever greenlet made them.  Waiting for room comes before encrypting, never after.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from fastnet._native.greensock import GreenStream
from fastnet.green._socket import GreenSocket

__all__ = ["TLSStream", "end_of"]

_READ = 64 * 1024  # bytes asked of the connection in one go
_PAUSE = 0.01  # seconds between two looks at whether a peer takes the answers that it asked for


class TLSStream(GreenSocket):
    """A green socket with OpenSSL in front of it; parameters as of `GreenTLSSocket`."""

    __slots__ = (
        "context",
        "server_side",
        "server_hostname",
        "suppress_ragged_eofs",
        "_tls",
        "_plain",
        "_in",
        "_out",
        "_sleep",
        "_ahead",
        "_answered",
        "_goodbye",
        "_over",
        "_no_more",
    )

    def __init__(
        self,
        server: Any,
        context: ssl.SSLContext,
        sleep: Callable[[float], object],
        *,
        server_side: bool = True,
        server_hostname: str | None = None,
        suppress_ragged_eofs: bool = True,
    ) -> None:
        super().__init__(server)
        self.context = context
        self.server_side = server_side
        self.server_hostname = server_hostname
        self.suppress_ragged_eofs = suppress_ragged_eofs
        self._sleep = sleep
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._ahead = b""  # received, in clear, before it was asked for
        self._answered = False  # reading made bytes for the peer: see that it takes them
        self._goodbye = False  # close-notify was sent
        self._over = False  # close-notify was received
        self._no_more = False  # it is this end that reads no further
        self._tls: ssl.SSLObject | None = None  # until it is used for the first time
        self._plain = False  # TLS has ended, and the socket goes on without

    def _secured(self) -> ssl.SSLObject:
        """OpenSSL's side of the connection."""
        if self._plain:
            raise ValueError("Read or write on an unwrapped SSL socket.")
        if self.fileno() == -1:
            raise OSError(9, os.strerror(9))
        if self._tls is None:  # who waits for its turn in a crowd costs little
            self._tls = self.context.wrap_bio(
                self._in,
                self._out,
                server_side=self.server_side,
                server_hostname=self.server_hostname,
            )
        return self._tls

    def end_of_stream(self) -> bool:
        """As of a GreenSocket; that the server shuts down is no breach of TLS by the peer."""
        self._no_more = True
        return super().end_of_stream()

    def _fill(self, timeout: float | None, end: float | None, late: str) -> None:
        """Waits for the peer's next bytes and shows them to OpenSSL."""
        if self._answered:
            self._await_answers_room(timeout, end, late)
        self.set_patience(timeout if end is None else _left(end, late))
        try:
            data = GreenStream.recv(self, _READ)
        except BlockingIOError:
            raise ssl.SSLWantReadError(
                ssl.SSL_ERROR_WANT_READ, "The operation did not complete (read)"
            ) from None
        except TimeoutError as error:
            raise _timed_out(error, late) from None
        if not data:
            # OpenSSL is not told: it would end our direction as well, with an alert.
            raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred in violation of protocol")
        self._in.write(data)

    def _await_room(self, timeout: float | None, end: float | None) -> None:
        """Waits while too much is left to be written."""
        try:
            GreenStream.send(self, b"", socket.MSG_DONTWAIT)
            return
        except BlockingIOError:
            pass
        late = "The write operation timed out"
        self.set_patience(timeout if end is None else _left(end, late))
        try:
            GreenStream.send(self, b"")
        except BlockingIOError:
            raise ssl.SSLWantWriteError(
                ssl.SSL_ERROR_WANT_WRITE, "The operation did not complete (write)"
            ) from None
        except TimeoutError as error:
            raise _timed_out(error, late) from None

    def _hand_over(self) -> None:
        """What OpenSSL has made goes to the reactor, and no greenlet runs in between."""
        if self._out.pending:
            self.set_patience(0.0)  # it is queued if it cannot be written
            GreenStream.sendall(self, self._out.read())

    def _try_to_hand_over(self) -> None:
        try:
            self._hand_over()
        except OSError:
            pass  # the connection broke; whoever sends next is told

    def _settle_answers(self) -> None:
        """Reading has made an answer if the peer asked for new keys."""
        if self._out.pending:
            self._try_to_hand_over()
            self._answered = True

    def _await_answers_room(self, timeout: float | None, end: float | None, late: str) -> None:
        """A peer that asks for answers and does not take them is not listened to."""
        # Not by waiting as a sender does: another greenlet may be doing that.
        while True:
            try:
                GreenStream.send(self, b"", socket.MSG_DONTWAIT)
            except BlockingIOError:
                if timeout == 0:
                    raise ssl.SSLWantWriteError(
                        ssl.SSL_ERROR_WANT_WRITE, "The operation did not complete (write)"
                    ) from None
                self._sleep(_PAUSE if end is None else min(_PAUSE, _left(end, late)))
            else:
                self._answered = False
                return


def end_of(timeout: float | None) -> float | None:
    """When a call has to be over; None where it may wait for ever or not at all."""
    return time.monotonic() + timeout if timeout else None


def _left(end: float, late: str) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError(late)
    return left


def _timed_out(error: TimeoutError, late: str) -> TimeoutError:
    """The words of ssl, unless the system itself gave up on the connection (ETIMEDOUT)."""
    return TimeoutError(late) if error.errno is None else error
