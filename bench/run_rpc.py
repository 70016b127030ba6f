"""Measures what the calls promise and prints one table: wanted, measured, verdict.

    python bench/run_rpc.py [--quick]

Server and client are separate processes on processors of their own; contestants take turns within
a round, and a figure is the median over rounds. RPyC and Pyro5 are left out where they are not
installed (the extra ``peers-rpc``).
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import importlib.util
import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastnet import Tuning, arrays, rpc
from rpc_roles import KEY

HERE = pathlib.Path(__file__).parent
CPUS = sorted(os.sched_getaffinity(0))
SLOW_ROUNDS = 5
TUNING = Tuning(spin=150e-6)


@contextlib.contextmanager
def server(kind: str) -> Iterator[int]:
    """A server of that kind on the second processor; its port."""
    command = [sys.executable, str(HERE / "rpc_roles.py"), kind, str(CPUS[-1])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield int(child.stdout.readline())
        finally:
            child.kill()


@contextlib.contextmanager
def client(kind: str, port: int) -> Iterator[Any]:
    """What calls ``add`` there."""
    if kind.startswith("fastnet"):
        key = KEY if kind.endswith("key") else None
        with rpc.RPCClient(("127.0.0.1", port), authkey=key, tuning=TUNING) as made:
            yield made
    elif kind == "recipe":
        import pickle
        from multiprocessing.connection import Client

        class Proxy:
            def add(self, *args: Any) -> Any:
                connection.send(pickle.dumps(("add", args, {})))
                return pickle.loads(connection.recv())

        with Client(("127.0.0.1", port), authkey=KEY) as connection:
            yield Proxy()
    elif kind == "rpyc":
        import rpyc

        connection = rpyc.connect("127.0.0.1", port)
        yield connection.root
        connection.close()
    else:
        import Pyro5.api

        with Pyro5.api.Proxy(f"PYRO:service@127.0.0.1:{port}") as proxy:
            yield proxy


# ------------------------------------------------------------------------------ what is timed


def one_after_the_other(made: Any, seconds: float) -> tuple[float, float]:
    """Calls per second, and their median in microseconds."""
    add = made.add
    assert add(2, 3) == 5
    times = []
    end = time.perf_counter_ns() + round(seconds * 1e9)
    began = now = time.perf_counter_ns()
    while now < end:
        add(2, 3)
        before, now = now, time.perf_counter_ns()
        times.append(now - before)
    return len(times) / (now - began) * 1e9, statistics.median(times) / 1e3


def in_flight(made: rpc.RPCClient, calls: int, window: int = 64) -> float:
    """Calls per second with so many under way."""
    submit = made.submit
    queue = collections.deque(submit("add", 2, 3) for _ in range(window))
    began = time.perf_counter()
    for _ in range(calls):
        assert queue.popleft().result() == 5
        queue.append(submit("add", 2, 3))
    rate = calls / (time.perf_counter() - began)
    while queue:
        queue.popleft().result()
    return rate


def tasks(port: int, key: bytes | None, calls: int, count: int = 64) -> float:
    """Calls per second of so many tasks."""

    async def work() -> float:
        address = ("127.0.0.1", port)
        async with rpc.AsyncRPCClient(address, authkey=key, tuning=TUNING) as made:

            async def one() -> None:
                for _ in range(calls // count):
                    assert await made.call("add", 2, 3) == 5

            await one()
            began = time.perf_counter()
            await asyncio.gather(*[one() for _ in range(count)])
            return calls / (time.perf_counter() - began)

    import fastnet

    with asyncio.Runner(loop_factory=fastnet.new_event_loop) as runner:
        return runner.run(work())


def beside_slow_ones(port: int, gib: float) -> tuple[float, int]:
    """p99 of small calls, in ms, while a handler sleeps and a large argument is under way.

    One such argument goes before, uncounted: the host of a virtual machine takes free memory back,
    and gives it again at 5 ms for each 2 MiB, which is then what is measured.
    """
    large = np.ones(int(gib * (1 << 27)))
    made = rpc.RPCClient(("127.0.0.1", port), authkey=KEY, tuning=TUNING)
    done = threading.Event()

    def send() -> None:
        assert made.size(large) == large.nbytes
        done.set()

    def sleep() -> None:
        while not done.is_set():
            made.nap(0.1)

    with made:
        made.size(large)
        others = [threading.Thread(target=send), threading.Thread(target=sleep)]
        for thread in others:
            thread.start()
        times = []
        while not done.is_set():
            before = time.perf_counter()
            made.add(2, 3)
            times.append((time.perf_counter() - before) * 1e3)
            time.sleep(0.0005)
        for thread in others:
            thread.join()
    times.sort()
    return times[len(times) * 99 // 100], len(times)


def bulk(calls: Callable[[], Any], nbytes: int, times: int) -> float:
    """GB/s, the median."""
    taken = []
    for _ in range(times):
        before = time.perf_counter()
        calls()
        taken.append(time.perf_counter() - before)
    return nbytes / statistics.median(taken) / 1e9


# ----------------------------------------------------------------------------------- the table


class Table:
    """Lines of what was wanted and what was measured."""

    def __init__(self) -> None:
        self.missed = 0

    def row(self, what: str, wanted: str, measured: str, good: bool) -> None:
        """Prints one."""
        self.missed += not good
        print(f"{what:<58} {wanted:<18} {measured:<26} {'ok' if good else 'MISSED'}", flush=True)


def sequential(table: Table, rounds: int, seconds: float) -> None:
    """add(2, 3), again and again, by everybody."""
    kinds = ["fastnet-key", "fastnet", "recipe"]
    kinds += ["rpyc"] if importlib.util.find_spec("rpyc") else []
    kinds += ["pyro5"] if importlib.util.find_spec("Pyro5") else []
    rates: dict[str, list[float]] = {kind: [] for kind in kinds}
    medians: dict[str, list[float]] = {kind: [] for kind in kinds}
    with contextlib.ExitStack() as stack:
        made = {}
        for kind in kinds:
            made[kind] = stack.enter_context(client(kind, stack.enter_context(server(kind))))
            one_after_the_other(made[kind], 0.1)
        for _ in range(rounds):
            for kind in kinds:
                rate, p50 = one_after_the_other(made[kind], seconds)
                rates[kind].append(rate)
                medians[kind].append(p50)
    for kind in kinds:
        print(
            f"  {kind:<12} {statistics.median(rates[kind]):>10,.0f}/s   "
            f"p50 {statistics.median(medians[kind]):.1f} us"
        )
    ours = statistics.median(medians["fastnet-key"])
    table.row("add(2, 3) with a key, p50", "<= 20 us", f"{ours:.1f} us", ours <= 20)
    share = ours - statistics.median(medians["fastnet"])
    table.row("the key's share of it", "<= 2 us", f"{share:.1f} us", share <= 2)
    for kind, least in (("recipe", 4), ("rpyc", 5), ("pyro5", 5)):
        if kind in rates:
            pairs = zip(rates["fastnet-key"], rates[kind], strict=True)
            ratio = statistics.median(a / b for a, b in pairs)
            table.row(
                f"calls/s against {kind}",
                f">= {least} x",
                f"{ratio:.1f} x",
                ratio >= least,
            )


def many(table: Table, rounds: int, calls: int) -> None:
    """64 under way."""
    with server("fastnet-key") as port:
        with client("fastnet-key", port) as made:
            in_flight(made, calls // 10)
            rate = statistics.median(in_flight(made, calls) for _ in range(rounds))
        table.row(
            "64 in flight, one client, key on", ">= 150,000/s", f"{rate:,.0f}/s", rate >= 150e3
        )
        rate = statistics.median(tasks(port, KEY, calls) for _ in range(rounds))
        table.row("AsyncRPCClient, 64 tasks, key on", ">= 60,000/s", f"{rate:,.0f}/s", rate >= 60e3)


def slow(table: Table, gib: float) -> None:
    """Small calls beside large and slow ones."""
    with server("fastnet-key") as port:
        found = sorted(beside_slow_ones(port, gib) for _ in range(SLOW_ROUNDS))
    p99, count = found[len(found) // 2]
    spread = f"{found[0][0]:.1f}-{found[-1][0]:.1f}"
    table.row(
        f"small calls beside a nap and {gib:g} GiB, p99",
        "<= 5 ms",
        f"{p99:.1f} ms ({spread}) of {count} calls",
        p99 <= 5,
    )


def large(table: Table, rounds: int) -> None:
    """An array of 64 MiB each way, beside arrays.send."""
    array = np.ones(1 << 23)
    figures: dict[str, list[float]] = {"arrays": [], "argument": [], "result": []}
    with server("fastnet") as port, server("arrays") as other, client("fastnet", port) as made:
        with arrays.connect(("127.0.0.1", other), tuning=TUNING) as stream:

            def send() -> None:
                stream.send(array)
                stream.recv()

            ways = {"arrays": send, "argument": lambda: made.size(array), "result": made.big}
            for way in ways.values():
                bulk(way, array.nbytes, 3)
            for _ in range(rounds):
                for name, way in ways.items():
                    figures[name].append(bulk(way, array.nbytes, 5))
    base = figures["arrays"]
    print("  " + "   ".join(f"{n} {statistics.median(v):.2f} GB/s" for n, v in figures.items()))
    for name in ("argument", "result"):
        ratio = statistics.median(a / b for a, b in zip(figures[name], base, strict=True))
        table.row(
            f"64 MiB as {name}, against arrays.send", ">= 0.85", f"{ratio:.2f}", ratio >= 0.85
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter turns")
    parser.add_argument("--only", choices=["sequential", "many", "slow", "large"])
    options = parser.parse_args()
    os.sched_setaffinity(0, {CPUS[0]})
    rounds = 3 if options.quick else 7
    table = Table()
    sections = {
        "sequential": lambda: sequential(table, rounds, 0.3 if options.quick else 1.0),
        "many": lambda: many(table, rounds, 20_000 if options.quick else 100_000),
        "slow": lambda: slow(table, 1.0),
        "large": lambda: large(table, rounds),
    }
    for name, section in sections.items():
        if options.only in (None, name):
            section()
    return 1 if table.missed else 0


if __name__ == "__main__":
    sys.exit(main())
