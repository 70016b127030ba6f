"""Rows of a proof: what was wanted, what was measured, whether it was met; printed or as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One line. ``wanted`` is a bound on ``measured``: at least when ``at_least``, else at most.

    ``measured`` is None when the row could not be taken; ``note`` then says why. ``wanted`` is
    None for a line that is shown for comparison and judged by nobody. ``failed`` says that a
    contestant broke down or delivered wrong bytes, which no figure makes up for.
    """

    section: str
    what: str
    wanted: float | None
    measured: float | None
    unit: str = "x"
    spread: tuple[float, float] | None = None
    at_least: bool = True
    note: str = ""
    failed: bool = False

    @property
    def verdict(self) -> str:
        if self.failed:
            return "FAILED"
        if self.measured is None:
            return "skipped"
        if self.wanted is None:
            return ""
        good = self.measured >= self.wanted if self.at_least else self.measured <= self.wanted
        return "met" if good else "MISSED"

    def cells(self) -> list[str]:
        sign = "≥" if self.at_least else "≤"
        wanted = "" if self.wanted is None else f"{sign} {self.wanted:g} {self.unit}"
        measured = "" if self.measured is None else f"{self.measured:.2f} {self.unit}"
        spread = "" if self.spread is None else f"{self.spread[0]:.2f}-{self.spread[1]:.2f}"
        return [self.what, wanted, measured, spread, self.verdict, self.note]

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


HEADER = ["what", "wanted", "measured", "spread", "verdict", "note"]


def render(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A plain table with columns as wide as their widest cell."""
    table = [list(header), *(list(line) for line in lines)]
    widths = [max(len(line[i]) for line in table) for i in range(len(header))]
    table.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    )


def render_rows(rows: Iterable[Row]) -> str:
    return render(HEADER, [row.cells() for row in rows])
