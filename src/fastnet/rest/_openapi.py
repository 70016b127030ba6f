"""An OpenAPI 3.1 document out of what is registered: paths, types and docstrings."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import inspect
import re
import types
import typing
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Union

from fastnet.rest._arguments import BODY, Argument, hints
from fastnet.rest._endpoint import summary_of
from fastnet.rest._reply import Response

if TYPE_CHECKING:
    from fastnet.rest._dispatch import Route

__all__ = ["document", "schema"]

_SIMPLE: dict[Any, dict[str, Any]] = {
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
_ARRAYS = (list, set, frozenset, tuple, Sequence, Iterable)
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_PROBLEM_SCHEMA = {
    "type": "object",
    "description": "RFC 9457",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
    },
}
# What a path item may hold; RFC 9110 knows CONNECT as well, which has no path.
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def schema(kind: Any, depth: int = 0) -> dict[str, Any]:
    """The JSON Schema of a Python type; one that allows anything where nothing is known."""
    if depth > 10:  # a class that refers to itself
        return {}
    try:
        if kind in _SIMPLE:
            return dict(_SIMPLE[kind])
    except TypeError:
        return {}
    origin, members = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return {"enum": list(members)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema(member, depth + 1) for member in members]}
    if origin is typing.Annotated:
        return schema(members[0], depth + 1)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        inner = schema(members[1], depth + 1) if len(members) == 2 else {}
        return {"type": "object", "additionalProperties": inner}
    if origin in _ARRAYS:
        return {"type": "array", "items": schema(members[0], depth + 1)}
    if isinstance(kind, type):
        return _of_class(kind, depth)
    return {}


def _of_class(kind: type, depth: int) -> dict[str, Any]:
    if issubclass(kind, enum.Enum):
        return {"enum": [member.value for member in kind]}
    if typing.is_typeddict(kind):
        required = sorted(getattr(kind, "__required_keys__"))  # noqa: B009
    elif dataclasses.is_dataclass(kind):
        missing = dataclasses.MISSING
        required = [
            field.name
            for field in dataclasses.fields(kind)
            if field.default is missing and field.default_factory is missing
        ]
    else:
        return {}
    members = {name: schema(one, depth + 1) for name, one in hints(kind).items()}
    found: dict[str, Any] = {"type": "object", "title": kind.__name__, "properties": members}
    if required:
        found["required"] = required
    return found


def _path(route: Route) -> str:
    """The path as OpenAPI writes it: ``/users/{id}``."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path)


def _parameters(route: Route) -> Iterator[dict[str, Any]]:
    for segment in route.segments:
        for name, converter in segment.parameters:
            yield {"name": name, "in": "path", "required": True, "schema": dict(converter.schema)}
    for argument in _fields(route):
        if route.method in ("POST", "PUT", "PATCH"):
            continue  # in the form
        one: dict[str, Any] = {"name": argument.name, "in": "query"}
        one["required"] = _is_required(argument)
        one["schema"] = _with_default(argument)
        yield one


def _fields(route: Route) -> list[Argument]:
    found = route.endpoint.arguments if route.endpoint is not None else []
    return [argument for argument in found if argument.name != BODY]


def _is_required(argument: Argument) -> bool:
    return argument.default is Argument.required and not argument.optional and not argument.many


def _with_default(argument: Argument) -> dict[str, Any]:
    found = schema(argument.annotation)
    default = argument.default
    if isinstance(default, (str, int, float, bool)) and not isinstance(default, enum.Enum):
        found["default"] = default
    return found


def _request_body(route: Route) -> dict[str, Any] | None:
    if route.endpoint is None:
        return None
    for argument in route.endpoint.arguments:
        if argument.name == BODY:
            content = {"application/json": {"schema": schema(argument.annotation)}}
            return {"required": _is_required(argument), "content": content}
    fields = _fields(route)
    if not fields or route.method not in ("POST", "PUT", "PATCH"):
        return None
    form: dict[str, Any] = {
        "type": "object",
        "properties": {argument.name: _with_default(argument) for argument in fields},
    }
    required = [argument.name for argument in fields if _is_required(argument)]
    if required:
        form["required"] = required
    kinds = ("application/x-www-form-urlencoded", "multipart/form-data")
    return {"required": bool(required), "content": {kind: {"schema": form} for kind in kinds}}


def _responses(route: Route) -> dict[str, Any]:
    problem = {"description": "a problem", "content": {"application/problem+json": {}}}
    problem["content"] = {"application/problem+json": {"schema": _PROBLEM}}
    found: dict[str, Any] = {"default": problem}
    returned = hints(route.function).get("return", inspect.Parameter.empty)
    if route.endpoint is None or returned in (inspect.Parameter.empty, Response, Any):
        return {"200": {"description": "OK"}, **found}
    if returned is type(None):
        return {"204": {"description": "No Content"}, **found}
    kind = {str: "text/plain", bytes: "application/octet-stream"}.get(returned, "application/json")
    content = {kind: {"schema": schema(returned)}}
    return {"200": {"description": "OK", "content": content}, **found}


def _operation(route: Route) -> dict[str, Any]:
    summary, description = summary_of(route.function)
    found: dict[str, Any] = {}
    if summary:
        found["summary"] = summary
    if description:
        found["description"] = description
    name = getattr(route.function, "__name__", "")
    if name.isidentifier():
        found["operationId"] = f"{route.method.lower()}_{name}"
    if parameters := list(_parameters(route)):
        found["parameters"] = parameters
    if (body := _request_body(route)) is not None:
        found["requestBody"] = body
    found["responses"] = _responses(route)
    return {**found, **route.options}


def document(info: dict[str, Any], routes: Iterable[Route]) -> dict[str, Any]:
    """The whole document.  Source: the OpenAPI Specification, 3.1.0."""
    paths: dict[str, Any] = {}
    names: set[str] = set()
    for route in routes:
        method = route.method.lower()
        if route.hidden or method not in _METHODS:
            continue
        operation = _operation(route)
        name = operation.get("operationId")
        count = 2
        while name in names:  # it must be the only one of its name
            name = f"{operation['operationId']}_{count}"
            count += 1
        if name is not None:
            operation["operationId"] = name
            names.add(name)
        paths.setdefault(_path(route), {})[method] = operation
    return {
        "openapi": "3.1.0",
        "info": dict(info),
        "paths": paths,
        "components": {"schemas": {"Problem": _PROBLEM_SCHEMA}},
    }
