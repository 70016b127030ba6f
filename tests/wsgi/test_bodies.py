"""Bodies that are sent piece by piece, and what ends them (PEP 3333)."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from wsgi_kit import PLAIN, Body, Client, Switch, hello, serving

pytestmark = pytest.mark.parametrize("threads", [0, 4])

OK = "200 OK"


def answers(*pieces: Any, status: str = OK, headers: Any = ()) -> Any:
    def how(start_response: Any) -> Any:
        start_response(status, [*headers])
        return list(pieces)

    return how


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
