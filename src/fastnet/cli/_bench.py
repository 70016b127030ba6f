"""``fastnet bench arrays``: how fast, beside what people use otherwise."""

from __future__ import annotations

import argparse
import platform
from contextlib import ExitStack, closing
from typing import Any

from fastnet.cli import _address, _arena, _report
from fastnet.cli._arena_client import Client, beside, medians
from fastnet.cli._parser import sizes
from fastnet.cli._report import Failure

RUN_BYTES = 256 << 20  # a run sends this much at most, unless one array is more
RUN_COUNT = 8192  # or this many arrays
ITEMS_UP_TO = 256 << 10  # bytes; beyond, gathering small arrays has nothing to gain
MEMORY = 6  # times an array's size that both ends together may need for it
HEADS = {
    _arena.LOOP: "loop",
    _arena.CONNECTION: "mp",
    _arena.DIRECT: "send_from",
    _arena.STREAM: "arrays",
    _arena.ITEMS: "items",
}


def _available() -> int | None:
    """Bytes of memory that can be had, where the system tells."""
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _binary(nbytes: int) -> str:
    for unit, scale in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if nbytes >= scale:
            return f"{nbytes / scale:g} {unit}"
    return f"{nbytes} B"


class Table:
    """Prints one size after another, as a table or as JSON."""

    def __init__(self, json: bool, client: Client) -> None:
        self.json = json
        self.heads = {role: HEADS[role] for role in (*client.roles, _arena.ITEMS)}

    def begin(self, client: Client) -> None:
        import fastnet

        facts = {
            "version": fastnet.__version__,
            "python": platform.python_version(),
            "kernel": platform.release(),
            "cpus": client.cpus,
            "transport": client.transport(),
        }
        if self.json:
            _report.record(event="bench", **facts)
            return
        for text in client.notes:
            _report.note(text)
        _report.line(
            f"fastnet {facts['version']}, Python {facts['python']}, Linux {facts['kernel']}"
        )
        for role, head in self.heads.items():
            _report.line(f"  {head:<10} {_arena.NAMES[role]}")
        heads = "".join(f"{head:>11}" for head in self.heads.values())
        _report.line(f"{'GB/s':>8}{heads}   arrays/loop   arrays/mp")

    def row(self, nbytes: int, count: int, rates: dict[str, list[float]]) -> None:
        median = medians(rates)
        ratios = {
            role: median[_arena.STREAM] / median[role]
            for role in (_arena.LOOP, _arena.CONNECTION)
            if role in median
        }
        if self.json:
            _report.record(
                event="size",
                nbytes=nbytes,
                count=count,
                gb_per_s={role: round(value, 4) for role, value in median.items()},
                spread={role: [round(min(r), 4), round(max(r), 4)] for role, r in rates.items()},
                ratios={role: round(value, 3) for role, value in ratios.items()},
            )
            return
        cells = "".join(_cell(median.get(role), 11, 3) for role in self.heads)
        loop = _cell(ratios.get(_arena.LOOP), 12, 2, "x")
        other = _cell(ratios.get(_arena.CONNECTION), 10, 2, "x")
        _report.line(f"{_binary(nbytes):>8}{cells} {loop} {other}")


def _cell(value: float | None, width: int, digits: int, unit: str = "") -> str:
    return f"{'-' if value is None else f'{value:.{digits}f}{unit}':>{width}}"


def _measure(client: Client, args: argparse.Namespace) -> int:
    table = Table(args.json, client)
    table.begin(client)
    wanted = sizes(args.sizes) if isinstance(args.sizes, str) else args.sizes
    for nbytes in wanted:
        available = _available()
        if available is not None and available < nbytes * MEMORY:
            _report.note(f"{_binary(nbytes)} is left out: it needs {_binary(nbytes * MEMORY)}")
            continue
        count = max(1, min(RUN_COUNT, RUN_BYTES // nbytes))
        roles = [*client.roles, *([_arena.ITEMS] if nbytes <= ITEMS_UP_TO else [])]
        table.row(nbytes, count, client.rounds(roles, nbytes, count, args.rounds))
    return 0


def run(args: argparse.Namespace) -> int:
    """Runs ``fastnet bench arrays``."""
    with ExitStack() as stack:
        stack.enter_context(_arena.pinned(args.cpu))
        if args.serve:
            from fastnet.cli._arena_server import Server

            server = Server(args.serve, args.insecure, args.once, args.json)
            return stack.enter_context(closing(server)).serve()
        if args.connect:
            where = _address.parse(args.connect)
            if not isinstance(where, tuple):
                raise Failure(f"{args.connect!r}: measurements need HOST:PORT")
            _address.resolve(where)
            client: Any = stack.enter_context(closing(Client(where)))
        else:
            client = stack.enter_context(beside())
        return _measure(client, args)
