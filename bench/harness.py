"""Side-by-side timing of contestants that move arrays between two processes.

A *contestant* is a pair of commands, a server role and a client role, run as two fresh processes
pinned to different processors and kept alive for the whole run. Contestants take turns: A B C,
then C B A, and so on, so that a slow spell of the machine falls on all of them. A turn is one
repetition that is not counted and several that are; the clock is the sender's, from before the
send until the receiver's one-byte acknowledgement. Figures are medians of a turn's repetitions;
a ratio is taken within one round, against one named base, and the median of those is reported
with their spread.

Before anything is timed each contestant moves random bytes, and what came is compared with what
was sent: a contestant that is fast but wrong ends the run.
"""

from __future__ import annotations

import contextlib
import json
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from process import HERE, HarnessError, Process, cpus, missing, pin

BUSY_LOOP = """
x = 1
while True:
    for _ in range(1000):
        x = (x * 69069 + 1) & 0xFFFFFFFF
"""


@dataclass(frozen=True)
class Contestant:
    """One way to move an array: two commands and what one repetition of it amounts to.

    ``server`` and ``client`` are argument lists; ``nbytes`` and ``messages`` are moved per
    repetition; ``requires`` names packages without which it is skipped; ``busy`` is ``"thread"``
    (a pure-Python thread in each process) or ``"process"`` (one beside each, same processor);
    ``server_prefix`` goes before the server's command, ``ip netns exec NAME`` for instance.
    """

    name: str
    server: Sequence[str]
    client: Sequence[str]
    nbytes: int
    messages: int = 1
    requires: tuple[str, ...] = ()
    busy: str = ""
    server_prefix: tuple[str, ...] = ()
    client_prefix: tuple[str, ...] = ()

    def missing(self) -> list[str]:
        """Packages that this contestant needs and that are not installed."""
        return missing(self.requires)


def python_contestant(
    name: str, target: str, *, requires: tuple[str, ...] = (), busy: bool = False, **params: Any
) -> Contestant:
    """A contestant whose two ends are the `roles.Role` subclass named ``module:Class``."""
    command = [sys.executable, str(HERE / "roles.py"), target]
    words = json.dumps(params)
    count = params.get("count", 1)
    return Contestant(
        name,
        [*command, "server", words],
        [*command, "client", words],
        nbytes=params["size"] * count,
        messages=count,
        requires=requires,
        busy="thread" if busy else "",
    )


class Pair:
    """A contestant while it runs: both processes, connected and verified once."""

    def __init__(self, contestant: Contestant) -> None:
        self.contestant = contestant
        self.neighbours: list[subprocess.Popen[bytes]] = []
        server_cpu, client_cpu = cpus()
        self.server = Process([*contestant.server_prefix, *contestant.server], server_cpu)
        try:
            self.client = Process([*contestant.client_prefix, *contestant.client], client_cpu)
        except BaseException:
            self.server.end()
            raise
        try:
            self._connect()
            if contestant.busy == "process":
                self._start_neighbours(server_cpu, client_cpu)
        except BaseException:
            self.close()
            raise

    def _connect(self) -> None:
        where = self.server.hear("ready")
        self.client.hear("ready")
        self.server.tell("accept")
        self.client.tell("connect " + where)
        self.client.hear("ok")
        self.server.hear("ok")

    def _start_neighbours(self, *processors: int) -> None:
        for cpu in processors:
            child = subprocess.Popen(
                [sys.executable, "-c", BUSY_LOOP],
                preexec_fn=lambda cpu=cpu: pin(cpu),  # type: ignore[misc]
            )
            self.neighbours.append(child)
            child.send_signal(signal.SIGSTOP)

    def verify(self) -> str:
        """Moves random bytes once and returns their checksum, the same at both ends."""
        self.server.tell("verify")
        self.server.hear("started")
        self.client.tell("verify")
        sent, received = self.client.hear("sum"), self.server.hear("sum")
        if sent != received:
            raise HarnessError(
                f"{self.contestant.name}: sent {sent}, received {received}: the bytes differ"
            )
        return sent

    @contextlib.contextmanager
    def _busy(self) -> Iterator[None]:
        """Makes both ends' busy companions work while this contestant has its turn."""
        kind = self.contestant.busy
        if kind == "thread":
            self._tell_both("busy on")
        for child in self.neighbours:
            child.send_signal(signal.SIGCONT)
        yield
        for child in self.neighbours:
            child.send_signal(signal.SIGSTOP)
        if kind == "thread":
            self._tell_both("busy off")

    def _tell_both(self, line: str) -> None:
        for process in (self.server, self.client):
            process.tell(line)
            process.hear("ok")

    def run(self, reps: int, *, uncounted: int = 1) -> list[float]:
        """Seconds of each of ``reps`` repetitions; ``uncounted`` more go first."""
        total = reps + uncounted
        with self._busy():
            self.server.tell(f"run {total}")
            self.server.hear("started")
            self.client.tell(f"run {total}")
            times = [float(word) for word in self.client.hear("times").split()]
            self.server.hear("done")
        return times[uncounted:]

    def memory(self) -> tuple[int, int]:
        """Peak KiB beyond the arrays so far, at server and client."""
        self.server.tell("memory")
        self.client.tell("memory")
        return int(self.server.hear("memory")), int(self.client.hear("memory"))

    def close(self) -> None:
        """Ends all its processes; those that do not end are killed."""
        for child in self.neighbours:
            child.kill()
            child.wait()
        self.client.end()
        self.server.end()


@dataclass
class Results:
    """Medians per round of every contestant that took part, and why the others did not."""

    contestants: dict[str, Contestant] = field(default_factory=dict)
    rounds: list[dict[str, float]] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    memory: dict[str, tuple[int, int]] = field(default_factory=dict)  # KiB: server, client
    base: str = ""

    def seconds(self, name: str) -> float:
        return statistics.median(r[name] for r in self.rounds)

    def gigabytes(self, name: str) -> float:
        """GB/s (10**9 bytes)."""
        return self.contestants[name].nbytes / self.seconds(name) / 1e9

    def messages(self, name: str) -> float:
        """Messages per second."""
        return self.contestants[name].messages / self.seconds(name)

    def ratios(self, name: str, base: str) -> list[float]:
        """Speed over the base's, round by round (per byte, or per message when counted)."""
        mine, theirs = self.contestants[name], self.contestants[base]
        work = mine.nbytes / theirs.nbytes
        if mine.messages > 1:
            work = mine.messages / theirs.messages
        return [work * r[base] / r[name] for r in self.rounds]

    def ratio(self, name: str, base: str) -> float:
        return statistics.median(self.ratios(name, base))

    def has(self, *names: str) -> bool:
        return all(name in self.contestants for name in names)

    def as_dict(self) -> dict[str, Any]:
        """Everything, for ``--json``."""
        return {
            "base": self.base,
            "skipped": self.skipped,
            "contestants": {
                name: {
                    "nbytes": c.nbytes,
                    "messages": c.messages,
                    "seconds_per_round": [r[name] for r in self.rounds],
                    "gigabytes_per_second": self.gigabytes(name),
                    "ratio": self.ratio(name, self.base),
                    "extra_memory_kib": self.memory[name],
                }
                for name, c in self.contestants.items()
            },
        }


def compare(
    contestants: Iterable[Contestant],
    *,
    base: str,
    rounds: int,
    reps: int,
    say: Callable[[str], None] = lambda text: None,
) -> Results:
    """Runs all contestants in turns and returns what each took.

    Raises `HarnessError` when one fails or delivers wrong bytes; a contestant whose packages are
    absent is skipped, and the results say so.
    """
    results = Results(base=base)
    with contextlib.ExitStack() as stack:
        pairs: dict[str, Pair] = {}
        for contestant in contestants:
            absent = contestant.missing()
            if absent:
                results.skipped[contestant.name] = "not installed: " + ", ".join(absent)
                say(f"  skipped {contestant.name} ({results.skipped[contestant.name]})")
                continue
            pair = Pair(contestant)
            stack.callback(pair.close)
            pair.verify()
            pairs[contestant.name] = pair
            results.contestants[contestant.name] = contestant
        if base not in pairs:
            raise HarnessError(f"the base {base!r} did not take part")
        take_turns(pairs, results, rounds, reps)
        results.memory = {name: pair.memory() for name, pair in pairs.items()}
    return results


def turns(names: Iterable[str], number: int) -> list[str]:
    """Who goes when in round ``number``: A B C, then C B A."""
    order = list(names)
    return order if number % 2 else order[::-1]


def take_turns(pairs: dict[str, Pair], results: Results, rounds: int, reps: int) -> None:
    """The timed part: one round that warms everything up, then ``rounds`` that count."""
    for number in range(rounds + 1):
        order = turns(pairs, number)
        medians = {name: statistics.median(pairs[name].run(reps)) for name in order}
        if number:
            results.rounds.append(medians)
