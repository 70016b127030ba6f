"""HTTP servers and clients side by side: what a contestant is, and how its turns are taken.

The rounds, the results and the table are those of `servers_harness`. A *load* is what the client
of a contestant does: `Wrk`, `Drain`, or `Role`, a client in Python that lives as long as it.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from process import HERE, HarnessError, Process, cpus, pin
from servers_harness import ATTEMPTS, Comparison, counted_calls, cpu_seconds, family

TOLERATED = 0.001  # of a turn's requests may fail while connections are made and ended
SLOWEST = 60.0  # seconds that a turn may take beyond its own


@dataclass(frozen=True)
class Turn:
    """Requests/s (or bytes/s), the server's CPU time in µs per request, how busy it was."""

    rate: float
    cpu: float
    busy: float
    p50: float = 0.0
    p99: float = 0.0

    def stalls(self) -> bool:
        return False


class Live(Protocol):
    """A load's client, connected."""

    def run(self, seconds: float) -> dict[str, float]:
        """Loads the server; a dict with ``requests`` and ``seconds``."""

    def close(self) -> None: ...


class Load(Protocol):
    def start(self, where: str) -> Live:
        """A client for the server at ``where``, in words: tcp HOST PORT."""


def run_pinned(command: list[str], seconds: float) -> str:
    """What a client printed that has the client's processor to itself."""
    cpu = cpus()[1]
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: pin(cpu),
    )
    try:
        text = child.communicate(timeout=seconds + SLOWEST)[0]
    except subprocess.TimeoutExpired:
        raise HarnessError(f"{command[0]} does not end") from None
    finally:
        child.kill()
        child.wait()
    if child.returncode:
        raise HarnessError(f"{command[0]}: {text.strip()[-500:]}")
    return text


@dataclass(frozen=True)
class Wrk:
    """Connections that each have a request, or more of them, under way.

    A reply that ends with its connection is an error to wrk: ``ends`` counts those as replies.
    """

    connections: int = 64
    path: str = "/"
    words: tuple[str, ...] = ()  # of http_load.lua
    most: float = 1e9  # seconds of a turn, for servers whose figure needs no precision
    ends: bool = False

    def start(self, where: str) -> Live:
        return _WrkLive(self, where)


class _WrkLive:
    def __init__(self, load: Wrk, where: str) -> None:
        _, host, port = where.split()
        self.load = load
        self.url = f"http://{host}:{port}{load.path}"
        if shutil.which("wrk") is None:
            raise HarnessError("wrk is not installed")

    def run(self, seconds: float) -> dict[str, float]:
        whole = max(1, round(min(seconds, self.load.most)))  # wrk counts in seconds
        command = ["wrk", "-t1", f"-c{self.load.connections}", f"-d{whole}s", "--timeout", "10s"]
        command += ["-s", str(HERE / "http_load.lua"), self.url, "--", *self.load.words]
        text = run_pinned(command, whole)
        lines = [line for line in text.splitlines() if line.startswith("figures ")]
        if not lines:
            raise HarnessError(f"wrk: {text.strip()[-500:]}")
        figures: dict[str, float] = json.loads(lines[-1].partition(" ")[2])
        errors, ended = figures["errors"], figures["ended"]
        if self.load.ends:
            figures["requests"] += ended
        else:
            errors += ended
        if errors > TOLERATED * figures["requests"]:
            raise HarnessError(f"wrk: {errors:,.0f} errors")
        return figures

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Drain:
    """One connection that fetches a large resource and throws it away; figures are bytes."""

    path: str = "/"

    def start(self, where: str) -> Live:
        return _DrainLive(self, where)


class _DrainLive:
    def __init__(self, load: Drain, where: str) -> None:
        from cref.build import build

        self.words = [str(build("http_drain")), where, load.path]

    def run(self, seconds: float) -> dict[str, float]:
        figures = json.loads(run_pinned([*self.words, str(seconds)], seconds))
        return {"requests": figures["bytes"], "seconds": figures["seconds"]}

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Role:
    """A client of ``http_roles.py`` by its name, with parameters."""

    name: str
    params: tuple[tuple[str, Any], ...] = ()

    def start(self, where: str) -> Live:
        return _RoleLive(self, where)


class _RoleLive:
    def __init__(self, load: Role, where: str) -> None:
        command = [sys.executable, str(HERE / "http_roles.py"), load.name, where]
        self.process = Process([*command, json.dumps(dict(load.params))], cpus()[1])
        try:
            self.process.hear("ready", 60.0)
        except HarnessError:
            self.close()
            raise

    def run(self, seconds: float) -> dict[str, float]:
        self.process.tell(f"run {seconds}")
        figures: dict[str, float] = json.loads(self.process.hear("result", seconds + SLOWEST))
        return figures

    def close(self) -> None:
        self.process.end()


@dataclass(frozen=True)
class Contestant:
    """A server's command, what it needs to be there, its load, and a look at its replies."""

    name: str
    server: tuple[str, ...]
    load: Load
    requires: tuple[str, ...] = ()
    check: Callable[[str], str] | None = None  # returns remarks, raises HarnessError


class Running:
    """A contestant while it runs: its replies looked at, its client there."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self.memory: dict[str, int] = {}
        self.server = Process(contestant.server, cpus()[0], group=True)
        self.client: Live | None = None
        self.remarks = ""
        try:
            self.where = self.server.hear("ready", 60.0)
            if contestant.check is not None:
                self.remarks = contestant.check(self.where)
            self.client = contestant.load.start(self.where)
        except OSError as exc:
            wrong = f"{type(exc).__name__}: {exc}\n{self.server.complaints()}"
            self.close()
            raise HarnessError(wrong.rstrip()) from None
        except BaseException:
            self.close()
            raise

    def run(self, seconds: float) -> Turn:
        """One turn; again when other work took the whole of it."""
        assert self.client is not None
        for _ in range(ATTEMPTS):
            pids = family(self.server.child.pid)
            used, began = cpu_seconds(pids), time.perf_counter()
            figures = self.client.run(seconds)
            used, took = cpu_seconds(pids) - used, time.perf_counter() - began
            if figures["requests"]:
                return Turn(
                    rate=figures["requests"] / figures["seconds"],
                    cpu=used / figures["requests"] * 1e6,
                    busy=used / took,
                    p50=figures.get("p50", 0.0),
                    p99=figures.get("p99", 0.0),
                )
        raise HarnessError(f"no request in {ATTEMPTS} turns\n{self.server.complaints()}")

    def system_calls(self, seconds: float) -> float:
        """System calls of the server per request, those that connections cost included."""
        assert self.client is not None
        with tempfile.NamedTemporaryFile("r") as report:
            pids = [word for pid in family(self.server.child.pid) for word in ("-p", str(pid))]
            command = ["strace", "-f", "-c", "-S", "calls", "-o", report.name, *pids]
            tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
            try:
                assert tracer.stderr is not None
                first = tracer.stderr.readline()
                if "attached" not in first:
                    raise HarnessError(f"strace: {first.strip()}")
                figures = self.client.run(seconds)
            finally:
                tracer.send_signal(signal.SIGINT)
                tracer.communicate(timeout=20)
            return counted_calls(report.read()) / figures["requests"]

    def close(self) -> None:
        """Ends the server with all its processes, then the client."""
        self.server.end(ask=False)
        if self.client is not None:
            with contextlib.suppress(HarnessError):
                self.client.close()


class HTTPComparison(Comparison):
    """Contestants side by side."""

    runner = Running

    def start(self, contestants: Iterable[Contestant]) -> None:  # type: ignore[override]
        super().start(contestants)  # type: ignore[arg-type]
        for name, running in self.running.items():
            if running.remarks:  # type: ignore[attr-defined]
                self.say(f"  {name}: {running.remarks}")  # type: ignore[attr-defined]
