"""Serving in C: one engine per thread, all on the same sockets."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from typing import Any

from fastnet._native.engine import Engine
from fastnet._serve._plan import Plan

__all__ = ["NativeSide"]


class NativeSide:
    """Runs a service in the calling thread and in as many more as were asked for."""

    def __init__(
        self, plan: Plan, sockets: list[socket.socket], drained: Callable[[], None]
    ) -> None:
        assert plan.gate is not None
        self._gate = plan.gate
        self._failure: BaseException | None = None
        spin = plan.tuning.spin_seconds()
        poller = plan.poller or os.environ.get("FASTNET_POLLER")
        self._drained = drained
        self._listening = plan.threads
        self._lock = threading.Lock()
        self._engines = [Engine(poller, spin, self._one_drained) for _ in range(plan.threads)]
        shared = plan.threads > 1 or plan.workers > 1
        for engine in self._engines:
            for sock in sockets:
                if plan.kind == socket.SOCK_DGRAM:
                    engine.receive(sock.fileno(), plan.codec, plan.gate)
                else:
                    engine.listen(sock.fileno(), plan.codec, plan.gate, shared)

    def run(self) -> None:
        """Serves until `stop`, or until `drain` has come to its end."""
        first, *others = self._engines
        threads = [
            threading.Thread(target=self._run_one, args=(engine,), name=f"fastnet-serve-{n}")
            for n, engine in enumerate(others, 1)
        ]
        try:
            for thread in threads:
                thread.start()
            first.run()
        except BaseException:
            self.stop()
            raise
        finally:
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
        if self._failure is not None:
            raise self._failure

    def _run_one(self, engine: Engine) -> None:
        try:
            engine.run()
        except BaseException as error:
            self._failure = error
            self.stop()

    def _one_drained(self) -> None:
        with self._lock:
            self._listening -= 1
            if self._listening:
                return
        self._drained()

    def drain(self) -> None:
        """Accepts no more; `run` returns when what has come is answered; any thread."""
        for engine in self._engines:
            engine.drain()

    def stop(self) -> None:
        """`run` returns at once; any thread."""
        for engine in self._engines:
            engine.stop()

    def stats(self) -> dict[str, int]:
        """Counters of all threads together."""
        total: dict[str, int] = {}
        for engine in self._engines:
            for name, value in engine.counts().items():
                total[name] = total.get(name, 0) + value
        return total

    def peers(self) -> list[tuple[str | None, int, int, int]]:
        """Who is connected: host, port, bytes in and out."""
        return [peer for engine in self._engines for peer in engine.peers()]

    def descriptors(self) -> list[int]:
        """Those of the connections."""
        return [fd for engine in self._engines for fd in engine.descriptors()]

    def close(self) -> None:
        """Closes every connection; the listening sockets are the server's."""
        for engine in self._engines:
            engine.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
