"""A connection that carries arrays, for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import select
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from fastnet import errors
from fastnet._array.sources import target
from fastnet._native.arrayhead import Head
from fastnet._native.arraysteps import StepLink
from fastnet.arrays._end import ERR_APPLICATION, REFUSED, End
from fastnet.arrays._incoming import ArrayInfo, check_fit, info_of, item_of
from fastnet.arrays._outgoing import Item, as_item
from fastnet.arrays._pump import AsyncTls, Pump, Watch
from fastnet.auth._credentials import Credentials
from fastnet.limits import Limits
from fastnet.tuning import Tuning

__all__ = ["AsyncStream"]

_LINGER = 1.0  # seconds between the last words to a peer and closing
_READER_PAUSE = 0.002  # seconds between looks at a task that reads


class AsyncStream(End):
    """One connection, made by `open_connection` or by `start_server`.

    The calls are `Stream`'s, to be awaited, and time limits asyncio's own
    (`asyncio.timeout`).  One task may send while another receives; a second
    sender, or a second receiver, at the same time is a RuntimeError.

    A call that is cancelled before the first byte of an array leaves the
    stream as it was; inside an array it makes that direction unusable, and
    later calls say so.

    As an asynchronous context manager it closes on the way out; when the
    block raises, the peer is told that it failed instead of that it is
    complete.  It belongs to the event loop in which it was made.
    """

    _link: StepLink
    _kind = StepLink
    _last_words = 0.0  # others wait for the loop

    def __init__(
        self,
        sock: socket.socket,
        *,
        server: bool,
        limits: Limits,
        tuning: Tuning,
        transport: AsyncTls | None = None,
        credentials: Credentials | None = None,
        on_close: Callable[[Any], None] | None = None,
    ) -> None:
        super().__init__(
            sock,
            server=server,
            limits=limits,
            tuning=dataclasses.replace(tuning, spin=0.0),  # others wait for the loop
            transport=transport,
            credentials=credentials,
            on_close=on_close,
        )
        self._tls = transport
        self._server, self._keyed = server, credentials is not None
        self._watch = watch = Watch(asyncio.get_running_loop(), sock.fileno())
        stall, link = limits.stall_timeout, self._link
        self._in = Pump(watch, select.POLLIN, transport, stall, link.bytes_received, "receiving")
        self._out = Pump(watch, select.POLLOUT, transport, stall, link.bytes_sent, "sending")
        self._reader: asyncio.Task[Any] | None = None  # who iterates

    async def _greet(self) -> None:
        """Introduces this end, and with a key or as a server waits until the peer has done so."""
        link = self._link
        if self._tls is not None:
            await self._in.run(self._tls.greet)
        if not (self._server and self._keyed):  # nobody is greeted who has not shown the key
            link.send_preface(0.0)
        if self._server or self._keyed:
            await self._in.run(lambda: link.poll_preface() or None)
        if self._keyed:
            link.send_preface(0.0)

    # ------------------------------------------------------------------ sending

    async def send(self, array: Any, *, name: str | None = None, meta: Any = None) -> int:
        """Sends an array; parameters and result as of `Stream.send`.

        The array must not be changed before it returns.

        Raises:
            TypeError, ValueError, LimitError, ProtocolError, OSError: as there.
            RuntimeError: another task is sending.
        """
        self._check_open()
        self._out.claim()
        try:
            self._hear_refusal()
            plain = name is None and meta is None
            if not (plain and self._link.send_begin_like_before(array)):
                header, view, fortran = self._outgoing.prepare(array, name, meta)
                self._link.send_begin(array, header, view, fortran, plain)
                array = view
            await self._flush()
        except ConnectionError as error:
            self._explain(error)
            raise
        finally:
            self._out.release()
        return int(array.nbytes)

    async def _flush(self) -> None:
        try:
            await self._out.run(self._link.send_step)
        finally:
            self._link.send_over()  # of use only after a failure or a cancellation

    async def send_items(self, items: Mapping[str, Any] | Iterable[Any]) -> int:
        """Sends many arrays, one after the other; items and result as of `Stream.send_items`.

        Raises as `send` does.
        """
        count = 0
        for item in items.items() if isinstance(items, Mapping) else items:
            await self.send(**as_item(item)._asdict())
            count += 1
        return count

    # ---------------------------------------------------------------- receiving

    async def recv(self, out: Any = None) -> Any:
        """Receives the next array; `out` and result as of `Stream.recv`.

        Raises:
            EOFError: the peer has closed the stream.
            ValueError, TypeError, IncompleteTransfer, ProtocolError,
            LimitError, AuthenticationError: as there.
            TransferTimeout: nothing came for longer than `Limits.stall_timeout`.
            RuntimeError: another task is receiving.
        """
        self._check_open()
        return (await self._receive(out))[1]

    async def recv_item(self, out: Any = None) -> Item:
        """Receives the next array with its name and meta; otherwise like `recv`."""
        self._check_open()
        return item_of(*await self._receive(out))

    async def _receive(self, out: Any) -> tuple[Head, Any]:
        self._in.claim()
        try:
            head = await self._in.run(self._link.head_step)
            if out is None:
                self._link.fill_new(head)
            else:
                view = target(out, self._outgoing.descriptions)
                check_fit(head, out, view)
                self._link.fill_into(view.array, head.order == "F", out)
            taken = False
            try:
                array = await self._in.run(self._link.fill_step)
                taken = True
            finally:
                self._link.fill_over(taken)
            return head, array
        except REFUSED as error:
            self._refuse(error)
            raise
        finally:
            self._in.release()

    async def peek(self) -> ArrayInfo:
        """Says what the next array is, and leaves it the next.

        Raises as `recv` does.
        """
        return info_of(await self._head(discard=False))

    async def skip(self) -> ArrayInfo:
        """Receives the next array and throws it away; says what it was.

        Raises as `recv` does.
        """
        return info_of(await self._head(discard=True))

    async def _head(self, discard: bool) -> Head:
        self._check_open()
        self._in.claim()
        try:
            head = await self._in.run(self._link.head_step)
            if discard:
                self._link.discard_next()
                taken = False
                try:
                    taken = await self._in.run(self._link.discard_step)
                finally:
                    self._link.discard_over(taken)
            return head
        except REFUSED as error:
            self._refuse(error)
            raise
        finally:
            self._in.release()

    def __aiter__(self) -> AsyncIterator[Any]:
        """The arrays that come, until the peer closes."""
        self._check_open()
        return self._arrays(lambda head, array: array)

    def items(self) -> AsyncIterator[Item]:
        """The arrays that come, each with name and meta, until the peer closes."""
        self._check_open()
        return self._arrays(item_of)

    async def _arrays(self, make: Callable[[Head, Any], Any]) -> AsyncIterator[Any]:
        while True:
            self._reader = asyncio.current_task()
            try:
                found = make(*await self._receive(None))
            except EOFError as error:
                self._reader = None
                if isinstance(error, errors.Error):
                    raise
                return
            except BaseException:
                self._reader = None
                raise
            yield found

    # ------------------------------------------------------------------ closing

    async def close(self, timeout: float | None = None) -> None:
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
            async with asyncio.timeout(self._limits.close_timeout if timeout is None else timeout):
                await self._take_leave()
        except TimeoutError:
            pass
        finally:
            self._drop()

    aclose = close

    async def _take_leave(self) -> None:
        link = self._link
        if link.send_poisoned or self._out.busy:
            return await self._linger()
        with self._leaving():
            if link.close_begin():
                await self._flush()
            if not link.has_transport:
                with contextlib.suppress(OSError):  # gone already: what it said is still here
                    self._socket.shutdown(socket.SHUT_WR)
            if link.receive_poisoned:
                return await self._linger()
            await self._leave_to_reader()
            if not link.peer_closed and not self._in.busy:
                await self._in.run(link.drain_step)

    async def _leave_to_reader(self) -> None:
        """While another task takes what comes, waits for it to see the peer's close."""
        while not self._link.peer_closed and self._read_elsewhere():
            await asyncio.sleep(_READER_PAUSE)

    def _read_elsewhere(self) -> bool:
        reader = self._reader
        if self._in.busy:
            return True
        return reader is not None and reader is not asyncio.current_task() and not reader.done()

    async def abort(self, reason: str | None = None) -> None:
        """Ends the stream at once: the peer learns that it is not complete.

        Calls of other tasks on it fail.

        reason: words for the peer, where they can still be sent.
        """
        if not self._closing():
            return
        try:
            if reason is not None and self._link.send_error(ERR_APPLICATION, reason, 0.0):
                async with asyncio.timeout(_LINGER):
                    await self._linger()
        except (OSError, errors.Error, RuntimeError):
            pass  # it is going anyway
        finally:
            self._drop()

    async def _linger(self) -> None:
        """Lets the peer read what was sent last, unless another task still receives.

        Closing with bytes unread makes the system send a reset, which could
        overtake what was sent last.
        """
        if self._in.busy or not self._link.retire():
            return
        end = time.monotonic() + _LINGER

        def step() -> bool | None:
            try:
                while socket.socket.recv(self._socket, 1 << 16, socket.MSG_DONTWAIT):
                    if time.monotonic() > end:
                        break
            except BlockingIOError:
                if self._tls is not None:
                    self._tls.wants = select.POLLIN
                return None
            return True

        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_WR)
            async with asyncio.timeout(_LINGER):
                await self._in.run(step)

    def _cut(self) -> None:
        """Ends the stream without another word."""
        if not self._closed:
            self._closed = True
            self._drop()

    def _drop(self) -> None:
        self._watch.close()
        for pump in (self._in, self._out):
            pump.fail(errors.Error("the stream was closed by another task"))
        self._link.fill_over(False)
        self._link.send_over()
        super()._drop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            await self.close()
        else:
            await self.abort(f"its program raised {type(error).__name__}")
