"""Arguments out of a JSON body, beside a form or the query, and those of a few values."""

from __future__ import annotations

import enum
import json
from typing import Any, Literal, TypedDict

import pytest

from app_kit import call
from fastnet.rest import PathDispatcher, Request

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
BODY = b'{"a": 1}'


class Point(TypedDict):
    x: int


class Switch(enum.Enum):
    ON = True
    OFF = False


@pytest.fixture(scope="module")
def api() -> PathDispatcher:
    found = PathDispatcher()

    @found.post("/before")
    def before(request: Request, dry: bool, body: dict[str, Any]) -> Any:
        return [dry, body]

    @found.post("/after")
    def after(request: Request, body: dict[str, Any], dry: bool = False) -> Any:
        return [dry, body]

    @found.post("/perhaps")
    def perhaps(request: Request, dry: bool = False, body: dict[str, Any] | None = None) -> Any:
        return [dry, body]

    @found.post("/by-hand")
    def by_hand(request: Request) -> Any:
        return [request.params, request.files, request.json(), len(request.body())]

    @found.post("/form")
    def form(request: Request) -> Any:
        return [request.params, len(request.body())]

    return found


def test_a_body_that_is_no_form_is_still_there(api: PathDispatcher) -> None:
    for path in ("before", "after", "perhaps"):
        assert call(api, "POST", f"/{path}?dry=1", BODY, JSON).json() == [True, {"a": 1}], path
    assert call(api, "POST", "/by-hand?b=2", BODY, JSON).json() == [{"b": "2"}, {}, {"a": 1}, 8]
    assert call(api, "POST", "/perhaps?dry=1").json() == [True, None]
    assert call(api, "POST", "/perhaps", b"", FORM).json() == [False, None]


def test_a_form_where_json_is_wanted(api: PathDispatcher) -> None:
    for path in ("before", "after", "perhaps"):
        assert call(api, "POST", f"/{path}", b"dry=1", FORM).problem()[0] == 415, path
    assert call(api, "POST", "/form", b"dry=1", FORM).status == 500  # the program's mistake


# By annotation: what is taken, and what is not.
KINDS: list[tuple[Any, list[str], list[str]]] = [
    (dict | None, ["null", "{}"], ["[]", "true"]),
    (Literal["a"] | None, ["null", '"a"', "5"], []),  # not looked into
    (int, ["1", "-5"], ["true", "false", "1.5", "null", '"1"']),
    (float, ["1", "1.5"], ["true", "null", '"1"']),
    (bool, ["true"], ["1", "0", "null"]),
    (int | bool, ["1", "true"], ["1.5", "null"]),
    (dict | list, ["{}", "[]"], ["null", "1"]),
    (list[int], ["[]"], ["{}", "null"]),
    (Point, ['{"x": 1}'], ["[]", "null"]),
    (Point | None, ['{"x": 1}', "null"], ["[]"]),
    (Any, ["null", "1", "{}"], []),
    (None, ["null"], ["0", "{}"]),
]


@pytest.mark.parametrize(("kind", "good", "bad"), KINDS)
def test_bodies_of_a_type(kind: Any, good: list[str], bad: list[str]) -> None:
    api = PathDispatcher()

    def handler(request: Request, body: Any) -> Any:
        return [body]

    handler.__annotations__["body"] = kind
    api.post("/")(handler)
    for text in good:
        assert call(api, "POST", "/", text.encode(), JSON).json() == [json.loads(text)], text
    for text in bad:
        assert call(api, "POST", "/", text.encode(), JSON).problem()[0] == 422, text


def test_what_a_body_must_be_is_told() -> None:
    api = PathDispatcher()

    @api.post("/float")
    def number(request: Request, body: float | None) -> Any:
        return body

    @api.post("/int")
    def whole(request: Request, body: int) -> Any:
        return body

    for path, text, words in (
        ("/float", b"true", "a number or null, not true or false"),
        ("/int", b"1.5", "a whole number, not a number with a fraction or an exponent"),
        ("/int", b"null", "a whole number, not null"),
    ):
        detail = f"the body must be {words}"
        assert call(api, "POST", path, text, JSON).problem() == (422, detail)


def test_a_body_without_annotation_is_anything() -> None:
    api = PathDispatcher()

    @api.post("/")
    def handler(request, body):  # type: ignore[no-untyped-def]
        return [body]

    for text in ("{}", "5", '"a"', "null"):
        assert call(api, "POST", "/", text.encode(), JSON).json() == [json.loads(text)]


def test_choices_among_truths() -> None:
    api = PathDispatcher()

    @api.get("/")
    def handler(
        request: Request,
        a: Literal[True, False] = True,
        b: Literal[False, "1", 2] = "1",
        c: Switch = Switch.ON,
    ) -> Any:
        return repr((a, b, c.name))

    for query, expected in (
        ("", "(True, '1', 'ON')"),
        ("a=true&b=false&c=false", "(True, False, 'OFF')"),
        ("a=False&b=off&c=True", "(False, False, 'ON')"),
        ("a=1&b=1&c=0", "(True, '1', 'OFF')"),
        ("a=0&b=2", "(False, 2, 'ON')"),
    ):
        assert call(api, "GET", f"/?{query}").text == expected, query
    for query, words in (("a=maybe", "one of true, false"), ("b=true", "one of false, 1, 2")):
        status, detail = call(api, "GET", f"/?{query}").problem()
        assert (status, words in detail) == (400, True), detail
