"""Handlers that take a Request and return what is to be sent."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import uuid
from typing import Literal

import pytest

from app_kit import call, environment, run
from fastnet.rest import (
    BadRequest,
    BodyLimits,
    Conflict,
    Forbidden,
    HTTPError,
    PathDispatcher,
    Request,
    Response,
    Unauthorized,
    json_reply,
    redirect,
)


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Item:
    name: str
    made: datetime.date


JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
RETURNED = [
    ("text é", 200, TEXT, "text é".encode()),
    (b"bytes", 200, "application/octet-stream", b"bytes"),
    (None, 204, None, b""),
    ({"a": [1, None, "é"]}, 200, JSON, '{"a":[1,null,"é"]}'.encode()),
    ([1, 2], 200, JSON, b"[1,2]"),
    (5, 200, JSON, b"5"),
    (False, 200, JSON, b"false"),
    ((1, 2, 3), 200, JSON, b"[1,2,3]"),
    (Item("x", datetime.date(2024, 1, 2)), 200, JSON, b'{"name":"x","made":"2024-01-02"}'),
    (({"a": 1}, 201), 201, JSON, b'{"a":1}'),
    (("no", 404), 404, TEXT, b"no"),
    ((None, 202), 202, TEXT, b""),
    (iter([b"a", b"b"]), 200, "application/octet-stream", b"ab"),
    (Response("x", 203, "text/x", {"X-A": "1"}), 203, "text/x", b"x"),
    (json_reply(Colour.RED), 200, JSON, b'"red"'),
    (redirect("/there"), 303, TEXT, b""),
    ({"id": uuid.UUID(int=1)}, 200, JSON, None),
]


def test_what_may_be_returned():
    for value, status, kind, body in RETURNED:
        api = PathDispatcher()

        @api.get("/")
        def handler(request):
            return value  # noqa: B023

        reply = call(api, "GET", "/")
        assert (reply.status, reply["Content-Type"]) == (status, kind), value
        if body is not None:
            assert reply.body == body
        if isinstance(value, (dict, str)):
            head = call(api, "HEAD", "/")
            assert head["Content-Length"] == str(len(reply.body))


@pytest.fixture(scope="module")
def api():
    found = PathDispatcher(limits=BodyLimits(body_bytes=1000, json_depth=20))

    @found.get("/search")
    def search(
        request: Request,
        q: str,
        limit: int = 10,
        exact: bool = False,
        since: datetime.date | None = None,
        tag: list[str] = [],  # noqa: B006
        order: Literal["up", "down"] = "up",
        colour: Colour | None = None,
        weight: float = 1.0,
    ):
        return repr((q, limit, exact, since, tag, order, colour, weight))

    @found.post("/items")
    def add(request, body: dict):
        return body, 201

    @found.put("/any")
    def put(request, body: list | None = None):
        return {"got": body}

    @found.post("/form")
    def form(request, name: str, age: int = 0):
        files = {key: file.read().decode() for key, file in request.files.items()}
        return [name, age, files]

    @found.post("/raw")
    def raw(request):
        assert request.body() is request.body()
        return request.body()

    @found.get("/fails/<what>")
    def fails(request, what):
        raise {
            "bug": ZeroDivisionError("secret"),
            "bad": BadRequest("no good"),
            "auth": Unauthorized('Basic realm="x"'),
            "forbidden": Forbidden(),
            "conflict": Conflict("taken", type="https://x/taken", instance="/1", extra={"n": 1}),
            "teapot": HTTPError(418, "short and stout", title="Teapot"),
            "odd": HTTPError(499),
        }[what]

    @found.get("/late")
    def late(request):
        yield b"a"

    @found.get("/me")
    def me(request):
        headers = [request.header("X-Y"), request.header("X-N", "-")]
        fields = [request.values("a"), request.params, request.query]
        return [request.method, request.path, *headers, *fields, request.accepts("text/html")]

    return found


ARGUMENTS = [
    ("q=x", "('x', 10, False, None, [], 'up', None, 1.0)"),
    ("q=x&limit=-3&exact=true&since=2024-05-06&tag=a&tag=b&order=down&colour=red&weight=.5",
     "('x', -3, True, datetime.date(2024, 5, 6), ['a', 'b'], 'down', <Colour.RED: 'red'>, 0.5)"),
]  # fmt: skip
WRONG = {
    "": "'q' is missing",
    "q=x&limit=ten": "'limit' is 'ten', not a whole number",
    "q=x&limit=1_0": "whole number",
    "q=x&limit=" + "9" * 41: "whole number",
    "q=x&exact=maybe": "true or false",
    "q=x&since=today": "a date",
    "q=x&order=left": "one of up, down",
    "q=x&colour=blue": "one of red",
    "q=x&weight=nan": "a number",
    "q=x&weight=inf": "a number",
}


def test_arguments_from_the_query(api):
    for query, expected in ARGUMENTS:
        assert call(api, "GET", f"/search?{query}").text == expected
    for query, words in WRONG.items():
        status, detail = call(api, "GET", f"/search?{query}").problem()
        assert status == 400
        assert words in detail, query


BODIES = [
    (b'{"a": "\xc3\xa9"}', JSON, 201, None),
    (b'{"a": 1}', "application/json; charset=UTF-8", 201, None),
    (b'{"a": 1}', "application/vnd.x+json", 201, None),
    (b"{}", "text/plain", 415, "must be application/json; its Content-Type is 'text/plain'"),
    (b"{}", None, 415, "Content-Type is none"),
    (b"{}", "application/json; charset=latin-1", 415, "UTF-8"),
    (b"", JSON, 400, "there is none"),
    (b"{", JSON, 400, "line 1, column 2"),
    (b"\xff", JSON, 400, "not UTF-8: byte 0"),
    (b'{"a": NaN}', JSON, 400, "NaN"),
    (b"[1]", JSON, 422, "an object, not an array"),
    (b"null", JSON, 422, "an object, not null"),
    (b"[" * 21 + b"]" * 21, JSON, 400, "nested more than 20"),
    (b'{"a": "' + b"[" * 50 + b'"}', JSON, 201, None),
    (b'{"a": "' + b'\\"[' * 50 + b'"}', JSON, 201, None),
    (b'"\\' * 400, JSON, 400, "not JSON"),
    (b"9" * 999, JSON, 422, "a number"),
    (b" " * 1001, JSON, 413, "at most 1000"),
]


def test_json_bodies(api):
    for body, kind, status, words in BODIES:
        reply = call(api, "POST", "/items", body, kind)
        assert reply.status == status, (body, kind, reply.body)
        if words:
            assert words in reply.problem()[1]
    assert call(api, "PUT", "/any").json() == {"got": None}
    assert call(api, "PUT", "/any", b"[]", JSON).json() == {"got": []}
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    for body, status in ((b"[1]", 200), (b" " * 1001, 413)):
        environ = {**environment("PUT", "/any", body, JSON), **chunked}
        del environ["CONTENT_LENGTH"]
        assert run(api, environ).status == status


def test_forms(api):
    form = "application/x-www-form-urlencoded"
    assert call(api, "POST", "/form", b"name=x&age=3", form).json() == ["x", 3, {}]
    assert call(api, "POST", "/form?name=y", b"", form).json() == ["y", 0, {}]
    assert call(api, "POST", "/form", b"age=3", form).problem()[0] == 400
    head = b"--X\r\nContent-Disposition: form-data; "
    body = head + b'name="name"\r\n\r\nz\r\n'
    body += head + b'name="f"; filename="n"\r\n\r\ndata\r\n--X--'
    reply = call(api, "POST", "/form", body, "multipart/form-data; boundary=X")
    assert reply.json() == ["z", 0, {"f": "data"}]
    assert call(api, "POST", "/raw", b"a=1", form).body == b"a=1"


def test_failures(api):
    expected = {"bad": 400, "auth": 401, "forbidden": 403, "conflict": 409, "teapot": 418}
    for what, status in {**expected, "odd": 499}.items():
        assert call(api, "GET", f"/fails/{what}").problem()[0] == status
    assert call(api, "GET", "/fails/auth")["WWW-Authenticate"] == 'Basic realm="x"'
    assert call(api, "GET", "/fails/conflict").json() == {
        "type": "https://x/taken", "title": "Conflict", "status": 409, "detail": "taken",
        "instance": "/1", "n": 1,
    }  # fmt: skip
    environ = environment("GET", "/fails/bug")
    errors = environ["wsgi.errors"]
    reply = run(api, environ)
    assert reply.problem() == (500, "")
    assert b"secret" not in reply.body
    assert "ZeroDivisionError: secret" in errors.getvalue()
    assert call(api, "HEAD", "/fails/bad").status == 400


def test_a_generator_is_sent_piece_by_piece(api):
    assert call(api, "GET", "/late").body == b"a"


def test_the_request(api):
    environ = environment("GET", "/me?a=1&a=2&b=", HTTP_X_Y="z", HTTP_ACCEPT="text/*;q=0.5")
    assert run(api, environ).json() == [
        "GET", "/me", "z", "-", ["1", "2"], {"a": "1", "b": ""},
        [["a", "1"], ["a", "2"], ["b", ""]], True,
    ]  # fmt: skip


def test_what_is_missing_is_told_as_the_client_likes(api):
    assert call(api, "GET", "/nothing").text == "Not Found"
    assert call(api, "GET", "/nothing", HTTP_ACCEPT="application/json").problem()[0] == 404
    own = PathDispatcher(lambda environ, start: Response("mine", 404)(environ, start))
    assert call(own, "GET", "/nothing").text == "mine"


def test_replies_that_make_no_sense():
    for name, value in (
        ("A", "x\r\nB: y"), ("A\n", "x"), ("A:", "x"), ("", "x"), ("A", "x\0"), ("A", " x"),
        ("A", "\u20ac"), ("Ä", "x"), ("A b", "x"),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            Response("", headers=[(name, value)])
    for status in (0, 100, 600):
        with pytest.raises(ValueError):
            Response("", status)
    with pytest.raises(ValueError):
        redirect("/x\r\nSet-Cookie: a=b")
    with pytest.raises(ValueError):
        HTTPError(200)
    with pytest.raises(ValueError):
        HTTPError(400, extra={"status": 1})
    for cookie in (("a b", "x"), ("a", "x;y"), ("a", "x\r\n")):
        with pytest.raises(ValueError):
            Response().set_cookie(*cookie)
    with pytest.raises(ValueError):
        Response().set_cookie("a", "b", path="/; Secure")
    reply = Response()
    reply.set_cookie("a", "b", max_age=5, secure=True)
    expected = "a=b; Path=/; Max-Age=5; Secure; HttpOnly; SameSite=Lax"
    assert reply.headers == [("Set-Cookie", expected)]


def test_handlers_that_make_no_sense():
    api = PathDispatcher()
    with pytest.raises(TypeError, match="must take id"):
        api.get("/<id>")(lambda request: "")
    with pytest.raises(TypeError, match="the request"):
        api.get("/")(lambda: "")
    with pytest.raises(TypeError, match="the request"):
        api.get("/<x>")(lambda x: "")

    def odd(request, x: object):
        return ""

    with pytest.raises(TypeError, match="no text becomes one"):
        api.get("/")(odd)
    with pytest.raises(ValueError, match="body_bytes"):
        BodyLimits(body_bytes=0)
