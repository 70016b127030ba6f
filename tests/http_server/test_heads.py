"""Request heads are read as the standard library reads them, and the usual ones quickly."""

from __future__ import annotations

import http.client
import http.server as standard
import io
import random

from fastnet.http import server as ours
from fastnet.http._head import read as read_head


class Offline:
    """What both handlers have in common here: files instead of a connection."""

    protocol_version = "HTTP/1.1"

    def __init__(self, data):
        self.rfile = io.BufferedReader(io.BytesIO(data))
        self.wfile = io.BytesIO()

    def log_message(self, *args):
        pass

    def version_string(self):
        return "server"

    def date_time_string(self, timestamp=None):
        return "date"


class Standard(Offline, standard.BaseHTTPRequestHandler):
    pass


class Ours(Offline, ours.BaseHTTPRequestHandler):
    pass


def outcome(kind, data):
    """All that can be seen of parsing a head."""
    handler = kind(data)
    handler.raw_requestline = handler.rfile.readline(65537)
    result = handler.parse_request()
    seen = [getattr(handler, name, None) for name in ("requestline", "command", "path")]
    seen += [handler.request_version, handler.close_connection]
    headers = getattr(handler, "headers", None)
    if headers is not None:
        seen += [headers.items(), headers.get_content_type(), len(headers.defects)]
        if not headers.is_multipart():
            seen.append(headers.get_payload())
    return result, seen, handler.wfile.getvalue(), handler.rfile.read()


HEADS = [
    b"GET /shown HTTP/1.1\r\n\r\n",
    b"GET /shown HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET /shown?q HTTP/1.1\r\nHost: a\r\nX:  b c \t\r\nX: \xe9\r\nEmpty:\r\n\r\n",
    b"GET /shown HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
    b"GET /shown HTTP/1.1\r\nA : b\r\n\r\n",
    b"GET /shown HTTP/1.1\r\nno colon\r\nA: b\r\n\r\n",
    b"GET /shown HTTP/1.1\nA: b\n\n",
    b"GET /shown HTTP/1.1\r\nA: b\rc\r\nD: e\r\n\r\n",
    b"GET /shown HTTP/1.1\r\nA: b\0c\x0b\x1c\x85d\r\n\r\n",
    b"GET /shown HTTP/1.1\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n",
    b"GET //shown HTTP/1.1\r\n\r\n",
    b"GET  /shown   HTTP/1.1 \r\n\r\n",
    b"GET /shown\r\n",
    b"GET /shown HTTP/1.2\r\n\r\n",
    b"GET /shown HTTP/2.0\r\n\r\n",
    b"GET /shown HTTP/1.1.1\r\n\r\n",
    b"GET /shown FTP/1.1\r\n\r\n",
    b"GET /sh\xe9wn x HTTP/1.1\r\n\r\n",
    b"get /shown HTTP/1.1\r\n\r\n",
    b"\r\n",
    b"GET /shown HTTP/1.1\r\nConnection: Close\r\n\r\n",
    b"GET /shown HTTP/1.1\r\nExpect: 100-Continue\r\n\r\n",
    b"GET /shown HTTP/1.1\r\n" + b"A: b\r\n" * 99 + b"\r\n",
    b"GET /shown HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n",
    b"GET /shown HTTP/1.1\r\nA: " + b"b" * 65537 + b"\r\n\r\n",
    b"GET /" + b"a" * 65536 + b" HTTP/1.1\r\n\r\n",
    b"GET /shown HTTP/1.1\r\nA: b",
]


def test_the_catalogue():
    for head in HEADS:
        assert outcome(Ours, head) == outcome(Standard, head), head[:60]


PIECES = [
    b"GET", b"POST", b" ", b" /a", b"/", b"?x=1", b" HTTP/1.1", b" HTTP/1.0", b"\r\n", b"\r\n",
    b"\r\n", b"\r\n", b"\n", b"\r", b"Host: a", b"A:b", b"Connection: close",
    b"connection:keep-alive",
    b"Expect: 100-continue", b":", b" ", b"\t", b"\xe9", b"\0",
    b"Content-Type: text/html; charset=x",
    b"Content-Type: multipart/x; boundary=q", b"Content-Length: 5", b"\x0b", b"\x85", b"--q",
    b"=?utf-8?q?a?=", b"From x", b"Content-Transfer-Encoding: base64",
]  # fmt: skip
BEGINNINGS = [b"GET /a HTTP/1.1\r\n", b"GET /a HTTP/1.0\r\n", b"POST /x?y HTTP/1.1\r\n", b""]
ENDS = [b"\r\n\r\nbody", b"\r\n\r\n", b"", b"\n\n"]


def test_random_heads():
    chance = random.Random(5)
    for _ in range(2000):
        pieces = chance.choices(PIECES, k=chance.randrange(14))
        head = b"".join([chance.choice(BEGINNINGS), *pieces, chance.choice(ENDS)])
        assert outcome(Ours, head) == outcome(Standard, head), head


def test_usual_heads_take_the_quick_way():
    class File:
        def __init__(self, data):
            self.data, self.taken = data, 0

        def peek(self):
            return self.data

        def read(self, count):
            self.taken += count

    message = http.client.HTTPMessage
    file = File(b"Host: a\r\nAccept: */*\r\n\r\nbody")
    head = read_head(b"GET /x HTTP/1.1\r\n", file, message)
    assert head.headers.items() == [("Host", "a"), ("Accept", "*/*")]
    assert file.taken == len(b"Host: a\r\nAccept: */*\r\n\r\n")
    for data in (b"Host: a\r\n", b"Host: a\r\n b\r\n\r\n", b"Host : a\r\n\r\n", b""):
        file = File(data)
        assert read_head(b"GET /x HTTP/1.1\r\n", file, message) is None
        assert file.taken == 0
