"""Request bodies: wsgi.input in all its ways, and the framing behind it."""

from __future__ import annotations

import gc
import resource
import threading
import warnings
from typing import Any

import pytest

from fastnet import Limits
from links import wait_until
from wsgi_kit import PLAIN, Client, echo, hello, reading, request, reset, serving

pytestmark = pytest.mark.parametrize("threads", [0, 4])

CHUNKED = "Transfer-Encoding: chunked"
BEGUN = bytes(300_000)  # so much of a body has a thread begin with it


def chunks(*pieces: bytes, trailer: bytes = b"") -> bytes:
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return framed + b"0\r\n" + trailer + b"\r\n"


def test_ways_to_read(threads: int) -> None:
    ways = {
        "/read": lambda i: [i.read()],
        "/reads": lambda i: [i.read(4), i.read(0), i.read(-1), i.read(5), i.read()],
        "/line": lambda i: [i.readline(), i.readline(2), i.readline(), i.readline(), i.readline()],
        "/lines": lambda i: [*i.readlines(), i.read(1)],
        "/hint": lambda i: [*i.readlines(1), i.read()],
        "/iter": lambda i: [*i, i.read()],
        "/none": lambda i: [],
        "/some": lambda i: [i.read(1)],
    }

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        got = ways[environ["PATH_INFO"]](environ["wsgi.input"])
        start_response("200 OK", PLAIN)
        return [b"|".join(got)]

    expected = {
        "/read": b"ab\ncdef\n\ng", "/reads": b"ab\nc||def\n\ng||", "/line": b"ab\n|cd|ef\n|\n|g",
        "/lines": b"ab\n|cdef\n|\n|g|", "/hint": b"ab\n|cdef\n\ng", "/iter": b"ab\n|cdef\n|\n|g|",
        "/none": b"", "/some": b"a",
    }  # fmt: skip
    with serving(app, threads, check=False) as server, Client(server) as client:
        for path, body in expected.items():
            asked = {"method": "POST", "target": path}
            assert client.ask(body=b"ab\ncdef\n\ng", **asked).body == body, path
            framed = chunks(b"ab", b"\nc", b"def\n\ng", trailer=b"X-Sum: 1\r\nY: \xe4\r\n")
            assert client.ask(CHUNKED, body=framed, **asked).body == body, path
            client.send(request("Content-Length: 10", method="POST", target=path))
            for byte in b"ab\ncdef\n\ng":
                client.send(bytes([byte]))
            assert client.reply().body == body, path
        for path in ways:
            assert client.ask(target=path).body.strip(b"|") == b"", path


def test_large_bodies(threads: int) -> None:
    body = bytes(range(256)) * 12_000  # 3 MB: beyond what is kept in memory
    with warnings.catch_warnings(), serving(echo, threads) as server, Client(server) as client:
        warnings.simplefilter("error")
        for _ in range(2):
            assert client.ask(body=body, method="POST").body == body
            framed = chunks(*(body[at : at + 70_001] for at in range(0, len(body), 70_001)))
            assert client.ask(CHUNKED, body=framed, method="PUT").body == body
        gc.collect()


@pytest.mark.parametrize("size", [1_500_000, 2_000_000, 3_000_000])
def test_a_full_disk(threads: int, size: int, capsys: Any) -> None:
    if threads:
        pytest.skip("threads read while the body comes")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with serving(hello, threads) as server:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_499_000, limits[1]))
        try:
            with Client(server) as client:
                client.send(request(f"Content-Length: {size}", method="POST"), bytes(size))
                assert client.reply().status == 500
                assert client.closed()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        with Client(server) as client:
            assert client.ask(target="/after", body=bytes(size), method="POST").status == 200
    assert "a body could not be kept" in capsys.readouterr().err


def test_small_chunks_of_a_large_body(threads: int) -> None:
    body = b"ab" * 40_000
    framed = b"2\r\nab\r\n" * 40_000 + b"0\r\n\r\n"
    with serving(echo, threads) as server, Client(server) as client:
        assert client.ask(CHUNKED, body=framed, method="POST").body == body


def test_bodies_that_nobody_reads(threads: int) -> None:
    with serving(hello, threads) as server:
        for size in (1, 1000, 200_000, 300_000):
            with Client(server) as client:
                for _ in range(3):
                    client.send(request(body=bytes(size), method="POST", target="/a"))
                    assert client.reply().body == b"/a"
        with Client(server) as client:
            client.send(request(body=bytes(200_000), method="POST", target="/a") * 5)
            assert [client.reply().body for _ in range(5)] == [b"/a"] * 5


def test_an_answer_before_the_body_has_come(threads: int) -> None:
    if not threads:
        pytest.skip("the loop waits for the body")
    with serving(hello, threads) as server:
        with Client(server) as client:
            client.send(request("Content-Length: 301000", method="POST", target="/early"), BEGUN)
            assert client.reply().body == b"/early"
            client.send(bytes(1000), request(target="/next"))
            assert client.reply().body == b"/next"
        for line, begun in ((CHUNKED, chunks(BEGUN)[:-5]), ("Content-Length: 1000000", BEGUN)):
            with Client(server) as client:
                client.send(request(line, method="POST", target="/early"), begun)
                assert client.reply().body == b"/early"
                assert client.closed()
        with Client(server) as client:
            client.send(request("Content-Length: 301000", method="POST", target="/early"), BEGUN)
            assert client.reply().body == b"/early"
            client.sock.shutdown(1)
            assert client.closed()


def test_a_thread_reads_while_the_body_comes(threads: int) -> None:
    if not threads:
        pytest.skip("the loop waits for the body")
    read = threading.Semaphore(0)

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        lines = []
        while line := environ["wsgi.input"].readline():
            lines.append(line)
            read.release()
        start_response("200 OK", PLAIN)
        return [b"".join(lines)]

    with serving(app, threads) as server, Client(server) as client:
        client.send(request(CHUNKED, method="POST"), chunks(BEGUN + b"\n")[:-5])
        assert read.acquire(timeout=30)
        for number in range(5):
            client.send(b"2\r\n%d\n\r\n" % number)
            assert read.acquire(timeout=30)
        client.send(b"0\r\n\r\n")
        assert client.reply().body == BEGUN + b"\n0\n1\n2\n3\n4\n"


def test_bodies_that_come_slowly_keep_no_thread(threads: int) -> None:
    with serving(hello, threads) as server:
        slow = [Client(server) for _ in range(2 * threads + 1)]
        for client in slow:
            client.send(request("Content-Length: 100000", method="POST"), bytes(90_000))
        with Client(server) as client:
            assert client.ask(target="/meanwhile").body == b"/meanwhile"
        for client in slow:
            client.send(bytes(10_000))
            assert client.reply().status == 200
            client.close()


def test_a_thread_that_reads_slowly_bounds_what_is_kept(threads: int) -> None:
    if not threads:
        pytest.skip("the loop keeps large bodies in files")
    go = threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        assert go.wait(30)
        return echo(environ, start_response)

    body = bytes(range(251)) * 40_000
    with serving(app, threads) as server, Client(server) as client:
        sender = threading.Thread(target=client.send, args=(request(body=body, method="POST"),))
        sender.start()
        wait_until(lambda: server.stats()["bytes_in"] > 256 * 1024)
        assert server.stats()["bytes_in"] < 5_000_000
        go.set()
        assert client.reply().body == body
        sender.join()


def test_expectations(threads: int) -> None:
    with serving(echo, threads) as server, Client(server) as client:
        for _ in range(2):
            client.send(request("Expect: 100-continue", "Content-Length: 3", method="POST"))
            assert client.reply().status == 100
            client.send(b"abc")
            assert client.reply().body == b"abc"
        client.send(request("Expect: 100-continue", body=b"abc", method="POST"))
        assert [client.reply().status for _ in range(2)] == [100, 200]
        assert client.ask("Expect: 100-Continue").status == 200  # no body: nothing to go on with
        assert client.ask("Expect: else", body=b"abc", method="POST").status == 417
        assert client.closed()
    with serving(echo, threads, limits=Limits(body_bytes=10)) as server, Client(server) as client:
        client.send(request("Expect: 100-continue", "Content-Length: 11", method="POST"))
        assert client.reply().status == 413


def test_bodies_beyond_the_limit(threads: int) -> None:
    with serving(echo, threads, limits=Limits(body_bytes=10)) as server:
        with Client(server) as client:
            assert client.ask(body=b"x" * 10, method="POST").body == b"x" * 10
            assert client.ask(CHUNKED, body=chunks(b"x" * 10), method="POST").status == 200
            reply = client.ask(body=b"x" * 11, method="POST")
            assert reply.status == 413
            assert reply.headers["connection"] == "close"
            assert client.closed()
        for framed in (chunks(b"x" * 11), chunks(b"x" * 9, b"yy"), b"fffffff\r\n"):
            with Client(server) as client:
                client.send(request(CHUNKED, method="POST"), framed)
                assert client.reply().status == 413
                assert client.closed()


def test_a_body_that_is_refused_while_a_thread_answers(threads: int) -> None:
    begun, refused = threading.Event(), threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] != "POST":
            return hello(environ, start_response)
        write = start_response("200 OK", [])
        assert environ["wsgi.input"].read(len(BEGUN)) == BEGUN
        write(b"begun")
        begun.set()
        assert refused.wait(30)
        return iter([b"never seen"] * 10)

    if not threads:
        pytest.skip("the loop waits for the body")
    lines: list[str] = []
    with serving(app, threads, check=False, access_log=lines.append) as server:
        with Client(server) as client:
            client.send(request(CHUNKED, method="POST"), chunks(BEGUN)[:-5])
            assert begun.wait(30)
            assert client._until(b"begun")
            client.send(b"no chunk\r\n")
            wait_until(lambda: lines)
            refused.set()
            client._got = b""
            client._more()
            assert client._got.strip() == b""  # the piece that was begun may end
        with Client(server) as client:
            assert client.ask(target="/after").body == b"/after"
    assert len([line for line in lines if '"-" 400' in line]) == 1
    assert not [line for line in lines if "POST" in line]


def test_a_client_that_goes_amid_its_body(threads: int, capsys: Any) -> None:
    begun, ended = threading.Semaphore(0), threading.Semaphore(0)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        begun.release()
        try:
            return echo(environ, start_response)
        except ConnectionError:
            ended.release()
            raise

    halves = [
        (request("Content-Length: 100", method="POST") + b"half", False),
        (request("Content-Length: 9000000", method="POST") + bytes(2_000_000), True),
        (request(CHUNKED, method="POST") + b"5\r\nhel", False),
        (request(CHUNKED, method="POST") + chunks(BEGUN)[:-5] + b"5\r\nhel", True),
    ]
    with warnings.catch_warnings(), serving(app, threads) as server:
        warnings.simplefilter("error")
        for half, begins in halves:
            for leave in (Client.close, reset):
                client = Client(server)
                client.send(half)
                wait_until(lambda: not server._factory.site or server._factory.site.connections)
                if threads and begins:
                    assert begun.acquire(timeout=30)
                leave(client)
                if threads and begins:
                    assert ended.acquire(timeout=30)
                wait_until(lambda: server.stats()["open"] == 0)
        gc.collect()
        with Client(server) as client:
            assert client.ask(body=b"whole", method="POST").body == b"whole"


def test_slow_bodies_are_408(threads: int) -> None:
    limits = Limits(request_timeout=0.2)
    with serving(reading, threads, check=False, limits=limits) as server:
        slow = [Client(server) for _ in range(3)]
        slow[0].send(request("Content-Length: 10", method="POST"), b"abc")
        slow[1].send(request(CHUNKED, method="POST"), b"5\r\nab")
        slow[2].send("GET / HTTP/1.1\r\nHos")
        for client in slow:
            assert client.reply().status == 408
            assert client.closed()
            client.close()


def test_nobody_is_late_whose_body_is_not_read(threads: int) -> None:
    go = threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        assert go.wait(30)
        return echo(environ, start_response)

    if not threads:
        pytest.skip("the loop reads at once")
    body = bytes(6_000_000)
    limits = Limits(request_timeout=0.2)
    with serving(app, threads, limits=limits) as server, Client(server) as client:
        sender = threading.Thread(target=client.send, args=(request(body=body, method="POST"),))
        sender.start()
        wait_until(lambda: server.stats()["bytes_in"] > 256 * 1024)
        with Client(server) as other:  # until its time is over, and some more
            other.send("GET")
            assert other.reply().status == 408
        go.set()
        assert client.reply().body == body
        sender.join()
