"""What the sections of the HTTP proof share: contestants, comparisons, rows."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from http_checks import Check
from http_harness import Contestant, HTTPComparison, Load, Wrk
from servers_harness import Results, python_server
from servers_rows import absent
from table import Row

C_REFERENCE, LOOP, THREADS = "C reference", "fastnet on the loop", "fastnet, 8 threads"
BJOERN, FASTPYSGI, GRANIAN, WSGIREF = "bjoern", "FastPySGI", "Granian, 1 worker", "wsgiref"
PEERS = (BJOERN, FASTPYSGI, GRANIAN)
FASTNET = ("fastnet.wsgi:WSGIServer",)

# How a server of Python is started: function of http_servers, its parameters, what it needs.
SERVERS: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    LOOP: ("fastnet_wsgi", {}, FASTNET),
    THREADS: ("fastnet_wsgi", {"threads": 8}, FASTNET),
    BJOERN: ("bjoern", {}, ("bjoern",)),
    FASTPYSGI: ("fastpysgi", {}, ("fastpysgi",)),
    GRANIAN: ("granian", {}, ("granian",)),
    WSGIREF: ("wsgiref", {}, ()),
}


def wsgi(
    server: str,
    load: Load,
    check: Check,
    *,
    name: str = "",
    requires: tuple[str, ...] = (),
    **app: str,
) -> Contestant:
    """A WSGI server of `SERVERS` with an application of `http_apps.make`."""
    function, params, needs = SERVERS[server]
    command = python_server(f"http_servers:{function}", **params, **app)
    return Contestant(name or server, command, load, (*needs, *requires), check)


def reference(load: Load, check: Check | None, *words: str, name: str = C_REFERENCE) -> Contestant:
    """The C reference, with options."""
    from cref.build import build

    command = (str(build("http_ref")), "tcp 127.0.0.1 0", *words)
    return Contestant(name, command, load, (), check)


@dataclass
class Proof:
    """How thoroughly to measure, and what there is so far (for ``--json``)."""

    quick: bool = False
    wanted_rounds: int | None = None
    say: Callable[[str], None] = print
    results: dict[str, Results] = field(default_factory=dict)

    @property
    def rounds(self) -> int:
        return self.wanted_rounds or (3 if self.quick else 7)

    @property
    def seconds(self) -> float:
        """Of one turn; wrk knows whole ones."""
        return 1.0 if self.quick else 2.0

    def compare(
        self, label: str, contestants: Iterable[Contestant], base: str, unit: str = "requests"
    ) -> Results:
        """Runs contestants in turns."""
        self.say(f"{label} ...")
        with HTTPComparison(base, self.say) as comparison:
            comparison.start(contestants)
            comparison.take_turns(self.rounds, self.seconds)
            results = comparison.results
        self.results[label] = results
        for name in results.names():
            self.say("  " + describe(results, name, unit))
        return results


def describe(results: Results, name: str, unit: str = "requests") -> str:
    rate = results.median(name)
    text = f"{name:32} "
    if unit == "bytes":
        text += f"{rate / 1e9:9.3f} GB/s"
    else:
        text += f"{rate:11,.0f} {unit}/s  CPU {results.median(name, 'cpu'):8.2f} µs each"
    text += f"  busy {results.median(name, 'busy'):4.0%}  p50 {results.median(name, 'p50'):8.1f} µs"
    if results.base in results.names():
        ratios = results.ratios(name, results.base)
        text += f"  {statistics.median(ratios):.3f} of {results.base}"
        text += f" ({min(ratios):.2f}-{max(ratios):.2f})"
    return text


def best(results: Results, names: Sequence[str]) -> str:
    """The fastest of those that took part; the first when none did."""
    there = [name for name in names if not results.why_not(name)]
    return max(there, key=results.median) if there else names[0]


def row(
    section: str,
    case: str,
    results: Results,
    name: str,
    base: str,
    wanted: float | None,
    figure: str = "rate",
    unit: str = "requests",
) -> Row:
    """``name``'s figure over ``base``'s: at least ``wanted`` for a rate, else at most."""
    kind = "" if figure == "rate" else "CPU per request, "
    made = Row(section, f"{case}: {kind}{name}, of {base}", wanted, None, at_least=figure == "rate")
    if any(results.why_not(one) for one in (name, base)):
        return absent(made, results, name, base)
    ratios = results.ratios(name, base, figure)
    mine, theirs = results.median(name, figure), results.median(base, figure)
    if figure == "cpu":
        note = f"{mine:.2f} and {theirs:.2f} µs"
    elif unit == "bytes":
        note = f"{mine / 1e9:.3f} and {theirs / 1e9:.3f} GB/s"
    else:
        note = f"{mine:,.0f} and {theirs:,.0f} {unit}/s"
    if figure == "rate":
        busy = results.median(name, "busy"), results.median(base, "busy")
        note += f"; busy {busy[0]:.0%} and {busy[1]:.0%}"
    spread = (min(ratios), max(ratios))
    return replace(made, measured=statistics.median(ratios), spread=spread, note=note)


def make_file(directory: str, size: int) -> str:
    """A file of random bytes, in the page cache."""
    path = Path(directory) / f"random-{size}"
    path.write_bytes(np.random.default_rng(size).bytes(size))
    return str(path)


def temporary_directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="fnb-")


def short(load: Wrk) -> Wrk:
    """For servers that end each connection: their ports run out, and no precision is needed."""
    return replace(load, most=1.0, ends=True)
