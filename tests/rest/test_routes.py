"""Paths with parameters: what fits, what wins, what is refused."""

from __future__ import annotations

import uuid

import pytest

from app_kit import call, environment, run
from fastnet.rest import Converter, PathDispatcher

U = "12345678-1234-5678-1234-567812345678"


@pytest.fixture(scope="module")
def api():
    found = PathDispatcher(converters={"hex": Converter("[0-9a-f]{1,8}", lambda x: int(x, 16))})

    def add(path):
        @found.get(path)
        def handler(request, **values):
            return f"{path} {values!r}"

    for path in (
        "/", "/users", "/users/me", "/users/<int:id>", "/users/<name>", "/users/<int:id>/posts",
        "/x/<float:f>", "/u/<uuid:u>", "/files/<path:p>", "/files/<path:p>/raw", "/files/new",
        "/d/<name>.json", "/d/<name>.<ext>", "/d/<int:a>-<int:b>", "/h/<hex:n>", "/é/<é>", "/é",
        "/t/", "/deep/<a>/x/<b>", "/deep/<a>/<c>/y",
    ):  # fmt: skip
        add(path)
    return found


FOUND = [
    ("/", "/ {}"),
    ("/users", "/users {}"),
    ("/users/me", "/users/me {}"),
    ("/users/7", "/users/<int:id> {'id': 7}"),
    ("/users/-7", "/users/<int:id> {'id': -7}"),
    ("/users/007", "/users/<int:id> {'id': 7}"),
    ("/users/bob", "/users/<name> {'name': 'bob'}"),
    ("/users/7x", "/users/<name> {'name': '7x'}"),
    ("/users/" + "7" * 41, "/users/<name> {'name': '" + "7" * 41 + "'}"),
    ("/users/7/posts", "/users/<int:id>/posts {'id': 7}"),
    ("/users/bob/posts", None),
    ("/users/", None),
    ("//users", None),
    ("/x/1.5", "/x/<float:f> {'f': 1.5}"),
    ("/x/1", "/x/<float:f> {'f': 1.0}"),
    ("/x/nan", None),
    ("/x/1e9", None),
    (f"/u/{U}", f"/u/<uuid:u> {{'u': {uuid.UUID(U)!r}}}"),
    ("/u/1234", None),
    ("/files/a", "/files/<path:p> {'p': 'a'}"),
    ("/files/a/b/c.txt", "/files/<path:p> {'p': 'a/b/c.txt'}"),
    ("/files/a/b/raw", "/files/<path:p>/raw {'p': 'a/b'}"),
    ("/files/new", "/files/new {}"),
    ("/files/", None),
    ("/d/a.json", "/d/<name>.json {'name': 'a'}"),
    ("/d/a.txt", "/d/<name>.<ext> {'name': 'a', 'ext': 'txt'}"),
    ("/d/3-4", "/d/<int:a>-<int:b> {'a': 3, 'b': 4}"),
    ("/h/ff", "/h/<hex:n> {'n': 255}"),
    ("/%C3%A9", "/é {}"),
    ("/%C3%A9/%C3%A9", "/é/<é> {'é': 'é'}"),
    ("/%C3%A9/%FF", None),  # not UTF-8
    ("/t/", "/t/ {}"),
    ("/t", None),
    ("/deep/1/x/2", "/deep/<a>/x/<b> {'a': '1', 'b': '2'}"),
    ("/deep/1/x/y", "/deep/<a>/x/<b> {'a': '1', 'b': 'y'}"),
    ("/deep/1/z/y", "/deep/<a>/<c>/y {'a': '1', 'c': 'z'}"),
    ("/users/a%0Ab", "/users/<name> {'name': 'a\\nb'}"),
]


def test_what_fits(api):
    for target, expected in FOUND:
        reply = call(api, "GET", target)
        assert reply.status == (200 if expected else 404), target
        if expected:
            assert reply.text == expected


def test_a_long_path_costs_little(api):
    assert call(api, "GET", "/files/" + "a/" * 4000 + "b").status == 200
    assert call(api, "GET", "/" * 8000).status == 404
    assert run(api, environment("GET", "", SCRIPT_NAME="/app")).status == 200  # the root


def test_methods_of_paths_that_overlap():
    api = PathDispatcher()
    api.get("/users/me")(lambda request: "me")
    api.route("/users/<name>", ["PUT", "DELETE"])(lambda request, name: f"put {name}")
    assert call(api, "PUT", "/users/me").text == "put me"
    reply = call(api, "POST", "/users/me")
    assert (reply.status, reply["Allow"]) == (405, "GET, HEAD, PUT, DELETE, OPTIONS")
    assert call(api, "POST", "/users/x")["Allow"] == "PUT, DELETE, OPTIONS"


def test_registering_again_replaces():
    api = PathDispatcher()
    api.register("GET", "/x", lambda environ, start: [])
    api.get("/x")(lambda request: "second")
    assert call(api, "GET", "/x").text == "second"
    assert ("get", "/x") not in api.pathmap

    def third(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"third"]

    api.register("GET", "/x", third)
    assert call(api, "GET", "/x").text == "third"
    assert len(api.routes) == 1


def test_paths_that_make_no_sense():
    api = PathDispatcher()
    for path, words in (
        ("users", "begin with a slash"),
        ("/<what:x>", "none of"),
        ("/<x>/<int:x>", "two parameters"),
        ("/<path:a>/<path:b>", "two parameters of the type path"),
        ("/a<path:b>", "to itself"),
        ("/<x", "write parameters"),
        ("/<int:>", "write parameters"),
        ("/<a><b><c><d>", "more than three"),
    ):
        with pytest.raises(ValueError, match=words):
            api.register("GET", path, lambda environ, start: [])
    for method in ("", "GE T", "GÉT", "GET\r\n"):
        with pytest.raises(ValueError, match="not a method"):
            api.register(method, "/", lambda environ, start: [])
    assert api.routes == []
