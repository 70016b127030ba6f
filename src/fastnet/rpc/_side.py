"""What serves calls within one process (see fastnet._serve)."""

from __future__ import annotations

import functools
import ipaddress
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from fastnet._native import sock as _sock
from fastnet._native.memory import Pool
from fastnet._native.rpcserver import Server as Core
from fastnet._peer import is_ours
from fastnet.errors import AuthenticationError
from fastnet.rpc._errors import describe
from fastnet.rpc._tasks import Tasks
from fastnet.rpc._tls import Tls

__all__ = ["RpcSide", "Service"]

_UNLIMITED = (1 << 63) - 1


class Service:
    """What an RPCServer serves, for the process that does it."""

    def __init__(
        self,
        methods: Any,
        codecs: list[Any],
        threads: int,
        local_only: bool,
        keys: dict[str, Any],
    ) -> None:
        self.keys = keys
        self.methods = methods
        self.codecs = codecs
        self.threads = threads
        self.local_only = local_only

    def make_side(
        self, plan: Any, sockets: list[socket.socket], drained: Callable[[], None]
    ) -> RpcSide:
        """For fastnet._serve."""
        return RpcSide(self, plan, sockets, drained)


class RpcSide:
    """Runs a server of calls in threads of its own."""

    def __init__(
        self,
        service: Service,
        plan: Any,
        sockets: list[socket.socket],
        drained: Callable[[], None],
    ) -> None:
        self._service, self._plan = service, plan
        self._threads: list[threading.Thread] = []
        self._tasks = Tasks()
        self._last: dict[str, int] = {}
        limits, tuning = plan.limits, plan.tuning
        self._core = Core(
            poller=plan.poller or os.environ.get("FASTNET_POLLER"),
            spin=tuning.spin_seconds(),
            gate=plan.gate,
            methods=service.methods.table,
            codecs=service.codecs,
            describe=describe,
            tasks=self._tasks,
            admit=self._admit,
            spawn=self._spawn,
            drained=drained,
            threads=service.threads,
            calls=limits.calls,
            pending=limits.pending or 0,
            options={
                "pool": Pool(tuning.pool_bytes, tuning.pool_idle, tuning.huge_pages),
                "message": limits.message_bytes or _UNLIMITED,
                "in_flight": limits.in_flight_bytes or _UNLIMITED,
                "waiting": limits.write_buffer or 16 << 20,
                **service.keys,
            },
        )
        shared = plan.workers > 1
        for sock in sockets:
            self._core.listen(sock.fileno(), shared)

    def _spawn(self, core: Core, first: bool = False) -> None:
        thread = threading.Thread(
            target=functools.partial(core.serve, first), name="fastnet-rpc", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _admit(self, fd: int) -> tuple[Any, bool, Tls | None]:
        """A newcomer: its address, whether it is ours, its TLS."""
        tuning = self._plan.tuning
        with socket.socket(fileno=os.dup(fd)) as copy:
            address: Any = copy.getpeername()
            local = copy.family == socket.AF_UNIX and is_ours(copy)
        if self._service.local_only and not local:
            raise AuthenticationError("pickle over a Unix socket is for processes of our user")
        _sock.tune(
            fd,
            tuning.congestion_bytes(),
            tuning.send_buffer or 0,
            tuning.receive_buffer or 0,
            tuning.nodelay,
        )
        context = self._plan.ssl_context
        return address, local, None if context is None else Tls(fd, context, server=True)

    # ------------------------------------------------------------- for fastnet._serve

    def run(self) -> None:
        """Serves until `stop`, or until `drain` has come to its end."""
        core = self._core
        core.begin()
        try:
            while not core.ended(3600.0):
                pass
        except BaseException:
            core.stop()
            core.ended(5.0)
            raise
        finally:
            self._tasks.close()
            end = time.monotonic() + 1.0
            for thread in self._threads:  # but for who is in a handler that takes longer
                thread.join(max(0.0, end - time.monotonic()))
        if core.failure is not None:
            raise core.failure

    def drain(self) -> None:
        """Accepts no more; `run` returns when what has come is answered; any thread."""
        self._core.drain()

    def stop(self) -> None:
        """`run` returns at once; any thread."""
        self._core.stop()

    def stats(self) -> dict[str, int]:
        """Counters."""
        return self._core.counts()

    def peers(self) -> list[tuple[str | None, int, int, int]]:
        """Who is connected: host, port, bytes in and out."""
        return [(_host(raw), port, got, sent) for raw, port, got, sent in self._core.each()]

    def descriptors(self) -> list[int]:
        """Those of the connections."""
        return self._core.descriptors()

    def close(self) -> None:
        """Frees the reactor; the listening sockets are the server's."""
        self._core.close()


def _host(address: bytes | None) -> str | None:
    if address is None:
        return None
    found = ipaddress.IPv6Address(address)
    return str(found.ipv4_mapped or found)
