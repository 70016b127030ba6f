"""Listening: many peers introduce themselves side by side, in one loop without threads."""

from __future__ import annotations

import collections
import logging
import os
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

from fastnet import errors
from fastnet.address import Address, AddressLike, parse
from fastnet.arrays import _newcomer
from fastnet.arrays._door import Door
from fastnet.arrays._newcomer import Newcomer, turn_away
from fastnet.arrays._serve import serve
from fastnet.arrays._stream import Stream
from fastnet.arrays._tls import TlsTransport
from fastnet.auth._credentials import AuthKey, Credentials
from fastnet.limits import Limits
from fastnet.tuning import Tuning

__all__ = ["Listener", "listen"]

_log = logging.getLogger("fastnet.arrays")

_LONGEST_TURN = 3600.0  # seconds
_LOST_TURN = 0.2  # seconds


class Listener(Door[Stream, TlsTransport]):
    """A listening socket for array streams, made by `listen`.

    Handshakes advance while a thread is in `accept` (or iterates, or serves):
    a silent or hostile peer costs a descriptor until its deadline, and is
    counted in `stats`, never raised.
    """

    _stream_kind = Stream
    _tls_kind = TlsTransport

    def __init__(
        self,
        address: Address,
        *,
        ssl_context: ssl.SSLContext | None,
        credentials: Credentials | None,
        limits: Limits,
        tuning: Tuning,
        backlog: int,
    ) -> None:
        super().__init__(
            address,
            ssl_context=ssl_context,
            credentials=credentials,
            limits=limits,
            tuning=tuning,
            backlog=backlog,
        )
        self._owner = os.getpid()
        self._closed = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._wake_read, self._wake_write = socket.socketpair()
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        # Whoever holds it runs the loop and owns what follows.  Reentrant, so that a
        # thread which an exception took away while it had the turn can still close.
        self._turn = threading.RLock()
        self._runner = 0  # the thread that holds it
        self._pending: dict[Stream, Newcomer] = {}
        self._ready: collections.deque[Stream] = collections.deque()

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
        stream = self._accept_or_closed(timeout)
        if stream is None:
            raise OSError("the listener is closed")
        return stream

    def _accept_or_closed(self, timeout: float | None = None) -> Stream | None:
        if os.getpid() != self._owner:
            raise errors.Error("the listener belongs to the process that opened it")
        deadline = None if timeout is None else time.monotonic() + timeout
        patience = -1 if timeout is None else min(max(0.0, timeout), threading.TIMEOUT_MAX)
        if not self._turn.acquire(timeout=patience):
            raise TimeoutError("no peer came in time")
        try:
            self._runner = threading.get_ident()
            while not self._closed:
                if self._ready:
                    self._ledger.count("accepted")
                    return self._ready.popleft()
                left = None if deadline is None else deadline - time.monotonic()
                self._run_once(left)
                if left is not None and left <= 0 and not self._ready:
                    raise TimeoutError("no peer came in time")
        finally:
            try:
                if self._closed:
                    self._tear_down()
            finally:
                self._runner = 0
                self._turn.release()
        return None

    def __iter__(self) -> Iterator[Stream]:
        """The peers that come, until the listener is closed."""
        while (stream := self._accept_or_closed()) is not None:
            yield stream

    def serve_forever(self, handler: Callable[[Stream], object], *, threads: int = 8) -> None:
        """Calls ``handler(stream)`` for each peer in a thread of its own, until closed.

        At most `threads` handlers run; further peers wait.  When a handler
        returns, its stream is closed; when it raises, the error is logged
        (logger ``fastnet.arrays``), the peer is told, and the others go on.

        Returns when the listener is closed and the handlers have ended.  On
        Ctrl-C the listener is closed and the streams in work are cut off.
        """
        serve(self, handler, threads)

    # ----------------------------------------------------------------- one turn

    def _run_once(self, left: float | None) -> None:
        """Waits for events, at most `left` seconds, and sees to each."""
        wait = _LONGEST_TURN if left is None else min(left, _LONGEST_TURN)
        if (oldest := self._oldest()) is not None:  # whose time is up first
            wait = min(wait, oldest.deadline - time.monotonic())
        for key, _ in self._selector.select(max(0.0, wait)):
            if key.data is not None:
                self._advance(key.data)
            elif key.fileobj is self._socket:
                self._take_newcomers()
        self._drop_late()

    def _take_newcomers(self) -> None:
        for _ in range(_newcomer.ACCEPTS_PER_TURN):
            try:
                sock, _address = self._socket.accept()
            except _newcomer.TEMPORARY:
                return
            except OSError:
                # No descriptor or memory is left: the peer waits in the backlog
                # until streams are closed, and those that are open go on.
                self._ledger.count("shed")
                time.sleep(_newcomer.PAUSE_WITHOUT_DESCRIPTORS)
                return
            self._begin(sock)

    def _welcome(self, stream: Stream, transport: TlsTransport | None, host: str) -> None:
        keyed = self._credentials is not None
        newcomer = Newcomer(stream, transport, host, self._limits.handshake_timeout, keyed)
        self._pending[stream] = newcomer
        self._selector.register(stream, selectors.EVENT_READ, newcomer)
        self._advance(newcomer)

    def _make_room(self, host: str) -> bool:
        if self._credentials is None:
            return False
        crowded = self._ledger.crowded_by(host)
        for newcomer in self._pending.values():  # the oldest first
            if time.monotonic() - newcomer.since < _newcomer.YOUNG:
                return False
            if not crowded or newcomer.host == host:
                self._drop_newcomer(newcomer)
                return True
        return False

    def _advance(self, newcomer: Newcomer) -> None:
        stream = newcomer.stream
        try:
            if not newcomer.advance():
                return
        except (OSError, errors.Error) as error:
            self._ledger.count("bad_peers")
            _log.info("a peer was turned away: %s", error)
            self._forget(stream)
            turn_away(stream, error)
            return
        self._forget(stream)
        self._ledger.admit(stream)
        self._ready.append(stream)

    def _forget(self, stream: Stream) -> None:
        del self._pending[stream]
        self._selector.unregister(stream)

    def _drop_late(self) -> None:
        now = time.monotonic()
        while (newcomer := self._oldest()) is not None and newcomer.deadline <= now:
            self._drop_newcomer(newcomer)

    def _oldest(self) -> Newcomer | None:
        return next(iter(self._pending.values()), None)

    def _drop_newcomer(self, newcomer: Newcomer) -> None:
        self._ledger.count("handshake_timeouts")
        self._forget(newcomer.stream)
        self._dismiss(newcomer.stream, _newcomer.ERR_TIMEOUT, "no preface in time")

    def _let_go(self, stream: Stream) -> None:
        stream.abort()

    # ------------------------------------------------------------------- ending

    def stats(self) -> dict[str, int]:
        """Counters since the listener began.

        accepted: peers handed out; open: streams not closed, handshakes not
        counted; pending: handshakes under way; refused: turned away over a
        limit; bad_peers: did not speak the protocol; handshake_timeouts: too
        slow to say; shed: accepts put off for lack of descriptors; bytes_sent
        and bytes_received by all streams.
        """
        return self._ledger.stats()

    def close(self) -> None:
        """Stops listening; streams that were handed out go on.

        A thread that waits in `accept` gets an OSError; iteration and
        `serve_forever` end.
        """
        if self._closed:
            return
        self._closed = True
        if os.getpid() != self._owner:
            self._release()
            return
        self._wake_write.send(b"x")
        if self._runner == threading.get_ident():
            return  # from a signal handler inside the loop, which tears down as it ends
        # Whoever runs the loop leaves it now.  A turn that nobody runs and nobody gives
        # back was lost with a thread that an exception took out of accept.
        while not self._turn.acquire(timeout=_LOST_TURN):
            if self._runner == 0:
                self._tear_down()
                return
        try:
            self._tear_down()
        finally:
            self._turn.release()

    def _tear_down(self) -> None:
        """Lets everything go; with the turn held."""
        if self._socket.fileno() < 0:
            return
        for stream in [*self._pending, *self._ready]:
            self._dismiss(stream, _newcomer.ERR_SHUTDOWN, "the listener is closed")
        self._pending.clear()
        self._ready.clear()
        self._unlink()
        self._release()

    def _release(self) -> None:
        self._selector.close()
        self._socket.close()
        self._wake_read.close()
        self._wake_write.close()

    def __enter__(self) -> Self:
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


def listen(
    address: AddressLike,
    *,
    ssl_context: ssl.SSLContext | None = None,
    authkey: AuthKey | None = None,
    suites: Sequence[str] | None = None,
    limits: Limits | None = None,
    tuning: Tuning | None = None,
    backlog: int = 128,
) -> Listener:
    """Listens for peers that send and receive arrays; bound when it returns.

    Without `authkey` anybody who can reach the address can connect: bind to
    loopback, to a Unix socket, or pass an `ssl_context` that asks for client
    certificates.

    Parameters:
        address: ``(host, port)`` (port 0 picks one, "" every interface),
            ``"tcp://host:port"``, ``"unix:/path"`` or a path (see
            `fastnet.address.parse`).
        ssl_context: for TLS, with a certificate loaded.
        authkey: a key that peers must have too, at least 16 bytes (see
            `fastnet.auth`); or ``authkey(key_id)``, which gives the key for
            the id that a peer names (bytes), or None.  It is called while a
            thread accepts, and should not take long.  Then all that is sent
            and received is authenticated, and peers without the key never
            come out of `accept`.
        suites: which codes may authenticate, of ``"aes-256-gmac"`` and
            ``"hmac-sha256"``, the best first; None: both, in the order that
            suits this processor.
        limits: what peers may ask of this end.
        tuning: how bytes are moved.
        backlog: connections that the system keeps waiting (listen(2)).

    Raises:
        ValueError: not an address, or a key that is too short.
        socket.gaierror: the host cannot be resolved.
        OSError: the address is in use or not this machine's; it names it.
    """
    return Listener(
        parse(address),
        ssl_context=ssl_context,
        credentials=Credentials.of_server(authkey, suites),
        limits=limits or Limits(),
        tuning=tuning or Tuning(),
        backlog=backlog,
    )
