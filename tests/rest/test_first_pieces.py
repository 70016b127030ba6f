"""Failures before anything was sent, and headers that cannot be."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app_kit import call, environment, served
from fastnet.rest import (
    HTTPError,
    NotFound,
    PathDispatcher,
    Request,
    Response,
    Unauthorized,
    json_reply,
)

closed: list[str] = []


class Pieces:
    """An iterator that is no generator, of functions that give the pieces."""

    def __init__(self, *pieces: Callable[[], bytes]) -> None:
        self._pieces = iter(pieces)

    def __iter__(self) -> Pieces:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)()

    def close(self) -> None:
        closed.append("pieces")


def missing() -> bytes:
    raise NotFound("none of that")


@pytest.fixture(scope="module")
def api() -> PathDispatcher:
    found = PathDispatcher()

    @found.get("/generator/<int:number>")
    def generator(request: Request, number: int) -> Iterator[bytes]:
        try:
            if number == 0:
                raise NotFound("none of that")
            if number == 1:
                raise ZeroDivisionError("secret")
            yield b""
            if number == 2:
                raise NotFound("none of that")
            yield b"one"
            yield b"two"
        finally:
            closed.append("generator")

    @found.get("/empty")
    def empty(request: Request) -> Iterator[bytes]:
        yield from ()

    @found.get("/pieces")
    def pieces(request: Request) -> Any:
        return Response(Pieces(lambda: b"", missing), 201)

    @found.get("/application")
    def application(request: Request) -> Any:
        def lazy(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
            start_response("203 So", [("Content-Type", "text/plain")])
            yield b"lazy"

        return lazy

    return found


def test_a_failure_before_the_first_piece_is_a_reply(api: PathDispatcher) -> None:
    for path in ("/generator/0", "/generator/2", "/pieces"):
        closed.clear()
        assert call(api, "GET", path).problem() == (404, "none of that"), path
        assert closed, path
        closed.clear()
        assert call(api, "HEAD", path).status == 404, path
        assert closed, path
    errors = io.StringIO()
    reply = call(api, "GET", "/generator/1", **{"wsgi.errors": errors})
    assert reply.problem() == (500, "")
    assert "ZeroDivisionError: secret" in errors.getvalue()
    with served(api) as client:
        client.request("GET", "/generator/0")
        answer = client.getresponse()
        assert (answer.status, b"none of that" in answer.read()) == (404, True)


def test_what_does_not_fail_is_sent_whole(api: PathDispatcher) -> None:
    for path, status, body in (
        ("/generator/3", 200, b"onetwo"),
        ("/empty", 200, b""),
        ("/application", 203, b"lazy"),
    ):
        reply = call(api, "GET", path)
        assert (reply.status, reply.body) == (status, body)
        assert call(api, "HEAD", path).status == status


def test_a_reply_that_is_not_taken_is_closed(api: PathDispatcher) -> None:
    for taken in (0, 1):
        closed.clear()
        blocks: Any = api(environment("GET", "/generator/3"), lambda *args: None)
        assert closed == []
        for _ in range(taken):
            assert next(iter(blocks)) == b"one"
        blocks.close()
        assert closed == ["generator"]


BAD = ["a\r\nX-Evil: 1", "a\n", "a\0", " a", "\u20ac"]


@pytest.mark.parametrize("value", BAD)
def test_headers_that_would_be_several(value: str) -> None:
    for make in (
        lambda: Response(b"", 200, value),
        lambda: json_reply({}, content_type=value),
        lambda: HTTPError(400, headers=[("X-A", value)]),
        lambda: Unauthorized(value),
        lambda: setattr(Response(), "content_type", value),
    ):
        with pytest.raises(ValueError, match="not a header's value"):
            make()
    with pytest.raises(ValueError, match="not a header's name"):
        HTTPError(400, headers=[(value, "a")])


def test_headers_out_of_a_query() -> None:
    api = PathDispatcher()

    @api.get("/type")
    def kind(request: Request, t: str) -> Response:
        return Response(b"", 200, t)

    @api.get("/error")
    def error(request: Request, t: str) -> Response:
        raise HTTPError(400, headers=[("X-A", t)])

    for path, good in (("/type", 200), ("/error", 400)):
        assert call(api, "GET", f"{path}?t=text/plain").status == good
        errors = io.StringIO()
        reply = call(api, "GET", f"{path}?t=a%0d%0aX-Evil:1", **{"wsgi.errors": errors})
        assert reply.problem() == (500, "")
        assert reply["X-Evil"] is None
        assert "ValueError" in errors.getvalue()
