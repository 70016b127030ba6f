"""Listening: many peers introduce themselves side by side, one loop, no threads."""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from fastnet import errors
from fastnet.address import Address, AddressLike, parse
from fastnet.arrays._bind import bind, path_id, unlink_if_ours
from fastnet.arrays._stream import Stream
from fastnet.arrays._tls import TlsTransport
from fastnet.limits import Limits
from fastnet.tuning import Tuning

__all__ = ["Listener", "listen"]

_log = logging.getLogger("fastnet.arrays")

_ERR_BUSY, _ERR_TIMEOUT = 3, 4
_PAUSE_WITHOUT_DESCRIPTORS = 0.05  # seconds
_ACCEPTS_PER_TURN = 16


class _Newcomer:
    """A connection whose handshake is not complete."""

    def __init__(self, stream: Stream, transport: TlsTransport | None, deadline: float) -> None:
        self.stream = stream
        self.transport = transport
        self.secure = transport is None
        self.deadline = deadline

    def advance(self) -> bool:
        """Takes what has come; True when the peer has introduced itself."""
        if not self.secure:
            assert self.transport is not None
            if not self.transport.handshake_step():
                return False
            self.secure = True
            self.stream._link.send_preface(0.0)
        return self.stream._link.poll_preface()


class Listener:
    """A listening socket for array streams, made by `listen`.

    Handshakes advance while a thread is in `accept` (or iterates, or serves):
    a silent or hostile peer costs a descriptor until its deadline, and is
    counted in `stats`, never raised.
    """

    def __init__(
        self,
        address: Address,
        *,
        ssl_context: ssl.SSLContext | None,
        limits: Limits,
        tuning: Tuning,
        backlog: int,
    ) -> None:
        self._ssl_context = ssl_context
        self._limits = limits
        self._tuning = tuning
        self._owner = os.getpid()
        self._socket = bind(address, backlog)
        self._socket.setblocking(False)
        self._name = self._socket.getsockname()
        self._path = address.path if address.unix else ""
        self._path_id = path_id(self._path)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ, self._take_newcomers)
        self._wake_read, self._wake_write = os.pipe()
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._turn = threading.Lock()  # one thread at a time runs the loop
        self._state = threading.Lock()  # guards the counters and collections below
        self._pending: dict[Stream, _Newcomer] = {}
        self._ready: collections.deque[Stream] = collections.deque()
        self._open: dict[Stream, str] = {}
        self._counts: collections.Counter[str] = collections.Counter()
        self._closed = False

    @property
    def address(self) -> Any:
        """The socket's own name, as `socket.getsockname` gives it."""
        return self._name

    def fileno(self) -> int:
        """The listening descriptor; -1 when closed."""
        return self._socket.fileno()

    # ---------------------------------------------------------------- accepting

    def accept(self, timeout: float | None = None) -> Stream:
        """Waits for the next peer that has introduced itself.

        Parameters:
            timeout: seconds; None waits for ever.

        Raises:
            TimeoutError: nobody came in time.
            OSError: the listener is closed.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._turn.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
            raise TimeoutError("no peer came in time")
        try:
            while True:
                if self._closed:
                    raise OSError("the listener is closed")
                if self._ready:
                    return self._hand_over()
                left = None if deadline is None else deadline - time.monotonic()
                self._run_once(left)
                if left is not None and left <= 0 and not self._ready and not self._closed:
                    raise TimeoutError("no peer came in time")
        finally:
            self._turn.release()

    def _hand_over(self) -> Stream:
        with self._state:
            stream = self._ready.popleft()
            self._counts["accepted"] += 1
        return stream

    def _run_once(self, left: float | None) -> None:
        """One turn of the loop: waits for events, at most `left` seconds."""
        waits = [max(0.0, n.deadline - time.monotonic()) for n in self._pending.values()]
        if left is not None:
            waits.append(max(0.0, left))
        for key, _ in self._selector.select(min(waits, default=None)):
            if callable(key.data):
                key.data()
            elif key.data is not None:
                self._advance(key.data)
        self._drop_late()

    def _take_newcomers(self) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                sock, _address = self._socket.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError:
                if self._closed:
                    return
                # No descriptor or memory is left: the peer waits in the backlog
                # until streams are closed, and those that are open go on.
                self._counts["shed"] += 1
                time.sleep(_PAUSE_WITHOUT_DESCRIPTORS)
                return
            self._begin(sock)

    def _begin(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        host = _host_of(sock)
        refusal = self._refusal(host)
        transport = None
        try:
            if self._ssl_context is not None and refusal is None:
                sock = self._ssl_context.wrap_socket(
                    sock, server_side=True, do_handshake_on_connect=False
                )
                transport = TlsTransport(sock)
            stream = Stream(
                sock,
                server=True,
                limits=self._limits,
                tuning=self._tuning,
                transport=transport,
                on_close=self._forget,
            )
        except (OSError, ValueError):
            self._counts["bad_peers"] += 1
            sock.close()
            return
        if refusal is not None:
            self._turn_away(stream, refusal)
            return
        limit = self._limits.handshake_timeout
        newcomer = _Newcomer(stream, transport, time.monotonic() + (1e9 if limit is None else limit))
        with self._state:
            self._pending[stream] = newcomer
            self._open[stream] = host
        self._selector.register(sock, selectors.EVENT_READ, newcomer)
        if transport is None:
            with contextlib.suppress(OSError, errors.Error):
                stream._link.send_preface(0.0)
        self._advance(newcomer)

    def _refusal(self, host: str) -> str | None:
        """Why one more connection from this address is too many, or None."""
        limits = self._limits
        here = sum(1 for other in self._open.values() if other == host)
        waiting = sum(1 for stream in self._pending if self._open.get(stream) == host)
        for count, limit, words in (
            (len(self._open) - len(self._pending), limits.connections, "connections"),
            (here - waiting, limits.connections_per_address, "connections from this address"),
            (len(self._pending), limits.pending, "handshakes at once"),
            (waiting, limits.pending_per_address, "handshakes at once from this address"),
        ):
            if limit is not None and count >= limit:
                return f"too many {words} (the limit is {limit})"
        return None

    def _turn_away(self, stream: Stream, refusal: str) -> None:
        self._counts["refused"] += 1
        with contextlib.suppress(OSError, errors.Error):
            stream._link.send_error(_ERR_BUSY, refusal, 0.0)
        stream.abort()

    def _advance(self, newcomer: _Newcomer) -> None:
        try:
            if not newcomer.advance():
                return
        except (OSError, errors.Error, EOFError) as error:
            self._reject(newcomer, error)
            return
        self._selector.unregister(newcomer.stream)
        with self._state:
            del self._pending[newcomer.stream]
            self._ready.append(newcomer.stream)

    def _reject(self, newcomer: _Newcomer, error: Exception) -> None:
        self._counts["bad_peers"] += 1
        _log.info("a peer was turned away: %s", error)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(newcomer.stream)
        if isinstance(error, errors.ProtocolError):
            newcomer.stream._refuse(error)
        newcomer.stream.abort()

    def _drop_late(self) -> None:
        now = time.monotonic()
        for newcomer in [n for n in self._pending.values() if n.deadline <= now]:
            self._counts["handshake_timeouts"] += 1
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(newcomer.stream)
            with contextlib.suppress(OSError, errors.Error):
                newcomer.stream._link.send_error(_ERR_TIMEOUT, "no preface in time", 0.0)
            newcomer.stream.abort()

    def _forget(self, stream: Stream) -> None:
        counters = stream._link.counters()
        with self._state:
            self._pending.pop(stream, None)
            self._open.pop(stream, None)
            self._counts["bytes_sent"] += counters["bytes_sent"]
            self._counts["bytes_received"] += counters["bytes_received"]

    def __iter__(self) -> Iterator[Stream]:
        """The peers that come, until the listener is closed."""
        while True:
            try:
                stream = self.accept()
            except OSError:
                if self._closed:
                    return
                raise
            yield stream

    # ------------------------------------------------------------------ serving

    def serve_forever(self, handler: Callable[[Stream], object], *, threads: int = 8) -> None:
        """Calls ``handler(stream)`` for each peer in a thread of its own, until closed.

        At most `threads` handlers run; further peers wait.  When a handler
        returns, its stream is closed; when it raises, the error is logged
        (logger ``fastnet.arrays``), the peer is told, and the others go on.

        Returns when the listener is closed and the handlers have ended.  On
        Ctrl-C the listener is closed and the streams in work are aborted.
        """
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        places = threading.Semaphore(threads)
        workers: dict[threading.Thread, Stream] = {}

        def work(stream: Stream) -> None:
            try:
                _handle(handler, stream)
            finally:
                workers.pop(threading.current_thread(), None)
                places.release()

        try:
            while True:
                places.acquire()
                try:
                    stream = self.accept()
                except OSError:
                    if self._closed:
                        break
                    raise
                thread = threading.Thread(target=work, args=(stream,), name="fastnet-arrays")
                workers[thread] = stream
                thread.start()
        except BaseException:
            self.close()
            for stream in list(workers.values()):
                stream._cut()
            raise
        finally:
            for thread in list(workers):
                thread.join()

    # ------------------------------------------------------------------- ending

    def stats(self) -> dict[str, int]:
        """Counters since the listener began.

        accepted: peers handed out; open: streams not closed, handshakes not
        counted; pending: handshakes under way; refused: turned away over a
        limit; bad_peers: did not speak the protocol; handshake_timeouts: too
        slow to say; shed: accepts put off for lack of descriptors; bytes_sent
        and bytes_received by all streams.
        """
        with self._state:
            streams = list(self._open)
            counts = dict(self._counts)
            pending = len(self._pending)
        live = [stream._link.counters() for stream in streams]
        result = {
            "accepted": 0,
            "open": len(streams) - pending,
            "pending": pending,
            "refused": 0,
            "bad_peers": 0,
            "handshake_timeouts": 0,
            "shed": 0,
            "bytes_sent": 0,
            "bytes_received": 0,
        }
        result.update(counts)
        for key in ("bytes_sent", "bytes_received"):
            result[key] += sum(counters[key] for counters in live)
        return result

    def close(self) -> None:
        """Stops listening; streams that were handed out go on.

        A thread that waits in `accept` gets an OSError, iteration and
        `serve_forever` end.
        """
        if self._closed:
            return
        self._closed = True
        if os.getpid() != self._owner:
            self._release()
            return
        os.write(self._wake_write, b"x")
        with self._turn:  # whoever runs the loop has left it
            for stream in [*self._pending, *self._ready]:
                stream.abort("it is shutting down")
            self._ready.clear()
            self._release()
        unlink_if_ours(self._path, self._path_id)

    def _release(self) -> None:
        self._selector.close()
        self._socket.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<fastnet.arrays.Listener at {self._name!r}{' closed' if self._closed else ''}>"


def _handle(handler: Callable[[Stream], object], stream: Stream) -> None:
    try:
        with stream:
            handler(stream)
    except Exception:
        _log.exception("the handler of a stream failed")


def _host_of(sock: socket.socket) -> str:
    try:
        name = sock.getpeername()
    except OSError:
        return ""
    return str(name[0]) if isinstance(name, tuple) else "unix"


def listen(
    address: AddressLike,
    *,
    ssl_context: ssl.SSLContext | None = None,
    limits: Limits | None = None,
    tuning: Tuning | None = None,
    backlog: int = 128,
) -> Listener:
    """Listens for peers that send and receive arrays; bound when it returns.

    Anybody who can reach the address can connect, so bind to loopback, to a
    Unix socket, or pass an `ssl_context` that asks for client certificates.

    Parameters:
        address: ``(host, port)`` (port 0 picks one, "" every interface),
            ``"tcp://host:port"``, ``"unix:/path"`` or a path (see
            `fastnet.address.parse`).
        ssl_context: for TLS, with a certificate loaded.
        limits: what peers may ask of this end.
        tuning: how bytes are moved.
        backlog: connections that the system keeps waiting (listen(2)).

    Raises:
        ValueError: not an address.
        socket.gaierror: the host cannot be resolved.
        OSError: the address is in use or not this machine's; it names it.
    """
    return Listener(
        parse(address),
        ssl_context=ssl_context,
        limits=limits or Limits(),
        tuning=tuning or Tuning(),
        backlog=backlog,
    )
