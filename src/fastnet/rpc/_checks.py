"""What a caller may give."""

from __future__ import annotations

__all__ = ["encoded", "span"]


def encoded(name: str) -> bytes:
    """A method's name as it goes over the wire."""
    if not isinstance(name, str):
        raise TypeError(f"a method's name is a str, not {type(name).__name__}")
    if not name:
        raise ValueError("a method's name is not empty")
    return name.encode()


def span(timeout: float | None) -> float | None:
    """Seconds for a call; None for ever."""
    if timeout is not None and not timeout >= 0:
        raise ValueError(f"timeout must be None or at least 0 seconds, not {timeout!r}")
    return timeout
