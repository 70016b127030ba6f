"""Headers: names in any case, several values of one name, in the order of their coming."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from fastnet.http.exceptions import InvalidHeader

__all__ = ["Headers"]

# A token, RFC 9110 5.6.2; and what a value may not have in it, 5.5.
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD = re.compile(r"[^\t\x20-\x7e\x80-\xff]")


class Headers(MutableMapping[str, str]):
    """The header fields of a message.

    A mapping whose keys are in any case.  A name that came several times has
    its values joined with commas, and `get_list` gives them apart.

    Parameters:
        fields: a mapping, or pairs of name and value.
    """

    __slots__ = ("_items", "_index", "changes")

    def __init__(self, fields: Mapping[str, str] | Iterable[tuple[str, str]] | None = None) -> None:
        self._items: list[tuple[str, str]] = []
        self._index: dict[str, list[str]] | None = None
        self.changes = 0  # counts what is changed, for those who keep what they made of it
        if fields is not None:
            pairs = fields.items() if isinstance(fields, Mapping) else fields
            self._items.extend(pairs)

    @classmethod
    def _of(cls, items: list[tuple[str, str]]) -> Headers:
        """Over a list that nobody else keeps."""
        self = cls.__new__(cls)
        self._items = items
        self._index = None
        self.changes = 0
        return self

    def _lists(self) -> dict[str, list[str]]:
        index = self._index
        if index is None:
            index = {}
            for name, value in self._items:
                index.setdefault(name.lower(), []).append(value)
            self._index = index
        return index

    def _changed(self) -> None:
        self._index = None
        self.changes += 1

    def __getitem__(self, name: str) -> str:
        values = self._lists()[name.lower()]
        return values[0] if len(values) == 1 else ", ".join(values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._lists()

    def __setitem__(self, name: str, value: str) -> None:
        key = name.lower()
        kept, at = [], None
        for item in self._items:
            if item[0].lower() != key:
                kept.append(item)
            elif at is None:
                at = len(kept)
                kept.append((name, value))
        if at is None:
            kept.append((name, value))
        self._items = kept
        self._changed()

    def __delitem__(self, name: str) -> None:
        key = name.lower()
        kept = [item for item in self._items if item[0].lower() != key]
        if len(kept) == len(self._items):
            raise KeyError(name)
        self._items = kept
        self._changed()

    def __iter__(self) -> Iterator[str]:
        seen = set()
        for name, _ in self._items:
            if name.lower() not in seen:
                seen.add(name.lower())
                yield name

    def __len__(self) -> int:
        return len(self._lists())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        theirs = other if isinstance(other, Headers) else Headers(other)
        return self._lists() == theirs._lists()

    __hash__ = None  # type: ignore[assignment]

    def add(self, name: str, value: str) -> None:
        """Adds a value, beside those that the name has already."""
        self._items.append((name, value))
        self._changed()

    def get_list(self, name: str) -> list[str]:
        """Every value of a name, in order; an empty list for none."""
        return list(self._lists().get(name.lower(), ()))

    getlist = get_list  # as urllib3 spells it

    def get_all(self, name: str, failobj: Any = None) -> Any:
        """Every value of a name, or failobj: as `email.message.Message` has it."""
        return self.get_list(name) or failobj

    def multi_items(self) -> list[tuple[str, str]]:
        """All fields as they came."""
        return list(self._items)

    def copy(self) -> Headers:
        """The same fields, to be changed apart."""
        return Headers(self._items)

    def __repr__(self) -> str:
        return f"Headers({self._items!r})"


def check_name(name: Any) -> str:
    """A field name that may be sent; InvalidHeader for others."""
    if isinstance(name, bytes):
        name = name.decode("latin-1")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidHeader(f"{name!r} is no header name (RFC 9110 5.1)")
    return name


def check_value(name: str, value: Any) -> str:
    """A field value that may be sent, without blanks around it; InvalidHeader for others."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str):
        kind = type(value).__name__
        raise InvalidHeader(f"the value of {name} must be text or bytes, not {kind}")
    bad = _BAD.search(value)
    if bad is not None:
        raise InvalidHeader(f"the value of {name} may not have {bad[0]!r} in it (RFC 9110 5.5)")
    return value.strip(" \t")


def check_method(method: Any) -> str:
    """A method that may be sent; InvalidHeader for others."""
    if isinstance(method, bytes):
        method = method.decode("latin-1")
    if not isinstance(method, str) or not _NAME.fullmatch(method):
        raise InvalidHeader(f"{method!r} is no method (RFC 9110 9.1)")
    return method
