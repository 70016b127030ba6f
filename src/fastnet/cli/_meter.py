"""A progress bar on a terminal: by rich where it is installed, plain otherwise.

One call sends or receives a whole array, so the bar looks at a counter from a thread of its own:
`Meter.track` takes a function that tells how many bytes have moved.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from fastnet.cli import _report

INTERVAL = 0.2  # seconds between two looks at the counters
WIDTH = 24  # characters of the plain bar


class Task:
    """One array under way."""

    def __init__(self, label: str, total: int, moved: Callable[[], int]) -> None:
        self.label = _report.clean(label)
        self.total = total
        self.began = time.monotonic()
        self.done = 0
        self._moved = moved

    def look(self) -> None:
        """Reads the counter; one that fails because the stream is gone just stays."""
        try:
            self.done = min(max(self._moved(), 0), self.total)
        except Exception:
            pass


class Meter:
    """No bar at all: what scripts and pipes get, and what the others are made of."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    @contextmanager
    def track(self, label: str, total: int, moved: Callable[[], int]) -> Iterator[None]:
        """Shows ``label`` and how much of ``total`` bytes ``moved`` tells, while the block runs."""
        yield

    def line(self, text: str) -> None:
        """Prints a line on stdout, above the bar."""
        _report.line(text)

    def complain(self, text: object) -> None:
        """Prints a failure, above the bar."""
        _report.complain(text)


class _Live(Meter):
    """What both bars share: the tasks and the thread that looks at them."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._tasks: list[Task] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fastnet-progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()
        with self._lock:
            self._erase()

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL):
            with self._lock:
                for task in self._tasks:
                    task.look()
                self._draw()

    @contextmanager
    def track(self, label: str, total: int, moved: Callable[[], int]) -> Iterator[None]:
        task = Task(label, total, moved)
        with self._lock:
            self._tasks.append(task)
        try:
            yield
        finally:
            with self._lock:
                self._tasks.remove(task)
                if not self._tasks:
                    self._erase()

    def line(self, text: str) -> None:
        with self._lock:
            self._erase()
            _report.line(text)

    def complain(self, text: object) -> None:
        with self._lock:
            self._erase()
            _report.complain(text)

    def _draw(self) -> None:
        """Shows the tasks; called with the lock."""

    def _erase(self) -> None:
        """Takes the bar off the screen; called with the lock."""


class PlainMeter(_Live):
    """One line that is written over: the only array's, or the sum when there are several."""

    def __init__(self) -> None:
        super().__init__()
        self._shown = 0

    def _draw(self) -> None:
        if not self._tasks:
            return
        first = self._tasks[0]
        label = first.label if len(self._tasks) == 1 else f"{len(self._tasks)} arrays"
        done = sum(task.done for task in self._tasks)
        total = sum(task.total for task in self._tasks)
        seconds = time.monotonic() - min(task.began for task in self._tasks)
        text = progress(label, done, total, seconds)
        sys.stderr.write("\r" + text.ljust(self._shown))
        sys.stderr.flush()
        self._shown = len(text)

    def _erase(self) -> None:
        if self._shown:
            sys.stderr.write("\r" + " " * self._shown + "\r")
            sys.stderr.flush()
            self._shown = 0


def progress(label: str, done: int, total: int, seconds: float) -> str:
    """The plain bar's text: share, bytes, rate and the time that is left (h:mm:ss)."""
    share = done / total if total else 1.0
    bar = ("#" * round(share * WIDTH)).ljust(WIDTH, ".")
    left = "-:--:--"
    if done:
        whole = round(seconds * (total - done) / done)
        left = f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    if len(label) > 24:
        label = label[:21] + "..."
    size, rate = _report.size, _report.rate(done, seconds)
    return f"{label} [{bar}] {share:4.0%} {size(done)} of {size(total)}, {rate}, ETA {left}"


class RichMeter(_Live):
    """A bar for each array, drawn by rich."""

    def __init__(self) -> None:
        """Raises ImportError where rich is not installed."""
        from rich import console, progress

        super().__init__()
        columns = (
            progress.TextColumn("{task.description}", markup=False),  # names are not ours
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
        )
        self._bar = progress.Progress(
            *columns,
            console=console.Console(stderr=True),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,  # `line` takes the bar away itself
            redirect_stderr=False,
        )
        self._ids: dict[Task, Any] = {}
        self._started = False

    def _draw(self) -> None:
        for task in list(self._ids):
            if task not in self._tasks:
                self._bar.remove_task(self._ids.pop(task))
        for task in self._tasks:
            if task not in self._ids:
                self._ids[task] = self._bar.add_task(task.label, total=task.total)
            self._bar.update(self._ids[task], completed=task.done)
        if self._tasks and not self._started:
            self._bar.start()
            self._started = True
        if self._started:
            self._bar.refresh()

    def _erase(self) -> None:
        if self._started:
            self._bar.stop()  # transient: stopping is what erases it
            self._started = False


def meter(json: bool) -> Meter:
    """The bar that fits: none with ``--json`` or when stderr is not a terminal."""
    if json or not sys.stderr.isatty():
        return Meter()
    try:
        return RichMeter()
    except ImportError:
        return PlainMeter()
