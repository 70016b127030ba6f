"""What applications may say, and how it reaches the client (PEP 3333, RFC 9110, RFC 9112)."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from wsgi_kit import PLAIN, Body, Client, hello, serving

pytestmark = pytest.mark.parametrize("threads", [0, 4])

OK = "200 OK"


class Switch:
    """An application that does what `how` says; the path names it."""

    def __init__(self, **hows: Any) -> None:
        self.hows = hows

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        return self.hows[environ["PATH_INFO"][1:]](start_response)


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


def test_write(threads: int) -> None:
    kept: list[Any] = []

    def both(start: Any) -> Any:
        write = start(OK, [])
        write(b"a" * 3)
        write(b"")
        write(b"b" * 100_000)
        return [b"c"]

    def length(start: Any) -> Any:
        write = start(OK, [("Content-Length", "2")])
        write(b"a")
        write(b"b")
        return []

    def keeps(start: Any) -> Any:
        kept[:] = [start(OK, []), start]
        return [b"x"]

    def wrong(start: Any) -> Any:
        with pytest.raises(TypeError):
            start(OK, [])("text")
        return [b"ok"]

    app = Switch(both=both, length=length, keeps=keeps, wrong=wrong)
    with serving(app, threads, check=False) as server, Client(server) as client:
        assert client.ask(target="/both").body == b"aaa" + b"b" * 100_000 + b"c"
        assert client.ask(target="/length").body == b"ab"
        assert client.ask(target="/wrong").body == b"ok"
        assert client.ask(target="/keeps").body == b"x"
        for late in (lambda: kept[0](b"y"), lambda: kept[1](OK, []), lambda: kept[0](b"")):
            with pytest.raises(RuntimeError):
                late()
        assert client.ask(target="/length").body == b"ab"


def test_bodies_of_another_length_than_was_said(threads: int, capsys: Any) -> None:
    def short(start: Any) -> Any:
        start(OK, [("Content-Length", "10")])
        return [b"abc"]

    def long(start: Any) -> Any:
        start(OK, [("Content-Length", "3")])
        yield b"ab"
        yield b"cdef"

    def large(start: Any) -> Any:
        start(OK, [("Content-Length", "100000")])
        return [b"x" * 100_001]

    app = Switch(short=short, long=long, large=large)
    with serving(app, threads, check=False) as server:
        with Client(server) as client, pytest.raises(EOFError):
            client.ask(target="/short")
        for name, body in (("long", b"abc"), ("large", b"x" * 100_000)):
            with Client(server) as client:
                assert client.ask(target="/" + name).body == body
                assert client.closed()
    told = capsys.readouterr().err
    assert "Content-Length says 10" in told
    assert "longer than its Content-Length, 3" in told


def test_a_body_that_breaks_ends_the_connection(threads: int, capsys: Any) -> None:
    def breaks(start: Any) -> Any:
        start(OK, [])
        yield b"abc"
        raise ValueError("halfway")

    def text(start: Any) -> Any:
        start(OK, [])
        yield b"abc"
        yield "text"

    with serving(Switch(a=breaks, b=text), threads, check=False) as server:
        for name in "ab":
            with Client(server) as client, pytest.raises(EOFError):
                client.ask(target="/" + name)
    assert "halfway" in capsys.readouterr().err


def test_close_is_called_once(threads: int, capsys: Any) -> None:
    def breaking() -> Any:
        yield b"abc"
        raise ValueError

    def fails() -> None:
        raise OSError("cannot close")

    bodies = {
        "whole": Body([b"a", b"b"]),
        "empty": Body([]),
        "breaks at once": Body(iter(lambda: 1 / 0, None)),
        "breaks later": Body(breaking()),
        "wrong pieces": Body([b"a", "b"]),
        "cannot close": Body([b"a"], fails),
        "breaks twice": Body(breaking(), fails),
        "too long": Body([b"a" * 20]),
    }
    now: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        length = [("Content-Length", "10")] if now[0] == "too long" else []
        start_response(OK, length)
        return bodies[now[0]]

    def unheard(environ: dict[str, Any], start_response: Any) -> Any:
        return bodies["unheard"]

    with serving(app, threads, check=False) as server:
        for name, body in bodies.items():
            now[:] = [name]
            with Client(server) as client:
                try:
                    client.ask()
                except EOFError:
                    pass
            assert body.was_closed_once(), name
        for method in ("HEAD", "GET"):
            body = bodies["whole"] = Body([b"a"])
            now[:] = ["whole"]
            with Client(server) as client:
                assert client.ask(method=method).status == 200
            assert body.was_closed_once()
        body = bodies["unheard"] = Body([b"a"])
        server.set_app(unheard)
        with Client(server) as client:
            assert client.ask().status == 500
        assert body.was_closed_once()
    assert all(body.closes == 1 for body in bodies.values())
    assert "cannot close" in capsys.readouterr().err


def test_close_is_called_when_the_client_has_gone(threads: int) -> None:
    def endless() -> Any:
        while True:
            yield b"x" * 1000

    body = Body(endless())

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(OK, PLAIN)
        return body if environ["PATH_INFO"] == "/endless" else hello(environ, lambda *_: None)

    with serving(app, threads) as server:
        with Client(server) as client:
            client.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client._until(b"xxx")
        assert body.was_closed_once()
        with Client(server) as client:
            assert client.ask().status == 200


def test_pieces_go_out_as_they_are_made(threads: int) -> None:
    go = threading.Event()
    out: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        out.append(start_response(OK, PLAIN))
        yield b"first"
        if threads:
            assert go.wait(30)
        yield b"second"

    with serving(app, threads) as server, Client(server) as client:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client._until(b"first").endswith(b"5\r\n")
        go.set()
        assert client._until(b"0\r\n\r\n").endswith(b"second\r\n")


def test_a_body_without_end_lets_others_have_their_turn(threads: int) -> None:
    over = threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(OK, PLAIN)
        if environ["PATH_INFO"] == "/endless":
            return iter(lambda: b"" if not over.is_set() else None, None)
        return [b"here"]

    with serving(app, threads) as server, Client(server) as one, Client(server) as two:
        one.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        assert [two.ask().body for _ in range(20)] == [b"here"] * 20
        over.set()
        assert one.reply().body == b""
