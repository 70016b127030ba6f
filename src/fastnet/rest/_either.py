"""Two operations as one that does either: OpenAPI cannot tell paths apart by a parameter's type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["either_operation"]

Item = dict[str, Any]


def either_operation(first: Item, second: Item) -> Item:
    """An operation that takes what one of two takes, and replies as one of them does.

    It goes by the first one's name and summary; the other's are told below.
    """
    found = {**second, **first}
    texts = [first.get("description"), second.get("summary"), second.get("description")]
    if described := "\n\n".join(text for text in texts if text):
        found["description"] = described
    if parameters := _parameters(first.get("parameters", []), second.get("parameters", [])):
        found["parameters"] = parameters
    bodies = [one["requestBody"] for one in (first, second) if "requestBody" in one]
    if bodies:
        required = len(bodies) == 2 and all(body["required"] for body in bodies)
        content = _joined(bodies[0]["content"], bodies[-1]["content"], _media)
        found["requestBody"] = {"required": required, "content": content}
    found["responses"] = _joined(first["responses"], second["responses"], _response)
    return found


def _joined(first: Item, second: Item, join: Callable[[Any, Any], Any]) -> Item:
    """All that two mappings have; what both have is joined."""
    both = {name: join(one, second[name]) for name, one in first.items() if name in second}
    return {**first, **second, **both}


def _parameters(first: list[Item], second: list[Item]) -> list[Item]:
    def by_name(parameters: list[Item]) -> Item:
        return {f"{one['in']} {one['name']}": one for one in parameters}

    one, two = by_name(first), by_name(second)
    found = _joined(one, two, _parameter)
    for name in one.keys() ^ two.keys():
        found[name] = {**found[name], "required": False}
    return list(found.values())


def _parameter(first: Item, second: Item) -> Item:
    required = first["required"] and second["required"]
    schema = _schema(first["schema"], second["schema"])
    return {**first, "required": required, "schema": schema}


def _response(first: Item, second: Item) -> Item:
    content = _joined(first.get("content", {}), second.get("content", {}), _media)
    return {**first, "content": content} if content else first


def _media(first: Item, second: Item) -> Item:
    return {"schema": _schema(first["schema"], second["schema"])}


def _schema(first: Item, second: Item) -> Item:
    if first == second:
        return first
    choices: list[Item] = []
    for schema in (first, second):
        for one in schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]:
            if one not in choices:
                choices.append(one)
    return {"anyOf": choices}
