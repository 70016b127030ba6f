"""Clients that come, ask, leave and are refused while threads and the loop are at work."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest

import links
from fastnet import Limits
from links import Background
from wsgi_kit import PLAIN, Client, request, reset, serving

pytestmark = pytest.mark.parametrize("threads", [0, 4])


def app(environ: dict[str, Any], start_response: Any) -> Any:
    """Some of everything, as the path says."""
    path = environ["PATH_INFO"]
    body = environ["wsgi.input"].read(100_000) if path != "/unread" else b""
    write = start_response("200 OK", PLAIN)
    if path == "/write":
        for _ in range(50):
            write(b"x" * 5000)
        return [body]
    if path == "/stream":
        return iter([b"x" * 20_000] * 20)
    if path == "/breaks":
        raise ValueError
    if path == "/large":
        return [b"x" * 500_000]
    return [body]


PATHS = ["/write", "/stream", "/breaks", "/large", "/unread", "/"]


def session(server: Any, seed: int) -> None:
    """Some requests, in one segment, and one of several ends."""
    chance = random.Random(seed)
    with Client(server) as client:
        asked = [chance.choice(PATHS) for _ in range(chance.randrange(1, 6))]
        raw = b"".join(
            request(target=path, body=b"y" * chance.choice([0, 10, 70_000]), method="POST")
            for path in asked
        )
        end = chance.choice(["read", "leave", "reset", "garbage", "half", "cut"])
        if end == "cut":
            raw = raw[: chance.randrange(len(raw))]
        sender = Background(send, client, raw + (b"garbage\r\n\r\n" if end == "garbage" else b""))
        try:
            if end in ("read", "garbage", "half"):
                for path in asked:
                    assert client.reply().status == (500 if path == "/breaks" else 200)
                if end == "garbage":
                    assert client.reply().status == 400
                    assert client.closed()
        finally:
            (reset if end == "reset" else Client.close)(client)
            sender.result()


def send(client: Client, data: bytes) -> None:
    try:
        client.send(data)
    except OSError:
        pass


def test_many_sessions(threads: int, capsys: Any, caplog: Any) -> None:
    with serving(app, threads, check=False) as server:
        for turn in range(10):
            for one in [Background(session, server, 10 * turn + n) for n in range(6)]:
                one.result()
        links.wait_until(lambda: server.stats()["open"] == 0)
        with Client(server) as client:
            assert client.ask(body=b"abc", method="POST").body == b"abc"
    told = capsys.readouterr().err
    assert "Exception while" not in told
    assert "Fatal" not in told
    assert not [r for r in caplog.records if "socket.send()" in r.getMessage()]


def test_a_server_that_ends_amid_them(threads: int, capsys: Any) -> None:
    over = threading.Event()

    def work(server: Any, seed: int) -> None:
        for turn in range(1000):
            try:
                session(server, 1000 * seed + turn)
            except (OSError, EOFError, AssertionError):
                if over.is_set():
                    return

    for seconds in (0.0, 0.05, 5.0):
        over.clear()
        limits = Limits(request_timeout=5)
        with serving(app, threads, check=False, limits=limits) as server:
            workers = [Background(work, server, n) for n in range(4)]
            links.wait_until(lambda: server.stats()["requests"] > 20)
            over.set()
            server.shutdown(seconds)
            for worker in workers:
                worker.result()
