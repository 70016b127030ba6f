"""A client that behaves, beside thousands that do not."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import http_checks as checks
from http_apps import TEXT
from http_harness import Running, Wrk
from http_proof import FASTNET, LOOP, Proof, describe, row, wsgi
from process import HERE, HarnessError, Process, cpus, missing
from servers_harness import Results, cpu_seconds
from table import Row

EACH = 1000
ALONE, BESIDE = "alone", "beside 3,000 bad ones"
ROUNDS = 3  # at most: the crowd takes longer to come than a turn
IDLE, LOOK, PATIENCE = 0.05, 0.5, 60.0  # share of a processor, and seconds


def bad(proof: Proof) -> list[Row]:
    """1,000 slow heads, 1,000 slow bodies and 1,000 that never read, and 64 connections that do."""
    case = "WSGI hello of well-behaved clients"
    absent = missing(FASTNET)
    if absent:
        return [Row("bad", case, 0.95, None, note="not there: " + ", ".join(absent))]
    proof.say("3,000 bad clients ...")
    results = Results(ALONE)
    running = Running(wsgi(LOOP, Wrk(), checks.get("/", TEXT), app="mixed"))
    try:
        command = [sys.executable, str(HERE / "http_bad.py"), running.where, str(EACH)]
        crowd = Process(command, cpus()[1])
        try:
            ended = take_turns(proof, running, crowd, results)
        except HarnessError as exc:
            raise HarnessError(f"{exc}\n{running.server.complaints()}".rstrip()) from None
        finally:
            crowd.end()
    finally:
        running.close()
    proof.results[case] = results
    for name in results.names():
        proof.say("  " + describe(results, name))
    made = row("bad", case, results, BESIDE, ALONE, 0.95)
    return [replace(made, note=f"{made.note}; {ended} bad ones ended by the server")]


def take_turns(proof: Proof, running: Running, crowd: Process, results: Results) -> int:
    """Alone and beside them, again and again; how many the server has ended."""
    ended = 0
    running.run(proof.seconds)
    for _ in range(min(proof.rounds, ROUNDS)):
        alone = running.run(proof.seconds)
        crowd.tell("connect")
        there = int(crowd.hear("ok", 120.0))
        if there < 3 * EACH:
            raise HarnessError(f"only {there} bad connections")
        took = settle(running)
        proof.say(f"  {there:,} are there; the server was busy with them for {took:.0f} s")
        beside = running.run(proof.seconds)
        crowd.tell("drop")
        ended += int(crowd.hear("ok", 60.0))
        settle(running)
        results.rounds.append({ALONE: alone, BESIDE: beside})  # type: ignore[dict-item]
    return ended


def settle(running: Running) -> float:
    """Waits until the server has nothing to do: buffers full of what nobody reads. Seconds."""
    pid, began = running.server.child.pid, time.monotonic()
    while True:
        used = cpu_seconds([pid])
        time.sleep(LOOK)
        if cpu_seconds([pid]) - used < IDLE * LOOK:
            return time.monotonic() - began
        if time.monotonic() - began > PATIENCE:
            raise HarnessError(f"the server is still busy after {PATIENCE:.0f} s")
