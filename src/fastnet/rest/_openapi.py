"""An OpenAPI 3.1 document out of what is registered: paths, types and docstrings."""

from __future__ import annotations

import enum
import functools
import inspect
import re
import typing
from collections.abc import Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from fastnet.rest._arguments import BODY, Argument, hints
from fastnet.rest._either import either_operation
from fastnet.rest._endpoint import summary_of
from fastnet.rest._reply import Response
from fastnet.rest._schemas import Schemas, can_be_said, unlike

if TYPE_CHECKING:
    from fastnet.rest._dispatch import Route

__all__ = ["document"]

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
_WITH_FORM = ("POST", "PUT", "PATCH")
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


def document(info: dict[str, Any], routes: Iterable[Route]) -> dict[str, Any]:
    """The whole document.  Source: the OpenAPI Specification, 3.1.0."""
    schemas = Schemas({"Problem": _PROBLEM_SCHEMA})
    paths: dict[str, Any] = {}
    names: set[str] = set()
    for methods in _by_shape(routes):
        template = next(iter(methods.values()))[0]
        paths[_PARAMETER.sub(r"{\1}", template.path)] = item = {}
        for method, alike in methods.items():
            item[method] = operation = _operation(alike, template, schemas)
            if "operationId" in operation:  # it must be the only one of its name
                operation["operationId"] = unlike(operation["operationId"], names)
                names.add(operation["operationId"])
    return {
        "openapi": "3.1.0",
        "info": dict(info),
        "paths": paths,
        "components": {"schemas": schemas.named},
    }


def _by_shape(routes: Iterable[Route]) -> list[dict[str, list[Route]]]:
    """Routes by method, together where their paths differ in nothing but parameters.

    In OpenAPI such paths are one and the same, whatever their parameters are called.
    """
    shapes: dict[str, dict[str, list[Route]]] = {}
    for route in routes:
        method = route.method.lower()
        if not route.hidden and method in _METHODS:
            shape = _PARAMETER.sub("{}", route.path)
            shapes.setdefault(shape, {}).setdefault(method, []).append(route)
    return list(shapes.values())


def _operation(routes: list[Route], template: Route, schemas: Schemas) -> dict[str, Any]:
    found = functools.reduce(
        either_operation, [_generated(route, template, schemas) for route in routes]
    )
    for route in reversed(routes):
        found.update(route.options)
    return found


def _generated(route: Route, template: Route, schemas: Schemas) -> dict[str, Any]:
    summary, description = summary_of(route.function)
    found: dict[str, Any] = {}
    if summary:
        found["summary"] = summary
    if description:
        found["description"] = description
    name = getattr(route.function, "__name__", "")
    if name.isidentifier():
        found["operationId"] = f"{route.method.lower()}_{name}"
    parameters = [*_path_parameters(route, template), *_query_parameters(route, schemas)]
    if parameters:
        found["parameters"] = parameters
    if (body := _request_body(route, schemas)) is not None:
        found["requestBody"] = body
    found["responses"] = _responses(route, schemas)
    return found


# ----------------------------------------------------------------------- what is taken


def _path_parameters(route: Route, template: Route) -> Iterator[dict[str, Any]]:
    names = _PARAMETER.findall(template.path)
    own = [converter for segment in route.segments for _, converter in segment.parameters]
    for name, converter in zip(names, own, strict=True):
        yield {"name": name, "in": "path", "required": True, "schema": dict(converter.schema)}


def _query_parameters(route: Route, schemas: Schemas) -> Iterator[dict[str, Any]]:
    for argument in [] if _takes_form(route) else _fields(route):
        one: dict[str, Any] = {"name": argument.name, "in": "query"}
        one["required"] = _is_required(argument)
        one["schema"] = _with_default(argument, schemas)
        yield one


def _body_argument(route: Route) -> Argument | None:
    found = route.endpoint.arguments if route.endpoint is not None else []
    return next((argument for argument in found if argument.name == BODY), None)


def _takes_form(route: Route) -> bool:
    return route.method in _WITH_FORM and _body_argument(route) is None


def _fields(route: Route) -> list[Argument]:
    found = route.endpoint.arguments if route.endpoint is not None else []
    return [argument for argument in found if argument.name != BODY]


def _is_required(argument: Argument) -> bool:
    return argument.default is Argument.required and not argument.optional and not argument.many


def _with_default(argument: Argument, schemas: Schemas) -> dict[str, Any]:
    found, default = schemas.of(argument.annotation), argument.default
    if isinstance(default, enum.Enum):
        default = default.value
    if default is not None and can_be_said(default):
        found["default"] = default
    return found


def _request_body(route: Route, schemas: Schemas) -> dict[str, Any] | None:
    argument = _body_argument(route)
    if argument is not None:
        content = {"application/json": {"schema": schemas.of(argument.annotation)}}
        return {"required": _is_required(argument), "content": content}
    fields = _fields(route)
    if not fields or not _takes_form(route):
        return None
    form: dict[str, Any] = {
        "type": "object",
        "properties": {argument.name: _with_default(argument, schemas) for argument in fields},
    }
    required = [argument.name for argument in fields if _is_required(argument)]
    if required:
        form["required"] = required
    kinds = ("application/x-www-form-urlencoded", "multipart/form-data")
    return {"required": bool(required), "content": {kind: {"schema": form} for kind in kinds}}


# -------------------------------------------------------------------- what is returned


def _responses(route: Route, schemas: Schemas) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": _PROBLEM}}
    found: dict[str, Any] = {"default": {"description": "a problem", "content": problem}}
    returned = hints(route.function).get("return", inspect.Parameter.empty)
    if route.endpoint is None or returned in (inspect.Parameter.empty, Response, Any):
        return {"200": {"description": "OK"}, **found}
    if returned is type(None):
        return {"204": {"description": "No Content"}, **found}
    if typing.get_origin(returned) in (Iterator, Generator):
        returned = bytes  # in pieces
    kind = {str: "text/plain", bytes: "application/octet-stream"}.get(returned, "application/json")
    content = {kind: {"schema": schemas.of(returned)}}
    return {"200": {"description": "OK", "content": content}, **found}
