"""``fastnet demo``: real arrays between two processes, compared and measured."""

from __future__ import annotations

import argparse
import platform
import time
import zipfile
from collections.abc import Iterator
from typing import Any

from fastnet.cli import _arena, _report
from fastnet.cli._arena_client import Client, beside, medians
from fastnet.cli._report import Failure
from fastnet.cli._sources import Source, collect

PIECE = 64 << 20  # bytes of one of the arrays that the 256 MiB are sent as: bounds the memory
LARGEST = 128 << 20  # bytes of one of the user's arrays
ROUNDS = 5
BUDGET = 7.0  # seconds after which no further round begins
SAMPLES = ("grace_hopper.jpg", "jacksboro_fault_dem.npz", "goog.npz")
MEMBERS = {"jacksboro_fault_dem.npz": "elevation", "goog.npz": "price_data"}


def samples() -> Iterator[tuple[str, Any]]:
    """The arrays that matplotlib comes with: a photograph, elevations, prices with dates.

    Ends early, after a line that says why, when matplotlib or Pillow or a file is missing.
    """
    import numpy as np

    try:
        from matplotlib import cbook
        from PIL import Image
    except ImportError as error:
        missing = {"PIL": "pillow"}.get(error.name or "", "matplotlib")
        _report.note(f"no sample arrays: they come with matplotlib (pip install {missing})")
        return
    for name in SAMPLES:
        try:
            path = str(cbook.get_sample_data(name, asfileobj=False))
            if name in MEMBERS:
                with np.load(path, allow_pickle=False) as archive:
                    yield name, archive[MEMBERS[name]]
            else:
                with Image.open(path) as image:
                    yield name, np.asarray(image)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            _report.note(f"matplotlib's {name} cannot be read: {_report.reason(error)}")


def own(sources: list[Source]) -> Iterator[tuple[str, Any]]:
    """The user's arrays."""
    for source in sources:
        with source.opened() as array:
            yield source.name, array


def small(sources: list[Source]) -> list[Source]:
    """The same sources. Raises Failure when an array is too large for a demonstration."""
    for source in sources:
        if source.nbytes > LARGEST:
            most = f"{LARGEST >> 20} MiB"
            raise Failure(f"{source.label} is larger than {most}: that is for fastnet send")
    return sources


class Show:
    """Prints what happens, as a table or as JSON."""

    def __init__(self, json: bool) -> None:
        self.json = json

    def line(self, text: str = "") -> None:
        if not self.json:
            _report.line(text)

    def title(self, client: Client) -> None:
        import fastnet

        here, there = client.cpus or (None, None)
        cpus = "wherever they run" if here is None else f"on CPUs {here} and {there}"
        self.line(
            f"fastnet {fastnet.__version__}, Python {platform.python_version()},"
            f" two processes {cpus}, TCP on this machine"
        )

    def array(self, name: str, array: Any, seconds: float) -> None:
        if self.json:
            shape = [int(n) for n in array.shape]
            dtype = str(array.dtype)
            nbytes = int(array.nbytes)
            _report.record(event="array", name=name, dtype=dtype, shape=shape, nbytes=nbytes)
            return
        kind = "structured" if array.dtype.names else str(array.dtype)
        shape_text = str(array.shape).replace(" ", "")
        size = _report.size(array.nbytes)
        self.line(f"  {name:<24} {kind:<12} {shape_text:<15} {size:>9}   same bytes there")
        for field in array.dtype.names or ():
            self.line(f"      {field}: {array.dtype[field]}")

    def table(self, total: int, pieces: int, rates: dict[str, list[float]]) -> None:
        median = medians(rates)
        base = median[_arena.LOOP]
        rounds = len(rates[_arena.LOOP])
        if self.json:
            _report.record(
                event="rates",
                nbytes=total,
                arrays=pieces,
                rounds=rounds,
                gb_per_s={role: round(value, 4) for role, value in median.items()},
            )
            return
        what = f"{total / (1 << 20):g} MiB of float64"
        self.line()
        self.line(f"{what}, sent as {pieces}, every byte compared; median of {rounds} rounds")
        for role, value in median.items():
            name = _arena.NAMES[role]
            self.line(f"  {name:<44} {value:6.2f} GB/s  {value / base:5.2f}x")

    def transport(self, chosen: dict[str, Any]) -> None:
        if self.json:
            _report.record(event="transport", **chosen)
            return
        self.line()
        self.line("what the transport chose (stats()['transport'])")
        self.line("  " + ", ".join(f"{name} {value}" for name, value in chosen.items()))

    def next(self) -> None:
        self.line()
        self.line("next, in two terminals:")
        self.line("  fastnet recv --out received")
        self.line("  fastnet send FILE.npy 127.0.0.1:9000")


def _round(client: Client, size: int, show: Show) -> None:
    pieces = max(1, -(-size // PIECE))
    nbytes = max(8, size // pieces // 8 * 8)
    rates = client.rounds(client.roles, nbytes, pieces, ROUNDS, BUDGET)
    show.table(nbytes * pieces, pieces, rates)


def run(args: argparse.Namespace) -> int:
    """Runs ``fastnet demo``."""
    show = Show(args.json)
    arrays = own(small(collect(args.files, read=True))) if args.files else samples()
    with beside() as client:
        show.title(client)
        for name, array in arrays:
            began = time.perf_counter()
            client.compare(array, name)
            show.array(name, array, time.perf_counter() - began)
        _round(client, args.size, show)
        show.transport(client.transport())
    show.next()
    return 0
