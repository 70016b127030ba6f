"""From a handler to a WSGI application: both forms of handlers, and HEAD."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import itertools
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fastnet.rest._arguments import Argument, arguments
from fastnet.rest._body import BodyLimits, Environ
from fastnet.rest._errors import HTTPError
from fastnet.rest._reply import Response, json_reply
from fastnet.rest._request import Request

__all__ = ["Endpoint", "closing", "guarded", "headless", "reply_of"]

Start = Callable[..., Any]


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A handler that is a generator function, with its HTTPErrors turned into replies.

    Those raised after the first block was sent go to the server, which can
    only cut the reply short.
    """

    @functools.wraps(function)
    def generator(environ: Environ, start_response: Start) -> Iterator[bytes]:
        try:
            yield from function(environ, start_response)
        except HTTPError as error:
            yield from error(environ, start_response, sys.exc_info())

    return generator


def headless(
    application: Callable[..., Iterable[bytes]], environ: Environ, start_response: Start
) -> list[bytes]:
    """The reply to HEAD of an application that was written for GET."""

    def start(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
        start_response(status, headers, *([exc_info] if exc_info else []))
        return lambda data: None

    blocks = application(environ, start)
    try:
        for block in blocks:
            if block:  # it has called start_response by now
                break
    finally:
        close = getattr(blocks, "close", None)
        if close is not None:
            close()
    return []


class closing:
    """A reply's blocks, after which something else is closed too."""

    __slots__ = ("_blocks", "_iterator", "_thing")

    def __init__(self, blocks: Iterable[bytes], thing: Any) -> None:
        self._blocks = blocks
        self._iterator: Iterator[bytes] = iter(blocks)
        self._thing = thing

    def __iter__(self) -> closing:
        return self

    def __next__(self) -> bytes:
        return next(self._iterator)

    def begin(self) -> None:
        """Gets the first block that has anything in it, before it is asked for.

        A server sends the head with it; what fails until then can still have
        a reply of its own.
        """
        try:
            first = next(filter(None, self._iterator), None)
        except BaseException:
            self.close()
            raise
        if first is not None:
            self._iterator = itertools.chain((first,), self._iterator)

    def close(self) -> None:
        """Closes the blocks and the thing."""
        try:
            close = getattr(self._blocks, "close", None)
            if close is not None:
                close()
        finally:
            self._thing.close()


def reply_of(value: Any) -> Callable[[Environ, Start], Iterable[bytes]]:
    """The reply that a returned value stands for.

    A `Response` or another WSGI application is itself; text is plain text,
    bytes are bytes, None is an empty 204; a pair of a value and a number is
    that value with that status; an iterator of bytes is sent piece by piece;
    everything else is data, and goes as JSON.
    """
    if type(value) in (dict, list):
        return json_reply(value)
    status = 200
    if type(value) is tuple and len(value) == 2 and type(value[1]) is int:
        value, status = value
        if value is None:
            return Response(b"", status, None)
    if isinstance(value, (Response, HTTPError)) and status != 200:
        value.status = status
    if callable(value) and not isinstance(value, type):
        return value  # type: ignore[no-any-return]
    if value is None:
        return Response(b"", 204, None)
    if isinstance(value, str):
        return Response(value, status)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Response(bytes(value), status, "application/octet-stream")
    if isinstance(value, Iterator) and not isinstance(value, Mapping):
        return Response(value, status, "application/octet-stream")
    return json_reply(value, status)


class Endpoint:
    """A handler of the richer form as a WSGI application."""

    __slots__ = ("_limits", "_names", "arguments", "function", "reads")

    def __init__(
        self, function: Callable[..., Any], path_names: Iterable[str], limits: BodyLimits
    ) -> None:
        self.function = function
        self._limits = limits
        self.arguments: list[Argument] = arguments(function, set(path_names))
        self.reads = bool(self.arguments)

    def __call__(
        self, environ: Environ, start_response: Start, values: dict[str, Any]
    ) -> Iterable[bytes]:
        """Runs the handler and sends what it returns."""
        request = Request(environ, values, self._limits)
        try:
            given = self._given(request) if self.reads else values
            blocks = reply_of(self.function(request, **given))(environ, start_response)
            if type(blocks) is not list:
                blocks = closing(blocks, request)  # it may still be asked for files
                blocks.begin()
        except HTTPError as error:
            blocks = error(environ, start_response, sys.exc_info())
        except Exception:
            _report(environ)
            blocks = HTTPError(500)(environ, start_response, sys.exc_info())
        except BaseException:
            request.close()
            raise
        if type(blocks) is list and request._form is not None and request._form.uploads:
            return closing(blocks, request)
        return blocks

    def _given(self, request: Request) -> dict[str, Any]:
        given = dict(request.path_params)
        for argument in self.arguments:
            argument.put(request, given)
        return given


def _report(environ: Environ) -> None:
    errors = environ.get("wsgi.errors")
    if errors is not None:
        errors.write(traceback.format_exc())
        errors.flush()


def summary_of(function: Callable[..., Any]) -> tuple[str, str]:
    """The first line and the rest of a function's docstring."""
    text = inspect.getdoc(function) or ""
    if dataclasses.is_dataclass(function):
        text = ""
    first, _, rest = text.partition("\n")
    return first.strip(), rest.strip()
