"""AsyncRPCClient, on every kind of event loop that is installed."""

from __future__ import annotations

import asyncio
import importlib.util

import numpy as np
import pytest

import fastnet
from fastnet import errors, rpc
from rpc_kit import KEY, SOON, entered, serving

pytest.importorskip("msgspec")


def loop_factories():
    yield pytest.param(asyncio.new_event_loop, id="asyncio")
    yield pytest.param(fastnet.new_event_loop, id="fastnet")
    if importlib.util.find_spec("uvloop"):
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.get_loop()  # its pipe for forks stays from the first loop on
        yield pytest.param(uvloop.new_event_loop, id="uvloop")


@pytest.fixture(params=list(loop_factories()))
def run(request):
    """run(coroutine) on a loop of its own."""

    def run(work):
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(asyncio.wait_for(work, SOON))

    return run


def test_calls(run):
    async def work(address):
        async with rpc.AsyncRPCClient(address, authkey=KEY) as client:
            assert await client.add(2, 3) == 5
            assert await client.call("echo", 1, x=2) == [[1], {"x": 2}]
            assert await asyncio.gather(*[client.add(i, i) for i in range(200)]) == [
                2 * i for i in range(200)
            ]
            array = np.arange(500_000.0)
            assert np.array_equal(await client.echo(array), array)
            with pytest.raises(ValueError, match="no"):
                await client.fail("ValueError", "no")
            assert await client.ping() < SOON
            assert "add" in await client.list_methods()
            await client.notify("note", "told")

    with serving(authkey=KEY) as (server, handlers):
        run(work(server.address))
        entered(handlers)
        assert handlers.log == ["told"]


def test_streams(run):
    async def work(address, handlers):
        async with rpc.AsyncRPCClient(address) as client:
            assert [i async for i in await client.count(2000)] == list(range(2000))
            sizes = [block.size async for block in await client.blocks(20, 100_000)]
            assert sizes == [100_000] * 20
            async with await client.count(1 << 40) as items:
                assert await anext(items) == 0
            with pytest.raises(ValueError, match="after"):
                _ = [i async for i in await client.broken(3)]

    with serving() as (server, handlers):
        run(work(server.address, handlers))
        entered(handlers)
        entered(handlers)
        assert handlers.log == ["closed", "closed"]


def test_cancellation_and_deadlines(run):
    async def work(address, handlers):
        async with rpc.AsyncRPCClient(address) as client:
            task = asyncio.create_task(client.forever())
            await asyncio.to_thread(entered, handlers)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(entered, handlers)
            with pytest.raises(rpc.CallTimeout):
                await client.options(timeout=0.05).forever()
            assert await client.options(timeout=SOON).add(1, 1) == 2

    with serving() as (server, handlers):
        run(work(server.address, handlers))


def test_tls(run, certificates):
    async def work(address):
        async with rpc.AsyncRPCClient(
            address, ssl_context=certificates.client, server_hostname="localhost"
        ) as client:
            assert await client.add(2, 3) == 5
            array = np.arange(300_000.0)
            assert np.array_equal(await client.echo(array), array)

    with serving(ssl_context=certificates.server) as (server, _):
        run(work(server.address))


def test_connections_end_and_begin(run):
    async def work():
        with serving() as (server, handlers):
            client = rpc.AsyncRPCClient(server.address)
            address = server.address
            waiting = asyncio.create_task(client.forever())
            await asyncio.to_thread(entered, handlers)
            await asyncio.to_thread(server.shutdown, 0.0)
            with pytest.raises(rpc.ConnectionLost):
                await waiting
            with pytest.raises(ConnectionRefusedError):
                await client.add(1, 1)
        with serving(address):
            assert await client.add(1, 1) == 2
            assert client.stats()["connects"] == 2
            await client.aclose()
            with pytest.raises(ValueError, match="closed"):
                await client.add(1, 1)

    run(work())


def test_a_wrong_key(run):
    async def work(address):
        async with rpc.AsyncRPCClient(address, authkey=bytes(32)) as client:
            with pytest.raises(errors.AuthenticationError):
                await client.add(1, 1)

    with serving(authkey=KEY) as (server, _):
        run(work(server.address))


def test_connections_that_end_before_a_call_could_be_made(run):
    """What the server said is raised, whether it comes before, while or after a call is made."""

    async def add(driver):
        await driver.call(b"add", (1, 1), {}, -1.0).future

    async def ping(driver):
        await driver.ping().future

    async def work(address):
        for pauses in range(60):
            async with rpc.AsyncRPCClient(address, authkey=bytes(32)) as client:
                await client.connect()
                for _ in range(pauses % 6):
                    await asyncio.sleep(0.001 if pauses % 4 == 0 else 0)
                for use in (add, ping):
                    with pytest.raises((errors.AuthenticationError, errors.IncompleteTransfer)):
                        await use(client._driver)

    with serving(authkey=KEY) as (server, _):
        run(work(server.address))
