"""What is received: a header in Python's terms, and whether an array fits it."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastnet._array.sources import View
from fastnet._native.arrayhead import Head
from fastnet.arrays import _text
from fastnet.arrays._outgoing import Item

__all__ = ["ArrayInfo", "check_fit", "info_of", "item_of"]


class ArrayInfo(NamedTuple):
    """What comes next: enough to make a place for it.

    shape in items; order "C" or "F"; nbytes of the items; dtype is a
    `numpy.dtype`, or None for a type that only ``recv(out=tensor)`` can take.
    """

    name: str | None
    dtype: Any
    shape: tuple[int, ...]
    order: str
    nbytes: int
    meta: Any


def info_of(head: Head) -> ArrayInfo:
    """What peek() says."""
    name, meta = _text.check_name(head.name), _text.load_meta(head.meta)
    return ArrayInfo(name, head.dtype, head.shape, head.order, head.nbytes, meta)


def item_of(head: Head, array: Any) -> Item:
    """An array with what came beside it."""
    return Item(array, _text.check_name(head.name), _text.load_meta(head.meta))


def check_fit(head: Head, out: Any, view: View) -> None:
    """ValueError unless out, seen as view, has the shape and dtype that come."""
    if view.array.shape != head.shape:
        raise ValueError(f"out has shape {view.array.shape}, the array that comes {head.shape}")
    if view.description != head.description:
        coming = head.dtype if head.dtype is not None else head.problem
        given = getattr(out, "dtype", view.array.dtype)
        raise ValueError(f"out has dtype {given}, the array that comes {coming}")
