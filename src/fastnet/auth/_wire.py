"""Messages of a known size over a socket or a connection, before anybody is trusted.

Nothing is read beyond what is asked for, no size comes from the peer, and
the whole exchange has one deadline.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Any, Protocol, Self

from fastnet.errors import AuthenticationError, TransferTimeout

__all__ = ["Wire", "wire_of"]


class Wire(Protocol):
    """What an exchange needs of a connection."""

    def send(self, message: bytes) -> None:
        """Sends it all."""

    def receive(self, size: int, what: str) -> bytes:
        """Exactly `size` bytes; AuthenticationError, which says `what`, for anything else."""

    def __enter__(self) -> Self:
        """The exchange begins."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """It is over."""


def wire_of(connection: Any, timeout: float | None) -> Wire:
    """The wire of a socket, or of a connection with `send_bytes` and `recv_bytes`.

    Raises TypeError for anything else, ValueError for a timeout below 0.
    """
    if timeout is not None and not timeout >= 0:
        raise ValueError(f"timeout must be None or at least 0 seconds, not {timeout!r}")
    if hasattr(connection, "send_bytes") and hasattr(connection, "recv_bytes"):
        return _Frames(connection, timeout)
    if hasattr(connection, "recv") and hasattr(connection, "sendall"):
        return _Bytes(connection, timeout)
    raise TypeError(
        f"a socket, or a connection with send_bytes and recv_bytes, not {type(connection).__name__}"
    )


class _Bytes:
    """Over a socket: a message is its bytes."""

    def __init__(self, sock: Any, timeout: float | None) -> None:
        self._sock = sock
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._timeout = sock.gettimeout()

    def _patience(self) -> None:
        """Gives the next call what is left of the time."""
        left = None if self._deadline is None else self._deadline - time.monotonic()
        if left is not None and left <= 0:
            raise _late()
        # A millisecond at least: 0 would make the socket non-blocking.
        self._sock.settimeout(None if left is None else min(max(left, 0.001), _CENTURY))

    def send(self, message: bytes) -> None:
        self._patience()
        try:
            self._sock.sendall(message)
        except TimeoutError:
            raise _late() from None

    def receive(self, size: int, what: str) -> bytes:
        got = bytearray()
        while len(got) < size:
            self._patience()
            try:
                piece = self._sock.recv(size - len(got))
            except TimeoutError:
                raise _late() from None
            if not piece:
                raise _short(what, len(got), size)
            got += piece
        return bytes(got)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # closed meanwhile: there is nothing to restore
            self._sock.settimeout(self._timeout)


class _Frames:
    """Over a connection: a message is a frame.

    Such connections know no deadline, and half a frame would hold one for
    ever.  So a watchman shuts the connection down under a call that is late.
    """

    def __init__(self, connection: Any, timeout: float | None) -> None:
        self._connection = connection
        self._timeout = timeout
        self._late = False
        self._lock = threading.Lock()
        self._over = False
        self._watchman: threading.Timer | None = None

    def send(self, message: bytes) -> None:
        try:
            self._connection.send_bytes(message)
        except OSError as error:
            raise self._explained(error) from None

    def receive(self, size: int, what: str) -> bytes:
        try:
            message: bytes = self._connection.recv_bytes(size)
        except EOFError:
            raise self._explained(_short(what, 0, size)) from None
        except OSError as error:
            if error.errno is None:  # what multiprocessing raises for a frame over maxlength
                raise self._explained(
                    AuthenticationError(f"{what} is not {size} bytes: {error}")
                ) from None
            raise self._explained(error) from None
        if len(message) != size:
            raise AuthenticationError(f"{what} is {len(message)} bytes instead of {size}")
        return message

    def _explained(self, error: Exception) -> Exception:
        """The reason for a failure, which may be the watchman."""
        return _late() if self._late else error

    def _cut(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._over:
                return
            self._late = True
            # Not a duplicate: there may be no descriptor left.
            sock = socket.socket(fileno=self._connection.fileno())
            try:
                sock.shutdown(socket.SHUT_RDWR)
            finally:
                sock.detach()

    def __enter__(self) -> Self:
        if self._timeout is not None and self._timeout < _CENTURY:
            self._watchman = threading.Timer(self._timeout, self._cut)
            self._watchman.daemon = True
            self._watchman.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._over = True
        if self._watchman is not None:
            self._watchman.cancel()
            self._watchman.join()


_CENTURY = min(3.2e9, threading.TIMEOUT_MAX)  # seconds; beyond it, for ever


def _late() -> TransferTimeout:
    return TransferTimeout("the exchange of proofs was not complete in time")


def _short(what: str, got: int, size: int) -> AuthenticationError:
    return AuthenticationError(
        f"the peer ended the connection after {got} of {size} bytes of {what}"
    )
