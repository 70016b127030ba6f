"""JSON Schemas out of Python types, for the OpenAPI document."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import math
import re
import types
import typing
import uuid
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Literal, Union

from fastnet.rest._arguments import hints

__all__ = ["Schema", "Schemas", "can_be_said", "unlike"]

Schema = dict[str, Any]

_SIMPLE: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    dict: {"type": "object"},
    list: {"type": "array"},
    tuple: {"type": "array"},
    type(None): {"type": "null"},
    None: {"type": "null"},
    bytes: {"type": "string", "format": "binary"},
    uuid.UUID: {"type": "string", "format": "uuid"},
    datetime.date: {"type": "string", "format": "date"},
    datetime.datetime: {"type": "string", "format": "date-time"},
    datetime.time: {"type": "string", "format": "time"},
    decimal.Decimal: {"type": "string"},
}
_ARRAYS = (list, set, frozenset, Sequence, Iterable)


def can_be_said(value: Any) -> bool:
    """Whether JSON has a word for a value that is neither list nor object."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (str, int))


def unlike(name: str, others: Container[str]) -> str:
    """A name, or one with a number behind it that none of the others is."""
    found, count = name, 2
    while found in others:
        found, count = f"{name}_{count}", count + 1
    return found


def _constants(values: Iterable[Any]) -> Schema:
    plain = [one.value if isinstance(one, enum.Enum) else one for one in values]
    return {"enum": [one if can_be_said(one) else str(one) for one in plain]}


class Schemas:
    """Makes them; those of classes are kept under a name, and referred to by it.

    Parameters:
        known: those that have a name already; the others are added.

    Attributes:
        named: all that have one.
    """

    def __init__(self, known: Mapping[str, Schema]) -> None:
        self.named: dict[str, Schema] = dict(known)
        self._names: dict[type, str] = {}

    def of(self, kind: Any) -> Schema:
        """The schema of a type; one that allows anything where nothing is known."""
        try:
            if kind in _SIMPLE:
                return dict(_SIMPLE[kind])
        except TypeError:
            return {}
        origin, members = typing.get_origin(kind), typing.get_args(kind)
        if origin is not None:
            return self._of_parts(origin, members)
        return self._of_class(kind) if isinstance(kind, type) else {}

    def _of_parts(self, origin: Any, members: tuple[Any, ...]) -> Schema:
        if origin is Literal:
            return _constants(members)
        if origin in (Union, types.UnionType):
            return {"anyOf": [self.of(member) for member in members]}
        if origin is typing.Annotated:
            return self.of(members[0])
        if isinstance(origin, type) and issubclass(origin, Mapping):
            inner = self.of(members[1]) if len(members) == 2 else {}
            return {"type": "object", "additionalProperties": inner}
        if origin is tuple and Ellipsis not in members:
            size: Schema = {"minItems": len(members), "maxItems": len(members)}
            items = [self.of(member) for member in members]
            return {"type": "array", **({"prefixItems": items} if items else {}), **size}
        if origin in _ARRAYS or origin is tuple:
            return {"type": "array", "items": self.of(members[0])}
        return {}

    def _of_class(self, kind: type) -> Schema:
        if issubclass(kind, enum.Enum):
            return _constants(kind)
        if not (typing.is_typeddict(kind) or dataclasses.is_dataclass(kind)):
            return {}
        name = self._names.get(kind)
        if name is None:
            name = unlike(re.sub(r"[^A-Za-z0-9._-]", "_", kind.__name__), self.named)
            self._names[kind] = name
            self.named[name] = {}  # its place, since it may refer to itself
            self.named[name] = self._of_members(kind)
        return {"$ref": f"#/components/schemas/{name}"}

    def _of_members(self, kind: type) -> Schema:
        members = {name: self.of(one) for name, one in hints(kind).items()}
        found: Schema = {"type": "object", "title": kind.__name__, "properties": members}
        if required := _required(kind):
            found["required"] = required
        return found


def _required(kind: Any) -> list[str]:
    if typing.is_typeddict(kind):
        return sorted(getattr(kind, "__required_keys__"))  # noqa: B009
    missing = dataclasses.MISSING
    return [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is missing and field.default_factory is missing
    ]
