"""gzip and deflate: what servers send, what attackers send, and how much memory it takes."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import random
import zlib

import pytest

from client_kit import Scripted, chunked, reply
from fastnet import Limits, http
from fastnet.http._decode import Decoder, codings

PLAIN = random.Random(1).randbytes(3000) + b"abc" * 5000


def bare(data):
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


def decode(data, name, step, most):
    pieces = iter([data[at : at + step] for at in range(0, len(data), step)])
    read = Decoder(lambda _: next(pieces, b""), codings(name)).read
    return b"".join(iter(lambda: read(most), b""))


def test_every_form_however_it_comes():
    forms = [
        (gzip.compress(PLAIN), "gzip"), (gzip.compress(PLAIN), "X-GZIP"),
        (gzip.compress(PLAIN[:100]) + gzip.compress(PLAIN[100:]), "gzip"),
        (gzip.compress(PLAIN) + b"\0" * 20, "gzip"), (zlib.compress(PLAIN), "deflate"),
        (bare(PLAIN), "deflate"), (gzip.compress(zlib.compress(PLAIN)), "deflate, gzip"),
        (zlib.compress(PLAIN), "identity, deflate"),
    ]  # fmt: skip
    for data, name in forms:
        for step, most in itertools.product((1, 13, 100000), (1000, 10**9)):
            assert decode(data, name, step, most) == PLAIN, (name, step, most)
    assert decode(b"", "gzip", 1, 10) == b""
    for step in (2, 99999):  # a byte at a time out
        assert decode(bare(PLAIN[:5000]), "deflate", step, 1) == PLAIN[:5000]


def test_what_is_no_coding():
    good = gzip.compress(PLAIN)
    for data, name in ((b"plain", "gzip"), (good[:-9], "gzip"), (good[:5], "gzip"),
                       (good[:-5] + b"XXXXX", "gzip"), (b"\xff" * 50, "deflate"),
                       (zlib.compress(PLAIN)[:-1], "deflate"),
                       (good + b"\x1f\x8brest", "gzip")):  # fmt: skip
        for step in (1, 10**6):
            with pytest.raises(http.ContentDecodingError):
                decode(data, name, step, 10**6)
    with pytest.raises(http.ContentDecodingError, match="more than 4"):
        codings("gzip, " * 5)
    assert codings("br") == codings("gzip, zstd") == codings(None) == codings("identity") == []


def bomb(megabytes):
    deflate = zlib.compressobj(9, wbits=31)
    block = bytes(1 << 20)
    return b"".join(deflate.compress(block) for _ in range(megabytes)) + deflate.flush()


def test_bombs():
    """64 MiB in 64 kB, and 4 GiB in 18 kB as two codings."""
    limits = Limits(body_bytes=1 << 20)
    packed = bomb(64)
    script = [reply(packed, "Content-Encoding: gzip")] * 3
    twice = gzip.compress(gzip.compress(bomb(16) * 64))
    script.append(reply(twice, "Content-Encoding: gzip, gzip, gzip"))
    with Scripted(*script) as server, http.Session(limits=limits, trust_env=False) as session:
        with pytest.raises(http.LimitError, match="1048576"):
            session.get(server.url)
        with session.get(server.url, stream=True) as response:
            assert response.read(10) == bytes(10)
            assert len(next(response.iter_content(None))) <= 1 << 16
        with session.get(server.url, stream=True) as response:
            with pytest.raises(http.LimitError):
                response.read()
        with session.get(server.url, stream=True) as response:
            assert response.read(1000) == bytes(1000)


def test_unknown_codings_and_broken_ones_in_a_session():
    script = [
        reply(b"brotli?", "Content-Encoding: br"), reply(b"broken", "Content-Encoding: gzip"),
        chunked(b"x"), reply(b"", "Content-Encoding: gzip"),
        reply(zlib.compress(b"a") + b"more", "Content-Encoding: deflate"), chunked(b"y"),
    ]  # fmt: skip
    with Scripted(*script) as server, http.Session(trust_env=False) as session:
        assert session.get(server.url).content == b"brotli?"
        with pytest.raises(http.ContentDecodingError):
            session.get(server.url)
        assert session.get(server.url).content == b"x"
        assert session.get(server.url).content == b""
        assert session.get(server.url).content == b"a"
        assert session.get(server.url).content == b"y"


def test_what_follows_the_last_member():
    good = gzip.compress(PLAIN)
    for rest in (
        b"rest",
        b"\x1f",
        b"\x1frest",
        b"\0\0rest",
        b"\0" * 70_000 + b"rest",
        b"x" * 70_000,
    ):
        for step in (1, 13, 10**6) if len(rest) < 100 else (5000, 10**6):
            assert decode(good + rest, "gzip", step, 10**6) == PLAIN
    script = [reply(good + b"garbage!", "Content-Encoding: gzip")] * 3
    with Scripted(*script) as server, http.Session(trust_env=False) as session:
        for _ in range(2):
            assert session.get(server.url).content == PLAIN
        assert session.get(server.url, stream=True).read() == PLAIN
        assert server.connections == 1


def empty_blocks(sock):
    """4 MiB of a coding that stand for nothing, as far as the client wants them."""
    blocks = b"\0\0\0\xff\xff" * 13_000
    try:
        for _ in range(64):
            sock.sendall(b"%x\r\n%s\r\n" % (len(blocks), blocks))
        sock.sendall(b"5\r\n\1\0\0\xff\xff\r\n0\r\n\r\n")
    except OSError:
        pass


NOTHING = b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_codings_of_nothing() -> None:
    limits = Limits(body_bytes=1000)
    with Scripted(*[(NOTHING, empty_blocks)] * 4) as server:
        with http.Session(limits=limits, trust_env=False) as session:
            with pytest.raises(http.LimitError, match="a coded body"):
                session.get(server.url)
            for read in (lambda response: response.content, lambda response: response.read(),
                         lambda response: list(response.iter_content())):  # fmt: skip
                with session.get(server.url, stream=True) as response:
                    with pytest.raises(http.LimitError, match="a coded body"):
                        read(response)
                    if response._consumed:
                        with pytest.raises(http.RequestException, match="in part"):
                            _ = response.content


def test_codings_of_nothing_on_a_loop() -> None:
    async def work(url: str) -> None:
        async with http.AsyncSession(limits=Limits(body_bytes=1000), trust_env=False) as session:
            with pytest.raises(http.LimitError, match="a coded body"):
                await session.get(url)
            async with await session.get(url, stream=True) as response:
                with pytest.raises(http.LimitError, match="a coded body"):
                    await response.aread(10)

    with Scripted(*[(NOTHING, empty_blocks)] * 2) as server:
        asyncio.run(work(server.url))


def test_a_long_stream_of_short_members() -> None:
    """As a whole it is longer than what comes of it, and that is no fault."""
    member = gzip.compress(b"line\n")
    body = member * 100_000
    with Scripted(*[reply(body, "Content-Encoding: gzip")] * 2) as server:
        with http.Session(limits=Limits(body_bytes=600_000), trust_env=False) as session:
            lines = session.get(server.url, stream=True).iter_lines()
            assert sum(1 for _ in lines) == 100_000
            with pytest.raises(http.LimitError, match="a coded body"):
                session.get(server.url)
