"""Paths with parameters: what ``/users/<int:id>`` means, and a tree that finds it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CONVERTERS", "Converter", "Found", "Node", "Segment", "segments", "wsgi_path"]


@dataclass(frozen=True)
class Converter:
    """A type of path parameters.

    Attributes:
        pattern: a regular expression without groups of its own.  For a segment's
            parameter it must not match a ``/``.
        convert: makes the value out of the text; ValueError means no match.
        schema: what it is in OpenAPI.
    """

    pattern: str
    convert: Callable[[str], Any]
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})


# Numbers have a bound on their digits, since converting them costs the square of it.
CONVERTERS = {
    "str": Converter("[^/]+", str),
    "int": Converter("-?[0-9]{1,40}", int, {"type": "integer"}),
    "float": Converter(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?", float, {"type": "number"}),
    "path": Converter(".+", str),
    "uuid": Converter(
        "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
        uuid.UUID,
        {"type": "string", "format": "uuid"},
    ),
}
_MIXED = 128  # characters of a segment with several parameters
_PARAMETER = re.compile(r"<(?:([^\W\d]\w*):)?([^\W\d]\w*)>")


def wsgi_path(path: str) -> str:
    """A path as PATH_INFO has it: UTF-8, each byte a character."""
    return path if path.isascii() else path.encode("utf-8").decode("latin-1")


@dataclass(frozen=True)
class Segment:
    """What lies between two slashes: a literal text, or a pattern with parameters."""

    text: str
    match: Callable[[str], re.Match[str] | None] | None = None
    parameters: tuple[tuple[str, Converter], ...] = ()
    rest: bool = False  # goes on over slashes

    def values(self, text: str) -> dict[str, Any] | None:
        """The parameters' values, or None when the text is something else."""
        assert self.match is not None
        # Trying where one of several parameters ends takes a power of the length.
        if len(self.parameters) > 1 and len(text) > _MIXED:
            return None
        if (found := self.match(text)) is None:
            return None
        values = {}
        for (name, converter), part in zip(self.parameters, found.groups(), strict=True):
            try:
                values[name] = converter.convert(part)
            except ValueError:
                return None
        return values


def segments(path: str, converters: dict[str, Converter]) -> list[Segment]:
    """A path with parameters in its segments; ValueError says what is wrong with it."""
    if not path.startswith("/"):
        raise ValueError(f"{path!r} must begin with a slash")
    found = [_segment(text, path, converters) for text in path[1:].split("/")]
    names = [name for segment in found for name, _ in segment.parameters]
    if len(names) != len(set(names)):
        raise ValueError(f"{path!r} has two parameters of one name")
    if sum(segment.rest for segment in found) > 1:
        raise ValueError(f"{path!r} has two parameters of the type path")
    return found


def _segment(text: str, path: str, converters: dict[str, Converter]) -> Segment:
    pattern, parameters, place, rest = "", [], 0, False
    for match in _PARAMETER.finditer(text):
        kind, name = match[1] or "str", match[2]
        if kind not in converters:
            raise ValueError(f"{path!r}: {kind!r} is none of {', '.join(sorted(converters))}")
        pattern += (
            f"{re.escape(wsgi_path(text[place : match.start()]))}({converters[kind].pattern})"
        )
        parameters.append((name, converters[kind]))
        place = match.end()
        rest = rest or kind == "path"
    if "<" in _PARAMETER.sub("", text) or ">" in _PARAMETER.sub("", text):
        raise ValueError(f"{path!r}: write parameters as <name> or <type:name>")
    if not parameters:
        return Segment(wsgi_path(text))
    if rest and text != match[0]:
        raise ValueError(f"{path!r}: a parameter of the type path has its segment to itself")
    if len(parameters) > 3:
        raise ValueError(f"{path!r}: more than three parameters in one segment")
    compiled = re.compile(pattern + re.escape(wsgi_path(text[place:])), re.S)
    return Segment(text, compiled.fullmatch, tuple(parameters), rest)


Found = tuple[dict[str, Any], dict[str, Any]]  # what is registered there, the parameters' values


class Node:
    """A point in the tree of paths: what is registered there, and where it goes on."""

    __slots__ = ("literal", "methods", "patterns")

    def __init__(self) -> None:
        self.methods: dict[str, Any] = {}
        self.literal: dict[str, Node] = {}
        self.patterns: list[tuple[Segment, Node]] = []

    def add(self, path: list[Segment]) -> Node:
        """The node at the end of a path, made where it is not there."""
        node = self
        for segment in path:
            node = node._child(segment)
        return node

    def _child(self, segment: Segment) -> Node:
        if segment.match is None:
            return self.literal.setdefault(segment.text, Node())
        for known, child in self.patterns:
            if known.text == segment.text:
                return child
        child = Node()
        self.patterns.append((segment, child))
        # The most particular first: with more literal text, and a path's rest last.
        self.patterns.sort(key=lambda pair: (pair[0].rest, _vagueness(pair[0])))
        return child

    def find(self, parts: list[str], place: int = 0) -> Iterator[Found]:
        """Every registered node that a path fits, the most particular first."""
        if place == len(parts):
            if self.methods:
                yield self.methods, {}
            return
        child = self.literal.get(parts[place])
        if child is not None:
            yield from child.find(parts, place + 1)
        for segment, child in self.patterns:
            if segment.rest:
                yield from _find_rest(segment, child, parts, place)
            elif (values := segment.values(parts[place])) is not None:
                for methods, others in child.find(parts, place + 1):
                    yield methods, {**values, **others}


def _vagueness(segment: Segment) -> tuple[int, int]:
    text = _PARAMETER.sub("", segment.text)
    plain = all(converter.pattern == "[^/]+" for _, converter in segment.parameters)
    return -len(text), int(plain)


def _find_rest(segment: Segment, child: Node, parts: list[str], place: int) -> Iterator[Found]:
    if not child.literal and not child.patterns:
        ends = [len(parts)]  # nothing follows, so all of it
    else:
        # What goes on after it is more particular than what ends with it.
        ends = [*range(len(parts) - 1, place, -1), len(parts)]
    for end in ends:
        if end < len(parts) and parts[end] not in child.literal and not child.patterns:
            continue
        values = segment.values("/".join(parts[place:end]))
        if values is not None:
            for methods, others in child.find(parts, end):
                yield methods, {**values, **others}
