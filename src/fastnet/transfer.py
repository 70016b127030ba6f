"""The raw bytes of an array over any stream socket (recipe 11.13).

`send_from` and `recv_into` move exactly the bytes of an array, with nothing
around them: both ends must know what comes.  `fastnet.arrays` tells them.
"""

from __future__ import annotations

import _socket
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnet._array.sources import bytes_of, room_of
from fastnet._native import stream as _stream
from fastnet.errors import IncompleteTransfer, TransferTimeout
from fastnet.sockets import Socket
from fastnet.tuning import Tuning

__all__ = ["recv_into", "send_from"]


class _SocketsOwn:
    """The default timeout: whatever the socket has."""

    def __repr__(self) -> str:
        return "<the socket's own>"


SOCKETS_OWN = _SocketsOwn()
_DEFAULT = Tuning()
_CENTURY = 3.2e9  # seconds
_SOCK_STREAM = int(socket.SOCK_STREAM)

# A socket class that changes one of these does more than hand bytes to the
# system (TLS, recording, throttling): it is used through its methods.
_SENDING = ("send", "sendall")
_RECEIVING = ("recv", "recv_into")


def _is_plain(sock: Any, methods: tuple[str, ...]) -> bool:
    kind = type(sock)
    if kind is not socket.socket and kind is not Socket:
        if not isinstance(sock, socket.socket):
            return False
        for name in methods:
            if getattr(kind, name) is not getattr(socket.socket, name):
                return False
    # socket.type makes an enum member of it each time; its base class does not
    if _socket.socket.type.__get__(sock) != _SOCK_STREAM:
        raise ValueError(f"an array needs a stream socket, not {sock!r}")
    return True


def _timeout_of(peer: Any, timeout: Any) -> float | None:
    if timeout is SOCKETS_OWN:
        get = getattr(peer, "gettimeout", None)
        timeout = get() if get is not None else None
        return timeout or None  # non-blocking (0.0) waits as long as it takes
    if timeout is not None and not timeout >= 0:
        raise ValueError(f"timeout must be None or at least 0 seconds, not {timeout!r}")
    return None if timeout is None else float(timeout)


def _choices(tuning: Tuning | None) -> tuple[bytes, int, float]:
    """Congestion control, chunk and spin as the core's loops take them."""
    if tuning is None:
        return _DEFAULT_CHOICES
    spin = -1.0 if isinstance(tuning.spin, str) else float(tuning.spin)
    return tuning.congestion_bytes(), tuning.chunk, spin


_DEFAULT_CHOICES = _choices(_DEFAULT)


def send_from(
    arr: Any, dest: Any, *, timeout: Any = SOCKETS_OWN, tuning: Tuning | None = None
) -> int:
    """Sends the bytes of an array.

    The bytes are those of ``arr.tobytes()``: the items in C order, whatever
    the array's own layout; strided and Fortran arrays are not copied as a
    whole.

    Parameters:
        arr: a NumPy array, or any object with the buffer protocol, the array
            interface or DLPack on the CPU.
        dest: a connected stream socket in any blocking mode, an
            `ssl.SSLSocket`, or any object with ``sendall``.
        timeout: seconds for the whole call; None waits for ever.  By default
            the socket's own timeout; a non-blocking socket is waited for.
        tuning: how the bytes are moved.

    Returns:
        The bytes sent.

    Raises:
        TransferTimeout: in time, only `.transferred` bytes were sent.
        OSError: the connection failed; for plain sockets the exception has a
            `transferred` attribute.
        TypeError: the object has no bytes to send.
    """
    limit = _timeout_of(dest, timeout)
    array = bytes_of(arr)
    if _is_plain(dest, _SENDING):
        return _stream.send(dest.fileno(), array, limit, *_choices(tuning))
    return _send_by_method(array, dest, limit, (tuning or _DEFAULT).chunk)


def recv_into(
    arr: Any, source: Any, *, timeout: Any = SOCKETS_OWN, tuning: Tuning | None = None
) -> int:
    """Fills an array with bytes from a connection: the counterpart of `send_from`.

    Parameters:
        arr: a writable array as for `send_from`; filled in C order of its
            items, whatever its layout.
        source: a connected stream socket in any blocking mode, an
            `ssl.SSLSocket`, or any object with ``recv_into``.
        timeout: seconds for the whole call, as for `send_from`.
        tuning: how the bytes are moved.

    Returns:
        The bytes received, always all of the array's.

    Raises:
        ValueError: the array is read-only.
        IncompleteTransfer: the peer ended the connection after
            `.transferred` of `.expected` bytes.
        TransferTimeout: the time was up, with the same attributes.
        OSError: the connection failed.
    """
    limit = _timeout_of(source, timeout)
    array = room_of(arr)
    if _is_plain(source, _RECEIVING):
        return _stream.receive(source.fileno(), array, limit, *_choices(tuning))
    return _recv_by_method(array, source, limit, (tuning or _DEFAULT).chunk)


# ------------------------------------------------- through the object's own methods


class _Countdown:
    """One timeout shared by many calls, set on an object that has settimeout."""

    def __init__(self, peer: Any, limit: float | None) -> None:
        self._set = getattr(peer, "settimeout", None)
        get = getattr(peer, "gettimeout", None)
        self._before = get() if get is not None else None
        if limit is None or limit > _CENTURY:  # settimeout refuses what no clock can hold
            self._deadline: float | None = None
        else:
            self._deadline = time.monotonic() + limit

    def arm(self) -> None:
        """Gives the next call what is left; TimeoutError when nothing is."""
        if self._deadline is None:
            if self._set is not None and self._before is not None:
                self._set(None)
            return
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if self._set is not None:
            self._set(left)

    def restore(self) -> None:
        if self._set is not None:
            self._set(self._before)


def _blocks(array: Any, size: int) -> Any:
    """An array's bytes in C order, in flat pieces of about `size` bytes."""
    if array.flags.c_contiguous:
        view = memoryview(array.reshape(-1).view("V1") if array.size else b"").cast("B")
        for start in range(0, len(view), size):
            yield view[start : start + size]
        return
    step = max(1, size // max(1, array.itemsize))
    for start in range(0, array.size, step):
        piece = np.asarray(array.flat[start : start + step])
        yield piece.view("V1").data.cast("B")


def _method(peer: Any, name: str) -> Any:
    method = getattr(peer, name, None)
    if method is None:
        raise TypeError(f"{type(peer).__name__} has no {name}: an array needs a stream socket")
    return method


def _sender(dest: Any) -> Callable[[memoryview], int]:
    """What sends a block, or a part of it, and says how many bytes went."""
    ssl = sys.modules.get("ssl")  # an SSLSocket cannot be there without it
    if (
        ssl is not None
        and isinstance(dest, ssl.SSLSocket)
        and type(dest).sendall is ssl.SSLSocket.sendall
    ):
        send_some: Callable[[memoryview], int] = dest.send  # sendall hides how far it came
        return send_some
    sendall = _method(dest, "sendall")

    def send(block: memoryview) -> int:
        sendall(block)
        return len(block)

    return send


def _send_by_method(array: Any, dest: Any, limit: float | None, size: int) -> int:
    total, sent = array.nbytes, 0
    send, countdown = _sender(dest), _Countdown(dest, limit)
    try:
        for block in _blocks(array, size):
            while len(block):
                countdown.arm()
                n = send(block)
                sent += n
                block = block[n:]
    except TimeoutError as error:
        raise TransferTimeout(
            f"the deadline passed after {sent} of {total} bytes", sent, total
        ) from error
    finally:
        countdown.restore()
    return sent


def _fill(view: memoryview, source: Any, countdown: _Countdown, before: int, total: int) -> None:
    receive, got = _method(source, "recv_into"), 0
    try:
        while got < len(view):
            countdown.arm()
            n = receive(view[got:])
            if not n:
                raise IncompleteTransfer(
                    f"the peer ended the connection after {before + got} of {total} bytes",
                    before + got,
                    total,
                )
            got += n
    except TimeoutError as error:
        raise TransferTimeout(
            f"the deadline passed after {before + got} of {total} bytes", before + got, total
        ) from error


def _recv_by_method(array: Any, source: Any, limit: float | None, size: int) -> int:
    total, got = array.nbytes, 0
    countdown = _Countdown(source, limit)
    try:
        if array.flags.c_contiguous:
            for block in _blocks(array, size):
                _fill(block, source, countdown, got, total)
                got += len(block)
            return got
        scratch = bytearray(max(array.itemsize, size - size % max(1, array.itemsize)))
        step = len(scratch) // max(1, array.itemsize)
        for start in range(0, array.size, step):
            count = min(step, array.size - start)
            view = memoryview(scratch)[: count * array.itemsize]
            try:
                _fill(view, source, countdown, got, total)
            except (IncompleteTransfer, TransferTimeout) as error:
                _scatter_some(array, start, view[: error.transferred - got])
                raise
            _scatter(array, start, count, view)
            got += len(view)
    finally:
        countdown.restore()
    return got


def _scatter_some(array: Any, start: int, view: memoryview) -> None:
    """Bytes that end inside an item, perhaps: the rest of that item stays as it was."""
    whole, part = divmod(len(view), array.itemsize)
    _scatter(array, start, whole, view)
    if part:
        last = bytearray(array.flat[start + whole : start + whole + 1].tobytes())
        last[:part] = view[-part:]
        _scatter(array, start + whole, 1, memoryview(last))


def _scatter(array: Any, start: int, count: int, view: memoryview) -> None:
    array.flat[start : start + count] = np.frombuffer(view, dtype=array.dtype, count=count)
