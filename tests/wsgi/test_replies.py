"""What applications may say, and how it reaches the client (PEP 3333, RFC 9110, RFC 9112)."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from wsgi_kit import Client, Switch, serving

pytestmark = pytest.mark.parametrize("threads", [0, 4])

OK = "200 OK"


def answers(*pieces: Any, status: str = OK, headers: Any = ()) -> Any:
    def how(start_response: Any) -> Any:
        start_response(status, [*headers])
        return list(pieces)

    return how


def test_framing(threads: int) -> None:
    def stream(start: Any) -> Any:
        start(OK, [])
        yield b"a"
        yield b""
        yield b"bc" * 20_000

    app = Switch(
        one=answers(b"one"), none=answers(), empty=answers(b""), several=answers(b"a", b"", b"bc"),
        stream=stream, large=answers(b"x" * 300_000),
        length=answers(b"abc", headers=[("Content-Length", "3")]),
        subclass=answers(type("B", (bytes,), {})(b"sub")),
        twice=answers(b"abc", headers=[("Content-Length", "3"), ("content-length", "3")]),
    )  # fmt: skip
    expected = {
        "one": (b"one", "3"), "none": (b"", "0"), "empty": (b"", "0"), "several": (b"abc", None),
        "stream": (b"a" + b"bc" * 20_000, None), "large": (b"x" * 300_000, "300000"),
        "length": (b"abc", "3"), "subclass": (b"sub", None), "twice": (b"abc", "3"),
    }  # fmt: skip
    with serving(app, threads, check=False) as server:
        with Client(server) as client:
            for name, (body, length) in expected.items():
                reply = client.ask(target="/" + name)
                assert reply.status == 200, name
                assert reply.body == body, name
                if length is not None:
                    assert reply.headers["content-length"] == length
                    assert "transfer-encoding" not in reply.headers
                assert reply.headers["server"] == "fastnet"
                assert reply.headers["date"].endswith(" GMT")
                assert len(reply.headers["date"]) == 29
                assert "connection" not in reply.headers
        for name, (body, length) in expected.items():
            with Client(server) as client:
                reply = client.ask(target="/" + name, version="1.0")
                assert reply.body == body
                assert reply.headers["connection"] == "close"
                assert "transfer-encoding" not in reply.headers
                assert reply.headers.get("content-length") == length or length is None
                assert client.closed()


def test_heads_without_bodies(threads: int) -> None:
    def stream(start: Any) -> Any:
        start(OK, [])
        yield b"abc"

    app = Switch(
        one=answers(b"one"), none=answers(), stream=stream,
        length=answers(headers=[("Content-Length", "999")]),
        no=answers(b"x", status="204 No", headers=[("Content-Length", "1")]),
        same=answers(b"x", status="304 Same", headers=[("Content-Length", "77")]),
    )  # fmt: skip
    with serving(app, threads, check=False) as server, Client(server) as client:
        assert client.ask(target="/one", method="HEAD").headers["content-length"] == "3"
        assert "content-length" not in client.ask(target="/none", method="HEAD").headers
        assert "content-length" not in client.ask(target="/stream", method="HEAD").headers
        assert client.ask(target="/length", method="HEAD").headers["content-length"] == "999"
        for method in ("GET", "HEAD"):
            no = client.ask(target="/no", method=method)
            assert no.status == 204
            assert no.body == b""
            assert not {"content-length", "transfer-encoding"} & set(no.headers)
            same = client.ask(target="/same", method=method)
            assert same.status == 304
            assert same.headers["content-length"] == "77"
        assert client.ask(target="/one").body == b"one"


def test_fields_of_the_application(threads: int) -> None:
    headers = [("Server", "mine"), ("date", "never"), ("X-A", "1"), ("X-A", "\xe4"), ("X-B", "")]
    with (
        serving(Switch(a=answers(b"", headers=headers)), threads, check=False) as server,
        Client(server) as client,
    ):
        got = client.ask(target="/a").headers
        assert (got["server"], got["date"], got["x-a"], got["x-b"]) == (
            "mine", "never", "1, \xe4", "",
        )  # fmt: skip
    closing = answers(b"x", headers=[("Connection", "Close")])
    staying = answers(b"x", headers=[("Connection", "keep-alive")])
    with serving(Switch(a=closing, b=staying), threads, check=False) as server:
        with Client(server) as client:
            assert "connection" not in client.ask(target="/b").headers
            assert client.ask(target="/a").headers["connection"] == "close"
            assert client.closed()


BAD = {
    "a status that is bytes": (b"200 OK", []),
    "a status without a reason": ("200", []),
    "a status that is no number": ("2x0 OK", []),
    "a short status": ("20 OK", []),
    "a status of a step on the way": ("100 Continue", []),
    "a number": (200, []),
    "a status with a line end": ("200 OK\r\nX: y", []),
    "a status beyond Latin-1": ("200 \u20ac", []),
    "fields in a tuple": (OK, ()),
    "fields in a dict": (OK, {}),
    "None": (OK, None),
    "a field that is no pair": (OK, ["ab:c"]),
    "a field of three": (OK, [("a", "b", "c")]),
    "a name that is bytes": (OK, [(b"a", "b")]),
    "a value that is bytes": (OK, [("a", b"b")]),
    "a value that is a number": (OK, [("Content-Length", 3)]),
    "a line end in a value": (OK, [("a", "b\r\nc: d")]),
    "a line feed in a value": (OK, [("a", "b\nc: d")]),
    "a carriage return in a value": (OK, [("a", "b\rc")]),
    "a NUL in a value": (OK, [("a", "b\0c")]),
    "a value beyond Latin-1": (OK, [("a", "\u20ac")]),
    "a line end in a name": (OK, [("a\r\nb", "c")]),
    "a colon in a name": (OK, [("a:", "c")]),
    "a blank in a name": (OK, [("a b", "c")]),
    "an empty name": (OK, [("", "c")]),
    "a name beyond ASCII": (OK, [("\xe4", "c")]),
    "hop by hop: TE": (OK, [("Transfer-Encoding", "chunked")]),
    "hop by hop: Upgrade": (OK, [("upgrade", "x")]),
    "hop by hop: Keep-Alive": (OK, [("Keep-Alive", "x")]),
    "hop by hop: Trailer": (OK, [("Trailer", "x")]),
    "hop by hop: Connection": (OK, [("Connection", "x-a")]),
    "a length that is none": (OK, [("Content-Length", "3x")]),
    "a negative length": (OK, [("Content-Length", "-3")]),
    "a length with a sign": (OK, [("Content-Length", "+3")]),
    "an empty length": (OK, [("Content-Length", "")]),
    "a length of other digits": (OK, [("Content-Length", "\xb2")]),
    "a long length": (OK, [("Content-Length", "1" * 30)]),
    "two lengths": (OK, [("Content-Length", "3"), ("Content-Length", "4")]),
}


def test_what_may_not_be_said_is_a_500(threads: int, capsys: Any) -> None:
    now: list[Any] = [None]
    raised: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        try:
            start_response(*now[0])
        except Exception as error:
            raised.append(error)
            raise
        return [b"abc"]

    with serving(app, threads, check=False) as server, Client(server) as client:
        for name, given in BAD.items():
            now[0] = given
            reply = client.ask()
            assert reply.status == 500, name
            assert b"abc" not in reply.body, name
            assert isinstance(raised.pop(), (TypeError, ValueError)), name
            assert not {"c", "x", "upgrade"} & set(reply.headers), name
        now[0] = (OK, [])
        assert client.ask().body == b"abc"
    assert "Traceback" in capsys.readouterr().err


def test_bodies_that_are_none(threads: int, capsys: Any) -> None:
    def never(start: Any) -> Any:
        return [b"x"]

    def nothing(start: Any) -> Any:
        return []

    def twice(start: Any) -> Any:
        start(OK, [])
        start(OK, [])
        return []

    def broken(start: Any) -> Any:
        raise KeyError("before")

    def leaves(start: Any) -> Any:
        sys.exit(3)

    def none(start: Any) -> Any:
        start(OK, [])

    def late(start: Any) -> Any:
        start(OK, [])
        raise KeyError("after")

    def second(start: Any) -> Any:
        start(OK, [])
        yield b""
        raise KeyError("before the body")

    app = Switch(
        text=answers("text"), number=answers(3), byte=answers(bytearray(b"x")), none=none,
        texts=answers(b"", "text"), never=never, nothing=nothing, twice=twice, broken=broken,
        leaves=leaves, late=late, second=second,
    )  # fmt: skip
    with serving(app, threads, check=False) as server, Client(server) as client:
        for name in app.hows:
            reply = client.ask(target="/" + name)
            assert reply.status == 500, name
            assert reply.body == b"Internal Server Error\n", name
            assert client.ask(target="/" + name, method="HEAD").status == 500
    told = capsys.readouterr().err
    assert "KeyError: 'before'" in told
    assert "SystemExit" in told
    assert "/texts" in told


def test_exc_info(threads: int, capsys: Any) -> None:
    caught: list[BaseException] = []

    def failed(start: Any, after: str = OK) -> None:
        try:
            raise LookupError("first")
        except LookupError:
            start("503 Sorry", [("X-A", "2")], sys.exc_info())

    def before(start: Any) -> Any:
        start(OK, [("X-A", "1"), ("Content-Length", "1000")])
        failed(start)
        return [b"sorry"]

    def after(start: Any) -> Any:
        start(OK, [("Content-Length", "10")])
        yield b"abc"
        try:
            failed(start)
        except LookupError as error:
            caught.append(error)
            raise

    def first(start: Any) -> Any:
        failed(start)
        return [b"sorry"]

    with serving(Switch(before=before, after=after, first=first), threads, check=False) as server:
        with Client(server) as client:
            for name in ("before", "first"):
                reply = client.ask(target="/" + name)
                assert reply.status == 503
                assert reply.body == b"sorry"
                assert reply.headers["x-a"] == "2"
            with pytest.raises(EOFError):
                client.ask(target="/after")
        assert len(caught) == 1
        assert "first" in capsys.readouterr().err
