"""A loop's life: starting, stopping, closing, and what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import sys
import threading
import warnings

import pytest

import links
from loop.kit import Echo, Packets, Recorder, serving


@pytest.fixture
def loop(loop_factory):
    """A loop that is not running; closed afterwards."""
    with contextlib.closing(loop_factory()) as loop:
        yield loop


def test_it_is_a_standard_loop(loop):
    assert isinstance(loop, asyncio.SelectorEventLoop)
    assert not loop.is_running()
    assert not loop.is_closed()
    assert not loop.get_debug()
    assert "running=False" in repr(loop)


def test_making_many_loops(loop_factory):
    for _ in range(20):
        loop_factory().close()
    for _ in range(5):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(asyncio.sleep(0))


def test_stopping(loop):
    seen = []

    def stop():
        loop.stop()
        loop.call_soon(seen.append, "next time")

    loop.call_soon(stop)
    loop.call_soon(seen.append, "still")
    loop.run_forever()
    assert seen == ["still"]
    loop.stop()
    loop.run_forever()
    assert seen == ["still", "next time"]


def test_stopping_in_a_protocol(loop):
    async def connect():
        one, two = socket.socketpair()
        await loop.create_connection(lambda: recorder, sock=one)
        return two

    recorder = Recorder(data=lambda me, data: loop.stop())
    with loop.run_until_complete(connect()) as far:
        for times in (1, 2):
            far.send(b"x")
            loop.run_forever()
            assert recorder.received == b"x" * times
        recorder.transport.close()
        loop.run_until_complete(recorder.ended())


def test_running_twice_serves_the_same_connections(loop):
    async def first():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        transport, recorder = await loop.create_connection(
            Recorder, *server.sockets[0].getsockname()
        )
        return server, transport, recorder

    async def second(transport, recorder):
        transport.write(b"x")
        await recorder.got(1)

    server, transport, recorder = loop.run_until_complete(first())
    loop.run_until_complete(second(transport, recorder))
    transport.write(b"written while nobody runs")
    loop.run_until_complete(recorder.got(26))

    async def last():
        transport.close()
        await recorder.ended()
        server.close()
        await server.wait_closed()

    loop.run_until_complete(last())


@pytest.mark.skipif(
    sys.version_info[:3] == (3, 13, 0), reason="asyncio 3.13.0 forgets the running loop then"
)
def test_a_loop_does_not_run_inside_another(run, loop_factory):
    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(RuntimeError, match="already running"):
            loop.run_forever()
        with contextlib.closing(loop_factory()) as other:
            with pytest.raises(RuntimeError, match="while another loop is running"):
                other.run_forever()
        with pytest.raises(RuntimeError, match="Cannot close a running"):
            loop.close()

    run(main)


def test_a_future_that_is_never_done(loop):
    future = loop.create_future()
    loop.call_soon(loop.stop)
    with pytest.raises(RuntimeError, match="stopped before Future"):
        loop.run_until_complete(future)


def test_a_closed_loop(loop_factory):
    loop = loop_factory()
    loop.close()
    loop.close()
    assert loop.is_closed()
    with socket.socket() as sock:
        for call in (
            lambda: loop.call_soon(print),
            lambda: loop.call_later(1, print),
            lambda: loop.call_soon_threadsafe(print),
            loop.run_forever,
            lambda: loop.run_in_executor(None, print),
        ):
            with pytest.raises(RuntimeError, match="closed"):
                call()
        with pytest.raises((RuntimeError, ValueError, AttributeError, KeyError)):
            loop.add_reader(sock, print)


def test_async_generators_are_closed(run):
    closed = []

    async def numbers():
        try:
            for number in range(10):
                yield number
        finally:
            closed.append(True)

    async def main():
        generator = numbers()
        assert await anext(generator) == 0
        main.kept = generator

    run(main)
    assert closed == [True]


def test_closing_with_open_transports_leaves_no_descriptor(loop_factory):
    """They are not told any more, and their descriptors go with them."""
    gc.collect()
    before = links.descriptors()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        loop = loop_factory()

        async def main():
            loop = asyncio.get_running_loop()
            server = await loop.create_server(Recorder, "127.0.0.1", 0)
            address = server.sockets[0].getsockname()
            transport, recorder = await loop.create_connection(Recorder, *address)
            transport.write(b"x")
            await loop.create_datagram_endpoint(Packets, local_addr=("127.0.0.1", 0))
            return recorder

        recorder = loop.run_until_complete(main())
        loop.close()
        assert "connection_lost" not in recorder.calls
        del recorder, loop
        gc.collect()
    assert links.descriptors() == before


def test_a_transport_nobody_closed_is_warned_of(loop_factory):
    def forget():
        one, two = socket.socketpair()

        async def main():
            await asyncio.get_running_loop().create_connection(Recorder, sock=one)

        with two, contextlib.closing(loop_factory()) as loop:
            loop.run_until_complete(main())

    with pytest.warns(ResourceWarning) as told:
        forgotten(forget)
    assert any("unclosed transport" in str(warning.message) for warning in told)


def test_an_unclosed_loop_is_warned_of(loop_factory):
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        forgotten(loop_factory)


def forgotten(make):
    """Makes something and lets go of it."""
    make()
    gc.collect()


def test_a_loop_that_is_garbage_leaves_nothing(loop_factory):
    gc.collect()
    before = links.descriptors()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        loop = loop_factory()
        loop.call_soon(loop.stop)
        loop.run_forever()
        del loop
        gc.collect()
    assert links.descriptors() == before


async def talk(rounds=20):
    """Echoes a little over TCP on the running loop."""
    loop = asyncio.get_running_loop()
    async with serving(Echo) as (_, address):
        transport, recorder = await loop.create_connection(Recorder, *address)
        for number in range(rounds):
            transport.write(b"x")
            await recorder.got(number + 1)
        transport.close()
        await recorder.ended()
    return rounds


def test_in_another_thread(run):
    assert links.Background(run, talk).result() == 20


def test_two_loops_in_two_threads(run):
    background = [links.Background(run, talk) for _ in range(2)]
    assert [thread.result() for thread in background] == [20, 20]


def test_made_in_one_thread_and_run_in_another(loop):
    assert links.Background(loop.run_until_complete, talk()).result() == 20
    assert loop.run_until_complete(talk()) == 20


def test_stopped_from_another_thread(loop):
    timer = threading.Timer(0.01, loop.call_soon_threadsafe, (loop.stop,))
    timer.start()
    loop.run_forever()
    timer.join()


def test_loops_talk_to_each_other(run):
    """A server's loop in one thread, a client's in another."""
    ready, stop = threading.Event(), threading.Event()
    address = []

    async def serve():
        async with serving(Echo) as (_, name):
            address.append(name)
            ready.set()
            await asyncio.to_thread(stop.wait, links.SOON)

    async def call():
        reader, writer = await asyncio.open_connection(*address[0])
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()

    server = links.Background(run, serve)
    assert ready.wait(links.SOON)
    run(call)
    stop.set()
    server.result()


def test_asyncio_run_in_a_child_after_fork(run):
    """A child makes its own loop; the parent's goes on undisturbed."""

    async def main():
        loop = asyncio.get_running_loop()
        async with serving(Echo) as (_, address):
            transport, recorder = await loop.create_connection(Recorder, *address)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    asyncio._set_running_loop(None)
                    fresh = run.factory()
                    assert fresh.run_until_complete(talk(3)) == 3
                    fresh.close()
                    status = 0
                finally:
                    os._exit(status)
            _, status = await asyncio.to_thread(os.waitpid, pid, 0)
            assert status == 0
            transport.write(b"undisturbed")
            await recorder.got(b"undisturbed")
            transport.close()
            await recorder.ended()

    run(main)


def test_policies_can_use_it(run):
    """asyncio.run() on a loop factory, as in 3.12."""
    if sys.version_info < (3, 12):
        pytest.skip("asyncio.run() takes no loop factory before 3.12")
    assert asyncio.run(talk(), loop_factory=run.factory) == 20


def test_what_was_written_before_stop_is_sent(loop):
    near, far = socket.socketpair()
    near.setblocking(False)
    far.settimeout(links.SOON)

    class Last(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.write(b"reply")
            loop.stop()

    with far:
        transport, _ = loop.run_until_complete(loop.connect_accepted_socket(Last, near))
        far.sendall(b"x")
        loop.run_forever()
        assert far.recv(10) == b"reply"
        transport.abort()
        loop.run_until_complete(asyncio.sleep(0))
