"""RPCClient: calls from any number of threads, over one connection."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from fastnet import errors
from fastnet._native.rpcclient import Client
from fastnet._native.rpclink import Call
from fastnet.address import AddressLike, parse
from fastnet.auth._credentials import Credentials
from fastnet.limits import Limits
from fastnet.rpc._checks import encoded, span
from fastnet.rpc._errors import CallTimeout, ConnectionLost
from fastnet.rpc._future import Batch, Items, Proxy, RPCFuture, late
from fastnet.rpc._links import Links
from fastnet.tuning import Tuning

__all__ = ["Options", "RPCClient"]


class _Callers:
    """What a client and its options have in common: calls, by name or as attributes."""

    _client: RPCClient
    _timeout: float | None
    _idempotent: bool

    def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Calls a method and returns its result; `Items` where it is a stream.

        Raises:
            Exception: what the handler raised, in its own type where that is
                built in or registered, else `RemoteError`; its notes hold the
                traceback on the server.
            CallTimeout: no answer came within the timeout.
            ConnectionLost: the connection ended meanwhile.
            TypeError: an argument cannot be encoded.
        """
        client = self._client
        client._check()
        again = (encoded(name), args, kwargs) if self._idempotent else None
        try:
            return client._driver.call(
                Call.__new__(Call), encoded(name), args, kwargs, self._timeout, again
            )
        except errors.TransferTimeout as error:
            if hasattr(error, "remote_traceback"):
                raise  # the handler's own
            raise CallTimeout(f"no answer of {name!r} came in time") from None

    def submit(self, name: str, /, *args: Any, **kwargs: Any) -> RPCFuture:
        """Sends a call; a future that holds its answer."""
        client = self._client
        client._check()
        future = RPCFuture.__new__(RPCFuture)
        again = (encoded(name), args, kwargs) if self._idempotent else None
        client._driver.submit(future, encoded(name), args, kwargs, self._timeout, again)
        return future

    def notify(self, name: str, /, *args: Any, **kwargs: Any) -> None:
        """Sends a call that has no answer: whether it ran, or failed, is not told."""
        client = self._client
        client._check()
        client._driver.notify(Call.__new__(Call), encoded(name), args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return Proxy(self.call, name)


class Options(_Callers):
    """A client whose calls have other options: ``client.options(timeout=2).add(2, 3)``."""

    def __init__(self, client: RPCClient, timeout: float | None, idempotent: bool) -> None:
        self._client, self._timeout, self._idempotent = client, timeout, idempotent


class RPCClient(_Callers):
    """Calls the methods of an `RPCServer`.

    ``client.add(2, 3)`` calls ``add``; a method whose name is one of this class's own is reached
    by `call`.  Any thread may call; all share one connection, which is made at the first call,
    and again after it was lost.

    Parameters:
        address: as for `RPCServer`.
        authkey: a key that the server has too, at least 16 bytes (see
            `fastnet.auth`).
        key_id: which key it is, where the server has several.
        suites: as for `RPCServer`.
        codec: "msgpack", "json" or "pickle".
        allowed: for pickle, what answers may name; None allows everything.
        trust_pickle: takes pickles from whoever answers at the address; without
            it "pickle" needs a key, or a Unix socket of the same user.
        ssl_context: for TLS; `ssl.create_default_context` makes one.
        server_hostname: the name that the certificate must be for; by default
            the address's host.
        timeout: seconds for each call; None waits for ever.
        connect_timeout: seconds to connect.
        exceptions: types that arrive as themselves, beyond the built-in ones.
        limits: what the server may send; see `fastnet.Limits`.
        tuning: how bytes are moved; see `fastnet.Tuning`.

    Raises:
        ValueError: not an address, no such codec, or one that is not safe.
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
        tuning = tuning or Tuning()
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
            tuning=tuning,
        )
        self._driver = Client(
            spin=tuning.spin_seconds(),
            connect=self._connect,
            lost=reason_of,
            late=late,
            start_tender=_start_tender,
            patience=3600.0 if connect_timeout is None else connect_timeout,
        )
        self._closed = False  # from here on there is something to close

    def _connect(self) -> Any:
        return self._links.connect(self._make_items)

    def _make_items(self) -> Items:
        items = Items.__new__(Items)
        items.driven_by(self._driver)
        return items

    def _check(self) -> None:
        if os.getpid() != self._owner:
            raise errors.Error("the client belongs to the process that opened it")
        if self._closed:
            raise ValueError("the client is closed")

    # ------------------------------------------------------------------------- calls

    def options(self, *, timeout: float | None = None, idempotent: bool = False) -> Options:
        """The same client with other options.

        Parameters:
            timeout: seconds for each call; the server stops waiting then, too.
            idempotent: the call may run twice: it is sent again when the
                connection is lost.
        """
        return Options(self, self._timeout if timeout is None else span(timeout), idempotent)

    def batch(self) -> Batch:
        """Calls that go out together; see `Batch`."""
        self._check()
        return Batch(self)

    def ping(self, timeout: float | None = 10.0) -> float:
        """Seconds to the server and back, answered in C even while handlers run.

        Raises:
            TransferTimeout: no answer came within `timeout` seconds.
        """
        self._check()
        return float(self._driver.ping(timeout))

    def connect(self) -> None:
        """Connects now, instead of with the first call.

        Raises:
            OSError: nobody listens there.
        """
        self._check()
        self._driver.connect_now()

    # ----------------------------------------------------------------- introspection

    def list_methods(self) -> list[str]:
        """The names of the server's methods."""
        return list(self.call("system.list_methods"))

    def method_signature(self, name: str) -> str:
        """A method's parameters, as Python writes them."""
        return str(self.call("system.method_signature", name))

    def method_help(self, name: str) -> str:
        """A method's docstring."""
        return str(self.call("system.method_help", name))

    def register_exception(self, kind: type[BaseException]) -> None:
        """Exceptions of this type arrive as themselves."""
        self._links.reviver.allow(kind)

    # -------------------------------------------------------------------------- life

    def stats(self) -> dict[str, int]:
        """Bytes and messages of the connection, ``open`` calls, ``connects`` so far."""
        return {**self._driver.counters(), "connects": self._links.connects}

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """Ends the connection; calls that are open fail.  May be called twice."""
        if self._closed:
            return
        self._closed = True
        self._driver.close(os.getpid() == self._owner, self._links.close_timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if not self.__dict__.get("_closed", True):
            self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<RPCClient of {self._links.address}, {state}>"


def reason_of(error: BaseException) -> Callable[[bool], BaseException]:
    """What becomes of calls whose connection has ended with that error."""

    def make(retried: bool) -> BaseException:
        if isinstance(error, errors.Error) and not isinstance(error, errors.IncompleteTransfer):
            return error.with_traceback(None)
        words = "the connection was lost again" if retried else "the connection was lost"
        lost = ConnectionLost(f"{words} while the call was open: {error}")
        lost.__cause__ = error
        return lost

    return make


def _start_tender(driver: Client) -> threading.Thread:
    thread = threading.Thread(target=driver.behind, name="fastnet-rpc-client", daemon=True)
    thread.start()
    return thread
