"""Steps that an event loop repeats while they have to wait for a socket.

A step moves what can be moved at once, and gives None where the rest must
wait.  It is tried first, and again in the loop's own callback each time that
the socket is ready, so that a task is woken only when its operation is done.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Any, TypeVar

from fastnet.arrays._tls import TlsTransport
from fastnet.errors import TransferTimeout

__all__ = ["AsyncTls", "Pump", "Watch"]

T = TypeVar("T")


class AsyncTls(TlsTransport):
    """A TlsTransport that does not wait: it says what for, and raises TransferTimeout.

    Attributes:
        wants: POLLIN or POLLOUT after a call that would have waited, or 0.
    """

    wants = 0

    def _wait(self, events: int, deadline: int | None) -> None:
        self.wants = events
        raise TransferTimeout("it would have to wait")

    def greet(self) -> bool | None:
        """A step of the TLS handshake."""
        try:
            self.handshake(None)
        except TransferTimeout:
            return None
        return True


class Watch:
    """What is waited for on one descriptor, by at most two pumps."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int) -> None:
        self.loop = loop
        self._fd = fd
        self._wants: dict[Pump, int] = {}
        self._watched = 0
        self._closed = False

    def want(self, pump: Pump, events: int) -> None:
        """Has the pump called when one of the events comes; 0 for no more."""
        if self._closed:
            return
        self._wants[pump] = events
        wanted = 0
        for events in self._wants.values():
            wanted |= events
        if wanted & select.POLLIN and not self._watched & select.POLLIN:
            self.loop.add_reader(self._fd, self._fire, select.POLLIN)
            self._watched |= select.POLLIN
        if wanted & select.POLLOUT and not self._watched & select.POLLOUT:
            self.loop.add_writer(self._fd, self._fire, select.POLLOUT)
            self._watched |= select.POLLOUT
        elif self._watched & select.POLLOUT and not wanted & select.POLLOUT:
            self._forget(select.POLLOUT)  # it would be ready again at once
        # A reader stays for the next operation, until something comes for nobody.

    def _fire(self, event: int) -> None:
        found = [pump for pump, events in self._wants.items() if events & event]
        if not found:
            self._forget(event)
        for pump in found:
            pump.go()

    def _forget(self, event: int) -> None:
        self._watched &= ~event
        if event == select.POLLIN:
            self.loop.remove_reader(self._fd)
        else:
            self.loop.remove_writer(self._fd)

    def close(self) -> None:
        """Watches nothing any more; before the descriptor is closed."""
        self._closed = True
        self._wants.clear()
        for event in (select.POLLIN, select.POLLOUT):
            if self._watched & event:
                self._forget(event)


class Pump:
    """One direction of a connection: at most one operation at a time.

    Parameters:
        watch: of the connection's descriptor.
        event: POLLIN or POLLOUT, what this direction waits for.
        tls: the transport, which may have to wait for the other event.
        stall: seconds without progress, or None.
        progress: a number that grows with every byte.
        doing: a word for errors.
    """

    def __init__(
        self,
        watch: Watch,
        event: int,
        tls: AsyncTls | None,
        stall: float | None,
        progress: Callable[[], int],
        doing: str,
    ) -> None:
        self._watch = watch
        self._event = event
        self._tls = tls
        self._stall = stall
        self._progress = progress
        self._doing = doing
        self._step: Callable[[], Any] | None = None
        self._future: asyncio.Future[Any] | None = None
        self.busy = False

    def claim(self) -> None:
        """Begins an operation, which `release` ends; RuntimeError inside another's."""
        if self.busy:
            raise RuntimeError(f"another task is {self._doing} on this stream: one at a time")
        self.busy = True

    def release(self) -> None:
        """Ends the operation."""
        self.busy = False

    async def run(self, step: Callable[[], T | None]) -> T:
        """Repeats the step until it gives something, which is returned.

        Raises what the step raises; TransferTimeout when nothing moved for
        longer than the stall limit.
        """
        result = self._once(step)
        if result is not None:
            return result
        self._step = step
        self._future = future = self._watch.loop.create_future()
        alarm = self._alarm(future)
        self._again()
        try:
            done: T = await future
        finally:
            self._step = self._future = None
            self._watch.want(self, 0)
            if alarm is not None:
                alarm.cancel()
        return done

    def _once(self, step: Callable[[], T | None]) -> T | None:
        if self._tls is not None:
            self._tls.wants = 0
        return step()

    def _again(self) -> None:
        """Waits for what the last step could not go on without."""
        if self._tls is None:
            self._watch.want(self, self._event)
        elif self._tls.wants:
            self._watch.want(self, self._tls.wants)
        else:  # its time was up, and OpenSSL may hold more than the socket shows
            self._watch.want(self, 0)
            self._watch.loop.call_soon(self.go)

    def go(self) -> None:
        """The loop's callback: the step once more."""
        future, step = self._future, self._step
        if future is None or step is None or future.done():
            return
        try:
            result = self._once(step)
        except (KeyboardInterrupt, SystemExit) as error:
            future.set_exception(error)
            raise
        except BaseException as error:
            future.set_exception(error)
            return
        if result is None:
            self._again()
        else:
            future.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Ends the operation under way."""
        if self._future is not None and not self._future.done():
            self._future.set_exception(error)

    def _alarm(self, future: asyncio.Future[Any]) -> _Alarm | None:
        if self._stall is None:
            return None
        return _Alarm(self._watch.loop, self._stall, self._progress, future)


class _Alarm:
    """Fails an operation in which nothing moves for too long."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        span: float,
        progress: Callable[[], int],
        future: asyncio.Future[Any],
    ) -> None:
        self._loop = loop
        self._span = span
        self._progress = progress
        self._future = future
        self._seen = progress()
        self._timer = loop.call_later(span, self._look)

    def _look(self) -> None:
        seen = self._progress()
        if seen != self._seen:
            self._seen = seen
            self._timer = self._loop.call_later(self._span, self._look)
        elif not self._future.done():
            self._future.set_exception(
                TransferTimeout("no byte moved for longer than the stall limit")
            )

    def cancel(self) -> None:
        """It is over in time."""
        self._timer.cancel()
