"""What a pickle may ask for."""

from __future__ import annotations

from collections.abc import Iterable

from fastnet._pickles import NUMPY, Allowed

__all__ = ["NUMPY", "Allowed", "allow_list"]


def allow_list(allowed: Iterable[tuple[str, str]] | None) -> Allowed | None:
    """allowed as the unpickler takes it.

    Raises:
        TypeError: something in it is no pair of a module's and a thing's name.
    """
    if allowed is None:
        return None
    pairs = list(allowed)
    for pair in pairs:
        if not (isinstance(pair, tuple) and [type(part) for part in pair] == [str, str]):
            raise TypeError(f"allowed= holds pairs like ('datetime', 'timedelta'), not {pair!r}")
    return frozenset(pairs)
