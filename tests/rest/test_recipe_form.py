"""PathDispatcher as the recipe has it: WSGI handlers with their fields in environ['params']."""

from __future__ import annotations

import gc
import io
import os

import pytest

from app_kit import call, environment, run
from fastnet.rest import BodyLimits, NotFound, PathDispatcher, notfound_404

FORM = "application/x-www-form-urlencoded"


def seen(environ, start_response):
    """Says what its fields are."""
    start_response("200 OK", [("Content-type", "text/plain")])
    assert type(environ["params"]) is dict
    yield repr(sorted(environ["params"].items())).encode()


@pytest.fixture
def dispatcher():
    found = PathDispatcher(limits=BodyLimits(body_bytes=1000, fields=10, upload_bytes=200_000))
    found.register("GET", "/seen", seen)
    found.register("post", "/seen", seen)
    return found


def params(reply):
    assert reply.status == 200, reply.body
    return dict(eval(reply.text))


def test_as_in_the_recipe(dispatcher):
    assert dispatcher.register("PUT", "/x", seen) is seen
    assert dispatcher.pathmap["put", "/x"] is seen
    assert params(call(dispatcher, "GET", "/seen")) == {}
    reply = call(dispatcher, "GET", "/nothing")
    assert (reply.line, reply["Content-type"]) == ("404 Not Found", "text/plain")
    assert reply.body == b"Not Found"
    assert call(notfound_404, "GET", "/").status == 404


def test_what_is_put_into_the_map_by_hand_is_found(dispatcher):
    dispatcher.pathmap["get", "/later"] = seen
    assert params(call(dispatcher, "GET", "/later?a=1")) == {"a": "1"}


QUERIES = [
    ("a=1&b=2", {"a": "1", "b": "2"}),
    ("a=1&a=2", {"a": "1"}),  # of several the first: always a string
    ("a=&b", {"a": "", "b": ""}),
    ("a=%C3%A9+%26", {"a": "é &"}),
    ("%61=b%3Dc=d", {"a": "b=c=d"}),
    ("&&a=1&", {"a": "1"}),
    ("a=%zz%4", {"a": "%zz%4"}),
    ("a=%ff", {"a": "\ufffd"}),
    ("a=\u00c3\u00a9", {"a": "é"}),  # raw UTF-8, as WSGI gives it
]


def test_queries(dispatcher):
    for query, expected in QUERIES:
        environ = environment("GET", "/seen", QUERY_STRING=query)
        assert params(run(dispatcher, environ)) == expected, query


def test_forms_and_the_query_beside_them(dispatcher):
    assert params(call(dispatcher, "POST", "/seen?b=3&c=4", b"a=1+2&b=2", FORM)) == {
        "a": "1 2",
        "b": "2",
        "c": "4",
    }
    assert params(call(dispatcher, "POST", "/seen", b"", FORM)) == {}
    assert params(call(dispatcher, "POST", "/seen", b"{}", "application/json")) == {}
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    environ = environment("POST", "/seen", CONTENT_TYPE=FORM, **chunked)
    environ["wsgi.input"] = io.BytesIO(b"a=5")
    assert params(run(dispatcher, environ)) == {"a": "5"}


def test_what_is_not_a_form_stays_unread(dispatcher):
    def echo(environ, start_response):
        start_response("200 OK", [("Content-type", "text/plain")])
        return [environ["wsgi.input"].read(100)]

    dispatcher.register("POST", "/echo", echo)
    assert call(dispatcher, "POST", "/echo", b"[1]", "application/json").body == b"[1]"


BAD = [
    (400, "11 of 12", {"body": b"a" * 11, "kind": FORM, "CONTENT_LENGTH": "12"}),
    (413, "at most 1000", {"body": b"a" * 1001, "kind": FORM}),
    (400, "more than 10", {"body": b"&".join([b"a=1"] * 11), "kind": FORM}),
    (400, "boundary", {"body": b"x", "kind": "multipart/form-data"}),
    (400, "makes no sense", {"body": b"--x\r\nwhat", "kind": "multipart/form-data; boundary=x"}),
    (
        400,
        "makes no sense",
        {"body": b"", "CONTENT_LENGTH": "5", "kind": "multipart/form-data; boundary=x"},
    ),
]


def test_bad_forms(dispatcher):
    for status, words, options in BAD:
        reply = call(dispatcher, "POST", "/seen", **options)
        assert reply.problem()[0] == status, options
        assert words in reply.problem()[1]
    assert call(dispatcher, "GET", "/seen?" + "&".join("a" * 11)).problem()[0] == 400
    # The validator would refuse this one itself.
    environ = environment("POST", "/seen", b"a=1", FORM, CONTENT_LENGTH="+3")
    reply = dispatcher(environ, lambda status, headers, exc_info=None: None)
    assert b"not a number" in reply[0]


def multipart(*parts):
    """A multipart body; each part is a name, perhaps a file name, and bytes."""
    lines = []
    for name, *filename, data in parts:
        extra = f'; filename="{filename[0]}"' if filename else ""
        head = f'--XX\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'
        lines += [head.encode(), data, b"\r\n"]
    return b"".join([*lines, b"--XX--\r\n"])


def test_multipart(dispatcher, tmp_path):
    kept = []

    def upload(environ, start_response):
        start_response("200 OK", [("Content-type", "text/plain")])
        file = environ["fastnet.files"]["f"]
        kept.append(file)
        assert environ["params"] == {"a": "é", "q": "1"}
        assert (file.filename, file.basename, file.size) == ("../x\\y.bin", "y.bin", 100_000)
        assert file.content_type == "application/octet-stream"
        assert file.save_as(tmp_path / "copy") == 100_000
        return [file.read()]

    dispatcher.register("POST", "/up", upload)
    data = os.urandom(100_000)
    body = multipart(("a", "é".encode()), ("f", "../x\\y.bin", data))
    kind = 'multipart/form-data; boundary="XX"'
    assert call(dispatcher, "POST", "/up?q=1", body, kind).body == data
    assert (tmp_path / "copy").read_bytes() == data
    with pytest.raises(ValueError):
        kept[0].read()  # it was closed with the reply


def test_multipart_limits(dispatcher):
    kind = "multipart/form-data; boundary=XX"
    for parts in (
        [("a", b"x" * 1001)],
        [("f", "f", b"x" * 200_001)],
        [("f", "f", b"x" * 150_000), ("g", "g", b"x" * 50_001)],
        [("a", b"")] * 129,
    ):
        environ = environment("POST", "/seen", multipart(*parts), kind)
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].getvalue())
        assert run(dispatcher, environ).problem()[0] == 413
        gc.collect()  # a temporary file that is left open would warn
    body = multipart(("f", "f", b"x" * 100_000))[:-9]  # without its end
    assert call(dispatcher, "POST", "/seen", body, kind).problem()[0] == 400
    gc.collect()


def test_methods(dispatcher):
    reply = call(dispatcher, "DELETE", "/seen")
    assert reply.problem()[0] == 405
    assert reply["Allow"] == "GET, HEAD, POST, OPTIONS"
    reply = call(dispatcher, "OPTIONS", "/seen")
    assert (reply.status, reply["Allow"]) == (204, "GET, HEAD, POST, OPTIONS")
    assert call(dispatcher, "OPTIONS", "/nothing").status == 404
    assert call(dispatcher, "HEAD", "/nothing").status == 404
    star = []
    environ = environment("OPTIONS", "*")
    dispatcher(environ, lambda status, headers, exc_info=None: star.append((status, headers)))
    assert star == [("204 No Content", [("Allow", "GET, HEAD, POST, OPTIONS")])]


def test_head_runs_get_and_sends_no_body(dispatcher):
    closed = []

    class Blocks:
        def __iter__(self):
            return iter([b"", b"much"])

        def close(self):
            closed.append(True)

    def writes(environ, start_response):
        write = start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "8")])
        write(b"more")
        return Blocks()

    dispatcher.register("GET", "/writes", writes)
    reply = call(dispatcher, "HEAD", "/writes")
    assert (reply.status, reply["Content-Length"], closed) == (200, "8", [True])
    assert call(dispatcher, "HEAD", "/seen").status == 200  # a generator starts when it is asked


def test_errors_of_wsgi_handlers(dispatcher):
    def late(environ, start_response):
        start_response("200 OK", [("Content-type", "text/plain")])
        raise NotFound("no, after all")
        yield b""

    def early(environ, start_response):
        raise NotFound("not here")

    dispatcher.register("GET", "/late", late)
    dispatcher.register("GET", "/early", early)
    dispatcher.register("GET", "/early/<x>", early)
    assert call(dispatcher, "GET", "/late").problem() == (404, "no, after all")
    assert call(dispatcher, "GET", "/early").problem() == (404, "not here")
    assert call(dispatcher, "GET", "/early/1").problem() == (404, "not here")
    with pytest.raises(ZeroDivisionError):  # the server's to tell
        call(dispatcher.register("GET", "/bug", lambda *_: 1 / 0) and dispatcher, "GET", "/bug")


def test_parameters_of_the_path(dispatcher):
    def user(environ, start_response):
        start_response("200 OK", [("Content-type", "text/plain")])
        assert environ["wsgiorg.routing_args"] == ((), environ["fastnet.path_params"])
        return [repr(environ["fastnet.path_params"]).encode()]

    dispatcher.register("GET", "/users/<int:id>", user)
    assert call(dispatcher, "GET", "/users/42?x=1").text == "{'id': 42}"
    assert call(dispatcher, "GET", "/users/me").status == 404
