"""The sections of the server proof: each measures one thing and returns its rows."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from servers_contestants import (
    C_REFERENCE,
    RECIPES,
    make,
    make_certificate,
    temporary_directory,
    tls_load,
    unix_pair,
)
from servers_harness import Comparison, Contestant, Load, Results
from table import Row

KIB, MIB = 1 << 10, 1 << 20
Bound = tuple[str, str, float | None]  # a contestant, its base, the least ratio wanted


@dataclass
class Proof:
    """How thoroughly to measure, what to leave out, and what there is so far (for ``--json``)."""

    quick: bool = False
    match: str = ""
    say: Callable[[str], None] = print
    results: dict[str, Results] = field(default_factory=dict)

    @property
    def rounds(self) -> int:
        return 3 if self.quick else 11

    @property
    def seconds(self) -> float:
        """Of one turn."""
        return 0.2 if self.quick else 0.4

    def wants(self, label: str) -> bool:
        return self.match in label

    def compare(self, label: str, contestants: Iterable[Contestant], base: str) -> Results:
        """Runs contestants in turns."""
        self.say(f"{label} ...")
        with Comparison(base, self.say) as comparison:
            comparison.start(contestants)
            comparison.take_turns(self.rounds, self.seconds)
            results = comparison.results
        self.note(label, results)
        return results

    def note(self, label: str, results: Results) -> None:
        self.results[label] = results
        for name in results.names():
            self.say(f"  {describe(results, name)}")


def label_of(key: str) -> str:
    return RECIPES[key].label


def describe(results: Results, name: str) -> str:
    text = f"{name:30} {results.median(name):9,.0f} messages/s"
    text += f"  p50 {results.median(name, 'p50'):8.1f} µs  p99 {results.median(name, 'p99'):8.1f}"
    text += f"  CPU {results.median(name, 'cpu'):6.2f} µs/message"
    if results.base in results.names():
        ratios = results.ratios(name, results.base)
        text += f"  {statistics.median(ratios):.3f} of {results.base}"
        text += f" ({min(ratios):.2f}-{max(ratios):.2f})"
    return text


def absent(row: Row, results: Results, *names: str) -> Row:
    """The row when figures of ``names`` are not there, and why not; failed if the first broke."""
    reasons = {name: results.why_not(name) for name in names}
    note = "; ".join(f"{name}: {why}" for name, why in reasons.items() if why)
    return replace(row, note=note, failed=names[0] in results.failed)


def ratio_row(
    section: str,
    what: str,
    results: Results,
    name: str,
    base: str,
    wanted: float | None,
    figure: str = "rate",
) -> Row:
    """``name``'s figure over ``base``'s; skipped when either did not take part.

    The bound is "at least" for rates and "at most" for all that is the better the smaller.
    """
    row = Row(section, what, wanted, None, at_least=figure == "rate")
    if any(results.why_not(one) for one in (name, base)):
        return absent(row, results, name, base)
    ratios = results.ratios(name, base, figure)
    mine, theirs = results.median(name, figure), results.median(base, figure)
    note = f"{mine:,.2f} and {theirs:,.2f} µs"
    if figure == "rate":
        note = f"{mine:,.0f} and {theirs:,.0f} messages/s; CPU"
        note += f" {results.median(name, 'cpu'):.2f} and {results.median(base, 'cpu'):.2f} µs"
    spread = (min(ratios), max(ratios))
    return replace(row, measured=statistics.median(ratios), spread=spread, note=note)


def bounded(section: str, case: str, results: Results, bounds: Iterable[Bound]) -> list[Row]:
    """A row for each of (contestant, base, least ratio), contestants by their short names."""
    rows = []
    for mine, other, wanted in bounds:
        name, base = label_of(mine), label_of(other)
        rows.append(ratio_row(section, f"{name}, {case}, of {base}", results, name, base, wanted))
    return rows


def size_text(size: int) -> str:
    return (
        f"{size // MIB} MiB"
        if size >= MIB
        else f"{size // KIB} KiB"
        if size >= KIB
        else f"{size} B"
    )


def echo(proof: Proof) -> list[Row]:
    """All in C, and nothing between: the reactor beside the best loop written by hand."""
    rows = []
    for connections in (1, 64, 1000):
        for size in (64, KIB, 64 * KIB):
            case = f"{connections} x {size_text(size)}"
            if proof.wants(f"echo {case}"):
                rows += _echo_case(proof, case, Load(connections, size))
            # What is left of a round trip is then the client's own way out of its sleep.
            awake = f"{case}, client spins"
            if connections == 1 and proof.wants(f"echo {awake}"):
                rows += _echo_case(proof, awake, Load(connections, size, spin=150))
    if proof.wants("echo unix"):
        with temporary_directory() as directory:
            pair = unix_pair(directory, Load())
            results = proof.compare("echo unix 64 x 1 KiB", pair, C_REFERENCE)
        what = "services.Echo on a Unix socket, 64 x 1 KiB, of the C reference"
        rows.append(ratio_row("echo", what, results, label_of("echo"), C_REFERENCE, None))
    return rows


def _echo_case(proof: Proof, case: str, load: Load) -> list[Row]:
    contestants = [make(key, load) for key in ("cref", "echo", "echo-nospin")]
    results = proof.compare(f"echo {case}", contestants, C_REFERENCE)
    spinning, sleeping = label_of("echo"), label_of("echo-nospin")
    what = f"{spinning}, {case}, of the C reference"
    off = f"{sleeping}, {case}, of the C reference"
    # At one connection the two differ in kind; with more, what a user gets is judged.
    alone = load.connections == 1
    return [
        ratio_row("echo", what, results, spinning, C_REFERENCE, 2.5 if alone else 0.97),
        ratio_row("echo", off, results, sleeping, C_REFERENCE, 0.97 if alone else None),
    ]


def protocol(proof: Proof) -> list[Row]:
    """`asyncio.Protocol` and `BufferedProtocol`, the same classes on three loops."""
    rows: list[Row] = []
    keys = ["cref", "fast-protocol", "fast-buffered", "uv-protocol", "uv-buffered", "aio-protocol"]
    bounds: list[Bound] = [
        ("fast-protocol", "cref", 0.90),
        ("fast-protocol", "uv-protocol", 1.10),
        ("fast-protocol", "aio-protocol", None),
        ("fast-buffered", "fast-protocol", 1.0),
        ("fast-buffered", "uv-buffered", None),
    ]
    for connections in (64, 1000):
        case = f"{connections} x 1 KiB"
        if not proof.wants(f"protocol {case}"):
            continue
        contestants = [make(key, Load(connections)) for key in keys]
        results = proof.compare(f"protocol {case}", contestants, C_REFERENCE)
        rows += bounded("protocol", case, results, bounds)
        ours, theirs = label_of("fast-protocol"), label_of("uv-protocol")
        what = f"server CPU per message, {ours}, {case}, of {theirs}"
        rows.append(ratio_row("protocol", what, results, ours, theirs, 0.8, "cpu"))
    return rows


def streams(proof: Proof) -> list[Row]:
    """asyncio's streams, the documentation's echo."""
    keys = ["uv-streams", "fast-streams", "aio-streams"]
    base = label_of("uv-streams")
    results = proof.compare("streams 64 x 1 KiB", [make(key) for key in keys], base)
    bounds = [("fast-streams", "uv-streams", 1.10), ("fast-streams", "aio-streams", None)]
    return bounded("streams", "64 x 1 KiB", results, bounds)


def blocking(proof: Proof) -> list[Row]:
    """The seeds' blocking handler on servers with threads and with greenlets."""
    rows: list[Row] = []
    keys = ["cref", "green", "fast-threads", "std-threads", "std-nodelay", "gevent"]
    for connections, wanted in ((64, 1.4), (1000, 1.6)):
        case = f"{connections} x 1 KiB"
        if not proof.wants(f"blocking {case}"):
            continue
        contestants = [make(key, Load(connections)) for key in keys]
        results = proof.compare(f"blocking {case}", contestants, C_REFERENCE)
        bounds = [("green", "cref", 0.65), ("green", "std-threads", wanted)]
        bounds += [("green", "std-nodelay", wanted), ("green", "gevent", 1.8)]
        bounds += [("fast-threads", "std-threads", 1.0), ("fast-threads", "std-nodelay", 1.0)]
        rows += bounded("blocking", case, results, bounds)
        if connections == 1000:
            rows += _memory_of_connections(results)
    return rows


def _memory_of_connections(results: Results) -> list[Row]:
    """What 1,000 connections cost: threads' stacks, or greenlets."""
    green, threads = label_of("green"), label_of("std-threads")
    what = "memory of 1,000 connections, GreenTCPServer, of ThreadingTCPServer's"
    both = Row("blocking", f"{what}, kernel stacks included", 0.25, None, at_least=False)
    own = Row("blocking", f"{what}, resident memory alone", None, None, at_least=False)
    if results.why_not(green) or results.why_not(threads):
        return [absent(row, results, green, threads) for row in (both, own)]
    grown, stacks = {}, {}
    for name in (green, threads):
        memory = results.memory[name]
        grown[name] = max(1, memory["connected"] - memory["start"])
        stacks[name] = memory["stacks"]
    note = f"{grown[green] / 1024:.1f} and {grown[threads] / 1024:.1f} MiB beyond the bare server"
    note += f", and {stacks[green] / 1024:.1f} and {stacks[threads] / 1024:.1f} of kernel stacks"
    ratio = (grown[green] + stacks[green]) / (grown[threads] + stacks[threads])
    return [
        replace(both, measured=ratio, note=note),
        replace(own, measured=grown[green] / grown[threads], note=note),
    ]


def udp(proof: Proof) -> list[Row]:
    """Recipe 11.3's time service, 64 requests under way."""
    keys = ["udp-cref", "udp-time", "udp-std", "udp-fast", "udp-uv", "udp-aio"]
    results = proof.compare("udp time, 64 under way", [make(key) for key in keys], C_REFERENCE)
    bounds: list[Bound] = [
        ("udp-time", "udp-cref", 0.95),
        ("udp-time", "udp-std", 2.5),
    ]
    bounds += [("udp-fast", "udp-uv", 1.3), ("udp-fast", "udp-aio", None)]
    return bounded("udp", "UDP time", results, bounds)


def tls(proof: Proof) -> list[Row]:
    """TLS 1.3, the same protocol class with ``ssl=`` on three loops."""
    rows: list[Row] = []
    base = label_of("uv-protocol")
    bounds = [("fast-protocol", "uv-protocol", 1.0), ("fast-protocol", "aio-protocol", None)]
    with temporary_directory() as directory:
        for connections, size in ((64, KIB), (4, MIB), (64, MIB)):
            case = f"{connections} x {size_text(size)}"
            if not proof.wants(f"tls {case}"):
                continue
            load = tls_load(directory, connections=connections, size=size)
            both = make_certificate(directory)
            keys = ["uv-protocol", "fast-protocol", "aio-protocol"]
            contestants = [make(key, load, certificate=both) for key in keys]
            results = proof.compare(f"tls {case}", contestants, base)
            rows += bounded("tls", f"TLS 1.3 {case}", results, bounds)
    return rows
