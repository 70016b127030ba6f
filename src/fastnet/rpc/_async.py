"""AsyncRPCClient: calls from tasks, on any event loop."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from fastnet import errors
from fastnet._dial.loop import dial_in_loop
from fastnet._native.rpcasync import AsyncCall, AsyncDriver, AsyncStream
from fastnet.address import AddressLike, parse
from fastnet.auth._credentials import Credentials
from fastnet.limits import Limits
from fastnet.rpc._checks import encoded, span
from fastnet.rpc._client import reason_of
from fastnet.rpc._errors import CallTimeout, ConnectionLost
from fastnet.rpc._future import Proxy
from fastnet.rpc._links import Links
from fastnet.tuning import Tuning

__all__ = ["AsyncItems", "AsyncRPCClient"]


class AsyncItems(AsyncStream):
    """An asynchronous iterator over the items that a generator on the server yields."""

    until: float | None = None  # when the call's time is up, on the loop's clock

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        """The next item, or what the generator raised; CallTimeout when the time is up."""
        while True:
            try:
                found = self.next_item()
            except StopIteration:
                raise StopAsyncIteration from None
            if isinstance(found, tuple):
                return found[0]
            try:
                async with asyncio.timeout_at(self.until):
                    await found
            except TimeoutError:
                self.stop()
                raise CallTimeout("no item came in time") from None

    async def aclose(self) -> None:
        """Wants no more: the generator on the server is closed."""
        self.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.stop()


class _Callers:
    """What a client and its options have in common."""

    _client: AsyncRPCClient
    _timeout: float | None
    _idempotent: bool

    async def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Calls a method and returns its result; `AsyncItems` where it is a stream.

        Cancelling the task that waits tells the server so.

        Raises:
            Exception: as `RPCClient.call` does.
        """
        client = self._client
        driver = client._driver
        for last in (not self._idempotent, True):
            if driver is None or not driver.connected:
                driver = await client._connected()
            try:
                call = driver.call(
                    encoded(name), args, kwargs, -1.0 if self._timeout is None else self._timeout
                )
                return await self._answer(driver, call, name)
            except ConnectionLost:
                if last:
                    raise
        raise AssertionError

    async def _answer(self, driver: AsyncDriver, call: AsyncCall, name: str) -> Any:
        try:
            if self._timeout is None:
                return await call.future
            async with asyncio.timeout(self._timeout) as scope:
                found = await call.future
        except asyncio.CancelledError:
            driver.abandon(call)
            raise
        except TimeoutError as error:
            if hasattr(error, "remote_traceback"):
                raise  # the handler's own
            driver.abandon(call)
            raise CallTimeout(f"no answer of {name!r} came in time") from None
        if isinstance(found, AsyncItems):
            found.until = scope.when()
        return found

    async def notify(self, name: str, /, *args: Any, **kwargs: Any) -> None:
        """Sends a call that has no answer."""
        driver = await self._client._connected()
        driver.notify(encoded(name), args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return Proxy(self.call, name)


class AsyncOptions(_Callers):
    """A client whose calls have other options."""

    def __init__(self, client: AsyncRPCClient, timeout: float | None, idempotent: bool) -> None:
        self._client, self._timeout, self._idempotent = client, timeout, idempotent


class AsyncRPCClient(_Callers):
    """Calls the methods of an `RPCServer` from the tasks of one event loop.

    ``await client.add(2, 3)``; any number of tasks share one connection, which
    is made at the first call, and again after it was lost.  The parameters are
    those of `RPCClient`.
    """

    def __init__(
        self,
        address: AddressLike,
        *,
        authkey: bytes | None = None,
        key_id: bytes | str = b"",
        suites: Sequence[str] | None = None,
        codec: str = "msgpack",
        allowed: Iterable[Any] | None = None,
        trust_pickle: bool = False,
        ssl_context: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        timeout: float | None = None,
        connect_timeout: float | None = 10.0,
        exceptions: Iterable[type[BaseException]] = (),
        limits: Limits | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        self._client = self
        self._timeout, self._idempotent = span(timeout), False
        self._owner = os.getpid()
        self._closed = False
        self._driver: AsyncDriver | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connecting: asyncio.Task[AsyncDriver] | None = None
        self._connect_timeout = connect_timeout
        self._links = Links(
            parse(address),
            credentials=Credentials.of_client(authkey, key_id, suites),
            codec=codec,
            allowed=allowed,
            trust_pickle=trust_pickle,
            ssl_context=ssl_context,
            server_hostname=server_hostname,
            connect_timeout=connect_timeout,
            exceptions=exceptions,
            limits=limits or Limits(),
            tuning=tuning or Tuning(),
        )

    # -------------------------------------------------------------------- connecting

    async def _connected(self) -> AsyncDriver:
        loop = asyncio.get_running_loop()
        if self._closed:
            raise ValueError("the client is closed")
        if os.getpid() != self._owner:
            raise errors.Error("the client belongs to the process that opened it")
        if self._loop is not loop:
            if self._loop is not None:
                raise RuntimeError("the client belongs to another event loop")
            self._loop = loop
            self._driver = AsyncDriver(loop, reason_of)
        driver = self._driver
        assert driver is not None
        if driver.connected:
            return driver
        if self._connecting is None:
            self._connecting = loop.create_task(self._connect(driver))
            self._connecting.add_done_callback(self._connect_done)
        return await asyncio.shield(self._connecting)

    def _connect_done(self, task: asyncio.Task[AsyncDriver]) -> None:
        self._connecting = None
        if not task.cancelled():
            task.exception()  # whoever waits has it

    async def _connect(self, driver: AsyncDriver) -> AsyncDriver:
        async with asyncio.timeout(self._connect_timeout):
            sock = await dial_in_loop(self._links.address)
        try:
            driver.attach(self._links.link(sock, self._make_items))
        except BaseException:
            sock.close()
            raise
        return driver

    def _make_items(self) -> AsyncItems:
        items = AsyncItems.__new__(AsyncItems)
        assert self._driver is not None
        items.driven_by(self._driver)
        return items

    async def connect(self) -> None:
        """Connects now, instead of with the first call.

        Raises:
            OSError: nobody listens there.
        """
        await self._connected()

    # ------------------------------------------------------------------------- calls

    def options(self, *, timeout: float | None = None, idempotent: bool = False) -> AsyncOptions:
        """The same client with other options; see `RPCClient.options`."""
        return AsyncOptions(self, self._timeout if timeout is None else span(timeout), idempotent)

    async def ping(self, timeout: float | None = 10.0) -> float:
        """Seconds to the server and back, answered in C even while handlers run."""
        driver = await self._connected()
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.timeout(timeout):
            await driver.ping().future
        return loop.time() - began

    async def list_methods(self) -> list[str]:
        """The names of the server's methods."""
        return list(await self.call("system.list_methods"))

    async def method_signature(self, name: str) -> str:
        """A method's parameters, as Python writes them."""
        return str(await self.call("system.method_signature", name))

    async def method_help(self, name: str) -> str:
        """A method's docstring."""
        return str(await self.call("system.method_help", name))

    def register_exception(self, kind: type[BaseException]) -> None:
        """Exceptions of this type arrive as themselves."""
        self._links.reviver.allow(kind)

    # -------------------------------------------------------------------------- life

    def stats(self) -> dict[str, int]:
        """Bytes and messages of the connection, ``open`` calls, ``connects`` so far."""
        driver = self._driver
        counts = {"open": 0} if driver is None else driver.counters()
        return {**counts, "connects": self._links.connects}

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """Ends the connection; calls that are open fail.  May be called twice."""
        if self._closed:
            return
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._driver is not None:
            self._driver.close(errors.Error("the client was closed"), os.getpid() == self._owner)

    async def aclose(self) -> None:
        """The same, for ``async with``; the descriptor is closed when it returns."""
        self.close()
        await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<AsyncRPCClient of {self._links.address}, {state}>"
