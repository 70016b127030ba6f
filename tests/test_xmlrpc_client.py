"""The client: what it sends, on which connection, and what it makes of answers."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import socket
import threading
import xmlrpc.client as standard

import pytest

import fastnet
import xmlrpc_kit as kit
from fastnet.xmlrpc import client
from links import Background


def request(sock):
    """A whole request, as the list of pieces in which it came."""
    pieces = []
    while True:
        pieces.append(sock.recv(1 << 20))
        assert pieces[-1], "the client left"
        head, end, body = b"".join(pieces).partition(b"\r\n\r\n")
        if end and len(body) == int(head.lower().partition(b"content-length: ")[2].split()[0]):
            return pieces


@contextlib.contextmanager
def saying(*answers):
    """A server that says what it is told; gives its URL and the requests, in their pieces."""
    listener = socket.create_server(("127.0.0.1", 0))
    sent, done = [], threading.Event()

    def run():
        sock, _ = listener.accept()
        with sock:
            for answer in answers:
                sent.append(request(sock))
                if answer is None:
                    done.wait(50)
                else:
                    sock.sendall(answer)

    serving = Background(run)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/p?q=1", sent
    finally:
        done.set()
        listener.close()
    serving.result()


def ok(*values, head="", body=None):
    body = client.dumps(values, methodresponse=True).encode() if body is None else body
    lines = f"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n{head}"
    return lines.encode() + b"\r\n" + body


def test_a_request_is_one_piece():
    with saying(ok(1), ok("two")) as (url, sent):
        with client.ServerProxy(url, headers=[("X-Own", "value"), ("X-Other", "é")]) as calls:
            assert calls.first(1) == 1
            assert calls.a.b("x" * 30_000) == "two"
    assert len(sent[0]) == 1
    for pieces, values, name in zip(sent, [(1,), ("x" * 30_000,)], ["first", "a.b"], strict=True):
        head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
        assert client.loads(body) == (values, name)
        assert head.startswith(b"POST /p?q=1 HTTP/1.1\r\n")
        for line in (b"X-Own: value", b"X-Other: \xe9", b"Content-Length: %d" % len(body)):
            assert line in head.splitlines()


def test_basic_authentication():
    with saying(ok(True)) as (url, sent):
        with client.ServerProxy(url.replace("//", "//user%40:p%3Aw@")) as calls:
            assert calls.x() is True
    expected = base64.b64encode(b"user@:p:w")
    assert b"Authorization: Basic " + expected in b"".join(sent[0]).splitlines()


def test_the_timeout():
    with saying(None) as (url, _):
        with client.ServerProxy(url, timeout=0.05) as calls:
            with pytest.raises(TimeoutError):
                calls.x()


def test_builtin_types():
    value = [standard.Binary(b"x"), standard.DateTime("20240229T12:30:59")]
    with saying(ok(value)) as (url, _):
        with client.ServerProxy(url) as calls:
            assert calls.x() == value
    with saying(ok(value)) as (url, _):
        with client.ServerProxy(url, use_builtin_types=True) as calls:
            data, date = calls.x()
            assert (type(data), date.year) == (bytes, 2024)


def test_headers_cannot_be_injected():
    bad = "x\r\nInjected: yes"
    for options in ({"headers": [("X", bad)]}, {"headers": [("X: y\r\nInjected", "v")]}):
        with client.ServerProxy("http://127.0.0.1:9/", **options) as calls:
            with pytest.raises(ValueError, match="Invalid header"):
                calls.x()
    transport = client.Transport()
    for host, path in (("127.0.0.1:9", "/ HTTP/1.1\r\nX: y"), ("127.0.0.1\r\nX: y:9", "/")):
        with pytest.raises(Exception, match="control characters"):
            transport.request(host, path, b"")
    with pytest.raises(OSError, match="unsupported XML-RPC protocol"):
        client.ServerProxy("ftp://127.0.0.1/")


def test_answers_have_limits():
    packed = gzip.compress(b" " * (3 << 20))
    zipped = ok(head="Content-Encoding: gzip\r\n", body=packed)

    class Small(client.Transport):
        max_response_size = 1000
        max_decoded_size = 1 << 20

    small = ok("x" * 10)
    for answer, words in (
        (ok("x" * 2000), "max_response_size"),
        (zipped, "max_response_size" if len(packed) > 1000 else "max_decoded_size"),
        (ok(head="Content-Encoding: gzip\r\n", body=gzip.compress(b"x" * (2 << 20))), "size"),
        (small.replace(b"Content-Length", b"X-Length") + b" " * 1000, "max_response_size"),
    ):
        with saying(answer) as (url, _):
            with client.ServerProxy(url, Small()) as calls:
                with pytest.raises(client.DocumentRefused, match=words):
                    calls.x()
    with saying(small) as (url, _):
        with client.ServerProxy(url, Small()) as calls:
            assert calls.x() == "x" * 10


@pytest.mark.parametrize("proxy", [standard.ServerProxy, client.ServerProxy])
def test_bad_answers(proxy):
    """What the standard proxy raises, ours does."""
    cases = [
        (ok(body=b"<params/>"), None),
        (ok(body=b"nonsense"), Exception),
        (ok(body=b""), Exception),
        (b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", standard.ProtocolError),
        (ok(head="Content-Encoding: gzip\r\n", body=b"no gzip"), OSError),
        (ok(body=client.dumps(client.Fault(3, "text")).encode()), standard.Fault),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n<params>", Exception),
        (b"no HTTP\r\n\r\n", Exception),
    ]
    for answer, kind in cases:
        with saying(answer) as (url, _):
            with proxy(url) as calls:
                if kind is None:
                    assert calls.x() == ()
                else:
                    with pytest.raises(kind):
                        calls.x()


def test_an_answer_that_was_cut_is_no_answer():
    """The standard proxy takes it, where what came is whole by chance."""
    with saying(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n<params/>") as (url, _):
        with client.ServerProxy(url) as calls:
            with pytest.raises(http.client.IncompleteRead):
                calls.x()


def test_a_parser_or_a_method_of_ones_own_is_used():
    class Own(client.Transport):
        fed = 0

        def getparser(self):
            Own.fed += 1
            return super().getparser()

    with saying(ok([1])) as (url, _):
        with client.ServerProxy(url, Own()) as calls:
            assert calls.x() == [1]
    assert Own.fed == 1


def test_verbose(capsys):
    with kit.served() as (_, url):
        with client.ServerProxy(url, verbose=True) as calls:
            assert calls.add(1, 2) == 3
    out = capsys.readouterr().out
    assert "body: b" in out
    assert "send: b" in out


def test_a_server_that_closes_what_it_said_it_keeps():
    class Liar(kit.KeepAlive):
        def do_POST(self):
            super().do_POST()
            self.close_connection = True

    with kit.served(handler=Liar) as (running, url):
        with client.ServerProxy(url) as calls:
            assert [calls.add(n, 1) for n in range(4)] == [1, 2, 3, 4]
        assert running.connections >= 4
        calls("close")()
        assert calls.add(4, 1) == 5  # a closed proxy opens again
        calls("close")()


def test_one_transport_for_several_servers():
    with kit.served() as (_, one), kit.served() as (_, two):
        transport = client.Transport()
        proxies = [client.ServerProxy(url, transport) for url in (one, two)]
        assert [calls.add(1, n) for n in range(2) for calls in proxies] == [1, 1, 2, 2]
        transport.close()


def test_a_claim_is_no_allocation():
    claim = b"HTTP/1.1 200 OK\r\nContent-Length: 4000000000000000000\r\n\r\n<params/>"
    with saying(claim) as (url, _):
        with client.ServerProxy(url) as calls:
            with pytest.raises(http.client.IncompleteRead):
                calls.x()
    for claim in (b"9" * 40, b"-1", b"1, 2"):
        with saying(b"HTTP/1.1 200 OK\r\nContent-Length: " + claim + b"\r\n\r\n") as (url, _):
            with client.ServerProxy(url) as calls:
                with pytest.raises(http.client.HTTPException) as caught:
                    calls.x()
                assert isinstance(caught.value, fastnet.ProtocolError)


def test_a_server_that_ends_connections_is_called_again():
    class Once(kit.KeepAlive):
        protocol_version = "HTTP/1.0"

    with kit.served(handler=Once) as (running, url):
        with client.ServerProxy(url) as calls:
            assert [calls.add(n, 1) for n in range(4)] == [1, 2, 3, 4]
            assert repr(calls).startswith("<ServerProxy for 127.0.0.1:")
            assert isinstance(calls("transport"), client.Transport)
        assert running.connections == 4
