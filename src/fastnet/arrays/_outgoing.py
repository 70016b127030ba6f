"""What is sent: an array, or an item that holds one, as a header and its memory."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastnet._array.sources import Descriptions, source, wire_order
from fastnet._native.arrayhead import encode_header
from fastnet.arrays import _text
from fastnet.limits import Limits

__all__ = ["Item", "Outgoing", "as_item"]


class Item(NamedTuple):
    """An array with what was sent beside it."""

    array: Any
    name: str | None = None
    meta: Any = None


class Outgoing:
    """Prepares arrays for one stream; `descriptions` keeps the dtypes seen last."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.descriptions = Descriptions(64)

    def prepare(self, array: Any, name: str | None, meta: Any) -> tuple[bytes, Any, bool]:
        """The header, an ndarray over the array's memory, and whether it goes in F order.

        Raises TypeError and ValueError for what cannot be sent.
        """
        view = source(array, self.descriptions)
        order = wire_order(view.array)
        header = encode_header(
            order,
            view.array.shape,
            view.description,
            _text.dump_name(name, self._limits),
            _text.dump_meta(meta, self._limits),
        )
        return header, view.array, order == "F"

    def prepare_item(self, item: Any) -> tuple[bytes, Any, bool]:
        """The same for an array, an `Item`, ``(name, array)`` or ``(name, array, meta)``."""
        return self.prepare(*as_item(item))


def as_item(item: Any) -> Item:
    """An array, an `Item`, ``(name, array)`` or ``(name, array, meta)`` as an Item."""
    if isinstance(item, Item):
        return item
    if not isinstance(item, tuple):
        return Item(item)
    if not 2 <= len(item) <= 3 or not isinstance(item[0], (str, type(None))):
        raise TypeError("an item is an array, (name, array) or (name, array, meta)")
    return Item(item[1], item[0], item[2] if len(item) == 3 else None)
