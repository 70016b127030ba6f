"""Bodies piece by piece and line by line: given as soon as they have come."""

from __future__ import annotations

import asyncio
import gzip
import random
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

import links
from client_kit import CLOSE, Scripted, chunked, reply
from fastnet import Limits, http
from fastnet.http._lines import Lines

ENDS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Told:
    """An answer of several parts, each sent when the test says so."""

    def __init__(self, head: bytes, *parts: bytes) -> None:
        self.next = threading.Semaphore(0)
        self.answer: tuple[Any, ...] = (head,)
        for part in parts:
            self.answer += (self.wait, chunk(part))
        self.answer += (self.wait, b"0\r\n\r\n")

    def wait(self, sock: Any) -> None:
        self.next.acquire(timeout=links.SOON)


@pytest.fixture
def session() -> Iterator[http.Session]:
    with http.Session(trust_env=False) as session:
        yield session


def test_lines_come_with_their_ends(session: http.Session) -> None:
    told = Told(CHUNKED + b"\r\n", b"one\n", b"two\r\n\nthr", b"ee\r", b"\nfour\r", b"five")
    with Scripted(told.answer) as server:
        lines = session.get(server.url, stream=True).iter_lines()
        told.next.release()
        assert next(lines) == b"one"
        told.next.release()
        assert [next(lines) for _ in range(2)] == [b"two", b""]
        told.next.release(2)  # its "\r" may be half of an end
        assert next(lines) == b"three"
        told.next.release(2)
        assert list(lines) == [b"four", b"five"]


@pytest.mark.parametrize("size", [1, 4, 1000, None])
def test_pieces_are_not_waited_for(session: http.Session, size: Any) -> None:
    told = Told(CHUNKED + b"\r\n", b"abcd", b"efgh")
    with Scripted(told.answer) as server:
        pieces = session.get(server.url, stream=True).iter_content(size)
        for expected in (b"abcd", b"efgh"):
            told.next.release()
            got = b""
            while len(got) < 4:
                part = next(pieces)
                assert len(part) <= (size or 4)
                got += part
            assert got == expected
        told.next.release()
        assert list(pieces) == []


def test_pieces_of_a_coded_body_are_not_waited_for(session: http.Session) -> None:
    packer = zlib.compressobj(wbits=31)
    parts = [packer.compress(b"one\n") + packer.flush(zlib.Z_SYNC_FLUSH),
             packer.compress(b"two\n") + packer.flush(zlib.Z_FINISH)]  # fmt: skip
    told = Told(CHUNKED + b"Content-Encoding: gzip\r\n\r\n", *parts)
    with Scripted(told.answer) as server:
        lines = session.get(server.url, stream=True).iter_lines(512)
        for expected in (b"one", b"two"):
            told.next.release()
            assert next(lines) == expected
        told.next.release()
        assert list(lines) == []


def test_pieces_on_a_loop() -> None:
    async def work(url: str) -> None:
        async with http.AsyncSession(trust_env=False) as session:
            response = await session.get(url, stream=True)
            pieces = response.aiter_content(1000)
            for expected in (b"abcd", b"efgh"):
                told.next.release()
                assert await anext(pieces) == expected
            told.next.release()
            assert [piece async for piece in pieces] == []
            with pytest.raises(ValueError, match="at least 1"):
                await anext(response.aiter_content(0))

    told = Told(CHUNKED + b"\r\n", b"abcd", b"efgh")
    with Scripted(told.answer) as server:
        asyncio.run(work(server.url))


def test_a_piece_is_never_larger_than_asked_for(session: http.Session) -> None:
    data = random.Random(3).randbytes(100_000)
    packed = reply(gzip.compress(data), "Content-Encoding: gzip")
    with Scripted(reply(data), packed, chunked(data[:50_000], data[50_000:])) as server:
        for _ in range(3):
            pieces = list(session.get(server.url, stream=True).iter_content(777))
            assert max(map(len, pieces)) <= 777
            assert b"".join(pieces) == data
    huge = 1 << 40  # no memory is taken for what may never come
    with Scripted(reply(data)) as server:
        assert b"".join(session.get(server.url, stream=True).iter_content(huge)) == data


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("delimiter", [None, "|", "||", "\r\n"])
def test_lines_are_those_of_splitlines_however_they_come(text: bool, delimiter: Any) -> None:
    rng = random.Random(5)
    for _ in range(300):
        whole: Any = "".join(rng.choice("ab|" + ENDS + "\r\n|") for _ in range(rng.randrange(20)))
        mark = delimiter
        if not text:
            whole, mark = whole.encode(), delimiter and delimiter.encode()
        lines, got, at = Lines(whole[:0], mark), [], 0
        while at < len(whole):
            step = rng.randrange(1, 4)
            got += lines.feed(whole[at : at + step])
            at += step
        got += lines.end()
        expected = whole.split(mark) if mark else whole.splitlines()
        if mark and not expected[-1]:
            expected.pop()
        assert got == expected, whole


def test_every_end_of_a_line_of_text(session: http.Session) -> None:
    body = "".join(f"{number}{end}" for number, end in enumerate(ENDS)).encode()
    for stream in (True, False):
        with Scripted(reply(body, "Content-Type: text/plain; charset=utf-8")) as server:
            lines = session.get(server.url, stream=stream).iter_lines(decode_unicode=True)
            assert list(lines) == [str(number) for number in range(len(ENDS))]


def test_a_line_without_an_end_is_put_together_once() -> None:
    """A byte at a time: the time it takes grows with its length, not with its square."""
    for delimiter in (None, b"||"):
        lines = Lines(b"", delimiter)
        for _ in range(200_000):
            assert lines.feed(b"x") == []
        assert lines.pending == 200_000
        assert lines.end() == [b"x" * 200_000]


def test_a_line_beyond_the_limit() -> None:
    with Scripted((CHUNKED + b"\r\n", chunk(b"x" * 3000), CLOSE)) as server:
        with http.Session(trust_env=False, limits=Limits(body_bytes=1000)) as session:
            with pytest.raises(http.LimitError, match="a line"):
                list(session.get(server.url, stream=True).iter_lines(100))
