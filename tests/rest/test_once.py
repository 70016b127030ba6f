"""Handlers that are generators: which of them end with what they yield."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app_kit import call
from fastnet.rest import NotFound, PathDispatcher
from fastnet.rest._once import answers_once

OK = ("200 OK", [("Content-Type", "text/plain")])


def last(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response(*OK)
    yield b"one"


def either(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response(*OK)
    if environ["QUERY_STRING"]:
        yield b"one"
    else:
        yield b"other"


def two(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response(*OK)
    yield b"on"
    yield b"e"


def loop(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response(*OK)
    for letter in b"one":
        yield bytes([letter])


def cleaning(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response(*OK)
    with contextlib.suppress(ValueError):
        yield b"one"


def trying(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response(*OK)
    try:
        yield b"one"
    finally:
        environ["ended"] = True


def after(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response(*OK)
    yield b"one"
    environ["ended"] = True


def watching(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response(*OK)
    try:
        yield b"one"
    except BaseException:
        environ["failed"] = True
        raise


def inner(environ: Any, start_response: Any) -> Iterator[bytes]:
    yield from last(environ, start_response)


def early(environ: Any, start_response: Any) -> Iterator[bytes]:
    if environ["PATH_INFO"]:
        raise NotFound("not here")
    yield b"never"


def silent(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response(*OK)
    if environ["PATH_INFO"]:
        return
    yield b"never"


@pytest.mark.parametrize("function", [last, early, silent])
def test_those_that_end(function: Callable[..., Any]) -> None:
    assert answers_once(function)


@pytest.mark.parametrize("function", [two, loop, cleaning, trying, after, watching, inner, len, OK])
def test_those_that_do_not(function: Any) -> None:
    assert not answers_once(function)


@pytest.mark.parametrize("function", [last, either, two, loop, cleaning, trying, after, inner])
def test_what_is_sent_is_the_same(function: Callable[..., Any]) -> None:
    api = PathDispatcher()
    api.register("GET", "/x", function)
    reply = call(api, "GET", "/x")
    assert (reply.status, reply.body) in ((200, b"one"), (200, b"other"))


def test_errors_and_silence() -> None:
    api = PathDispatcher()
    api.register("GET", "/early", early)
    api.register("GET", "/silent", silent)
    assert call(api, "GET", "/early").status == 404
    reply = call(api, "GET", "/silent")
    assert (reply.status, reply.body) == (200, b"")


def test_the_length_is_known() -> None:
    api = PathDispatcher()
    api.register("GET", "/x", last)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/x", "QUERY_STRING": ""}
    assert api(environ, lambda *args: None) == [b"one"]
