"""urlopen and Request: the same programs with urllib.request and with fastnet.http."""

from __future__ import annotations

import gzip
import io
import socket
import ssl
import urllib.error
import urllib.request
from typing import Any

import pytest
import trustme

import client_kit as kit
from client_kit import Scripted, chunked, reply
from fastnet import http

BOTH = pytest.mark.parametrize("module", [urllib.request, http], ids=["urllib", "fastnet"])


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@BOTH
def test_a_response(module):
    with kit.serving() as server:
        with module.urlopen(f"{server.url}/a?b=c", timeout=20) as response:
            assert (response.status, response.code, response.getcode()) == (200, 200, 200)
            assert response.reason == response.msg == "OK"
            assert response.version == 11
            assert response.geturl() == response.url == f"{server.url}/a?b=c"
            assert response.info()["content-type"] == "application/json"
            assert response.headers.get_content_type() == "application/json"
            assert response.getheader("Content-Type") == "application/json"
            assert response.getheader("Absent", "none") == "none"
            assert ("Content-Type", "application/json") in response.getheaders()
            assert response.readable()
            assert response.read(1) == b"{"
            rest = response.read()
            assert b'"path": "/a?b=c"' in rest
            assert b'"connection": "close"' in rest
            assert response.read() == b""
        assert response.closed


@BOTH
def test_requests(module):
    with kit.serving() as server:

        def said(*args, **kwargs):
            import json

            with module.urlopen(*args, timeout=20, **kwargs) as response:
                return json.load(response)

        post = said(server.url, b"a=1")
        assert (post["method"], post["body"]) == ("POST", "a=1")
        assert post["headers"]["content-type"] == "application/x-www-form-urlencoded"
        headers = {"User-agent": "none/ofyourbusiness", "Spam": "Eggs"}
        request = module.Request(server.url, b"x", headers=headers)
        request.add_header("Content-Type", "text/plain")
        sent = said(request)
        assert sent["headers"]["user-agent"] == "none/ofyourbusiness"
        assert sent["headers"]["spam"] == "Eggs"
        assert sent["headers"]["content-type"] == "text/plain"
        assert said(module.Request(server.url, method="PUT"), b"y")["method"] == "PUT"
        assert said(server.url, iter([b"a", b"b"]))["body"] == "ab"
        counted = module.Request(server.url, io.BytesIO(b"abc"), {"Content-Length": "3"})
        assert said(counted)["headers"]["content-length"] == "3"
        with pytest.raises(TypeError, match="POST data should be bytes"):
            module.urlopen(server.url, "text")
        with module.urlopen(module.Request(server.url, method="HEAD")) as response:
            assert response.read() == b""


@BOTH
def test_lines_and_buffers(module):
    with Scripted(chunked(b"one\n", b"two\nthree"), reply(b"0123456789")) as server:
        with module.urlopen(server.url) as response:
            assert list(response) == [b"one\n", b"two\n", b"three"]
        with module.urlopen(server.url) as response:
            buffer = bytearray(4)
            assert response.readinto(buffer) == 4
            assert response.readline() == b"456789"


@BOTH
def test_errors(module):
    with kit.serving() as server:
        with pytest.raises(urllib.error.HTTPError) as caught:
            module.urlopen(f"{server.url}/status?code=404")
        with caught.value as error:
            assert (error.code, error.status, error.reason) == (404, 404, "Not Found")
            assert error.headers["Content-Length"] == "8"
            assert error.geturl() == f"{server.url}/status?code=404"
            assert error.read() == b"so it is"
        with module.urlopen(f"{server.url}/redirect?status=302&to=/there") as response:
            assert response.geturl() == f"{server.url}/there"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(urllib.error.URLError) as refused:
        module.urlopen(f"http://127.0.0.1:{port}/")
    assert isinstance(refused.value.reason, ConnectionRefusedError)
    with pytest.raises((urllib.error.URLError, ValueError)):
        module.urlopen("gopher://a/")

    def silent(sock):
        sock.recv(1)

    with Scripted((b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na", silent)) as server:
        with module.urlopen(server.url, timeout=0.2) as response:
            with pytest.raises(TimeoutError):
                response.read()


@BOTH
def test_tls(module, tmp_path):
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    trusting = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    with kit.serving(context) as server:
        with module.urlopen(server.url, context=trusting) as response:
            assert response.status == 200
        with pytest.raises(urllib.error.URLError) as caught:
            module.urlopen(server.url)
        assert isinstance(caught.value.reason, ssl.SSLError)


@BOTH
def test_nothing_is_decoded(module: Any) -> None:
    packed = gzip.compress(b"hello")
    with Scripted(*[reply(packed, "Content-Encoding: gzip")] * 4) as server:
        request = module.Request(server.url, headers={"Accept-Encoding": "gzip"})
        for read in (lambda opened: opened.read(), b"".join,
                     lambda opened: opened.read1(100) + opened.read()):  # fmt: skip
            with module.urlopen(request) as response:
                assert response.headers["Content-Encoding"] == "gzip"
                assert read(response) == packed
        with module.urlopen(request) as response:
            buffer = bytearray(len(packed))
            assert response.readinto(buffer) == len(packed)
            assert buffer == packed


@BOTH
def test_a_header_is_sent_once_however_it_is_written(module: Any) -> None:
    with Scripted(*[reply(b"x")] * 2) as server:
        headers = {"ACCEPT-ENCODING": "gzip", "content-TYPE": "a/b", "Connection": "close"}
        for data in (None, b"x"):
            with module.urlopen(module.Request(server.url, data, headers)) as response:
                response.read()
        for head, _ in server.requests:
            lines = head.lower().split(b"\r\n")
            assert [line for line in lines if line.startswith(b"accept-e")] == [
                b"accept-encoding: gzip"
            ]
            assert [line for line in lines if line.startswith(b"content-t")] == [
                b"content-type: a/b"
            ]


@BOTH
def test_headers_for_one_hop_only(module: Any) -> None:
    with Scripted(reply(b"x")) as elsewhere:
        moved = reply(b"", f"Location: {elsewhere.url}/there", status="302 Found")
        here = reply(b"", "Location: /again", status="302 Found")
        with Scripted(here, moved) as server:
            request = module.Request(server.url, headers={"X-Both": "header", "X-Kept": "kept"})
            request.add_unredirected_header("X-Token", "secret")
            request.add_unredirected_header("X-Both", "once")
            with module.urlopen(request) as response:
                assert response.geturl() == f"{elsewhere.url}/there"
        heads = [head.lower() for head, _ in (*server.requests, *elsewhere.requests)]
        assert [b"x-token: secret" in head for head in heads] == [True, False, False]
        assert [b"x-kept: kept" in head for head in heads] == [True] * 3
        assert [b"x-both: once" in head for head in heads] == [True, False, False]
        assert [b"x-both: header" in head for head in heads] == [False, True, True]


@BOTH
def test_reading_nothing_loses_nothing(module: Any) -> None:
    with Scripted(reply(b"0123456789")) as server:
        with module.urlopen(server.url) as response:
            assert response.read1(0) == response.read(0) == b""
            assert response.readinto(bytearray(0)) == 0
            assert response.peek(1)[:1] == b"0"
            assert response.read(2) == b"01"
            assert response.read1(0) == b""
            assert response.read() == b"23456789"


def test_lines_come_out_of_a_buffer() -> None:
    """Not byte by byte from the connection: a line takes one call, a body of many few."""
    body = b"some line of text\n" * 20_000
    with Scripted(reply(body)) as server, http.urlopen(server.url) as response:
        calls = 0
        readinto = response.raw.readinto

        def counted(buffer: Any) -> int:
            nonlocal calls
            calls += 1
            return int(readinto(buffer))

        response.raw.readinto = counted
        assert sum(1 for _ in response) == 20_000
        assert calls < 10_000
