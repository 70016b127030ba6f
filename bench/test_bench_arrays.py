"""The array contestants one by one: ``pytest bench --benchmark-only``.

Handy for watching one of them while working on it. Ratios come from ``run_arrays.py``, where
contestants take turns; here each has its time to itself. A call includes the orders to both
processes, about 0.2 ms; what the sender's own clock says is in ``extra_info``.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import pytest

from arrays_contestants import PYTHON, make
from cref.build import compiler
from harness import Pair

SIZE = 64 << 20
LARGE = ["cref", *(key for key in PYTHON if key not in ("items", "pyzmq-small"))]
SMALL = ["items", "pyzmq-small"]
ROUNDS = 15


@pytest.fixture
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """The contestant named by the parameter, running and found to deliver the right bytes."""
    key = request.param
    if key == "cref" and compiler() is None:
        pytest.skip("the C reference needs a C compiler")
    contestant = make(key, size=1024, count=20_000) if key in SMALL else make(key, size=SIZE)
    missing = contestant.missing()
    if missing:
        pytest.skip("not installed: " + ", ".join(missing))
    running = Pair(contestant)
    try:
        assert running.verify()
        yield running
    finally:
        running.close()


def time_pair(pair: Pair, benchmark: Any) -> None:
    clock: list[float] = []

    def once() -> None:
        clock.extend(pair.run(1, uncounted=0))

    benchmark.pedantic(once, rounds=ROUNDS, warmup_rounds=2)
    if clock:
        median = statistics.median(clock)
        benchmark.extra_info["gigabytes_per_second"] = pair.contestant.nbytes / median / 1e9
        benchmark.extra_info["messages_per_second"] = pair.contestant.messages / median


@pytest.mark.benchmark(group="one array of 64 MiB")
@pytest.mark.parametrize("pair", LARGE, indirect=True)
def test_large(pair: Pair, benchmark: Any) -> None:
    time_pair(pair, benchmark)


@pytest.mark.benchmark(group="20,000 messages of 1 KiB")
@pytest.mark.parametrize("pair", SMALL, indirect=True)
def test_small(pair: Pair, benchmark: Any) -> None:
    time_pair(pair, benchmark)
