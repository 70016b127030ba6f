"""fastnet.http.server over real sockets; CPython's own suite for it is run by tests/compat/."""

from __future__ import annotations

import contextlib
import http.client
import http.server as standard
import os
import socket
import ssl
import sys
import threading
import warnings
from typing import ClassVar

import pytest

import links
from fastnet.http import server as ours
from fastnet.sockets import Socket
from fastnet.socketserver import UnixStreamServer
from tlsfiles import Files


class Handler(ours.BaseHTTPRequestHandler):
    """Answers in the ways that handlers do."""

    protocol_version = "HTTP/1.1"
    sends: ClassVar[list[int]] = []

    def log_message(self, format, *args):
        pass

    def do_GET(self):
        getattr(self, self.path.partition("?")[0].strip("/"))()

    do_HEAD = do_GET

    def _head(self, length, **more):
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()

    def usual(self):
        self._head(5)
        if self.command != "HEAD":
            self.wfile.write(b"hello")

    def large(self):
        self._head(1_000_000)
        self.wfile.write(memoryview(b"x" * 1_000_000))

    def empty(self):
        self._head(0)

    def by_the_socket(self):
        self._head(5)
        self.connection.sendall(b"hello")

    def by_the_request(self):
        self._head(5)
        self.request.sendall(b"hello")

    def by_the_descriptor(self):
        self._head(5)
        os.write(self.wfile.fileno(), b"hello")

    def nothing_after_all(self):
        self._head(5)
        raise ConnectionError("on purpose")

    def in_two(self):
        self._head(5)
        self.wfile.flush()
        released.wait(links.SOON)
        self.wfile.write(b"hello")

    def streamed(self):
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        released.wait(links.SOON)
        self.wfile.write(b"hello")

    def do_PUT(self):
        self._head(5)  # before it reads what the client has yet to send
        self.wfile.write(self.rfile.read(5))

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self._head(len(data))
        self.wfile.write(data)

    def shown(self):
        text = repr((self.headers.items(), self.requestline, self.request_version, self.path))
        self._head(len(text))
        self.wfile.write(text.encode())


released = threading.Event()


class Quiet(ours.ThreadingHTTPServer):
    """Counts what its handlers send, and keeps quiet."""

    daemon_threads = False

    def get_request(self):
        sock, address = super().get_request()
        return Counting(sock), address

    def handle_error(self, request, client_address):
        assert isinstance(sys.exc_info()[1], ConnectionError)


class Counting:
    """A socket that counts how often it sends."""

    def __init__(self, sock):
        self._sock = sock
        self.sent = Handler.sends

    def sendall(self, data):
        self.sent.append(len(data))
        self._sock.sendall(data)

    def __getattr__(self, name):
        return getattr(self._sock, name)


@contextlib.contextmanager
def serving(server):
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            released.set()
            server.shutdown()
            thread.join()


@pytest.fixture
def server():
    released.clear()
    Handler.sends.clear()
    with serving(Quiet(("127.0.0.1", 0), Handler)) as found:
        yield found


def client_of(server):
    return contextlib.closing(
        http.client.HTTPConnection(*server.server_address[:2], timeout=links.SOON)
    )


def test_head_and_body_go_together(server):
    with client_of(server) as client:
        for path, sends in (
            ("usual", 1), ("empty", 1), ("by_the_socket", 2), ("by_the_request", 2),
            ("by_the_descriptor", 1), ("large", 2),
        ):  # fmt: skip
            Handler.sends.clear()
            client.request("GET", f"/{path}")
            reply = client.getresponse()
            body = reply.read()
            assert reply.status == 200
            assert len(body) == int(reply.headers["Content-Length"])
            assert len(Handler.sends) == sends, path
        client.request("HEAD", "/usual")
        reply = client.getresponse()
        assert (reply.headers["Content-Length"], reply.read()) == ("5", b"")
        client.request("POST", "/", b"data")
        assert client.getresponse().read() == b"data"


def test_a_head_is_not_held_for_long(server):
    with client_of(server) as client:
        for path in ("in_two", "streamed"):
            released.clear()
            client.request("GET", f"/{path}")
            reply = client.getresponse()  # while the handler waits
            assert not released.is_set()
            released.set()
            assert reply.read() == b"hello"
    with client_of(server) as client:
        client.request("GET", "/nothing_after_all")
        reply = client.getresponse()
        with pytest.raises(http.client.IncompleteRead):
            reply.read()


def test_a_head_goes_before_the_request_is_read_on(server):
    with socket.create_connection(server.server_address, links.SOON) as sock:
        sock.sendall(b"PUT / HTTP/1.0\r\nContent-Length: 5\r\n\r\n")
        with sock.makefile("rb") as file:
            while file.readline() != b"\r\n":
                pass
            sock.sendall(b"hello")
            assert file.read() == b"hello"


def test_errors_go_in_one_send(server):
    with client_of(server) as client:
        client.request("BREW", "/")
        reply = client.getresponse()
        assert (reply.status, reply.headers["Connection"]) == (501, "close")
        assert len(reply.read()) == int(reply.headers["Content-Length"])
    assert len(Handler.sends) == 1


# --------------------------------------------------------------------------- files


class FileHandler(ours.SimpleHTTPRequestHandler):
    log_message = Handler.log_message


def test_files(tmp_path):
    data = os.urandom(3_000_000)
    (tmp_path / "large").write_bytes(data)
    (tmp_path / "small.txt").write_bytes(b"small")

    def handler(*args):
        return FileHandler(*args, directory=tmp_path)

    class Server(ours.ThreadingHTTPServer):
        daemon_threads = False
        handle_error = Quiet.handle_error

    with serving(Server(("127.0.0.1", 0), handler)) as server:
        for path, expected in (("large", data), ("small.txt", b"small")):
            with client_of(server) as client:
                client.request("GET", f"/{path}")
                assert client.getresponse().read() == expected
        with client_of(server) as client:
            client.request("GET", "/")
            assert b"small.txt" in client.getresponse().read()
        with client_of(server) as client:
            client.request("GET", "/large")  # and leave at once
        assert server.server_name
        assert server.server_port == server.server_address[1]


def test_large_files_are_the_systems_to_send(tmp_path, monkeypatch):
    (tmp_path / "large").write_bytes(b"x" * 300_000)
    calls = []
    before = Socket.sendfile

    def sendfile(self, file, *args):
        calls.append(file.name)
        return before(self, file, *args)

    monkeypatch.setattr(Socket, "sendfile", sendfile)

    def handler(*args):
        return FileHandler(*args, directory=tmp_path)

    with serving(ours.HTTPServer(("127.0.0.1", 0), handler)) as server, client_of(server) as client:
        client.request("GET", "/large")
        assert client.getresponse().read() == b"x" * 300_000
    assert calls == [str(tmp_path / "large")]


def test_over_tls(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = Files(tmp_path)
    (tmp_path / "large").write_bytes(b"x" * 300_000)
    server = ours.ThreadingHTTPSServer(
        ("127.0.0.1", 0), FileHandler, certfile=files.server, keyfile=files.server_key
    )
    server.handshake_timeout = links.SOON
    server.daemon_threads = False
    with serving(server):
        context = ssl.create_default_context(cafile=files.ca)
        client = http.client.HTTPSConnection(
            "localhost", server.server_port, timeout=links.SOON, context=context
        )
        with contextlib.closing(client):
            client.request("GET", "/large")
            assert client.getresponse().read() == b"x" * 300_000
        with socket.create_connection(server.server_address, links.SOON) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")  # no TLS
            while sock.recv(1000):
                pass


def test_on_a_unix_socket(tmp_path):
    class Server(ours.HTTPServer, UnixStreamServer):
        address_family = socket.AF_UNIX

    with serving(Server(str(tmp_path / "s"), Handler)), socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(links.SOON)
        sock.connect(str(tmp_path / "s"))
        sock.sendall(b"GET /usual HTTP/1.0\r\n\r\n")
        assert sock.makefile("rb").read().endswith(b"hello")


@pytest.mark.skipif(not hasattr(ours, "CGIHTTPRequestHandler"), reason="this Python has no CGI")
def test_cgi(tmp_path, monkeypatch):
    script = tmp_path / "cgi-bin" / "hello"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nprint('Content-Type: text/plain\\n\\nhello')\n")
    script.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ours._standard, "nobody", os.getuid())

    class CGI(ours.CGIHTTPRequestHandler):
        log_message = Handler.log_message
        have_fork = False

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with serving(ours.HTTPServer(("127.0.0.1", 0), CGI)) as server:
            with client_of(server) as client:
                client.request("GET", "/cgi-bin/hello")
                reply = client.getresponse()
                assert (reply.status, reply.read()) == (200, b"hello\n")


def test_every_public_name_is_there():
    assert set(standard.__all__) <= set(ours.__all__)
    for name in standard.__all__:
        if name.endswith("Handler"):
            assert issubclass(getattr(ours, name), getattr(standard, name))
