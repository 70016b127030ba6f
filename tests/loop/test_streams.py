"""asyncio's streams: open_connection() and start_server()."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

import links
from loop.kit import pattern, read, read_all, turns


@contextlib.asynccontextmanager
async def opened(kind="tcp4", **options):
    """A stream's reader and writer, and the plain socket at its far end."""
    ours, far = links.socket_pair(kind)
    far.setblocking(False)
    with far:
        reader, writer = await asyncio.open_connection(sock=ours, **options)
        try:
            yield reader, writer, far
        finally:
            if not writer.is_closing():
                writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def test_readline(run):
    async def main():
        async with opened() as (reader, _, far):
            far.send(b"one\ntwo\nhalf")
            assert await reader.readline() == b"one\n"
            assert await reader.readline() == b"two\n"
            waiting = asyncio.ensure_future(reader.readline())
            await turns()
            assert not waiting.done()
            far.send(b" a line\nrest")
            assert await waiting == b"half a line\n"
            far.shutdown(socket.SHUT_WR)
            assert await reader.readline() == b"rest"
            assert await reader.readline() == b""
            assert reader.at_eof()

    run(main)


def test_lines_one_after_another(run):
    async def main():
        async with opened() as (reader, _, far):
            lines = [b"%d\n" % number for number in range(1000)]
            far.send(b"".join(lines))
            far.shutdown(socket.SHUT_WR)
            assert [line async for line in reader] == lines

    run(main)


def test_readuntil(run):
    async def main():
        async with opened() as (reader, _, far):
            far.send(b"first--second--th")
            assert await reader.readuntil(b"--") == b"first--"
            assert await reader.readuntil(b"--") == b"second--"
            far.shutdown(socket.SHUT_WR)
            with pytest.raises(asyncio.IncompleteReadError) as caught:
                await reader.readuntil(b"--")
            assert caught.value.partial == b"th"
            assert caught.value.expected is None
            with pytest.raises(ValueError):
                await reader.readuntil(b"")

    run(main)


def test_readexactly(run):
    async def main():
        async with opened() as (reader, _, far):
            far.send(b"12345678")
            assert await reader.readexactly(0) == b""
            assert await reader.readexactly(5) == b"12345"
            far.shutdown(socket.SHUT_WR)
            with pytest.raises(asyncio.IncompleteReadError) as caught:
                await reader.readexactly(5)
            assert caught.value.partial == b"678"
            assert caught.value.expected == 5
            with pytest.raises(ValueError):
                await reader.readexactly(-1)

    run(main)


def test_readexactly_of_much(run):
    async def main():
        async with opened() as (reader, _, far):
            sent = pattern(3_000_000)
            sender = asyncio.ensure_future(asyncio.get_running_loop().sock_sendall(far, sent))
            assert await reader.readexactly(2_000_000) == sent[:2_000_000]
            assert await reader.readexactly(1_000_000) == sent[2_000_000:]
            await sender

    run(main)


def test_a_line_beyond_the_limit(run):
    async def main():
        async with opened(limit=16) as (reader, _, far):
            far.send(b"x" * 100 + b"\nshort\n")
            with pytest.raises(ValueError):
                await reader.readline()
            far.send(b"y" * 200)
            with pytest.raises(asyncio.LimitOverrunError):
                await reader.readuntil(b"|")

    run(main)


def test_read(run):
    async def main():
        async with opened() as (reader, _, far):
            far.send(b"some bytes")
            assert await reader.read(0) == b""
            assert await reader.read(4) == b"some"
            assert await reader.read(100) == b" bytes"
            waiting = asyncio.ensure_future(reader.read())
            far.send(b"all that")
            await turns()
            far.send(b" comes")
            far.shutdown(socket.SHUT_WR)
            assert await waiting == b"all that comes"
            assert await reader.read(5) == b""
            assert await reader.read(-1) == b""

    run(main)


def test_a_full_reader_pauses_its_transport(run):
    async def main():
        async with opened(limit=1000) as (reader, writer, far):
            sent = pattern(2_000_000)
            sender = asyncio.ensure_future(asyncio.get_running_loop().sock_sendall(far, sent))
            while writer.transport.is_reading():
                await asyncio.sleep(0)
            assert await reader.readexactly(len(sent)) == sent
            await sender

    run(main)


def test_a_reset_reaches_the_reader(run):
    async def main():
        async with opened() as (reader, writer, far):
            waiting = asyncio.ensure_future(reader.read(10))
            await turns()
            links.reset(far)
            with pytest.raises(ConnectionResetError):
                await waiting
            with pytest.raises(ConnectionResetError):
                await writer.drain()
            with pytest.raises(ConnectionResetError):
                await writer.wait_closed()

    run(main)


def test_one_reader_at_a_time(run):
    async def main():
        async with opened() as (reader, _, far):
            waiting = asyncio.ensure_future(reader.read(10))
            await turns()
            with pytest.raises(RuntimeError):
                await reader.readline()
            far.send(b"x")
            assert await waiting == b"x"

    run(main)


def test_cancelling_a_reader_loses_nothing(run):
    async def main():
        async with opened() as (reader, _, far):
            far.send(b"half")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await reader.readexactly(8)
            far.send(b"more")
            assert await reader.readexactly(8) == b"halfmore"

    run(main)


def test_drain_waits_for_the_peer(run):
    async def main():
        async with opened() as (_, writer, far):
            await writer.drain()
            writer.write(bytes(20_000_000))
            waiting = asyncio.ensure_future(writer.drain())
            await turns(10)
            assert not waiting.done()
            assert len(await read(far, 20_000_000)) == 20_000_000
            await waiting

    run(main)


def test_drain_when_the_connection_is_lost(run):
    async def main():
        async with opened() as (_, writer, _):
            writer.write(bytes(20_000_000))
            waiting = asyncio.ensure_future(writer.drain())
            await turns()
            writer.transport.abort()
            await waiting
            with pytest.raises(ConnectionResetError):
                await writer.drain()

    run(main)


def test_the_writer(run, kind):
    async def main():
        async with opened(kind) as (_, writer, far):
            writer.write(b"one ")
            writer.writelines([b"two ", b"three"])
            assert writer.can_write_eof()
            assert not writer.is_closing()
            assert writer.get_extra_info("socket") is not None
            writer.write_eof()
            assert await read_all(far) == b"one two three"
            writer.close()
            assert writer.is_closing()
            await writer.wait_closed()

    run(main)


def test_closing_sends_all(run):
    async def main():
        async with opened() as (_, writer, far):
            sent = pattern(5_000_000)
            writer.write(sent)
            writer.close()
            waiting = asyncio.ensure_future(writer.wait_closed())
            assert await read_all(far) == sent
            await waiting

    run(main)
