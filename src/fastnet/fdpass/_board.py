"""What a dispatcher counts, in memory that its processes share."""

from __future__ import annotations

import mmap

__all__ = ["COUNTERS", "Board"]

COUNTERS = ("accepted", "open", "waiting", "done", "handed_again", "shed", "replaced")


class Board:
    """Counters, and the workers' process numbers; one process writes.

    Each number is written by itself, and only when it changes: who reads
    meanwhile finds every one of them as it was or as it is.
    """

    def __init__(self, workers: int) -> None:
        self._rows = memoryview(mmap.mmap(-1, 8 * (len(COUNTERS) + workers))).cast("q")
        self._workers = workers

    def write(self, counts: dict[str, int], pids: list[int]) -> None:
        """Sets all."""
        rows = [counts.get(name, 0) for name in COUNTERS]
        for place, number in enumerate([*rows, *pids, *[0] * (self._workers - len(pids))]):
            if self._rows[place] != number:
                self._rows[place] = number

    def counts(self) -> dict[str, int]:
        """The counters by name."""
        return {name: self._rows[place] for place, name in enumerate(COUNTERS)}

    def pids(self) -> list[int]:
        """The workers that live."""
        return [pid for pid in self._rows[len(COUNTERS) :] if pid]
