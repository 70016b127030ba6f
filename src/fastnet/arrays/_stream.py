"""A connection that carries arrays."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from fastnet import errors
from fastnet._array.sources import target
from fastnet._native.arrayhead import Head
from fastnet._native.arrayiter import Arrays
from fastnet.arrays._end import ERR_APPLICATION, REFUSED, End
from fastnet.arrays._incoming import ArrayInfo, check_fit, info_of, item_of
from fastnet.arrays._linger import leave_to_reader, linger
from fastnet.arrays._outgoing import Item

__all__ = ["Stream"]


class Stream(End):
    """One connection, made by `connect` or by a listener's `accept`.

    One thread may send while another receives; a second sender, or a second
    receiver, at the same time is a RuntimeError.  A timeout or Ctrl-C before
    the first byte of an array leaves the stream as it was; inside an array it
    makes that direction unusable, and later calls say so.

    As a context manager it closes on the way out; when the block raises, the
    peer is told that it failed instead of that it is complete.
    """

    # ------------------------------------------------------------------ sending

    def send(
        self, array: Any, *, name: str | None = None, meta: Any = None, timeout: float | None = None
    ) -> int:
        """Sends an array.

        Parameters:
            array: a NumPy array, a CPU tensor of torch, or anything with the
                buffer protocol, the array interface or DLPack on the CPU.  It
                is sent from where it lies, and may be changed when the call
                returns.
            name: text for the receiver, at most `Limits.name_bytes`.
            meta: what JSON can hold, at most `Limits.meta_bytes` as JSON.
            timeout: seconds for the whole call; None waits for ever.

        Returns:
            The bytes of the array.

        Raises:
            TypeError: the object has no array, or one of a dtype that cannot
                be sent (objects, StringDType, masked arrays).
            ValueError: the name or meta is too long.
            TransferTimeout: the time was up.
            LimitError: the array is larger than the receiver accepts.
            ProtocolError: the receiver ended the connection, with its reason.
            RuntimeError: another thread is sending.
            OSError: the connection failed.
        """
        self._check_open()
        self._hear_refusal()
        plain = name is None and meta is None
        try:
            if plain and self._link.send_like_before(array, timeout):
                return int(array.nbytes)
            header, view, fortran = self._outgoing.prepare(array, name, meta)
            self._link.send(array, header, view, fortran, plain, timeout)
        except ConnectionError as error:
            self._explain(error)
            raise
        return int(view.nbytes)

    def send_items(
        self, items: Mapping[str, Any] | Iterable[Any], *, timeout: float | None = None
    ) -> int:
        """Sends many arrays, small ones several at a time.

        Parameters:
            items: a mapping of names to arrays; or an iterable of arrays,
                `Item`, ``(name, array)`` or ``(name, array, meta)``.  Arrays
                of a container (anything with a length) are gathered; those of
                a generator go out one by one, since it may be slow to give
                the next.
            timeout: seconds for the whole call; None waits for ever.

        Returns:
            How many were sent.

        Raises:
            As `send` does.
        """
        hold = hasattr(items, "__len__") and not hasattr(items, "__next__")
        sequence: Iterable[Any] = items.items() if isinstance(items, Mapping) else items
        self._check_open()
        self._hear_refusal()
        try:
            return self._link.send_many(sequence, hold, timeout)
        except ConnectionError as error:
            self._explain(error)
            raise

    # ---------------------------------------------------------------- receiving

    def recv(self, out: Any = None, *, timeout: float | None = None) -> Any:
        """Receives the next array.

        Parameters:
            out: a writable array, tensor or buffer of exactly the shape and
                dtype that comes, in any layout; it is filled and returned.
                Without it, the result is a new NumPy array: writable, aligned
                to 64 bytes, in the sender's order.
            timeout: seconds for the whole call; None waits for ever.

        Raises:
            EOFError: the peer has closed the stream.
            ValueError: `out` does not fit or is read-only.  The array is not
                lost: the next call receives it.
            TypeError: without `out`, a dtype that this machine does not have;
                the array is not lost either, and `skip` passes it.
            IncompleteTransfer: the connection ended without the peer's close.
            TransferTimeout: the time was up.
            ProtocolError, LimitError: the peer sent what must not be accepted.
            AuthenticationError: what came is not what the peer sent; `out` is
                zeroed, and the stream is of no more use.
            RuntimeError: another thread is receiving.
        """
        return self._receive(out, timeout)[1]

    def recv_item(self, out: Any = None, *, timeout: float | None = None) -> Item:
        """Receives the next array with its name and meta; otherwise like `recv`."""
        return item_of(*self._receive(out, timeout))

    def _receive(self, out: Any, timeout: float | None) -> tuple[Head, Any]:
        self._check_open()
        try:
            if out is None:
                return self._link.receive(timeout)
            return self._receive_into(out, timeout)
        except REFUSED as error:
            self._refuse(error)
            raise

    def _receive_into(self, out: Any, timeout: float | None) -> tuple[Head, Any]:
        started = 0.0 if timeout is None else time.monotonic()
        head = self._link.head(timeout)
        view = target(out, self._outgoing.descriptions)
        check_fit(head, out, view)
        if timeout is not None:
            timeout = max(0.0, timeout - (time.monotonic() - started))
        self._link.receive_into(view.array, head.order == "F", timeout)
        return head, out

    def peek(self, *, timeout: float | None = None) -> ArrayInfo:
        """Says what the next array is, and leaves it the next.

        Raises:
            As `recv` does.
        """
        self._check_open()
        try:
            head = self._link.head(timeout)
        except REFUSED as error:
            self._refuse(error)
            raise
        return info_of(head)

    def skip(self, *, timeout: float | None = None) -> ArrayInfo:
        """Receives the next array and throws it away; says what it was.

        For one that cannot be used here, say of a dtype that this machine lacks.

        Raises:
            As `recv` does.
        """
        self._check_open()
        try:
            return info_of(self._link.skip_one(timeout))
        except REFUSED as error:
            self._refuse(error)
            raise

    def __iter__(self) -> Iterator[Any]:
        """The arrays that come, until the peer closes."""
        self._check_open()
        return Arrays(self._link, None, None, self._refuse)

    def items(self, *, timeout: float | None = None) -> Iterator[Item]:
        """The arrays that come, each with name and meta, until the peer closes.

        timeout: seconds for each array; None waits for ever.
        """
        self._check_open()
        return Arrays(self._link, timeout, item_of, self._refuse)

    # ------------------------------------------------------------------ closing

    def close(self, timeout: float | None = None) -> None:
        """Says that no more will come, waits until the peer has taken all, and closes.

        What arrives meanwhile is thrown away.  After `timeout` seconds (by
        default `Limits.close_timeout`) it waits no longer; the system goes on
        delivering what was sent.

        Raises:
            ProtocolError: the peer refused what was sent, or is no array
                stream at all.
            IncompleteTransfer: the peer went away without taking leave, so it
                may not have received everything.
        """
        if not self._closing():
            return
        try:
            self._take_leave(self._limits.close_timeout if timeout is None else timeout)
        finally:
            self._drop()

    def _take_leave(self, timeout: float | None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        if self._link.send_poisoned:
            return self._linger()
        with contextlib.suppress(TimeoutError), self._leaving():
            self._link.send_close(timeout)
            if not self._link.has_transport:
                with contextlib.suppress(OSError):  # gone already: what it said is still here
                    self._socket.shutdown(socket.SHUT_WR)
            if self._link.receive_poisoned:
                return self._linger()
            if self._link.peer_closed:
                return
            leave_to_reader(self._link, deadline)
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not self._link.peer_closed and not self._link.receiving_now:
                self._link.skip(left)

    def abort(self, reason: str | None = None) -> None:
        """Ends the stream at once: the peer learns that it is not complete.

        reason: words for the peer, where they can still be sent.
        """
        if not self._closing():
            return
        try:
            if reason is not None and self._link.send_error(ERR_APPLICATION, reason, 0.2):
                self._linger()
        except (OSError, errors.Error, RuntimeError):
            pass  # it is going anyway
        finally:
            self._drop()

    def _linger(self) -> None:
        """Lets the peer read what was sent last, unless another thread still receives."""
        if self._link.retire():
            with contextlib.suppress(OSError):
                linger(self._socket)

    def _cut(self) -> None:
        """Ends the connection under a thread that is in a call on it."""
        with contextlib.suppress(OSError):  # not SSLSocket's: it would bare the raw bytes
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort(f"its program raised {type(error).__name__}")
