"""The server as an object: its shapes, its ends, its figures."""

from __future__ import annotations

import contextlib
import os
import re
import ssl
import threading
from typing import Any

import pytest

import links
from fastnet.wsgi import WSGIRequestHandler, WSGIServer, make_server
from links import Background
from wsgi_kit import PLAIN, Client, echo, hello, request, serving

pytestmark = pytest.mark.parametrize("threads", [0, 4])


def test_running_requests_end_before_the_server(threads: int) -> None:
    begun, go = threading.Event(), threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", PLAIN)
        begun.set()
        if threads:
            assert go.wait(30)
        return iter([b"x" * 100_000] * 50)

    with serving(app, threads) as server:
        idle, busy, late = Client(server), Client(server), Client(server)
        busy.send(request() * 2)
        assert begun.wait(30)
        late.send("GET / HT")
        links.wait_until(lambda: server.stats()["accepted"] == 3)
        ending = Background(server.shutdown, 25)
        assert idle.closed()  # at once
        go.set()
        reply = busy.reply()
        assert len(reply.body) == 5_000_000
        late.send("TP/1.1\r\nHost: a\r\n\r\n")
        reply = late.reply()
        assert len(reply.body) == 5_000_000
        assert reply.headers["connection"] == "close"
        for client in (idle, busy, late):
            client.close()
        ending.result()
        with pytest.raises(OSError):
            Client(server)


def test_what_does_not_end_is_cut(threads: int) -> None:
    go = threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        if threads:
            assert go.wait(30)
        start_response("200 OK", PLAIN)
        return iter(lambda: b"x", None)

    with serving(app, threads, check=False) as server, Client(server) as client:
        client.send(request())
        links.wait_until(lambda: server.stats()["requests"])
        server.shutdown(0.1)
        go.set()
        client.closed()
    assert server.stats()["requests"] == 1


def test_an_application_that_ends_its_server(threads: int) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        threading.Thread(target=server.shutdown).start() if threads else server.shutdown()
        return hello(environ, start_response)

    with serving(app, threads) as server:
        with Client(server) as client:
            assert client.ask(target="/a").body == b"/a"
        assert server.wait(30)


def test_one_request_at_a_time(threads: int) -> None:
    with WSGIServer(("127.0.0.1", 0), echo, threads=threads) as server:
        for turn in range(3):
            handling = Background(server.handle_request)
            with Client(server) as client:
                if turn == 1:  # it may take its time
                    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na")
                    client.send("bc")
                    reply = client.reply()
                else:
                    reply = client.ask(body=b"abc", method="POST")
                assert reply.body == b"abc"
                assert reply.headers["connection"] == "close"
            handling.result()
        assert server.stats()["requests"] == 3
        handling = Background(server.handle_request)
        Client(server).close()  # says nothing
        handling.result()


def test_the_shape_of_wsgiref(threads: int, capsys: Any) -> None:
    lines: list[str] = []

    class Handler(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            lines.append(format % args)

    class Server(WSGIServer):
        pass

    with make_server("127.0.0.1", 0, None, Server, Handler, threads=threads) as server:
        with pytest.raises(RuntimeError):
            server.start()
        server.set_app(hello)
        assert isinstance(server, Server)
        assert server.get_app() is hello
        assert server.server_port == server.server_address[1] == server.socket.getsockname()[1]
        assert server.server_name
        assert server.fileno() == server.socket.fileno()
        serving = Background(server.serve_forever)
        with Client(server) as client:
            assert client.ask(target="/a").body == b"/a"
            server.set_app(echo)
            assert client.ask(target="/a").body == b""
        server.shutdown()
        serving.result()
    assert len(lines) == 2
    with make_server("", 0, hello, threads=threads) as server:
        server.start()
        with Client(("127.0.0.1", server.server_port)) as client:
            assert client.ask().status == 200
    assert '"GET / HTTP/1.1" 200 1' in capsys.readouterr().err
    with pytest.raises(ValueError, match="threads"):
        WSGIServer(("127.0.0.1", 0), hello, threads=-1)


def test_the_access_log(threads: int) -> None:
    lines: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["PATH_INFO"] = "/other"
        del environ["QUERY_STRING"], environ["REMOTE_ADDR"]
        start_response("404 None", PLAIN)
        return [b"", b"abc"]

    with serving(app, threads, check=False, access_log=lines.append) as server:
        with Client(server) as client:
            client.ask(target='/a%20"b\\?c=%22d')
            client.ask(method="HEAD", target="http://b/", version="1.0")
        with Client(server) as client:
            client.ask(method="bad request")
        links.wait_until(lambda: len(lines) == 3)
    head = r"127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "
    for line, end in zip(
        lines,
        (r'"GET /a%20\"b\\?c=%22d HTTP/1.1" 404 3', '"HEAD http://b/ HTTP/1.0" 404 -', '"-" 400 -'),
        strict=True,
    ):
        assert re.fullmatch(head + re.escape(end), line), line


def test_a_log_that_fails(threads: int, capsys: Any) -> None:
    def log(line: str) -> None:
        raise OSError("the disk is full")

    with serving(hello, threads, access_log=log) as server, Client(server) as client:
        assert [client.ask(target="/a").body for _ in range(3)] == [b"/a"] * 3
        assert client.ask(method="bad request").status == 400
    assert "the disk is full" in capsys.readouterr().err


def test_errors_of_the_application(threads: int, capsys: Any) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["wsgi.errors"].write("trouble\n")
        environ["wsgi.errors"].writelines(["and", " more\n"])
        environ["wsgi.errors"].flush()
        return hello(environ, start_response)

    with serving(app, threads) as server, Client(server) as client:
        assert client.ask().status == 200
    assert "trouble\nand more\n" in capsys.readouterr().err


def test_worker_processes(threads: int) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", PLAIN)
        return [b"%d %d" % (os.getpid(), environ["wsgi.multiprocess"])]

    with serving(app, threads, workers=2) as server:
        for _ in range(5):
            with Client(server) as client:
                pid, flag = client.ask().body.split()
                assert int(pid) != os.getpid()
                assert flag == b"1"


def test_unix_sockets(threads: int, tmp_path: Any) -> None:
    environs: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environs.append(environ)
        return hello(environ, start_response)

    lines: list[str] = []
    address = f"unix:{tmp_path}/s"
    with serving(app, threads, address=address, access_log=lines.append) as server:
        with Client(server) as client:
            assert client.ask(target="/a").body == b"/a"
        assert server.server_port == 0
        assert server.server_name == "localhost"
    assert environs[0]["SERVER_NAME"] == "localhost"
    assert environs[0]["REMOTE_ADDR"] == ""
    assert lines[0].startswith("- - - [")


def test_tls(threads: int, certificates: Any, caplog: Any) -> None:
    environs: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environs.append(environ)
        return echo(environ, start_response)

    body = bytes(range(256)) * 10_000
    with serving(app, threads, ssl_context=certificates.server) as server:
        with Client(server, certificates.client) as client:
            assert client.ask(body=body, method="POST").body == body
            client.send(request(body=b"abc", method="POST") * 20)
            assert [client.reply().body for _ in range(20)] == [b"abc"] * 20
            assert client.ask("Connection: close").status == 200
            assert client.closed()
        with Client(server, certificates.client) as client:
            assert client.ask(method="bad request").status == 400
            assert client.closed()
        with Client(server, certificates.client) as client:
            client.send(request(body=b"x" * 100_000, method="POST"))
            with contextlib.suppress(ssl.SSLError):  # an answer has come meanwhile
                client.sock.unwrap().close()
        with Client(server, certificates.client) as client:
            assert client.ask(body=b"abc", method="POST").body == b"abc"
    assert environs[0]["wsgi.url_scheme"] == "https"
    assert environs[0]["HTTPS"] == "on"
    assert not [r for r in caplog.records if "eof_received" in r.getMessage()]


def test_nothing_is_left_of_exchanges(threads: int) -> None:
    import gc
    import weakref

    class Piece(list[bytes]):
        pass

    kept: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        answer = Piece(echo(environ, start_response))
        kept.append(weakref.ref(answer))
        environ["mine"] = answer
        return answer

    with serving(app, threads, check=False) as server, Client(server) as client:
        gc.collect()
        gc.disable()
        try:
            for _ in range(10):
                assert client.ask(body=b"abc", method="POST").body == b"abc"
            links.wait_until(lambda: not [ref for ref in kept if ref() is not None])
        finally:
            gc.enable()
