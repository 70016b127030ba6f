"""Sections of the server proof that look at more than rates: calls, latency, memory, handlers."""

from __future__ import annotations

import statistics
from dataclasses import replace

from servers_contestants import C_REFERENCE, make, pingpong_client
from servers_harness import Comparison, Load, Results, has_strace
from servers_rows import Proof, absent, label_of, ratio_row
from table import Row

IDLE = 10_000
IDLE_HANDLERS = 900  # select() ends at 1,024 descriptors


def system_calls(proof: Proof) -> list[Row]:
    """System calls per message at 64 connections, under strace, so nothing here is timed."""
    wanted = {"echo": 2.1}
    keys = ["cref", "echo", "echo-nospin", "fast-protocol", "uv-protocol", "green"]
    whats = {key: f"system calls per message, {label_of(key)}, 64 x 1 KiB" for key in keys}
    rows = {
        key: Row("calls", whats[key], wanted.get(key), None, unit="calls", at_least=False)
        for key in keys
    }
    if not has_strace():
        return [replace(row, note="strace is not installed") for row in rows.values()]
    proof.say("system calls 64 x 1 KiB ...")
    with Comparison(C_REFERENCE, proof.say) as comparison:
        comparison.start([make(key) for key in keys])
        comparison.count_calls(0.5 if proof.quick else 1.0)
        results = comparison.results
    proof.results["system calls 64 x 1 KiB"] = results
    for key, row in rows.items():
        name = label_of(key)
        if results.why_not(name):
            rows[key] = absent(row, results, name)
        else:
            rows[key] = replace(row, measured=results.calls[name])
    return list(rows.values())


def latency_row(what: str, results: Results, name: str, wanted: float | None) -> Row:
    row = Row("pingpong", what, wanted, None, "µs", at_least=False)
    if results.why_not(name):
        return absent(row, results, name)
    values = results.values(name, "p50")
    return replace(row, measured=statistics.median(values), spread=(min(values), max(values)))


def pingpong(proof: Proof) -> list[Row]:
    """One message of 64 bytes at a time between two blocking ends."""
    size = 64
    ours, off = "fastnet client and services.Echo", "the same, spin off"
    needs = ("fastnet.sockets",)
    pair = Load(connections=1, size=size, kind="pair")
    contestants = [make("cref-pair", pair)]
    for label, key, spin in ((ours, "echo", True), (off, "echo-nospin", False)):
        made = make(key, pingpong_client("fastnet", size=size, spin=spin), label=label)
        contestants.append(replace(made, requires=(*made.requires, *needs)))
    standard = "standard client and ThreadingTCPServer"
    client = pingpong_client("stdlib", size=size)
    contestants.append(make("std-nodelay", client, label=standard))
    base = label_of("cref-pair")
    results = proof.compare("pingpong 64 B", contestants, base)
    what = f"ping-pong 64 B, p50, {off}, of the {base}"
    return [
        latency_row(f"ping-pong 64 B, p50, {ours}", results, ours, 12.0),
        ratio_row("pingpong", what, results, off, base, 1.10, "p50"),
        latency_row(f"ping-pong 64 B, p50, {base}", results, base, None),
        latency_row(f"ping-pong 64 B, p50, {standard}", results, standard, None),
    ]


def idle(proof: Proof) -> list[Row]:
    """10,000 connections that say nothing: their memory, and what they do to 16 that talk."""
    rows: list[Row] = []
    for key, wanted in (("echo", 1.0), ("fast-protocol", 4.0), ("uv-protocol", None)):
        if not proof.wants(f"idle {label_of(key)}"):
            continue
        alone, among = label_of(key), f"{label_of(key)} among 10,000 idle"
        contestants = [
            make(key, Load(connections=16)),
            make(key, Load(connections=16, idle=IDLE), label=among),
        ]
        results = proof.compare(f"idle {alone}", contestants, alone)
        rows.append(_memory_row(results, alone, among, wanted))
        what = f"echo p99 of 16 connections, {among}, of without"
        bound = None if wanted is None else 1.5
        rows.append(ratio_row("idle", what, results, among, alone, bound, "p99"))
    return rows


def _memory_row(results: Results, alone: str, among: str, wanted: float | None) -> Row:
    what = f"memory per idle connection, {alone}"
    row = Row("idle", what, wanted, None, "KiB", at_least=False)
    if results.why_not(among):
        return absent(row, results, among)
    memory = results.memory[among]
    grown = memory["idle"] - memory["connected"]
    note = f"{grown / 1024:.1f} MiB for {IDLE:,}"
    return replace(row, measured=grown / IDLE, note=note)


def events(proof: Proof) -> list[Row]:
    """Recipe 11.12: 900 handlers that are never called, 16 that are."""
    rows: list[Row] = []
    base, ours = label_of("recipe"), label_of("events")
    cases = {
        "16 busy": (Load(connections=16, size=64), 20.0),
        "16 taking turns": (Load(connections=16, size=64, single=True, spin=150), 20.0),
    }
    for case, (load, wanted) in cases.items():
        if not proof.wants(f"events {case}"):
            continue
        contestants = [make(key, load, idle=IDLE_HANDLERS) for key in ("recipe", "events")]
        contestants.append(make("cref", load))
        results = proof.compare(f"events {case}", contestants, base)
        about = f"{IDLE_HANDLERS} idle handlers, {case}"
        what = f"{ours}, {about}, of {base}"
        rows.append(ratio_row("events", what, results, ours, base, wanted))
        what = f"server CPU per message, {ours}, {about}, of {base}"
        rows.append(ratio_row("events", what, results, ours, base, None, "cpu"))
        what = f"C reference without idle handlers, {case}, of {base} (what there is to gain)"
        rows.append(ratio_row("events", what, results, C_REFERENCE, base, None))
    return rows
