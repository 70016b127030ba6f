"""What a client gives in place of an answer that has not come."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Iterator
from concurrent.futures._base import CANCELLED_AND_NOTIFIED, FINISHED, PENDING
from typing import TYPE_CHECKING, Any, Self

from fastnet._native.rpcclient import FutureCall, StreamCall
from fastnet.errors import TransferTimeout
from fastnet.rpc._errors import CallTimeout

if TYPE_CHECKING:
    from fastnet.rpc._client import RPCClient

__all__ = ["Batch", "Items", "RPCFuture", "late"]


def late() -> CallTimeout:
    """What a call ends with whose time is up."""
    return CallTimeout("no answer came in time")


class RPCFuture(FutureCall, concurrent.futures.Future):  # type: ignore[type-arg]
    """A `concurrent.futures.Future` of a call; made by `RPCClient.submit`.

    Whoever asks for the result moves the connection's bytes meanwhile; `cancel` tells the server
    that nobody waits any more.
    """

    # The base class makes a condition for each: here it is made when somebody needs it.
    def __init__(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name == "_condition":
            self._condition = threading.Condition()
            self.watched = True
            return self._condition
        if name in ("_waiters", "_done_callbacks"):
            self.__dict__[name] = []
            return self.__dict__[name]
        raise AttributeError(name)

    @property
    def _state(self) -> str:  # type: ignore[override]
        if self.__dict__.get("_cancelled"):
            return CANCELLED_AND_NOTIFIED
        return FINISHED if self.done_now else PENDING

    @property
    def _result(self) -> Any:  # type: ignore[override]
        return self.answer

    @property
    def _exception(self) -> Any:  # type: ignore[override]
        return self.failure

    def settled(self) -> None:
        """The answer has come, and somebody waits for it in a Future's ways."""
        with self._condition:
            for waiter in self._waiters:
                waiter.add_result(self) if self.failure is None else waiter.add_exception(self)
            self._condition.notify_all()
        self._call_all()

    def _call_all(self) -> None:
        for callback in self.__dict__.pop("_done_callbacks", ()):
            self._call_back(callback)

    def _call_back(self, callback: Callable[[Any], Any]) -> None:
        try:
            callback(self)
        except Exception:
            concurrent.futures._base.LOGGER.exception("exception calling callback for %r", self)

    def done(self) -> bool:
        """Whether it has its answer, or was cancelled."""
        return self.done_now or self.cancelled()

    def cancelled(self) -> bool:
        """Whether `cancel` came first."""
        return bool(self.__dict__.get("_cancelled"))

    def running(self) -> bool:
        """Whether it has been sent and has no answer."""
        return not self.done()

    def cancel(self) -> bool:
        """Gives the call up, and tells the server; False when the answer is here."""
        if self.cancelled():
            return True
        if not self.give_up():
            return False
        self._cancelled = True
        if self.watched:
            with self._condition:
                for waiter in self._waiters:
                    waiter.add_cancelled(self)
                self._condition.notify_all()
            self._call_all()
        return True

    def result(self, timeout: float | None = None) -> Any:
        """The answer, or raises what the handler raised.

        Raises:
            TimeoutError: it did not come within `timeout` seconds; the call
                goes on.
            CallTimeout: it did not come within the call's own timeout.
            concurrent.futures.CancelledError: the call was cancelled.
        """
        if not self.done_now:
            self._await(timeout)
        return self.value()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the handler raised, or None; raises as `result` does."""
        if not self.done_now:
            self._await(timeout)
        return self.failure

    def _await(self, timeout: float | None) -> None:
        if self.cancelled():
            raise concurrent.futures.CancelledError
        try:
            self.await_answer(timeout)
        except TransferTimeout:
            self.time_out(late())

    def add_done_callback(self, fn: Callable[[Any], Any]) -> None:
        """Calls fn(self) when the answer is here, in the thread that received it."""
        with self._condition:
            if not self.done():
                self._done_callbacks.append(fn)
                return
        self._call_back(fn)

    def set_running_or_notify_cancel(self) -> bool:
        """For executors, which this is none of."""
        raise RuntimeError("the answer of a call is set by its server")

    def __repr__(self) -> str:
        state = "cancelled" if self.cancelled() else "done" if self.done_now else "pending"
        return f"<RPCFuture {state}>"


class Items(StreamCall):
    """An iterator over the items that a generator on the server yields.

    They come as they are taken: the server is at most some megabytes ahead.
    """

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        """The next item.

        Raises:
            Exception: what the generator raised.
            CallTimeout: the call's time was up.
        """
        try:
            return self.next_item()
        except TransferTimeout:
            self.stop()
            raise CallTimeout("no item came in time") from None

    def close(self) -> None:
        """Wants no more: the generator on the server is closed."""
        self.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        try:
            self.stop()
        except Exception:
            pass  # the connection has gone


class Batch:
    """Calls that go out together.

    ``batch.add(2, 3)`` gives a future; leaving the ``with`` block sends them all and waits, and
    `results` are the answers in order.
    """

    def __init__(self, client: RPCClient) -> None:
        self._client = client
        self._futures: list[RPCFuture] = []

    def call(self, name: str, /, *args: Any, **kwargs: Any) -> RPCFuture:
        """Adds a call."""
        future = self._client.submit(name, *args, **kwargs)
        self._futures.append(future)
        return future

    def results(self) -> list[Any]:
        """Waits for all; raises the first exception among them."""
        return [future.result() for future in self._futures]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Proxy(self.call, name)

    def __len__(self) -> int:
        return len(self._futures)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if exc[0] is None:
            for future in self._futures:
                future.exception()


class Proxy:
    """A name on its way to a call: ``client.a.b(1)``."""

    __slots__ = ("_call", "_name")

    def __init__(self, call: Callable[..., Any], name: str) -> None:
        self._call, self._name = call, name

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._call(self._name, *args, **kwargs)

    def __getattr__(self, name: str) -> Proxy:
        if name.startswith("__"):
            raise AttributeError(name)
        return Proxy(self._call, f"{self._name}.{name}")

    def __repr__(self) -> str:
        return f"<remote method {self._name!r}>"
