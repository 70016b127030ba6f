"""Connections over TLS: the same frames through an SSL socket's own methods.

The socket is non-blocking, and a lock is held only while OpenSSL runs, never
while waiting, so that one thread can send while another receives.  Bytes that
were decrypted to answer `poll` are kept for `recv`.
"""

from __future__ import annotations

import errno
import operator
import select
import ssl
import struct
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import BufferTooShort
from typing import Any

from fastnet._native import mppickle
from fastnet.connection._allowed import Allowed
from fastnet.connection._connection import _ConnectionBase
from fastnet.errors import LimitError, ProtocolError

__all__ = ["TLSConnection"]

_RECORD = 16 * 1024  # bytes; what one TLS record holds
_CHUNK = 256 * 1024  # bytes handed to OpenSSL at once
_STEP = 1024 * 1024  # bytes allocated for a length that is only claimed
_SHORT = 0x7FFFFFFF


class TLSConnection(_ConnectionBase):
    """Messages over an SSL socket whose handshake is done; made by `Client` and `Listener`.

    It cannot be sent to another process: the session's keys live in this one.
    """

    def __init__(self, sock: ssl.SSLSocket, *, allowed: Allowed | None = None) -> None:
        sock.setblocking(False)
        self._sock: ssl.SSLSocket | None = sock
        self._allowed = allowed
        self._lock = threading.Lock()
        self._ahead = bytearray()
        self._ended = False
        self._receivers = 0  # that take from the socket, or wait for it
        self._readable = True
        self._broken: dict[str, bool] = {}

    def __reduce__(self) -> Any:
        raise TypeError("a connection over TLS cannot be sent to another process")

    @property
    def closed(self) -> bool:
        """True if the connection is closed."""
        return self._sock is None

    @property
    def readable(self) -> bool:
        """True if the connection is readable."""
        return self._readable

    @property
    def writable(self) -> bool:
        """True if the connection is writable."""
        return True

    def fileno(self) -> int:
        """The socket's descriptor, for waiting; `wait` also knows what was decrypted."""
        return self._open().fileno()

    def close(self) -> None:
        """Says goodbye in TLS's own way, without waiting for an answer, and closes."""
        sock, self._sock = self._sock, None
        if sock is None:
            return
        with self._lock:  # until it is closed: unwrapped, it would send in the clear
            try:
                sock.unwrap()
            except (OSError, ValueError):
                pass  # not there any more, or it would have to wait
            finally:
                sock.close()

    # ------------------------------------------------------------------ bytes

    def _open(self) -> ssl.SSLSocket:
        if self._sock is None:
            raise OSError("handle is closed")
        return self._sock

    def _run(self, step: Callable[[ssl.SSLSocket], Any]) -> Any:
        while True:
            sock = self._open()
            try:
                with self._lock:
                    if self._open() is sock:
                        return step(sock)
            except ssl.SSLWantReadError:
                self._wait(sock, select.POLLIN, None)
            except ssl.SSLWantWriteError:
                self._wait(sock, select.POLLOUT, None)

    def _receive(self, step: Callable[[ssl.SSLSocket], Any]) -> Any:
        """As _run; what comes meanwhile is left for it alone, as it waits for the socket."""
        with self._lock:
            self._receivers += 1
        try:
            return self._run(step)
        finally:
            with self._lock:
                self._receivers -= 1

    def _wait(self, sock: ssl.SSLSocket, events: int, seconds: float | None) -> None:
        poller = select.poll()
        try:
            poller.register(sock, events)
        except ValueError:
            return  # closed by another thread: whoever waits finds out
        # At least once a second, to notice a close() in another thread.
        poller.poll(1000 if seconds is None else max(0.0, min(seconds, 1.0)) * 1000)

    def _write(self, view: memoryview) -> None:
        while view:
            try:
                sent = self._run(operator.methodcaller("send", view[:_CHUNK]))
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                raise BrokenPipeError(errno.EPIPE, "the peer ended the connection") from None
            view = view[sent:]

    def _take(self, view: memoryview, sock: ssl.SSLSocket) -> int:
        """Some bytes into view, those that were decrypted before first."""
        if not self._ahead:
            return sock.recv_into(view)
        ahead = min(len(view), len(self._ahead))
        view[:ahead] = self._ahead[:ahead]
        del self._ahead[:ahead]
        return ahead

    def _read(self, view: memoryview) -> int:
        """Some bytes into view; 0 at the end."""
        if self._ended and not self._ahead:
            return 0
        n: int
        try:
            n = self._receive(partial(self._take, view))
        except ssl.SSLEOFError:  # it went without a goodbye, as multiprocessing's peers do
            n = 0
        self._ended = self._ended or n == 0
        return n

    def _read_ahead(self, sock: ssl.SSLSocket) -> None:
        """Keeps what has come for whoever reads next."""
        try:
            data = sock.recv(_RECORD)
        except ssl.SSLEOFError:
            data = b""
        self._ahead += data
        self._ended = not data

    def _head(self, size: int) -> bytes:
        """The next bytes, which stay where they are: who is interrupted here has lost nothing."""
        while len(self._ahead) < size:
            if self._ended:
                if self._ahead:
                    raise OSError("got end of file during message")
                raise EOFError
            self._receive(self._read_ahead)
        return bytes(self._ahead[:size])

    def _read_exact(self, view: memoryview) -> None:
        got = 0
        while got < len(view):
            n = self._read(view[got : got + _CHUNK])
            if n == 0:
                raise OSError("got end of file during message")
            got += n

    # --------------------------------------------------------------- messages

    def _check(self, direction: str) -> None:
        if self._broken.get(direction):
            raise OSError(f"an earlier {direction} stopped inside a message")

    def _enter(self, direction: str) -> None:
        """From here on until its end, an interrupt leaves a message that nobody can go on with."""
        self._check(direction)
        self._broken[direction] = True

    def _send(self, pieces: list[Any]) -> None:
        self._open()
        views = [memoryview(piece).cast("B") for piece in pieces]
        size = sum(map(len, views))
        head = struct.pack("!i", size) if size <= _SHORT else struct.pack("!iQ", -1, size)
        self._enter("send")
        if size <= _RECORD:  # one record, one packet
            self._write(memoryview(b"".join([head, *views])))
        else:
            for view in [memoryview(head), *views]:
                self._write(view)
        self._broken["send"] = False

    def _begin(self, most: int | None) -> int:
        """The length of the next message."""
        self._open()
        if not self._readable:
            raise OSError("connection is write-only")
        self._check("receive")
        (size,) = struct.unpack("!i", self._head(4))
        long = size == -1
        if long:
            (size,) = struct.unpack("!4xQ", self._head(12))
        self._enter("receive")
        del self._ahead[: 12 if long else 4]
        if size < 0:
            self._readable = False
            raise ProtocolError("bad message length: below -1")
        if most is not None and size > most:
            self._readable = False
            raise LimitError(f"bad message length: {size} bytes are announced, {most} are accepted")
        return int(size)

    def _body(self, size: int) -> bytearray:
        body = bytearray(min(size, _STEP))
        got = 0
        while True:
            with memoryview(body) as view:
                self._read_exact(view[got:])
            got = len(body)
            if got == size:
                self._broken["receive"] = False
                return body
            body += bytes(min(size - got, got))

    def send_bytes(self, buf: Any, offset: int = 0, size: int | None = None) -> None:
        """As Connection.send_bytes."""
        view = memoryview(buf).cast("B")
        if offset < 0:
            raise ValueError("offset is negative")
        if len(view) < offset:
            raise ValueError("buffer length < offset")
        length = len(view) - offset if size is None else size
        if length < 0:
            raise ValueError("size is negative")
        if offset + length > len(view):
            raise ValueError("buffer length < offset + size")
        self._send([view[offset : offset + length]])

    def send(self, obj: Any) -> None:
        """As Connection.send."""
        pieces, alive = mppickle.pieces(obj)
        self._send(pieces)
        del alive

    def recv_bytes(self, maxlength: int | None = None) -> bytes:
        """As Connection.recv_bytes."""
        if maxlength is not None and maxlength < 0:
            raise ValueError("negative maxlength")
        return bytes(self._body(self._begin(maxlength)))

    def recv_bytes_into(self, buf: Any, offset: int = 0) -> int:
        """As Connection.recv_bytes_into."""
        view = memoryview(buf).cast("B")
        if view.readonly:
            raise TypeError("recv_bytes_into() needs writable memory")
        if offset < 0:
            raise ValueError("negative offset")
        if offset > len(view):
            raise ValueError("offset too large")
        size = self._begin(None)
        if size > len(view) - offset:
            raise BufferTooShort(bytes(self._body(size)))
        self._read_exact(view[offset : offset + size])
        self._broken["receive"] = False
        return size

    def recv(self) -> Any:
        """As Connection.recv."""
        return mppickle.loads(self._body(self._begin(None)), self._allowed)

    def poll(self, timeout: float | None = 0.0) -> bool:
        """As Connection.poll: whether a byte of a message was decrypted, or the end has come."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            sock = self._open()
            events = self._decrypt(sock)
            if not events:
                return True
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            self._wait(sock, events, left)

    def _decrypt(self, sock: ssl.SSLSocket) -> int:
        """Reads ahead what is there; the events to wait for when there is nothing."""
        if self._ahead or self._ended:
            return 0
        try:
            with self._lock:
                if self._receivers:  # another thread's, which takes what there is
                    return 0 if sock.pending() or _has_come(sock) else select.POLLIN
                self._read_ahead(sock)
        except ssl.SSLWantReadError:
            return select.POLLIN
        except ssl.SSLWantWriteError:
            return select.POLLOUT
        except (OSError, ValueError):
            return 0  # recv will say what it is
        return 0


def _has_come(sock: ssl.SSLSocket) -> bool:
    """Whether the socket is readable at this moment."""
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(0))
