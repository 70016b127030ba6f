"""Connections: how long they last, requests one behind the other, peers that are slow or gone."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import links
from fastnet import Limits
from hostile.http_catalogue import Case
from hostile.http_catalogue_bodies import GROUPS
from wsgi_kit import PLAIN, Client, echo, hello, reading, request, reset, serving

pytestmark = pytest.mark.parametrize("threads", [0, 4])


def test_how_long_a_connection_lasts(threads: int) -> None:
    cases = [
        ("1.1", (), None, True),
        ("1.1", ("Connection: close",), "close", False),
        ("1.1", ("Connection: Keep-Alive",), None, True),
        ("1.1", ("Connection: x, CLOSE",), "close", False),
        ("1.0", (), "close", False),
        ("1.0", ("Connection: keep-alive",), "keep-alive", True),
        ("1.0", ("Connection: keep-alive, close",), "close", False),
    ]
    with serving(hello, threads) as server:
        for version, lines, said, lasts in cases:
            with Client(server) as client:
                reply = client.ask(*lines, version=version)
                assert reply.headers.get("connection") == said, (version, lines)
                assert client.quiet() if lasts else client.closed()
        assert server.stats()["requests"] == len(cases) + 3


def test_a_stream_ends_an_old_connection(threads: int) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", PLAIN)
        yield b"a"
        yield b"b"

    with serving(app, threads) as server, Client(server) as client:
        reply = client.ask("Connection: keep-alive", version="1.0")
        assert reply.body == b"ab"
        assert reply.headers["connection"] == "close"


def test_requests_one_behind_the_other(threads: int) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/0" and threads:
            links.wait_until(lambda: server.stats()["bytes_in"] >= len(asked))
        if environ["PATH_INFO"].endswith("3"):
            return echo(environ, start_response)
        if environ["PATH_INFO"].endswith("5"):
            start_response("200 OK", PLAIN)
            return iter([b"/", environ["PATH_INFO"][1:].encode()])
        return hello(environ, start_response)

    asked = b"".join(
        request(target=f"/{n}", method="POST", body=b"/%d" % n if n % 10 == 3 else b"")
        for n in range(100)
    )
    with serving(app, threads) as server, Client(server) as client:
        client.send(asked)
        for n in range(100):
            assert client.reply().body == b"/%d" % n
        asked += request("Connection: close", target="/last") + request(target="/never") * 3
        client.send(asked)
        for n in range(100):
            assert client.reply().body == b"/%d" % n
        assert client.reply().body == b"/last"
        assert client.closed()


def test_split_at_every_byte(threads: int) -> None:
    stream = (
        request(target="/first?a=b")
        + request(body=b"body", method="POST", target="/second")
        + request("Transfer-Encoding: chunked", method="POST", target="/third",
                  body=b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n")
        + request("Connection: close", target="/fourth")
    )  # fmt: skip
    expected = [b"/first", b"/second", b"/third", b"/fourth"]

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["wsgi.input"].read(100)
        return hello(environ, start_response)

    with serving(app, threads) as server:
        for at in range(1, len(stream), 3):
            with Client(server) as client:
                client.send(stream[:at])
                client.send(stream[at:])
                assert [client.reply().body for _ in expected] == expected, at
                assert client.closed()
        with Client(server) as client:
            for at in range(len(stream)):
                client.send(stream[at : at + 1])
            assert [client.reply().body for _ in expected] == expected


def test_half_closed_clients_are_answered(threads: int) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", PLAIN)
        return iter([b"x" * 50_000] * 20)

    with serving(app, threads) as server:
        for count in (1, 3):
            with Client(server) as client:
                client.send(request() * count)
                client.sock.shutdown(1)
                for _ in range(count):
                    assert len(client.reply().body) == 1_000_000
                assert client.closed()
        for part in (b"GET / HT", request("Content-Length: 5", method="POST") + b"abc"):
            with Client(server) as client:
                client.send(part)
                client.sock.shutdown(1)
                client.closed()
        with Client(server) as client:
            client.send(request(), b"GET / HT")
            client.sock.shutdown(1)
            assert len(client.reply().body) == 1_000_000
            assert client.closed()


def check(server: Any, case: Case) -> None:
    with Client(server) as client:
        try:
            client.send(case.raw)
        except ConnectionError:
            pass  # it was refused before it had come whole
        try:
            got = []
            while len(got) < len(case.statuses):
                status = client.reply().status
                if status != 100:
                    got.append(status)
        except (EOFError, ConnectionError):
            pass
        assert tuple(got) == case.statuses, case.name
        if case.closes:
            assert client.closed(), case.name
        else:
            client.sock.settimeout(0.002)
            try:
                assert client.sock.recv(1) == b"?", case.name
            except TimeoutError:
                pass


def test_the_catalogue_of_hostile_requests(threads: int) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        assert "smuggled" not in environ["PATH_INFO"]
        return reading(environ, start_response)

    # The catalogue's own limit of a field line is lower than a server's.
    limits = Limits(request_line=8192, header_fields=100, header_bytes=65536)
    with serving(app, threads, check=False, limits=limits) as server:
        for name, cases in GROUPS.items():
            if name != "limits":
                for case in cases:
                    check(server, case)


def test_limits_of_a_head(threads: int) -> None:
    limits = Limits(request_line=100, header_fields=5, header_bytes=400)
    with serving(hello, threads, limits=limits) as server:
        for raw, status in (
            (request(target="/" + "a" * 80), 200),
            (request(target="/" + "a" * 100), 414),
            (request("A: b", "A: b", "A: b", "A: b"), 200),
            (request("A: b", "A: b", "A: b", "A: b", "A: b"), 431),
            (request("A: " + "b" * 350), 200),
            (request("A: " + "b" * 400), 431),
            (b"GET / HTTP/1.1\r\nA: " + b"b" * 1000, 431),
            (b"G" * 1000, 414),
        ):
            with Client(server) as client:
                client.send(raw)
                assert client.reply().status == status, raw
                assert client.quiet() if status == 200 else client.closed()


def test_clients_that_go_at_every_stage(threads: int) -> None:
    raw = request("A: b", body=b"body", method="POST") + request(target="/next")
    with serving(echo, threads) as server:
        for at in range(0, len(raw) + 1, 4):
            client = Client(server)
            client.send(raw[:at])
            (reset if at % 8 else Client.close)(client)
        links.wait_until(lambda: server.stats()["open"] == 0)
        with Client(server) as client:
            assert client.ask(body=b"b", method="POST").body == b"b"


def test_many_silent_clients(threads: int) -> None:
    with serving(hello, threads) as server:
        silent = [Client(server) for _ in range(500)]
        with Client(server) as client:
            assert [client.ask(target="/a").body for _ in range(50)] == [b"/a"] * 50
        for one in silent[::50]:
            assert one.ask(target="/b").body == b"/b"
        for one in silent:
            one.close()


def test_idle_connections_end(threads: int) -> None:
    limits = Limits(keep_alive_timeout=0.2)
    with (
        serving(hello, threads, limits=limits) as server,
        Client(server) as silent,
        Client(server) as client,
    ):
        assert client.ask().status == 200
        assert client.closed()
        assert silent.closed()


def test_as_many_connections_as_are_allowed(threads: int) -> None:
    with serving(hello, threads, limits=Limits(connections=2)) as server:
        with Client(server) as one, Client(server) as two:
            assert one.ask().status == two.ask().status == 200
            with Client(server) as three:
                with pytest.raises((EOFError, ConnectionError)):
                    three.ask()
        links.wait_until(lambda: server.stats()["open"] == 0)
        with Client(server) as four:
            assert four.ask().status == 200


def test_who_never_reads_is_bounded_and_ended(threads: int) -> None:
    made = [0]

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        made[0] += 1
        start_response("200 OK", PLAIN)
        if environ["PATH_INFO"] == "/pieces":
            return iter(lambda: b"x" * 10_000, None)
        return [b"x" * 1_000_000]

    limits = Limits(send_timeout=0.5)
    with serving(app, threads, check=False, limits=limits) as server:
        before = links.resident()
        for target in ("/pieces", "/whole"):
            with Client(server) as client:
                sender = threading.Thread(
                    target=send_all, args=(client, request(target=target) * 2000)
                )
                sender.start()
                links.wait_until(lambda: made[0] and not server.stats()["open"])
                sender.join()
            made.insert(0, 0)
        assert links.resident() - before < 60_000_000
        assert all(count < 50 for count in made)


def send_all(client: Client, data: bytes) -> None:
    try:
        client.send(data)
    except OSError:
        pass


def test_who_reads_slowly_gets_all_of_it(threads: int) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", PLAIN)
        return iter([bytes([n]) * 100_000 for n in range(100)])

    with serving(app, threads) as server, Client(server) as client:
        client.send(request() * 2)
        links.wait_until(lambda: server.stats()["bytes_out"] > 100_000)
        for _ in range(2):
            body = client.reply().body
            assert body == b"".join(bytes([n]) * 100_000 for n in range(100))
        assert client.quiet()
