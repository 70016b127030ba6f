"""Side-by-side timing of servers under load.

A *contestant* is a server and the client that loads it, each a fresh process on a processor of its
own, alive for a whole comparison with all its connections open. Contestants take turns, A B C, then
C B A; a turn is one `run` of the client for a fixed time, of which the beginning does not count.
Ratios are taken within a round.

The client is the same C program for all of them (``cref/load.h``). It checks every byte of every
reply in `verify` and at the beginning of each turn. The server knows of no harness: its CPU time,
memory and system calls are read from outside.

One contestant that breaks down, or answers wrong, or stalls at 40 ms per message (a delayed
acknowledgement: its figure would be about a timer) leaves the comparison; the others go on.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from harness import turns
from process import HERE, HarnessError, Process, cpus, missing

WARM = 0.15  # of a turn
ATTEMPTS = 3
KERNEL_STACK_KIB = 16  # THREAD_SIZE of Linux on x86-64 and arm64

# A delayed acknowledgement shows as a peak: so large a share of messages between 38 and 48 ms, so
# many times what lies on either side, and a processor that is idle for so much of the time. A
# server that is merely overloaded, or kept waiting by other work, lacks at least one of them.
STALLED_MESSAGES, STALLED_PEAK, STALLED_IDLE = 0.01, 3.0, 0.3


@dataclass(frozen=True)
class Load:
    """What a client does to a server; the fields are those of ``cref/load.c``.

    ``command`` replaces the C client by another that speaks the same lines; ``idle`` connections
    are opened besides, and say nothing once they have had one answer.
    """

    connections: int = 64
    size: int = 1024
    kind: str = "stream"
    window: int = 64
    single: bool = False
    spin: int = 0
    ca: str = ""
    idle: int = 0
    command: tuple[str, ...] = ()

    def words(self) -> list[str]:
        """The command line of the client."""
        from cref.build import build

        if self.command:
            return list(self.command)
        fields = ("connections", "size", "kind", "window", "spin")
        words = [f"{name}={getattr(self, name)}" for name in fields]
        words += [f"single={int(self.single)}"]
        words += [f"ca={self.ca}"] if self.ca else []
        return [str(build("tls_load" if self.ca else "load")), *words]


@dataclass(frozen=True)
class Contestant:
    """A server's command, what it needs to be there, and its load."""

    name: str
    server: tuple[str, ...]
    load: Load
    requires: tuple[str, ...] = ()


def python_server(target: str, **params: Any) -> tuple[str, ...]:
    """The command that runs ``module:function`` of a Python server with these parameters."""
    return (sys.executable, str(HERE / "serve.py"), target, json.dumps(params))


@dataclass(frozen=True)
class Turn:
    """What one turn gave: messages/s, latencies in µs, the server's CPU time in µs per message."""

    rate: float
    p50: float
    p99: float
    cpu: float
    idle: float  # share of the time that the server's processor did nothing
    stalled: float  # share of messages between 38 and 48 ms, and between 28 and 58 otherwise
    beside: float
    lost: int

    def stalls(self) -> bool:
        """Whether messages wait for a timer of 40 ms."""
        peak = self.stalled > max(STALLED_MESSAGES, STALLED_PEAK * self.beside)
        return peak and self.idle > STALLED_IDLE


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                found += family(int(child))
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time of processes with all threads they have and had: the kernel's per-process clock."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def idle_seconds(cpu: int) -> float:
    """How long a processor has been idle since the system started."""
    for line in Path("/proc/stat").read_text().splitlines():
        word, *times = line.split()
        if word == f"cpu{cpu}":
            return (int(times[3]) + int(times[4])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def resident_kib(pid: int) -> int:
    """KiB resident in a process and its descendants."""
    total = 0
    for one in family(pid):
        for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                total += int(line.split()[1])
    return total


def kernel_stack_kib(pid: int) -> int:
    """KiB of kernel stacks of the threads of a process and its descendants.

    They are as much a thread's cost as its own stack, and in nobody's resident memory.
    """
    return sum(len(os.listdir(f"/proc/{one}/task")) for one in family(pid)) * KERNEL_STACK_KIB


class Running:
    """A contestant while it runs: connected and verified once."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self.memory: dict[str, int] = {}  # KiB resident in the server, by when it was looked at
        self.cpu, client_cpu = cpus()
        self.server = Process(contestant.server, self.cpu)
        try:
            self.client = Process(contestant.load.words(), client_cpu)
        except BaseException:
            self.server.end(ask=False)
            raise
        try:
            self._connect()
        except BaseException:
            self.close()
            raise

    def _ask(self, line: str, word: str, timeout: float = 60.0) -> str:
        """One line to the client and the rest of its answer; the server's words if that fails."""
        try:
            self.client.tell(line)
            return self.client.hear(word, timeout)
        except HarnessError as exc:
            raise HarnessError(f"{exc}\n{self.server.complaints()}".rstrip()) from None

    def _connect(self) -> None:
        where = self.server.hear("ready", 30.0)
        self.client.hear("ready", 30.0)
        self.memory["start"] = resident_kib(self.server.child.pid)
        stacks = kernel_stack_kib(self.server.child.pid)
        self._ask("connect " + where, "ok")
        self._ask("verify", "sum")
        self.memory["connected"] = resident_kib(self.server.child.pid)
        self.memory["stacks"] = kernel_stack_kib(self.server.child.pid) - stacks
        if self.contestant.load.idle:
            self._ask(f"idle {self.contestant.load.idle}", "ok")
            self.memory["idle"] = resident_kib(self.server.child.pid)

    def run(self, seconds: float) -> Turn:
        """One turn of so many seconds; again when other work took the whole of it from us."""
        for _ in range(ATTEMPTS):
            turn = self._run(seconds)
            if turn is not None:
                return turn
        raise HarnessError(f"no message in {ATTEMPTS} turns")

    def _run(self, seconds: float) -> Turn | None:
        pids = family(self.server.child.pid)
        used, idle, began = cpu_seconds(pids), idle_seconds(self.cpu), time.perf_counter()
        figures = json.loads(self._ask(f"run {seconds} {seconds * WARM}", "result"))
        used = cpu_seconds(pids) - used
        idle = (idle_seconds(self.cpu) - idle) / (time.perf_counter() - began)
        if not figures["messages"]:
            return None
        # By bytes where messages are large: a message that straddles the end counts in part.
        done = figures["messages"]
        if self.contestant.load.kind == "stream":
            done = figures["bytes"] / self.contestant.load.size
        return Turn(
            rate=done / figures["seconds"],
            p50=figures["p50"],
            p99=figures["p99"],
            cpu=used / figures["all"] * 1e6,
            idle=idle,
            stalled=figures["stalled"],
            beside=figures["beside"],
            lost=figures["lost"],
        )

    def system_calls(self, seconds: float) -> float:
        """System calls of the server per message, counted by strace, which must be there."""
        with tempfile.NamedTemporaryFile("r") as report:
            pids = [word for pid in family(self.server.child.pid) for word in ("-p", str(pid))]
            command = ["strace", "-f", "-c", "-S", "calls", "-o", report.name, *pids]
            tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
            try:
                assert tracer.stderr is not None
                first = tracer.stderr.readline()  # "strace: Process 1 attached"
                if "attached" not in first:
                    raise HarnessError(f"strace: {first.strip()}")
                figures = json.loads(self._ask(f"run {seconds} {seconds * WARM}", "result"))
            finally:
                tracer.send_signal(signal.SIGINT)
                tracer.communicate(timeout=20)
            return counted_calls(report.read()) / float(figures["all"])

    def close(self) -> None:
        """Ends both processes; the server first, so that it sees no connection go."""
        self.server.end(ask=False)
        self.client.end(ask=False)


def counted_calls(report: str) -> int:
    """The total of strace's table: the column before the last ones of its last line."""
    for line in reversed(report.splitlines()):
        if line.split()[-1:] == ["total"]:
            numbers = [int(word) for word in line.split()[:-1] if re.fullmatch(r"\d+", word)]
            # percent, seconds, usecs/call (absent in older versions), calls, errors (if any)
            return max(numbers)
    raise HarnessError("strace reported nothing")


def has_strace() -> bool:
    return shutil.which("strace") is not None


@dataclass
class Results:
    """Turns by round of every contestant that took part, and why the others did not."""

    base: str = ""
    rounds: list[dict[str, Turn]] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)  # not there
    failed: dict[str, str] = field(default_factory=dict)  # broke down, or wrong, or stalled
    memory: dict[str, dict[str, int]] = field(default_factory=dict)
    calls: dict[str, float] = field(default_factory=dict)  # system calls per message

    def names(self) -> list[str]:
        return list(self.rounds[0]) if self.rounds else []

    def values(self, name: str, figure: str = "rate") -> list[float]:
        return [float(getattr(turn[name], figure)) for turn in self.rounds]

    def median(self, name: str, figure: str = "rate") -> float:
        return statistics.median(self.values(name, figure))

    def ratios(self, name: str, base: str, figure: str = "rate") -> list[float]:
        """The figure over the base's, round by round."""
        mine, theirs = self.values(name, figure), self.values(base, figure)
        return [one / max(other, 1e-9) for one, other in zip(mine, theirs, strict=True)]

    def why_not(self, name: str) -> str:
        """Why a contestant has no figures; empty when it has."""
        if name in self.failed:
            return self.failed[name]
        if name in self.skipped:
            return self.skipped[name]
        taken = name in self.names() or name in self.calls
        return "" if taken else "did not take part"

    def as_dict(self) -> dict[str, Any]:
        """Everything, for ``--json``."""
        return {
            "base": self.base,
            "skipped": self.skipped,
            "failed": self.failed,
            "resident_kib": self.memory,
            "system_calls_per_message": self.calls,
            "rounds": [{name: asdict(turn) for name, turn in r.items()} for r in self.rounds],
        }


class Comparison:
    """Contestants side by side; as a context, all that still run are ended at its end."""

    runner: type[Any] = Running  # of one contestant; other proofs have their own

    def __init__(self, base: str, say: Callable[[str], None]) -> None:
        self.results = Results(base)
        self.running: dict[str, Running] = {}
        self.say = say

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for running in self.running.values():
            running.close()

    def start(self, contestants: Iterable[Contestant]) -> None:
        """Starts, connects and verifies each; those that cannot are noted and left out."""
        for contestant in contestants:
            absent = missing(contestant.requires)
            if absent:
                self.results.skipped[contestant.name] = "not there: " + ", ".join(absent)
                self.say(f"  skipped {contestant.name} ({', '.join(absent)})")
                continue
            try:
                running = self.runner(contestant)
            except (HarnessError, OSError, subprocess.CalledProcessError) as exc:
                self._leave(contestant.name, exc)
                continue
            self.running[contestant.name] = running
            self.results.memory[contestant.name] = running.memory

    def take_turns(self, rounds: int, seconds: float) -> None:
        """One round that warms everything up, then ``rounds`` that count."""
        for number in range(rounds + 1):
            done: dict[str, Turn] = {}
            for name in turns(self.running, number):
                try:
                    done[name] = self._turn(name, seconds)
                except HarnessError as exc:
                    self._leave(name, exc)
            if number:
                self.results.rounds.append(done)
        for done in self.results.rounds:  # of those only who stayed to the end
            for name in set(done) - set(self.running):
                del done[name]

    def count_calls(self, seconds: float) -> None:
        for name, running in list(self.running.items()):
            try:
                self.results.calls[name] = running.system_calls(seconds)
            except (HarnessError, OSError, subprocess.TimeoutExpired) as exc:
                self._leave(name, exc)

    def _turn(self, name: str, seconds: float) -> Turn:
        turn = self.running[name].run(seconds)
        if turn.stalls():
            raise HarnessError(f"stalls at 40 ms ({turn.stalled:.0%} of its messages)")
        return turn

    def _leave(self, name: str, exc: Exception) -> None:
        self.say(f"  {name} leaves: {exc}")
        self.results.failed[name] = str(exc).splitlines()[0]
        running = self.running.pop(name, None)
        if running is not None:
            running.close()
