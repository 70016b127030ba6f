"""The length that a request says its body has."""

from __future__ import annotations

__all__ = ["MOST", "length_of"]

_DIGITS = 18  # Python refuses to make numbers of thousands of them
MOST: int = 10**_DIGITS  # bytes that no body has


def length_of(text: str) -> int | None:
    """A Content-Length as a number, `MOST` for any that is beyond it; None if it is none."""
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")
    return MOST if len(digits) > _DIGITS else int(digits or "0")
