"""asyncio on the reactor: an event loop whose selector serves its connections in C.

``asyncio.Runner(loop_factory=fastnet.new_event_loop)`` runs a whole asyncio program on it. Tasks,
timers, signals, executors, subprocesses, ``add_reader`` and ``sock_*`` are asyncio's own;
transports that ``create_server``, ``create_connection``, the Unix forms,
``create_datagram_endpoint`` and ``connect_accepted_socket`` make, with and without ``ssl=``, are
the reactor's.

A loop belongs to the thread that runs it, and to the process that made it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import socket
import ssl
import threading
from asyncio import constants
from collections.abc import Callable
from typing import Any, Literal

from fastnet._native.dgramtransport import DatagramTransport
from fastnet._native.gate import Gate
from fastnet._native.handles import LoopCore
from fastnet._native.listener import Listener
from fastnet._native.reactor import Reactor
from fastnet._native.selector import Selector
from fastnet._native.tlsproto import TlsProtocol
from fastnet._native.transport import StreamTransport

__all__ = ["EventLoop", "new_event_loop"]

_DATAGRAMS = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


class EventLoop(LoopCore, asyncio.SelectorEventLoop):  # type: ignore[misc]
    """An ``asyncio.SelectorEventLoop`` with the reactor for its selector and its transports.

    Made by new_event_loop().
    """

    # Of asyncio's classes, and unknown to its type stubs.
    _csock: socket.socket | None
    _signal_handlers: dict[int, Any]
    _ensure_fd_no_transport: Callable[[Any], None]

    def __init__(self, selector: Selector) -> None:
        self._listeners: dict[int, Listener] = {}
        self._gates: dict[int, tuple[Gate | None, bool]] = {}
        super().__init__(selector)
        selector.attach_loop(self)

    @property
    def reactor(self) -> Reactor | None:
        """The reactor, whose stats() and peers() any thread may call; None when closed."""
        reactor: Reactor | None = self._selector
        return reactor

    def close(self) -> None:
        """Closes the loop, as asyncio's does; RuntimeError while it runs."""
        if not self.is_running():
            for listener in self._listeners.values():
                listener.close()
            self._listeners.clear()
        super().close()

    def run_forever(self) -> None:
        """Runs until stop() is called; RuntimeError when it, or another loop here, runs already."""
        watching = self._watch_signals()
        try:
            super().run_forever()
        finally:
            if self._selector is not None:
                self._selector.flush()
            # Whoever has handlers of the loop's needs the descriptor even between runs.
            if watching and not self._signal_handlers:
                signal.set_wakeup_fd(-1)

    def _watch_signals(self) -> bool:
        """Has each signal end a wait: one that comes just before it would only be seen after it."""
        if self._csock is None or threading.current_thread() is not threading.main_thread():
            return False
        try:
            before = signal.set_wakeup_fd(self._csock.fileno())
        except ValueError:  # a subinterpreter, which has no signals
            return False
        if before == -1:
            return True
        signal.set_wakeup_fd(before)
        return False

    def _write_to_self(self) -> None:
        selector = self._selector
        if selector is not None:
            selector.wake()

    # ------------------------------------------------------------------- transports

    def _make_socket_transport(
        self,
        sock: socket.socket,
        protocol: Any,
        waiter: asyncio.Future[None] | None = None,
        *,
        extra: dict[str, Any] | None = None,
        server: Any = None,
    ) -> StreamTransport:
        self._ensure_fd_no_transport(sock)
        return StreamTransport(self, sock, protocol, waiter, extra, server)

    def _make_ssl_transport(
        self,
        rawsock: socket.socket,
        protocol: Any,
        sslcontext: Any,
        waiter: asyncio.Future[None] | None = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        extra: dict[str, Any] | None = None,
        server: Any = None,
        ssl_handshake_timeout: float | None = constants.SSL_HANDSHAKE_TIMEOUT,
        ssl_shutdown_timeout: float | None = constants.SSL_SHUTDOWN_TIMEOUT,
    ) -> asyncio.Transport:
        self._ensure_fd_no_transport(rawsock)
        between = self._tls_protocol(
            protocol,
            sslcontext,
            waiter,
            server_side,
            server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )
        StreamTransport(self, rawsock, between, extra=extra, server=server)
        transport: asyncio.Transport = between._app_transport
        return transport

    def _tls_protocol(self, *args: Any, **options: Any) -> Any:
        """What speaks TLS between a stream transport and a protocol."""
        return TlsProtocol(self, *args, **options)

    async def start_tls(
        self,
        transport: Any,
        protocol: Any,
        sslcontext: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> asyncio.Transport | None:
        """Begins TLS on a connection; returns the transport to be used from now on.

        Parameters and what is raised are those of asyncio's ``loop.start_tls()``.
        """
        if not isinstance(transport, StreamTransport) or not isinstance(sslcontext, ssl.SSLContext):
            return await super().start_tls(
                transport,
                protocol,
                sslcontext,
                server_side=server_side,
                server_hostname=server_hostname,
                ssl_handshake_timeout=ssl_handshake_timeout,
                ssl_shutdown_timeout=ssl_shutdown_timeout,
            )
        waiter = self.create_future()
        between = self._tls_protocol(
            protocol,
            sslcontext,
            waiter,
            server_side,
            server_hostname,
            call_connection_made=False,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )
        # What comes from now on is TLS, and is read when that is ready for it.
        transport.pause_reading()
        transport.set_protocol(between)
        first = self.call_soon(between.connection_made, transport)
        then = self.call_soon(transport.resume_reading)
        try:
            await waiter
        except BaseException:
            transport.close()
            first.cancel()
            then.cancel()
            raise
        secured: asyncio.Transport = between._app_transport
        return secured

    def _make_datagram_transport(
        self,
        sock: socket.socket,
        protocol: Any,
        address: Any = None,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> asyncio.DatagramTransport:
        self._ensure_fd_no_transport(sock)
        if sock.family not in _DATAGRAMS:  # the core knows no addresses of other families
            stock: Any = super()
            made: asyncio.DatagramTransport = stock._make_datagram_transport(
                sock, protocol, address, waiter, extra
            )
            return made
        gate, _ = self._gates.pop(sock.fileno(), (None, False))
        return DatagramTransport(self, sock, protocol, address, waiter, extra, gate)

    async def _sendfile_native(
        self, transp: StreamTransport, file: Any, offset: int, count: int | None
    ) -> int:
        stock: Any = self
        stock._check_sendfile_params(transp._sock, file, offset, count)
        try:
            fd = file.fileno()
            size = os.fstat(fd).st_size
        except (AttributeError, OSError) as error:
            raise asyncio.SendfileNotAvailableError("not a regular file") from error
        empty = transp._make_empty_waiter()  # raises where another file is being sent
        reads = transp.is_reading()
        transp.pause_reading()
        begun = False
        try:
            await empty
            if not (count or size):
                return 0
            sent = transp._send_file(fd, offset, count or 0)
            begun = True
            await sent
            return transp._file_bytes
        finally:
            if begun and transp._file_bytes:
                with contextlib.suppress(OSError):  # it was closed meanwhile
                    os.lseek(fd, offset + transp._file_bytes, os.SEEK_SET)
            transp._reset_empty_waiter()
            if reads:
                transp.resume_reading()

    # ---------------------------------------------------------------------- servers

    def admit(self, sock: socket.socket, gate: Gate | None, *, shared: bool = False) -> None:
        """Puts a gate before the server that is about to be made on a socket.

        Parameters:
            sock: a listening socket, for ``create_server(sock=)``.
            gate: whom it admits, and under which limits; None for everybody.
            shared: whether others accept from the same socket.
        """
        self._gates[sock.fileno()] = gate, shared

    def _start_serving(
        self,
        protocol_factory: Callable[[], Any],
        sock: socket.socket,
        sslcontext: Any = None,
        server: Any = None,
        backlog: int = 100,
        ssl_handshake_timeout: float | None = constants.SSL_HANDSHAKE_TIMEOUT,
        ssl_shutdown_timeout: float | None = constants.SSL_SHUTDOWN_TIMEOUT,
    ) -> None:
        wrap = None
        if sslcontext:
            wrap = functools.partial(
                self._wrap_accepted,
                sslcontext=sslcontext,
                ssl_handshake_timeout=ssl_handshake_timeout,
                ssl_shutdown_timeout=ssl_shutdown_timeout,
            )
        gate, shared = self._gates.pop(sock.fileno(), (None, False))
        self._listeners[sock.fileno()] = Listener(
            self, sock, protocol_factory, wrap, server, gate, shared
        )

    def _stop_serving(self, sock: socket.socket) -> None:
        listener = self._listeners.pop(sock.fileno(), None)
        if listener is not None:
            listener.close()
        stock: Any = super()
        stock._stop_serving(sock)

    def _wrap_accepted(self, protocol: Any, *, sslcontext: Any, **options: Any) -> Any:
        waiter = self.create_future()
        between = self._tls_protocol(protocol, sslcontext, waiter, True, None, **options)
        waiter.add_done_callback(functools.partial(self._shaken, between, between._app_transport))
        return between

    def _shaken(self, between: Any, transport: Any, waiter: asyncio.Future[None]) -> None:
        """The handshake of an accepted connection has ended, well or not."""
        error = None if waiter.cancelled() else waiter.exception()
        if error is None:
            if between._transport is not None:
                between._transport.handshake_done()
            return
        transport.close()
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            raise error
        if self.get_debug():
            self.call_exception_handler(
                {
                    "message": "Error on transport creation for incoming connection",
                    "exception": error,
                    "protocol": between._app_protocol,
                    "transport": transport,
                }
            )


def new_event_loop(
    *,
    poller: Literal["epoll", "select"] | None = None,
    spin: float | Literal["auto"] = "auto",
) -> EventLoop:
    """A new event loop; it does not become the current one.

    Parameters:
        poller: "epoll" or "select"; None for what the environment variable FASTNET_POLLER says,
            else the best that the system has. With select, a connection whose descriptor is
            beyond its range (1024) is refused with an Error.
        spin: seconds to look for events again before the thread sleeps, since waking takes
            some 50 µs. "auto" is 150 µs where more than one processor is there, and in any case
            less and less often while it does not pay; 0 never spins.

    Raises ValueError for other values.
    """
    if spin == "auto":
        spin = -1.0
    elif not spin >= 0:
        raise ValueError(f"spin must be 'auto' or at least 0 seconds, not {spin!r}")
    selector = Selector(poller or os.environ.get("FASTNET_POLLER") or None, spin)
    try:
        return EventLoop(selector)
    except BaseException:
        selector.close()
        raise
