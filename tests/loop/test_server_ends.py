"""Starting and stopping servers, and what becomes of their connections."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest

from loop.kit import Echo, Recorder, calling, echoes, read_all, serving, turns

only_313 = pytest.mark.skipif(
    sys.version_info < (3, 13), reason="servers have no such method before 3.13"
)


def test_starting_later(run):
    async def main():
        async with serving(Echo, start_serving=False) as (server, address):
            assert not server.is_serving()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address)
            await server.start_serving()
            await server.start_serving()
            assert server.is_serving()
            await echoes(address)

    run(main)


def test_serving_for_ever_until_cancelled(run):
    async def main():
        async with serving(Echo, start_serving=False) as (server, address):
            task = asyncio.ensure_future(server.serve_forever())
            while not server.is_serving():
                await asyncio.sleep(0)
            await echoes(address)
            with pytest.raises(RuntimeError):
                await server.serve_forever()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not server.is_serving()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address)
            with pytest.raises(RuntimeError):
                await server.serve_forever()

    run(main)


def test_close_ends_serving_for_ever(run):
    async def main():
        async with serving(Echo) as (server, _):
            task = asyncio.ensure_future(server.serve_forever())
            await turns(2)
            server.close()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(main)


def test_close_stops_accepting_and_nothing_else(run):
    async def main():
        recorder = Recorder()
        async with serving(lambda: recorder) as (server, address):
            with calling(address) as far:
                far.send(b"x")
                await recorder.got(1)
                server.close()
                server.close()
                assert not server.is_serving()
                assert server.sockets == ()
                with pytest.raises(RuntimeError):
                    await server.serve_forever()
                await turns(2)
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(address)
                with pytest.raises(BlockingIOError):
                    far.recv(1)  # still open

    run(main)


def test_wait_closed_waits_for_connections(run):
    if sys.version_info < (3, 12):
        pytest.skip("before 3.12 it does not")

    async def main():
        recorder = Recorder()
        async with serving(lambda: recorder) as (server, address):
            with calling(address):
                await recorder.called("connection_made")
                waiting = asyncio.ensure_future(server.wait_closed())
                await turns(3)
                assert not waiting.done()
                server.close()
                await turns(3)
                assert not waiting.done()
            await recorder.ended()
            await waiting

    run(main)


def test_closing_with_nobody_there(run):
    async def main():
        async with serving(Echo) as (server, _):
            server.close()
            await server.wait_closed()
            await server.wait_closed()

    run(main)


def test_as_a_context(run):
    async def main():
        loop = asyncio.get_running_loop()
        async with await loop.create_server(Echo, "127.0.0.1", 0) as server:
            address = server.sockets[0].getsockname()
            await echoes(address)
        assert not server.is_serving()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)

    run(main)


@only_313
def test_close_clients(run):
    async def main():
        recorder = Recorder()
        async with serving(lambda: recorder) as (server, address):
            with calling(address) as far:
                await recorder.called("connection_made")
                recorder.transport.write(bytes(500_000))
                server.close()
                server.close_clients()
                assert len(await read_all(far)) == 500_000
                await recorder.ended()
                await server.wait_closed()
                assert recorder.error is None

    run(main)


@only_313
def test_abort_clients(run):
    async def main():
        recorder = Recorder()
        async with serving(lambda: recorder) as (server, address):
            with calling(address):
                await recorder.called("connection_made")
                recorder.transport.write(bytes(20_000_000))
                server.close()
                server.abort_clients()
                await recorder.ended()
                await server.wait_closed()

    run(main)
