"""Responses as they come over the wire: cut anywhere, hostile, cut off."""

from __future__ import annotations

import random
import socket
import time

import numpy as np
import pytest

import fastnet
import links
from client_kit import CLOSE, Scripted, chunked, reply
from fastnet import Limits, http
from fastnet._native.httpreply import Reply

WHOLE = [
    (reply(b"hello", "Content-Type: text/plain"), b"hello"),
    (chunked(b"hel", b"lo", b"x" * 300, trailer=b"X-T: 1\r\n"), b"hello" + b"x" * 300),
    (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        + reply(b"later"),
        b"later",
    ),
    (reply(b"", status="204 No Content", length=False), b""),
    (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nold", b"old"),
    (b"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n1", b"1"),
]


def cut(data, at):
    def send(sock):
        sock.sendall(data[:at])
        time.sleep(0.0005)  # two segments, so two receives most of the time
        sock.sendall(data[at:])

    return send


def test_cut_at_every_byte():
    catalogue = [(data, body, at) for data, body in WHOLE for at in range(1, len(data), 2)]
    script = [cut(data, at) for data, _, at in catalogue]
    with Scripted(*script) as server, http.Session(trust_env=False) as session:
        for _, body, at in catalogue:
            assert session.get(server.url).content == body, at
        assert server.connections == 1


def test_byte_by_byte_without_a_socket():
    for data, body in WHOLE:
        for step in (1, 2, 7, len(data)):
            r = Reply()
            r.begin()
            got, room = b"", bytearray(5)
            for at in range(0, len(data), step):
                r.feed(data[at : at + step])
                while r.headed and (n := r.take_into(room)):
                    got += room[:n]
            assert r.headed
            assert r.ended
            assert r.keep
            assert (got, r.count, r.spare) == (body, len(body), 0)
        r = Reply()
        r.begin()
        r.feed(data[:-1])
        while r.take_into(room):
            pass
        with pytest.raises(fastnet.IncompleteTransfer):
            r.eof()


BAD = [
    b"HTTP/2.0 200 OK\r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"SSH-2.0-OpenSSH\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA B: c\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA : c\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
]


def test_what_is_no_response_is_refused():
    with Scripted(*[(data, CLOSE) for data in BAD]) as server:
        with http.Session(trust_env=False) as session:
            for data in BAD:
                with pytest.raises(http.ProtocolError) as caught:
                    session.get(server.url)
                assert isinstance(caught.value, (fastnet.ProtocolError, http.RequestException))
                assert len(str(caught.value)) > 10, data
            assert len(session._pool) == 0


def outcome(data, step, to_head):
    """What a response comes to when it comes in pieces of so many bytes."""
    r, room, got = Reply(1000, 20, 3000), bytearray(9), b""
    try:
        r.begin(to_head)
        for at in range(0, len(data), step):
            r.feed(data[at : at + step])
            while r.headed and (n := r.take_into(room)):
                got += room[:n]
            if r.headed and r.ended:
                break
        if not (r.headed and r.ended):
            r.eof()
    except fastnet.Error as error:
        return type(error), got
    return r.status, got, r.fields


def test_damaged_responses_mean_the_same_however_they_come():
    source, inserts = random.Random(5), (b"\r\n", b"0", b"\r\n\r\n", b"Content-Length: 3\r\n")
    for _ in range(5000):
        data = bytearray(source.choice([data for data, _ in WHOLE] + BAD))
        for _ in range(source.randrange(4)):
            at, what = source.randrange(len(data) + 1), source.randrange(3)
            if what == 0:
                data[at : at + 1] = bytes([source.choice(b"\r\n \t:;0159aFz-\0\xff")])
            elif what == 1:
                data[at:at] = source.choice(inserts)
            else:
                del data[at : at + source.randrange(1, 6)]
        whole, to_head = bytes(data), source.random() < 0.2
        expected = outcome(whole, len(whole) or 1, to_head)
        assert outcome(whole, 1, to_head) == expected, whole
        assert outcome(whole, source.randrange(2, 40), to_head) == expected, whole


def test_limits():
    many = b"".join(b"X-%d: y\r\n" % i for i in range(101))
    script = [
        reply(b"", "X: " + "y" * 70000),
        b"HTTP/1.1 200 OK\r\n" + many + b"\r\n",
        b"HTTP/1.1 200 " + b"O" * 9000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200000,
    ]
    with Scripted(*[(data, CLOSE) for data in script]) as server:
        with http.Session(trust_env=False) as session:
            for _ in script:
                with pytest.raises((http.LimitError, http.ConnectionError)) as caught:
                    session.get(server.url)
                assert isinstance(caught.value, fastnet.LimitError), caught.value


def test_a_body_has_a_limit():
    small = Limits(body_bytes=1000)
    script = [reply(b"x" * 1001), chunked(b"x" * 1001), (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 5000)]
    script.append(reply(b"", "Content-Length: 1099511627776", length=False))
    script += [chunked(b"x" * 1000), reply(b"y" * 1000), chunked(b"x" * 1001)]
    with Scripted(*script) as server, http.Session(limits=small, trust_env=False) as session:
        for _ in range(4):
            with pytest.raises(http.LimitError, match="1000"):
                session.get(server.url)
        assert len(session.get(server.url).content) == 1000
        assert len(session.get(server.url).content) == 1000
        with session.get(server.url, stream=True) as response:
            with pytest.raises(http.LimitError):
                response.read()


def test_never_beyond_the_length():
    with Scripted(reply(b"hello") + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
                  reply(b"good")) as server:  # fmt: skip
        with http.Session(trust_env=False) as session:
            assert session.get(server.url).content == b"hello"
            assert session.get(server.url).content == b"good"
            assert server.connections == 2


def test_cut_off():
    script = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", CLOSE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", CLOSE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", CLOSE),
        (b"HTTP/1.1 200 OK\r\nConte", CLOSE),
        CLOSE,
    ]
    with Scripted(*script) as server, http.Session(trust_env=False) as session:
        for counted, expected in ((3, 10), (3, None), (3, None), (22, None), (0, None)):
            with pytest.raises(http.IncompleteTransfer) as caught:
                session.get(server.url)
            assert isinstance(caught.value, EOFError)
            assert (caught.value.transferred, caught.value.expected) == (counted, expected)
        assert server.connections == 5


def test_to_the_end():
    with Scripted((b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 100000, CLOSE),
                  (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", CLOSE),
                  reply(b"third", "Connection: close")) as server:  # fmt: skip
        with http.Session(trust_env=False) as session:
            assert session.get(server.url).content == b"a" * 100000
            assert session.get(server.url).text == "ok"
            assert session.get(server.url).text == "third"
            assert len(session._pool) == 0
            assert server.connections == 3


def test_charsets_and_links():
    def answer(kind, body):
        return reply(body, f"Content-Type: {kind}")

    script = [
        answer("text/plain; charset=iso-8859-1", b"\xe4"),
        answer("text/plain", "ä".encode()),
        answer("text/html; charset='nonsense'", "ä".encode()),
        answer('text/plain; charset="utf-16"', "ä".encode("utf-16")),
        answer("text/plain", b"\xff"),
        answer("application/json", b"\xff"),
        reply(b"", 'Link: </next?p=2>; rel="next"; title="a, b", <http://x/>; rel=last',
              "Link: <other>", "X-Two: 1", "x-two: 2"),
    ]  # fmt: skip
    with Scripted(*script) as server, http.Session(trust_env=False) as session:
        assert session.get(server.url).text == "ä"
        assert session.get(server.url).text == "ä"
        assert session.get(server.url).text == "ä"
        response = session.get(server.url, stream=True)
        assert "".join(response.iter_content(1, decode_unicode=True)) == "ä"
        assert session.get(server.url).text == "\ufffd"
        with pytest.raises(ValueError):
            session.get(server.url).json()
        response = session.get(server.url)
        assert response.links["next"]["url"] == f"{server.url}/next?p=2"
        assert response.links["last"] == {"url": "http://x/", "rel": "last"}
        assert f"{server.url}/other" in response.links
        assert response.headers["X-TWO"] == "1, 2"
        assert response.headers.get_list("x-two") == ["1", "2"]


def test_lines():
    body = b"one\ntwo\r\nthree\n\nfive"
    script = [chunked(*[bytes([byte]) for byte in body])] * 2 + [chunked(b"a,b,", b"c")]
    with Scripted(*script) as server, http.Session(trust_env=False) as session:
        lines = session.get(server.url, stream=True).iter_lines()
        assert list(lines) == [b"one", b"two", b"three", b"", b"five"]
        lines = session.get(server.url, stream=True).iter_lines(decode_unicode=True)
        assert list(lines) == ["one", "two", "three", "", "five"]
        lines = session.get(server.url, stream=True).iter_lines(delimiter=b",")
        assert list(lines) == [b"a", b"b", b"c"]


def test_an_array_in_chunks():
    data = np.random.default_rng(1).bytes(3_000_000)
    pieces = [data[at : at + 70001] for at in range(0, len(data), 70001)]
    with Scripted(chunked(*pieces), reply(data)) as server:
        with http.Session(trust_env=False) as session:
            for _ in range(2):
                array = np.zeros(len(data), "u1")
                session.get(server.url, stream=True).recv_into(array)
                assert array.tobytes() == data
            assert server.connections == 1


def test_an_early_answer():
    def refuse(sock):
        sock.sendall(reply(b"too large", "Connection: close", status="413 Too Large"))
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            for _ in range(2):
                sock, _ = listener.accept()
                with sock:
                    sock.recv(100)
                    refuse(sock)

        thread = links.Background(serve)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        for data in (b"x" * 8_000_000, iter([b"x" * 100_000] * 80)):
            assert http.post(url, data=data).status_code == 413
        thread.result()


def test_the_kit_is_sound():
    assert chunked(b"a") == (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 b"1\r\na\r\n0\r\n\r\n")  # fmt: skip
