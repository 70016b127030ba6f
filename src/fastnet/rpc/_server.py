"""RPCServer: functions that other processes call."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from fastnet._bind import bind
from fastnet._serve._gate import make_gate
from fastnet._serve._plan import Plan
from fastnet._serve._server import Server
from fastnet.address import AddressLike, parse
from fastnet.auth._credentials import AuthKey, Credentials
from fastnet.limits import Limits
from fastnet.rpc._codec import NUMBERS, UNSAFE, make_codec
from fastnet.rpc._methods import Methods
from fastnet.rpc._side import Service
from fastnet.tuning import Tuning

__all__ = ["RPCServer"]

_BACKLOG = 4096
F = TypeVar("F", bound=Callable[..., Any])


class RPCServer:
    """Serves functions; bound and listening when it is made.

    Parameters:
        address: ``(host, port)``, ``"tcp://host:port"``, ``"unix:/path"`` or a
            path; see `fastnet.address.parse`.
        authkey: a key that clients must have too, at least 16 bytes (see
            `fastnet.auth`); or ``authkey(key_id)``, which gives the key for
            the id that a client names, or None.  Without a key, anybody who
            can reach the address can call.
        suites: algorithms to choose from, the best first: "aes-256-gmac",
            "hmac-sha256"; None for the best on this machine.
        codec: "msgpack" or "json": this server takes both, and answers a call
            in the codec that it came in.  "pickle" takes pickles as well,
            which can run any code: only with a key, or over a Unix socket from
            processes of the same user, or with ``trust_pickle=True``.
        allowed: for pickle, the classes and functions that pickles may name,
            as themselves or as "module.name"; arrays always may.  None allows
            everything.
        trust_pickle: takes pickles from whoever can connect.
        ssl_context: for TLS.
        workers: processes that serve side by side, forked by `start`.
        threads: handlers that may be slow at the same time; more calls wait
            until one of them ends.
        limits: what peers may ask for; see `fastnet.Limits`.
        tuning: how bytes are moved; see `fastnet.Tuning`.
        poller: "epoll" or "select"; None takes the best there is.

    Raises:
        ValueError: a combination that is not safe, or not an address.
        OSError: the address cannot be bound.
    """

    def __init__(
        self,
        address: AddressLike,
        *,
        authkey: AuthKey | None = None,
        suites: Sequence[str] | None = None,
        codec: str = "msgpack",
        allowed: Iterable[Any] | None = None,
        trust_pickle: bool = False,
        ssl_context: ssl.SSLContext | None = None,
        workers: int = 1,
        threads: int = 16,
        limits: Limits | None = None,
        tuning: Tuning | None = None,
        poller: Any = None,
    ) -> None:
        place = parse(address)
        limits, tuning = limits or Limits(), tuning or Tuning()
        for name, count in (("workers", workers), ("threads", threads)):
            if not isinstance(count, int) or isinstance(count, bool) or count < 1:
                raise ValueError(f"{name} must be at least 1, not {count!r}")
        credentials = Credentials.of_server(authkey, suites)
        local_only = codec == "pickle" and not trust_pickle and credentials is None
        if local_only and not place.unix:
            raise ValueError(UNSAFE)
        self.methods = Methods()
        plan = Plan(
            factory=Service(
                self.methods,
                _codecs(codec, allowed),
                threads,
                local_only,
                {} if credentials is None else credentials.options(),
            ),
            kind=socket.SOCK_STREAM,
            threads=1,
            workers=workers,
            ssl_context=ssl_context,
            limits=limits,
            tuning=tuning,
            poller=poller,
            backlog=_BACKLOG,
        )
        plan.gate = make_gate(limits, tuning, None, None, tls=True)
        sock = bind(place, _BACKLOG)
        sock.setblocking(False)
        self._server = Server(plan, [sock], [place.path])

    # ----------------------------------------------------------------------- methods

    def register_function(self, function: Callable[..., Any], name: str | None = None) -> None:
        """Serves a function under a name, by default its own.

        Plain functions run on the thread that serves, and may take their time:
        another thread goes on serving.  Generators stream their items,
        coroutines run on an event loop.

        Raises:
            TypeError: it cannot be called.
            ValueError: it has no name, or one of more than 1024 bytes.
        """
        self.methods.add(function, name)

    def register_instance(self, instance: Any, prefix: str = "") -> None:
        """Serves every public method of an object, as prefix + name."""
        self.methods.add_instance(instance, prefix)

    def method(self, function: F | str) -> Any:
        """As a decorator: ``@server.method`` or ``@server.method("dotted.name")``."""
        if isinstance(function, str):
            name = function

            def register(inner: F) -> F:
                self.methods.add(inner, name)
                return inner

            return register
        self.methods.add(function)
        return function

    # -------------------------------------------------------------------------- life

    @property
    def address(self) -> Any:
        """The socket's own name, as `socket.getsockname` gives it."""
        return self._server.address

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening socket; empty once it accepts no more."""
        return self._server.sockets

    def fileno(self) -> int:
        """The listening socket's descriptor; -1 once it accepts no more."""
        return self._server.fileno()

    def start(self) -> None:
        """Serves in the background: in threads, or in worker processes forked now.

        Raises:
            RuntimeError: the server was started before, or has ended.
        """
        self._server.start()

    def serve_forever(self) -> None:
        """Serves until `shutdown`, or an exception such as Ctrl-C, ends it.

        Handlers run in other threads.

        Raises:
            RuntimeError: the server was started before, or has ended.
        """
        self._server.serve_forever()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the end of a server that `start` has set to work; whether it has come.

        timeout: seconds; None waits for ever.

        Raises:
            Exception: what ended it unasked.
        """
        return self._server.wait(timeout)

    def shutdown(self, timeout: float | None = None) -> None:
        """Ends the server: it accepts no more, answers the calls that have come, and closes.

        timeout: seconds for that, after which connections are cut; None takes
        `Limits.close_timeout`.
        """
        self._server.shutdown(timeout)

    def stats(self) -> dict[str, Any]:
        """Counters at this moment.

        Those of `fastnet.Server.stats`; and, without workers, ``calls``,
        ``errors`` (answers that were exceptions), ``cancelled``, ``refused_calls``
        (by `Limits.calls`), ``takeovers`` (a handler was slow, so another
        thread went on), ``threads``.
        """
        return self._server.stats()

    def peers(self) -> list[dict[str, Any]]:
        """Who is connected now: ``host``, ``port``, ``bytes_in``, ``bytes_out``."""
        return self._server.peers()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shutdown()


def _codecs(codec: str, allowed: Iterable[Any] | None) -> list[Any]:
    """By their numbers, those that a server takes."""
    if codec not in NUMBERS:
        raise ValueError(f"codec must be 'msgpack', 'json' or 'pickle', not {codec!r}")
    return [
        None,
        make_codec("json"),
        make_codec("msgpack"),
        make_codec("pickle", allowed) if codec == "pickle" else None,
    ]
