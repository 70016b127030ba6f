"""Every case of the catalogue, read by the parsers whole, in pieces and with more behind it."""

from __future__ import annotations

import pytest

from fastnet._native import http1
from hostile.http_catalogue import BODY_LIMIT, GET, LIMITS, Case
from hostile.http_catalogue_bodies import GROUPS


class Server:
    """What the catalogue's server does, without a socket."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.closed = False
        self.begin()

    def begin(self) -> None:
        self.parser, self.seen, self.left = http1.Parser(**LIMITS), 0, 0
        self.head: http1.Head | None = None
        self.chunks: http1.Chunks | None = None

    @property
    def between(self) -> bool:
        return self.head is None and self.seen == 0

    def feed(self, data: bytes) -> None:
        try:
            while data and not self.closed:
                data = self.read_head(data) if self.head is None else self.read_body(data)
        except http1.Refused as error:
            self.answer(error.status, closes=True)

    def answer(self, status: int, *, closes: bool) -> None:
        self.statuses.append(status)
        self.closed = closes
        self.begin()

    def read_head(self, data: bytes) -> bytes:
        before, self.seen = self.seen, self.seen + len(data)
        head = self.parser.feed(data)
        if head is None:
            return b""
        rest = data[head.size - before :]
        if head.is_connect:
            self.answer(501, closes=True)
        elif head.framing == "none":
            self.answer(200, closes=not head.keep_alive)
        elif head.framing == "length" and (head.length or 0) > BODY_LIMIT:
            self.answer(413, closes=True)
        else:
            self.head, self.left = head, head.length or 0
            self.chunks = http1.Chunks(BODY_LIMIT) if head.framing == "chunked" else None
        return rest

    def read_body(self, data: bytes) -> bytes:
        assert self.head is not None
        if self.chunks is not None:
            self.chunks.feed(data)
            done, rest = self.chunks.done, self.chunks.rest
        else:
            taken = min(self.left, len(data))
            self.left -= taken
            done, rest = not self.left, data[taken:]
        if done:
            self.answer(200, closes=not self.head.keep_alive)
        return rest


def serve(raw: bytes, piece: int) -> Server:
    server = Server()
    for at in range(0, len(raw), piece):
        server.feed(raw[at : at + piece])
    return server


def check(case: Case) -> None:
    step = 1 if len(case.raw) < 2000 else 4099
    for piece in {len(case.raw) or 1, step, 7 * step}:
        server = serve(case.raw, piece)
        assert tuple(server.statuses) == case.statuses, (case.name, piece, server.statuses)
        assert server.closed == case.closes, (case.name, piece)
    if server.closed or server.between:
        more = () if server.closed else (200,)
        for piece in (len(case.raw) + len(GET), 11 * step):
            server = serve(case.raw + GET, piece)
            assert tuple(server.statuses) == case.statuses + more, (case.name, "and more", piece)


@pytest.mark.parametrize("subject", GROUPS)
def test_the_parsers_answer_as_the_catalogue_says(subject):
    for case in GROUPS[subject]:
        check(case)


def test_the_catalogue_is_large_and_its_names_are_unique():
    for subject, cases in GROUPS.items():
        names = [case.name for case in cases]
        assert len(set(names)) == len(names), (subject, sorted(names))
    assert sum(map(len, GROUPS.values())) >= 250


def test_a_refusal_is_final_and_says_why():
    parser = http1.Parser()
    for _ in range(2):
        with pytest.raises(http1.Refused, match="malformed method") as caught:
            parser.feed(b"G(T / HTTP/1.1\r\n\r\n")
        assert caught.value.status == 400
    with pytest.raises(http1.TooLarge, match="first line") as too_large:
        http1.parse_request(b"GET /abc HTTP/1.1\r\n", line=10)
    assert too_large.value.status == 414
    chunks = http1.Chunks(most=4)
    for _ in range(2):
        with pytest.raises(http1.TooLarge, match="body"):
            chunks.feed(b"5\r\n")
    with pytest.raises(ValueError, match="256"):
        http1.Parser(fields=257)


def test_what_heads_say():
    head = http1.parse_request(
        b"\r\nPUT http://b:1/c?d HTTP/1.1\r\nHost: a\r\nX:  \xe9 \r\nContent-Length: 0\r\n\r\nmore"
    )
    assert head is not None
    assert (head.method, head.target, head.path, head.query) == ("PUT", "http://b:1/c?d", "/c", "d")
    assert (head.authority, head.absolute, head.length, head.framing) == ("b:1", True, 0, "none")
    assert head.fields == [("Host", "a"), ("X", "\xe9"), ("Content-Length", "0")]
    reply = http1.parse_response(b"HTTP/1.1 404 Not here\nServer: x\n\n", loose=True)
    assert reply is not None
    assert (reply.status, reply.phrase, reply.framing, reply.keep_alive) == (
        404, "Not here", "end", False)  # fmt: skip
    assert reply.fields == [("Server", "x")]
    assert http1.parse_response(b"HTTP/1.1 200 OK\r\n") is None
    with pytest.raises(http1.Refused, match="line feed"):
        http1.parse_response(b"HTTP/1.1 404 Not here\nServer: x\n\n")


def test_chunks_give_data_and_what_follows():
    chunks = http1.Chunks()
    assert chunks.feed(b"5\r\nhel") == b"hel"
    assert chunks.feed(b"lo\r\n1;a=b\r\n!\r\n0\r\n") == b"lo!"
    assert not chunks.done
    assert chunks.feed(b"A: b\r\n\r\nGET") == b""
    assert (chunks.done, chunks.rest, chunks.total) == (True, b"GET", 6)
    assert chunks.feed(b" /") == b""
    assert chunks.rest == b"GET /"


def test_what_may_be_sent():
    assert http1.name_ok(b"X-Y")
    assert not any(map(http1.name_ok, (b"", b"a b", b"a:", b"\xe9")))
    assert all(map(http1.value_ok, (b"", b"a\tb \xe9")))
    assert not any(map(http1.value_ok, (b"a\r\nb", b"\0", b"aaaaaaaa\n", b"\x7f")))
