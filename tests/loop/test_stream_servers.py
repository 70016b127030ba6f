"""asyncio's start_server(): handlers, many clients, TLS."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import pytest

from loop.kit import pattern


@contextlib.asynccontextmanager
async def served(handler, **options):
    """A stream server on loopback; its address."""
    running = set()

    async def kept(reader, writer):
        running.add(asyncio.current_task())
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(kept, "127.0.0.1", 0, **options)
    async with server:
        yield server.sockets[0].getsockname()
        await asyncio.gather(*running)


def test_a_server(run):
    async def main():
        async def handler(reader, writer):
            while line := await reader.readline():
                writer.write(line.upper())
                await writer.drain()

        async with served(handler) as address:
            reader, writer = await asyncio.open_connection(*address)
            for line in (b"one\n", b"two\n"):
                writer.write(line)
                assert await reader.readline() == line.upper()
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()

    run(main)


def test_a_plain_function_as_handler(run):
    async def main():
        seen = asyncio.get_running_loop().create_future()

        def handler(reader, writer):
            writer.write(b"hi")
            writer.close()
            seen.set_result(writer)

        async with await asyncio.start_server(handler, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            assert await reader.read() == b"hi"
            writer.close()
            await writer.wait_closed()
            await (await seen).wait_closed()

    run(main)


def test_a_handler_that_raises(run):
    async def main():
        async def handler(reader, writer):
            raise ValueError("on purpose")

        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            if sys.version_info >= (3, 12):  # before, the connection stays
                assert await reader.read() == b""
            while not run.problems:
                await asyncio.sleep(0)
            (problem,) = run.take()
            assert isinstance(problem["exception"], ValueError)
            problem["transport"].abort()
            writer.close()
            await writer.wait_closed()

    run(main)


@pytest.mark.parametrize("size", [1, 1024, 100_000])
def test_sixty_four_clients(run, size):
    rounds = 10 if size < 10_000 else 2

    async def main():
        async def handler(reader, writer):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()

        async with served(handler) as address:

            async def client(number):
                reader, writer = await asyncio.open_connection(*address)
                for turn in range(rounds):
                    data = bytes([(number + turn) % 256]) * size
                    writer.write(data)
                    assert await reader.readexactly(size) == data
                writer.close()
                await writer.wait_closed()

            async with asyncio.TaskGroup() as group:
                for number in range(64):
                    group.create_task(client(number))

    run(main)


def test_start_tls_on_both_sides(run, certificates):
    async def main():
        async def handler(reader, writer):
            writer.write(b"go\n")
            await writer.drain()
            assert await reader.readline() == b"starttls\n"
            writer.write(b"ready\n")
            await writer.start_tls(certificates.server)
            assert writer.get_extra_info("ssl_object") is not None
            writer.write((await reader.readline()).upper())
            await writer.drain()

        async with served(handler) as address:
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.readline() == b"go\n"
            writer.write(b"starttls\n")
            assert await reader.readline() == b"ready\n"
            await writer.start_tls(certificates.client, server_hostname="localhost")
            assert writer.get_extra_info("cipher")
            writer.write(b"secret\n")
            assert await reader.readline() == b"SECRET\n"
            writer.close()
            await writer.wait_closed()

    run(main)


def test_streams_over_tls(run, certificates):
    async def main():
        async def handler(reader, writer):
            writer.write(await reader.readexactly(1_000_000))
            await writer.drain()

        async with served(handler, ssl=certificates.server) as address:
            reader, writer = await asyncio.open_connection(
                *address, ssl=certificates.client, server_hostname="localhost"
            )
            sent = pattern(1_000_000)
            writer.write(sent)
            assert await reader.readexactly(1_000_000) == sent
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()

    run(main)
