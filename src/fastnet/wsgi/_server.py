"""The server: `fastnet.serve` with HTTP connections, in the shape of wsgiref's."""

from __future__ import annotations

import asyncio
import mmap
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import IO, Any, Self

from fastnet._native.wsgiconn import Connection
from fastnet._serve import serve
from fastnet.limits import Limits
from fastnet.wsgi._site import Site

__all__ = ["WSGIRequestHandler", "WSGIServer", "make_server"]

_FOR_EVER = 1e9  # seconds


class Factory:
    """Makes the connections of a process, which share a `Site`."""

    def __init__(self, app: Any, limits: Limits, threads: int, workers: int, log: Any) -> None:
        self.app = app
        self.limits = limits
        self.threads = threads
        self.workers = workers
        self.log = log
        self.site: Site | None = None
        self._before = 0  # requests of sites that have ended
        self.patient = mmap.mmap(-1, 1)  # for worker processes, too

    def __call__(self) -> Connection:
        """A connection, on the loop that runs."""
        if self.site is None:
            self.site = Site(self.app, self.limits, self.threads, self.workers, self.log)
        return Connection(self.site)

    async def finish(self) -> None:
        """Lets the requests that have come be answered."""
        if self.site is not None:
            await self.site.finish(lambda: bool(self.patient[0]))

    async def close(self) -> None:
        """What is under way is cut."""
        site, self.site = self.site, None
        if site is not None:
            self._before += site.requests
            await site.close()

    def count(self, requests: int) -> None:
        """So many more have come, by another way."""
        self._before += requests

    @property
    def requests(self) -> int:
        """How many have come, in this process."""
        return self._before + (0 if self.site is None else self.site.requests)


class WSGIRequestHandler:
    """Stands where wsgiref has its handler class; `log_message` is asked for the access log."""

    def log_message(self, format: str, *args: Any) -> None:
        """Writes a line of the access log to ``sys.stderr``."""
        sys.stderr.write(format % args + "\n")


class WSGIServer:
    """An HTTP/1.1 server for one WSGI application; bound and listening when it is made.

    Parameters:
        address: where, as `fastnet.serve` takes it; or a list of such, or
            listening sockets.
        app: the application, which `set_app` may give later.
        workers: processes, forked when serving begins.
        threads: of each process, that run the application; 0 runs it on the
            event loop, which is fastest, and where one slow request keeps
            all others waiting.
        ssl_context: for https.
        limits: what clients may ask for; see `fastnet.Limits`.
        access_log: called with each line, or a text file for them; True for
            ``sys.stderr``; or None.
        options: further ones of `fastnet.serve`: allow, deny, backlog,
            reuse_port, poller, tuning.

    Raises:
        ValueError: what cannot be served.
        OSError: the address cannot be bound.
    """

    def __init__(
        self,
        address: Any,
        app: Any = None,
        *,
        workers: int = 1,
        threads: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        access_log: Callable[[str], None] | IO[str] | bool | None = None,
        **options: Any,
    ) -> None:
        if not isinstance(threads, int) or isinstance(threads, bool) or threads < 0:
            raise ValueError(f"threads must be 0 or more, not {threads!r}")
        limits = limits or Limits()
        log = _log(access_log)
        self._options = {
            **options,
            "workers": workers,
            "ssl_context": ssl_context,
            "limits": limits,
        }
        self._factory = Factory(app, limits, threads, workers, log)
        self._server = serve(self._factory, address, **self._options)

    # ------------------------------------------------------------- as wsgiref's

    def set_app(self, app: Any) -> None:
        """From now on this application answers."""
        self._factory.app = app
        if self._factory.site is not None:
            self._factory.site.app = app

    def get_app(self) -> Any:
        """The application."""
        return self._factory.app

    @property
    def server_address(self) -> Any:
        """The first socket's own name."""
        return self._server.address

    @property
    def server_name(self) -> str:
        """The host's name, as http.server gives it."""
        address = self.server_address
        return socket.getfqdn(address[0]) if isinstance(address, tuple) else "localhost"

    @property
    def server_port(self) -> int:
        """The port; 0 for a Unix socket."""
        address = self.server_address
        return int(address[1]) if isinstance(address, tuple) else 0

    @property
    def socket(self) -> socket.socket:
        """The first listening socket."""
        return self._server.sockets[0]

    def fileno(self) -> int:
        """The first listening socket's descriptor; -1 when it is closed."""
        return self._server.fileno()

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serves in this thread until `shutdown` or an exception such as Ctrl-C ends it.

        Parameters:
            poll_interval: means nothing here: `shutdown` is noticed at once.
        """
        self._check()
        self._server.serve_forever()

    def handle_request(self) -> None:
        """Serves one connection until its first request is answered, or it has ended."""
        self._check()
        factory = _Once(self._factory)
        options = {**self._options, "workers": 1}
        once = serve(factory, [sock.dup() for sock in self._server.sockets], **options)
        factory.end = lambda: once.shutdown(_FOR_EVER)
        try:
            once.serve_forever()
        finally:
            factory.ended()

    def server_close(self) -> None:
        """Ends the server; closes its sockets."""
        self._server.shutdown()

    def _check(self) -> None:
        if self._factory.app is None:
            raise RuntimeError("there is no application: set_app() gives one")

    # --------------------------------------------------------- as fastnet.serve's

    def start(self) -> None:
        """Serves in the background."""
        self._check()
        self._server.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for the end of what `start` began; whether it has come."""
        return self._server.wait(timeout)

    def shutdown(self, timeout: float | None = None) -> None:
        """Accepts no more, answers the requests that have come, and ends.

        Parameters:
            timeout: seconds, after which connections are cut; None takes
                `Limits.close_timeout`.
        """
        self._factory.patient[0] = 0
        self._server.shutdown(timeout)

    def retire(self) -> None:
        """As `shutdown` where another server takes over: no client finds its connection closed.

        Each connection is answered once more, and told that it ends; those that ask nothing
        end after `Limits.keep_alive_timeout`. Replies that are under way are not cut.
        """
        self._factory.patient[0] = 1
        self._server.shutdown(_FOR_EVER)

    def stats(self) -> dict[str, Any]:
        """The counters of the server, and `requests` of this process."""
        return {**self._server.stats(), "requests": self._factory.requests}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.server_close()


class _Once:
    """A factory for a server that ends when one connection has been served."""

    def __init__(self, factory: Factory) -> None:
        self._inner = Factory(factory.app, factory.limits, factory.threads, 1, factory.log)
        self._outer = factory
        self._ending: threading.Thread | None = None
        self.end: Callable[[], None] = lambda: None

    def __call__(self) -> Connection:
        connection = self._inner()
        assert self._inner.site is not None
        self._inner.site.draining = True
        if self._ending is None:
            self._ending = threading.Thread(target=lambda: self.end(), daemon=True)
            self._ending.start()
        return connection

    async def finish(self) -> None:
        """Waits for the first request, or for its client to go without."""
        site = self._inner.site
        while site is not None and site.connections and not site.requests:
            await asyncio.sleep(0.01)
        await self._inner.finish()

    async def close(self) -> None:
        """What is under way is cut."""
        await self._inner.close()

    def ended(self) -> None:
        """Nothing is left of it."""
        self._outer.count(self._inner.requests)
        if self._ending is not None:
            self._ending.join()


def _log(wanted: Any) -> Callable[[str], None] | None:
    if wanted is None or wanted is False:
        return None
    if callable(wanted):
        return wanted  # type: ignore[no-any-return]
    file = sys.stderr if wanted is True else wanted

    def write(line: str) -> None:
        file.write(line + "\n")

    return write


def make_server(
    host: str,
    port: int,
    app: Any,
    server_class: type[WSGIServer] = WSGIServer,
    handler_class: type[WSGIRequestHandler] = WSGIRequestHandler,
    **options: Any,
) -> WSGIServer:
    """A server as ``wsgiref.simple_server.make_server`` makes it.

    Parameters:
        host, port: where it listens; host "" means every address.
        app: the application.
        server_class: `WSGIServer` or a subclass.
        handler_class: its `log_message` writes the access log.
        options: further ones of `WSGIServer`.
    """
    handler = handler_class()
    options.setdefault("access_log", lambda line: handler.log_message("%s", line))
    return server_class((host, port), app, **options)
