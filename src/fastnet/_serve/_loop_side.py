"""Serving asyncio protocols, on the reactor's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import threading
from asyncio.sslproto import SSLProtocolState
from collections.abc import Callable
from typing import Any

from fastnet._native.reactor import Reactor
from fastnet._serve._linger import Lingering
from fastnet._serve._plan import Plan
from fastnet.loop import EventLoop, new_event_loop

__all__ = ["LoopSide"]

_HANDSHAKES = 1.0  # seconds at most that those under way may take at the end
_TURNS = 50  # in which queued connections are taken before the listener closes


class LoopSide:
    """Runs one event loop in the calling thread."""

    def __init__(
        self, plan: Plan, sockets: list[socket.socket], drained: Callable[[], None]
    ) -> None:
        self._drained = drained
        self._plan = plan
        self._sockets = sockets
        self._lock = threading.RLock()  # a signal handler may come while it is held
        self._loop: EventLoop | None = None
        self._own: list[socket.socket] = []
        self._asked = ""
        self._last: dict[str, int] = {}
        self._wanted: asyncio.Event | None = None
        self._main_task: asyncio.Task[None] | None = None

    def run(self) -> None:
        """Serves until `stop`, or until `drain` has come to its end."""
        with asyncio.Runner(loop_factory=self._new_loop) as runner:
            try:
                runner.run(self._main())
            except asyncio.CancelledError:
                if self._asked != "stop":
                    raise
            finally:
                with self._lock:
                    self._main_task = None
                self._last = self.stats()

    def _new_loop(self) -> EventLoop:
        loop = new_event_loop(poller=self._plan.poller, spin=self._plan.tuning.spin_seconds())
        self._loop = loop
        return loop

    async def _main(self) -> None:
        loop = asyncio.get_running_loop()
        with self._lock:
            self._wanted = asyncio.Event()
            self._main_task = asyncio.current_task()
            if self._asked:
                self._wanted.set()
        closers = [await self._listen(loop, sock) for sock in self._sockets]
        try:
            await self._wanted.wait()
            if self._asked == "drain":
                await _take_the_queued(self._sockets, self._plan.kind)
                for closer in closers:
                    closer.close()
                self._drained()
                await _shake_hands(loop)
                if finish := getattr(self._plan.factory, "finish", None):
                    await finish()
                await _finish(loop)
        finally:
            for closer in closers:
                closer.close()
            if close := getattr(self._plan.factory, "close", None):
                await close()
            _abort(loop)
            await asyncio.sleep(0)

    async def _listen(self, loop: Any, sock: socket.socket) -> Any:
        # The loop closes what it serves on; the server keeps its own.
        own = sock.dup()
        self._own.append(own)
        plan = self._plan
        loop.admit(own, plan.gate, shared=plan.workers > 1)
        if plan.kind == socket.SOCK_DGRAM:
            transport, _ = await loop.create_datagram_endpoint(plan.factory, sock=own)
            return transport
        timeout = plan.limits.handshake_timeout if plan.ssl_context is not None else None
        options: dict[str, Any] = {"ssl": plan.ssl_context, "backlog": plan.backlog}
        if timeout:
            options["ssl_handshake_timeout"] = timeout
        create = loop.create_unix_server if own.family == socket.AF_UNIX else loop.create_server
        return await create(plan.factory, sock=own, **options)

    # ------------------------------------------------------------ from any thread

    def _ask(self, what: str) -> None:
        with self._lock:
            if self._asked == "stop":
                return
            self._asked = what
            loop, task = self._loop, self._main_task
            if loop is None or task is None:
                return
            try:
                if what == "stop":
                    loop.call_soon_threadsafe(task.cancel)
                elif self._wanted is not None:
                    loop.call_soon_threadsafe(self._wanted.set)
            except RuntimeError:
                pass  # the loop has just closed

    def drain(self) -> None:
        """Accepts no more; `run` returns when work in flight is done; any thread."""
        self._ask("drain")

    def stop(self) -> None:
        """`run` returns at once; any thread."""
        self._ask("stop")

    def _reactor(self) -> Reactor | None:
        return None if self._loop is None else self._loop.reactor

    def stats(self) -> dict[str, int]:
        """The reactor's counters."""
        reactor = self._reactor()
        return self._last if reactor is None else reactor.stats()

    def peers(self) -> list[tuple[str | None, int, int, int]]:
        """Who is connected: host, port, bytes in and out."""
        reactor = self._reactor()
        if reactor is None:
            return []
        return [(host, port, got, sent) for _, host, port, got, sent in reactor.peers()]

    def descriptors(self) -> list[int]:
        """Those of the connections, and of the sockets that the loop serves on."""
        found = [sock.fileno() for sock in self._own if sock.fileno() != -1]
        loop: Any = self._loop
        with contextlib.suppress(RuntimeError):  # the loop's thread has added one just now
            found += [] if loop is None else list(loop._transports)
        return found

    def close(self) -> None:
        """Nothing is left after `run`."""


async def _take_the_queued(sockets: list[socket.socket], kind: int) -> None:
    """Lets the loop accept who is connected already but has not been taken yet."""
    poller = select.poll()
    for sock in sockets:
        poller.register(sock, select.POLLIN)
    for _ in range(_TURNS if kind == socket.SOCK_STREAM else 2):
        await asyncio.sleep(0)
        if not poller.poll(0):
            break
    for _ in range(3):  # what has been received is read and handled
        await asyncio.sleep(0)


async def _shake_hands(loop: Any) -> None:
    """Lets who has come over TLS, but is not known to any protocol yet, become so."""
    until = loop.time() + _HANDSHAKES
    while loop.time() < until and any(
        getattr(transport.get_protocol(), "_state", None) is SSLProtocolState.DO_HANDSHAKE
        for transport in list(loop._transports.values())
        if transport._loop is not None
    ):
        await asyncio.sleep(0.01)


def _transports(loop: Any) -> list[Any]:
    """Every transport that has not ended, the outermost of each connection."""
    found = []
    for transport in list(loop._transports.values()):
        if transport._loop is None:  # its connection_lost() was called
            continue
        protocol = transport.get_protocol()
        found.append(getattr(protocol, "_app_transport", None) or transport)
    return found


def _tell_the_waiting(loop: Any) -> None:
    """A stream handler that waits for its peer's next bytes has nothing in flight."""
    for transport in _transports(loop):
        protocol = transport.get_protocol()
        if not isinstance(protocol, asyncio.StreamReaderProtocol):
            continue
        reader = protocol._stream_reader  # type: ignore[attr-defined]
        if reader is not None and reader._waiter is not None and not reader._buffer:
            reader.feed_eof()


async def _finish(loop: Any) -> None:
    """Waits for tasks, then for what they have written; `stop` cuts it short."""
    me = asyncio.current_task()
    while tasks := [task for task in asyncio.all_tasks() if task is not me]:
        _tell_the_waiting(loop)
        await asyncio.wait(tasks, timeout=0.05)
    lingering = Lingering()
    try:
        for transport in list(loop._transports.values()):
            lingering.keep(transport)
        for transport in _transports(loop):
            transport.close()
        pause = 0.0
        while _transports(loop) or lingering:
            await asyncio.sleep(pause)
            lingering.turn()
            pause = min(pause + 0.001, 0.02)
    finally:
        lingering.close()


def _abort(loop: Any) -> None:
    for transport in _transports(loop):
        transport.abort()
