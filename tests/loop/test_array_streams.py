"""`arrays.open_connection` and its streams, on every loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import numpy as np
import pytest

import links
from fastnet import arrays, errors
from loop.array_kit import LOOPS, Streams, factory_of, in_thread, soon


@pytest.fixture(params=LOOPS)
def loop_factory(request):
    return factory_of(request.param)


@pytest.fixture
def streams(tmp_path, certificates):
    return Streams(tmp_path, certificates)


KINDS = pytest.mark.parametrize("kind", links.ALL)


@KINDS
def test_there_and_back(run, streams, kind):
    sent = [
        np.arange(7.0),
        np.array(5),
        np.zeros((0, 3), "i2"),
        np.asfortranarray(np.arange(12).reshape(3, 4)),
        np.arange(100, dtype="<u2")[::3],
        np.arange("2020", "2021", dtype="M8[D]"),
        np.arange(3 << 20, dtype="u1").reshape(3, -1),
    ]

    async def main():
        async with streams(kind) as (one, two):

            async def echo():
                async for array in two:
                    await two.send(array)
                await two.close()

            echoing = asyncio.create_task(echo())
            for array in sent:
                back, size = await asyncio.gather(one.recv(), one.send(array))
                assert size == array.nbytes
                assert back.dtype == array.dtype
                assert back.shape == array.shape
                assert (back == array).all()
                assert back.flags.writeable
            await one.close()
            await echoing
            assert one.closed
            with pytest.raises(ValueError, match="closed"):
                await one.send(sent[0])
            with pytest.raises(ValueError, match="closed"):
                await one.recv()

    run(main)


@KINDS
def test_names_meta_peek_skip_and_out(run, streams, kind):
    async def main():
        async with streams(kind) as (one, two):
            await one.send(np.arange(4), name="first", meta={"step": 1})
            await one.send_items({"a": np.ones(3), "b": np.ones(2)})
            await one.send_items([np.zeros(5), ("named", np.zeros(6), [7])])
            await one.send_items(iter([arrays.Item(np.zeros(8))]))
            info = await two.peek()
            assert info == await two.peek()
            assert (info.name, info.shape, info.meta) == ("first", (4,), {"step": 1})
            out = np.empty(4, info.dtype)
            assert (await two.recv_item(out)).array is out
            assert (out == np.arange(4)).all()
            assert (await two.skip()).name == "a"
            wrong = np.empty(3)
            with pytest.raises(ValueError, match="shape"):
                await two.recv(wrong)  # and it is the next, still
            assert len(await two.recv(np.empty(4)[::2])) == 2
            assert len(await two.recv()) == 5
            item = await two.recv_item()
            assert (item.name, item.meta) == ("named", [7])
            closing = asyncio.create_task(one.close())
            assert [len(item.array) async for item in two.items()] == [8]
            with pytest.raises(EOFError):
                await two.recv()
            await two.aclose()
            await closing

    run(main)


@pytest.mark.parametrize("kind", ["tcp4", "tls"])
def test_with_the_blocking_ones(run, streams, kind):
    """Each end may be the other kind."""
    array = np.arange(1 << 20)

    async def main():
        address, mine, theirs = streams.listening(kind)
        with arrays.listen(address, **theirs) as listener:
            accepting = links.Background(listener.accept, links.SOON)
            async with await arrays.open_connection(listener.address, **mine) as stream:
                await soon(lambda: not accepting.is_alive())
                other = accepting.result()
                back, _ = await asyncio.gather(in_thread(other.recv), stream.send(array))
                assert (back == array).all()
                closing = links.Background(other.close)
            closing.result()

        async def double(stream):
            async for array in stream:
                await stream.send(2 * array)

        async with await arrays.start_server(double, address, **theirs) as server:

            def client():
                with arrays.connect(server.address, **mine) as stream:
                    for _ in range(3):
                        stream.send(array)
                        assert (stream.recv() == 2 * array).all()

            await in_thread(client)

    run(main)


@KINDS
def test_the_loop_goes_on_during_a_large_array(run, streams, kind):
    array = np.arange(8 << 20)

    async def main():
        turns = 0

        async def count():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with streams(kind) as (one, two):
            counting = asyncio.create_task(count())
            back, _ = await asyncio.gather(two.recv(), one.send(array))
            assert (back == array).all()
            assert turns > 3
            counting.cancel()

    run(main)


@pytest.mark.parametrize("kind", ["tcp4", "tls"])
def test_both_directions_at_once(run, streams, kind):
    array = np.arange(3 << 20)

    async def main():
        async with streams(kind) as (one, two):
            got = await asyncio.gather(one.recv(), two.recv(), one.send(array), two.send(array))
            assert (got[0] == array).all()
            assert (got[1] == array).all()

    run(main)


@pytest.mark.parametrize("kind", ["tcp4", "tls"])
def test_one_task_in_each_direction(run, streams, kind):
    async def main():
        async with streams(kind) as (one, two):
            receiving = asyncio.create_task(two.recv())
            await asyncio.sleep(0)
            for call in (two.recv(), two.peek(), two.skip()):
                with pytest.raises(RuntimeError, match="another task is receiving"):
                    await call
            sending = asyncio.create_task(one.send(np.zeros(8 << 20)))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="another task is sending"):
                await one.send(np.zeros(1))
            assert len(await receiving) == 8 << 20
            await sending
            await one.send(np.zeros(1))
            assert len(await two.recv()) == 1

    run(main)


# -------------------------------------------------------------------------------- ending


async def fail(stream):
    async with stream:
        await stream.send(np.zeros(3))
        raise KeyError


@KINDS
def test_the_peer_learns_that_it_failed(run, streams, kind):
    async def main():
        async with streams(kind) as (one, two):
            failing = asyncio.create_task(fail(one))
            assert len(await two.recv()) == 3
            with pytest.raises(errors.ProtocolError, match="its program raised KeyError"):
                await two.recv()
            await two.abort()  # it is waited for
            with pytest.raises(KeyError):
                await failing

    run(main)


@KINDS
def test_closed_under_other_tasks(run, streams, kind):
    async def main():
        async with streams(kind) as (one, _two):
            tasks = [
                asyncio.create_task(one.recv()),
                asyncio.create_task(one.send(np.zeros(8 << 20))),
            ]
            await asyncio.sleep(0.01)
            await one.abort()
            for task in tasks:
                with pytest.raises(errors.Error, match="closed"):
                    await task
            await one.close()

    run(main)


@KINDS
def test_closing_waits_for_the_task_that_reads(run, streams, kind):
    async def main():
        async with streams(kind) as (one, two):

            async def read():
                return [len(array) async for array in one]

            reading = asyncio.create_task(read())
            await asyncio.sleep(0)
            closing = asyncio.create_task(one.close())
            for size in range(1, 6):
                await two.send(np.zeros(size))
                await asyncio.sleep(0)
            await two.close()
            assert await reading == [1, 2, 3, 4, 5]
            await closing

    run(main)


def test_nobody_listens_there(run, tmp_path):
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listening:
            name = listening.getsockname()
        with pytest.raises(ConnectionRefusedError, match=f"tcp://127.0.0.1:{name[1]}"):
            await arrays.open_connection(name)
        with pytest.raises(FileNotFoundError, match="unix:"):
            await arrays.open_connection(tmp_path / "nothing", retry_for=0.03)
        with pytest.raises(ValueError):
            await arrays.open_connection("nowhere")

        async def hold(stream):
            async for _ in stream:
                pass

        path = tmp_path / "later"
        opening = asyncio.create_task(arrays.open_connection(path, retry_for=links.SOON))
        await asyncio.sleep(0.03)
        async with await arrays.start_server(hold, path):
            await (await opening).close()

    run(main)


def test_a_unix_listener_without_room_is_waited_for(run, tmp_path):
    async def main():
        path = str(tmp_path / "s")
        with socket.socket(socket.AF_UNIX) as listening, contextlib.ExitStack() as stack:
            listening.bind(path)
            listening.listen(0)
            with contextlib.suppress(BlockingIOError):
                while True:  # until it has none
                    sock = stack.enter_context(socket.socket(socket.AF_UNIX))
                    sock.setblocking(False)
                    sock.connect(path)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await arrays.open_connection(path)
            connecting = asyncio.create_task(arrays.open_connection(path))
            await asyncio.sleep(0)
            listening.setblocking(False)
            while not connecting.done():
                with contextlib.suppress(BlockingIOError):
                    stack.enter_context(listening.accept()[0])
                await asyncio.sleep(0.002)
            await (await connecting).abort()

    run(main)
