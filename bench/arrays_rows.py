"""The sections of the array proof: each measures one thing and returns its rows."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from arrays_contestants import C_REFERENCE, GMAC, HMAC, make
from harness import Contestant, Results, compare
from process import HERE, cpus, python_path
from proof import default_congestion
from table import Row

MIB = 1 << 20
RAW, OUT, POOL = "send_from/recv_into", "stream recv(out=)", "stream recv()"


@dataclass
class Proof:
    """How thoroughly to measure, and what has been measured so far (for ``--json``)."""

    quick: bool = False
    say: Callable[[str], None] = print
    results: dict[str, Results] = field(default_factory=dict)

    def compare(self, label: str, contestants: list[Contestant], base: str) -> Results:
        """Runs contestants in turns; how often depends on how much one repetition moves."""
        size = max(c.nbytes for c in contestants)
        reps = 3 if size > 512 * MIB else 7 if size > 8 * MIB else 51
        rounds = 3 if self.quick else 7 if size > 512 * MIB else 11
        self.say(f"{label} ...")
        results = compare(contestants, base=base, rounds=rounds, reps=reps, say=self.say)
        self.results[label] = results
        for name in results.contestants:
            self.say(f"  {describe(results, name)}")
        return results

    def big(self) -> int:
        """The size of the largest array: 1 GiB, or a quarter of it when quick."""
        return 256 * MIB if self.quick else 1024 * MIB


def describe(results: Results, name: str) -> str:
    ratios = results.ratios(name, results.base)
    speed = f"{results.gigabytes(name):6.2f} GB/s"
    if results.contestants[name].messages > 1:
        speed += f" {results.messages(name):10,.0f} messages/s"
    server, client = (kib / 1024 for kib in results.memory[name])
    return (
        f"{name:35} {speed}  {statistics.median(ratios):.3f} of {results.base}"
        f" ({min(ratios):.2f}-{max(ratios):.2f})  memory +{server:.1f}/+{client:.1f} MiB"
    )


def human(size: int) -> str:
    return f"{size // MIB // 1024} GiB" if size >= 1024 * MIB else f"{size // MIB} MiB"


def ratio_row(
    section: str, what: str, results: Results, name: str, base: str, wanted: float | None
) -> Row:
    """``name``'s speed over ``base``'s; skipped when either did not take part."""
    for one in (name, base):
        if one not in results.contestants:
            return Row(section, what, wanted, None, note=results.skipped.get(one, "absent"))
    ratios = results.ratios(name, base)
    note = f"{results.gigabytes(name):.2f} and {results.gigabytes(base):.2f} GB/s"
    if results.contestants[name].messages > 1:
        note = f"{results.messages(name):,.0f} and {results.messages(base):,.0f} messages/s"
    median = statistics.median(ratios)
    return Row(section, what, wanted, median, spread=(min(ratios), max(ratios)), note=note)


def memory_rows(section: str, label: str, results: Results, name: str, wanted: float) -> list[Row]:
    """Peak resident memory beyond the arrays: one row per side."""
    rows = []
    for side, kib in zip(("receiver", "sender"), results.memory[name], strict=True):
        what = f"memory beyond the arrays, {label}, {side}"
        rows.append(Row(section, what, wanted, kib / 1024, unit="MiB", at_least=False))
    return rows


def transfer(proof: Proof) -> list[Row]:
    """Raw bytes of an array into an array that exists."""
    congestion = default_congestion()
    wanted = {"bbr": 2.5, "cubic": 1.0}.get(congestion)
    rows = []
    for size in (64 * MIB, proof.big()):
        keys = ("cref", "raw", "seeds")
        results = proof.compare(
            f"transfer {human(size)}", [make(key, size=size) for key in keys], C_REFERENCE
        )
        what = f"{RAW}, {human(size)}, of the"
        rows.append(ratio_row("transfer", f"{what} C reference", results, RAW, C_REFERENCE, 0.97))
        what += f" seeds' loop ({congestion})"
        rows.append(ratio_row("transfer", what, results, RAW, "seeds' loop", wanted))
        ceiling = f"C reference, {human(size)}, of the seeds' loop (what there is to gain)"
        rows.append(ratio_row("transfer", ceiling, results, C_REFERENCE, "seeds' loop", None))
    return rows


def stream(proof: Proof) -> list[Row]:
    """Self-describing arrays into arrays that exist."""
    rows = []
    for mib, wanted in ((64, 0.95), (16, 0.90), (1, 0.75)):
        contestants = [make(key, size=mib * MIB) for key in ("cref", "stream-out")]
        results = proof.compare(f"stream {mib} MiB", contestants, C_REFERENCE)
        what = f"stream.send → recv(out=), {mib} MiB, of the C reference"
        rows.append(ratio_row("stream", what, results, OUT, C_REFERENCE, wanted))
    return rows


def keys(proof: Proof) -> list[Row]:
    """Authenticated arrays, beside C that does the same, beside none, and beside TLS."""
    size = 64 * MIB
    names = ("cref-gmac", "cref-hmac", "stream-gmac", "stream-hmac", "stream-out", "stream-tls")
    results = proof.compare("keys 64 MiB", [make(name, size=size) for name in names], OUT)
    rows = []
    for suite in (GMAC, HMAC):
        name, reference = f"stream, {suite}", f"{C_REFERENCE}, {suite}"
        what = f"recv(out=) with {suite}, 64 MiB, of"
        rows.append(
            ratio_row("keys", f"{what} C with the same code", results, name, reference, 0.95)
        )
        wanted, tls = (0.5, 2.0) if suite == GMAC else (None, None)
        rows.append(ratio_row("keys", f"{what} none", results, name, OUT, wanted))
        rows.append(ratio_row("keys", f"{what} TLS 1.3", results, name, "stream, TLS 1.3", tls))
    return rows


def handshakes(proof: Proof) -> list[Row]:
    """Peers with a key that one processor lets in."""
    proof.say("handshakes ...")
    command = [sys.executable, str(HERE / "handshakes.py"), "2000"]
    environment = {**os.environ, "PYTHONPATH": python_path()}
    figures = []
    for _ in range(3 if proof.quick else 7):
        done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
        figures.append([float(word) for word in done.stdout.split()])
    rates = [figure[0] for figure in figures]
    wall = statistics.median(figure[1] for figure in figures)
    what = "handshakes with a key per second of the server's processor time"
    spread = (min(rates), max(rates))
    note = f"{wall:,.0f}/s by the clock, with the clients on another processor"
    return [Row("keys", what, 5000.0, statistics.median(rates), "/s", spread, note=note)]


def pool(proof: Proof) -> list[Row]:
    """Memory from the pool beside memory of one's own."""
    contestants = [make(key, size=64 * MIB) for key in ("stream-out", "stream-pool")]
    results = proof.compare("pool 64 MiB", contestants, OUT)
    what = "recv() without out=, arrays dropped, 64 MiB, of recv(out=)"
    return [ratio_row("pool", what, results, POOL, OUT, 0.90)]


def peers(proof: Proof) -> list[Row]:
    """Other libraries, and the standard library's usual way."""
    keys = ("stream-out", "stream-pool", "pyzmq", "flight", "dask", "mp-send", "mp-bytes")
    results = proof.compare("peers 64 MiB", [make(key, size=64 * MIB) for key in keys], OUT)
    rows = []
    for name in ("pyzmq", "Arrow Flight", "Dask tcp"):
        rows.append(ratio_row("peers", f"{OUT}, 64 MiB, of {name}", results, OUT, name, 3.0))
    what = f"{OUT}, 64 MiB, of Connection.send(ndarray)"
    rows.append(ratio_row("peers", what, results, OUT, "Connection.send", 6.0))
    return rows


def small(proof: Proof) -> list[Row]:
    """Arrays of 1 KiB, each with its description, beside bare byte strings."""
    keys = ("items", "pyzmq-small")
    contestants = [make(key, size=1024, count=50_000) for key in keys]
    results = proof.compare("small 1 KiB", contestants, "send_items")
    what = "1 KiB arrays, send_items → iteration, of pyzmq's raw bytes (messages/s)"
    return [ratio_row("small", what, results, "send_items", "pyzmq bytes", 1.3)]


def strided(proof: Proof) -> list[Row]:
    """The left half of every row of a matrix, at either end."""
    rows = []
    for key, label in (("raw", RAW), ("stream-out", OUT)):
        size = 64 * MIB
        names = {"client": f"{label}, rows sent", "server": f"{label}, rows received"}
        contestants = [make(key, size=size)]
        contestants += [make(key, label=names[s], size=size, sliced=s) for s in names]
        results = proof.compare(f"strided {key}", contestants, label)
        for name in names.values():
            what = f"{name}: half of every row, of contiguous"
            rows.append(ratio_row("strided", what, results, name, label, 0.80))
            rows += memory_rows("strided", name, results, name, 4.0)
    return rows


def busy(proof: Proof) -> list[Row]:
    """Beside a thread of pure Python in each process; the C reference beside busy processes."""
    size = proof.big()
    results = proof.compare(
        f"busy {human(size)}",
        [make("cref", size=size, busy=True), make("raw", size=size, busy=True)],
        C_REFERENCE,
    )
    what = f"{RAW}, {human(size)}, beside a busy thread, of C beside a busy process"
    return [ratio_row("busy", what, results, RAW, C_REFERENCE, 0.90)]


def memory(proof: Proof) -> list[Row]:
    """What a transfer takes beyond the arrays themselves."""
    rows = []
    names = {"raw": RAW, "stream-out": OUT}
    contestants = [make(key, size=proof.big()) for key in names]
    results = proof.compare(f"memory {human(proof.big())}", contestants, RAW)
    for name in names.values():
        rows += memory_rows("memory", f"{name} {human(proof.big())}", results, name, 8.0)
    return rows


def start_time(code: str) -> float:
    """Milliseconds from starting an interpreter until it has run ``code`` and ended."""
    environment: dict[str, Any] = {**os.environ}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env=environment,
        preexec_fn=lambda: os.sched_setaffinity(0, {cpus()[0]}),
    )
    return (time.perf_counter() - begin) * 1e3


def import_time(proof: Proof) -> list[Row]:
    """``import fastnet`` over a bare interpreter, starts taking turns."""
    proof.say("import ...")
    start_time("import fastnet")
    extra = []
    for _ in range(11 if proof.quick else 31):
        bare = start_time("pass")
        extra.append(start_time("import fastnet") - bare)
    quartiles = statistics.quantiles(extra, n=4)
    median = statistics.median(extra)
    spread = (quartiles[0], quartiles[2])
    what = "import fastnet, over a bare interpreter"
    return [Row("import", what, 30.0, median, "ms", spread, at_least=False, note="quartiles")]
