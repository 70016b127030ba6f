"""A handler's further parameters: out of the query, a form or a JSON body."""

from __future__ import annotations

import datetime
import enum
import functools
import inspect
import operator
import types
import typing
import uuid
from collections.abc import Callable, Iterable
from typing import Any, Literal, Union

from fastnet.rest._body import has_body, is_form
from fastnet.rest._errors import BadRequest
from fastnet.rest._request import Request

__all__ = ["BODY", "Argument", "arguments", "hints"]

BODY = "body"  # the parameter of this name is what the JSON body says
_BOOLS = {"true": True, "1": True, "yes": True, "on": True}
_BOOLS |= {"false": False, "0": False, "no": False, "off": False}


class Argument:
    """One parameter that is not the path's.

    Attributes:
        name: the parameter's, and that of the query's or form's field.
        annotation: its type; text when it has none, and anything for a body.
        default: what it is when the request does not say; `required` otherwise.
    """

    required = inspect.Parameter.empty

    def __init__(self, name: str, annotation: Any, default: Any) -> None:
        self.name = name
        if annotation is inspect.Parameter.empty:
            annotation = Any if name == BODY else str
        self.annotation = annotation
        self.default = default
        inner, self.optional = _without_none(self.annotation)
        self.many = name != BODY and (typing.get_origin(inner) or inner) is list
        if self.many:
            inner = (typing.get_args(inner) or (str,))[0]
        self._type = inner
        self._convert = None if name == BODY else _converter(inner, name)

    def put(self, request: Request, given: dict[str, Any]) -> None:
        """Adds its value to the arguments; 400 when it is missing or makes no sense."""
        if self.name == BODY:
            self._put_body(request, given)
            return
        texts = request.values(self.name)
        if not texts:
            if self.default is not Argument.required:
                return
            if self.optional or self.many:
                given[self.name] = [] if self.many else None
                return
            raise BadRequest(f"the parameter {self.name!r} is missing")
        found = [self._value(text) for text in texts]
        given[self.name] = found if self.many else found[0]

    def _value(self, text: str) -> Any:
        assert self._convert is not None
        try:
            return self._convert(text)
        except (ValueError, KeyError):
            shown, wanted = text[:80], describe(self._type)
            raise BadRequest(f"the parameter {self.name!r} is {shown!r}, not {wanted}") from None

    def _put_body(self, request: Request, given: dict[str, Any]) -> None:
        may_lack = self.default is not Argument.required or self.optional
        if may_lack and not _has_body(request):
            if self.default is Argument.required:
                given[self.name] = None
            return
        given[self.name] = request.json(_json_kinds(self.annotation))


def _has_body(request: Request) -> bool:
    if not has_body(request.environ):
        return False
    return is_form(request.environ) or bool(request.body())  # a form may have been read as one


_JSON_KINDS: dict[Any, tuple[type, ...]] = {
    dict: (dict,),
    list: (list,),
    str: (str,),
    int: (int,),
    float: (int, float),
    bool: (bool,),
    type(None): (type(None),),
}


def _json_kinds(annotation: Any) -> tuple[type, ...] | None:
    """What a JSON value of that type may be; None where that is not known."""
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        members = [_json_kinds(one) for one in typing.get_args(annotation)]
        known = [one for one in members if one is not None]
        return None if len(known) < len(members) else sum(known, ())
    kind = dict if typing.is_typeddict(annotation) else origin or annotation
    return _JSON_KINDS.get(kind) if isinstance(kind, type) else None


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """``T | None`` as T and True; another annotation as itself and False."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        members = [one for one in typing.get_args(annotation) if one is not type(None)]
        if len(members) < len(typing.get_args(annotation)):
            inner = members[0] if len(members) == 1 else functools.reduce(operator.or_, members)
            return inner, True
    return annotation, False


def _bool(text: str) -> bool:
    return _BOOLS[text.lower()]


def _number(text: str) -> int:
    if not text.isascii() or len(text) > 40 or "_" in text:
        raise ValueError
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0 or "_" in text:
        raise ValueError
    return value


_TEXTS: dict[Any, Callable[[str], Any]] = {
    str: str,
    Any: str,
    int: _number,
    float: _finite,
    bool: _bool,
    uuid.UUID: uuid.UUID,
    datetime.date: datetime.date.fromisoformat,
    datetime.datetime: datetime.datetime.fromisoformat,
}


def _choices(kind: Any) -> list[tuple[Any, Any]] | None:
    """The values that a type allows, each as the client and as the handler knows it."""
    if typing.get_origin(kind) is Literal:
        members = typing.get_args(kind)
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        members = tuple(kind)
    else:
        return None
    return [(one.value if isinstance(one, enum.Enum) else one, one) for one in members]


def _texts_of(choices: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for value, member in choices:
        if isinstance(value, bool):
            found |= {text: member for text, meant in _BOOLS.items() if meant is value}
    return found | {str(value): member for value, member in choices}


def _converter(kind: Any, name: str) -> Callable[[str], Any]:
    if (choices := _choices(kind)) is not None:
        return _texts_of(choices).__getitem__
    try:
        return _TEXTS[kind]
    except (KeyError, TypeError):
        raise TypeError(f"the parameter {name!r} cannot be {kind!r}: no text becomes one") from None


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def describe(kind: Any) -> str:
    """A type in words, for who sent something else."""
    if (choices := _choices(kind)) is not None:
        return f"one of {', '.join(_word(value) for value, _ in choices)}"
    words = {int: "a whole number", float: "a number", bool: "true or false", uuid.UUID: "a UUID"}
    words |= {datetime.date: "a date", datetime.datetime: "a date and time"}
    return words.get(kind, "that")


def hints(function: Callable[..., Any]) -> dict[str, Any]:
    """A function's annotations, evaluated; those that cannot be are left out."""
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        found = getattr(function, "__annotations__", {})
        return {name: one for name, one in found.items() if not isinstance(one, str)}


def arguments(function: Callable[..., Any], path_names: set[str]) -> list[Argument]:
    """A handler's parameters after the request, without the path's.

    Raises TypeError when it does not take the path's parameters, or has one
    of a type that no text can become.
    """
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise TypeError(f"{function!r} must take the request as its first argument")
    if parameters[0].name in path_names:
        raise TypeError(f"{function!r}: the first argument is the request, not a path's parameter")
    known, found, takes_all = hints(function), [], False
    for parameter in parameters[1:]:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            takes_all = True
        elif parameter.name not in path_names and parameter.kind not in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.POSITIONAL_ONLY,
        ):
            kind = known.get(parameter.name, parameter.annotation)
            if isinstance(kind, str):  # it could not be evaluated
                kind = inspect.Parameter.empty
            found.append(Argument(parameter.name, kind, parameter.default))
    missing = path_names - {parameter.name for parameter in parameters[1:]}
    if missing and not takes_all:
        raise TypeError(f"{function!r} must take {', '.join(sorted(missing))}, which its path has")
    return found
