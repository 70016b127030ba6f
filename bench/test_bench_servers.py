"""The server contestants one by one: ``pytest bench --benchmark-only``.

Handy for watching one of them while working on it. Ratios come from ``run_servers.py``, where
contestants take turns; here each has its time to itself. What is timed is a turn of fixed length,
so look at ``extra_info``: messages per second, latencies, the server's CPU time per message.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import pytest

from cref.build import compiler
from process import HarnessError, missing
from servers_contestants import RECIPES, make
from servers_harness import Contestant, Load, Running, Turn, python_server

ECHO = [key for key in RECIPES if not key.startswith(("udp", "recipe", "events", "cref-pair"))]
TIME = [key for key in RECIPES if key.startswith("udp")]
HANDLERS = ["recipe", "events"]
ROUNDS, SECONDS = 5, 0.2

pytestmark = pytest.mark.skipif(compiler() is None, reason="the clients need a C compiler")


@pytest.fixture
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    """The contestant named by the parameter, running and found to answer right."""
    key, load = request.param
    contestant = make(key, load)
    absent = missing(contestant.requires)
    if absent:
        pytest.skip("not there: " + ", ".join(absent))
    started = Running(contestant)
    try:
        yield started
    finally:
        started.close()


def time_turns(running: Running, benchmark: Any) -> None:
    turns: list[Turn] = []
    benchmark.pedantic(lambda: turns.append(running.run(SECONDS)), rounds=ROUNDS, warmup_rounds=1)
    for figure in ("rate", "p50", "p99", "cpu"):
        values = [getattr(turn, figure) for turn in turns]
        benchmark.extra_info[figure] = statistics.median(values)


def cases(keys: list[str], load: Load | None) -> list[Any]:
    return [pytest.param((key, load), id=key) for key in keys]


@pytest.mark.benchmark(group="echo, 64 connections, 1 KiB")
@pytest.mark.parametrize("running", cases(ECHO, Load()), indirect=True)
def test_echo(running: Running, benchmark: Any) -> None:
    time_turns(running, benchmark)


@pytest.mark.benchmark(group="UDP time, 64 under way")
@pytest.mark.parametrize("running", cases(TIME, None), indirect=True)
def test_time(running: Running, benchmark: Any) -> None:
    time_turns(running, benchmark)


@pytest.mark.benchmark(group="900 idle handlers, 16 connections")
@pytest.mark.parametrize("running", cases(HANDLERS, Load(16, 64)), indirect=True)
def test_handlers(running: Running, benchmark: Any) -> None:
    time_turns(running, benchmark)


@pytest.mark.parametrize(
    ("fault", "words"),
    [("byte", "wrong bytes"), ("swap", "wrong bytes"), ("extra", "more came back")],
)
def test_wrong_answers_are_found(fault: str, words: str) -> None:
    """A server that alters a byte, mixes connections up or says too much gets no figure."""
    server = python_server("servers_faulty:serve", fault=fault)
    with pytest.raises(HarnessError, match=words):
        Running(Contestant(fault, server, Load(connections=4)))
