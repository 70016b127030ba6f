"""What a transport tells about itself."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

import links
from loop.kit import Recorder, serving, wired


def test_names_of_both_ends(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder) as (transport, far):
            assert transport.get_extra_info("sockname") == far.getpeername()
            assert transport.get_extra_info("peername") == far.getsockname()

    run(main)


def test_names_are_there_in_connection_made_and_afterwards(run):
    async def main():
        seen = []

        def note(me):
            seen.append([me.transport.get_extra_info(n) for n in ("sockname", "peername")])

        recorder = Recorder(made=note, lost=note)
        async with wired(recorder) as (transport, far):
            expected = [far.getpeername(), far.getsockname()]
            transport.close()
            await recorder.ended()
            note(recorder)
        assert seen == [expected] * 3

    run(main)


def test_names_of_an_accepted_connection(run):
    async def main():
        recorder = Recorder()
        async with serving(lambda: recorder) as (_, address):
            with contextlib.closing(socket.create_connection(address)) as far:
                await recorder.called("connection_made")
                assert recorder.transport.get_extra_info("peername") == far.getsockname()
                assert recorder.transport.get_extra_info("sockname") == address

    run(main)


def test_names_in_ipv6(run):
    if not links.has_ipv6():
        pytest.skip("this machine has no IPv6")

    async def main():
        recorder = Recorder()
        async with wired(recorder, "tcp6") as (transport, far):
            assert transport.get_extra_info("sockname") == far.getpeername()
            assert len(transport.get_extra_info("peername")) == 4

    run(main)


def test_what_is_not_known(run):
    async def main():
        async with wired(Recorder()) as (transport, _):
            assert transport.get_extra_info("no such thing") is None
            assert transport.get_extra_info("no such thing", 5) == 5
            for name in ("ssl_object", "peercert", "cipher", "sslcontext", "pipe"):
                assert transport.get_extra_info(name) is None

    run(main)


def test_the_socket_takes_options(run, kind):
    async def main():
        async with wired(Recorder(), kind) as (transport, far):
            sock = transport.get_extra_info("socket")
            assert sock.fileno() > 0
            assert sock.family == far.family
            assert sock.type == socket.SOCK_STREAM
            assert sock.getsockname() == far.getpeername()
            assert sock.getpeername() == far.getsockname()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert sock.gettimeout() == 0
            assert transport.get_extra_info("socket") is sock
            duplicate = sock.dup()
            assert duplicate.fileno() != sock.fileno()
            duplicate.close()

    run(main)


def test_the_socket_is_closed_with_the_connection(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder) as (transport, _):
            sock = transport.get_extra_info("socket")
            open_in_lost = []
            recorder.on_lost = lambda me: open_in_lost.append(sock.fileno() >= 0)
            transport.close()
            await recorder.ended()
            assert open_in_lost == [True]
            await asyncio.sleep(0)
            assert sock.fileno() == -1
            with pytest.raises(OSError):
                sock.getsockname()

    run(main)


def test_the_protocol(run):
    async def main():
        one, two = Recorder(), Recorder()
        async with wired(one) as (transport, _):
            assert transport.get_protocol() is one
            transport.set_protocol(two)
            assert transport.get_protocol() is two
            transport.set_protocol(one)

    run(main)


def test_it_is_a_transport_and_says_so(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder) as (transport, _):
            assert isinstance(transport, asyncio.Transport)
            assert "closing" not in repr(transport)
            assert "closed" not in repr(transport)
            transport.close()
            assert "closing" in repr(transport)
            await recorder.ended()
            await asyncio.sleep(0)
            assert "closed" in repr(transport)

    run(main)


def test_the_loop_in_callbacks_and_no_task(run):
    async def main():
        loop, seen = asyncio.get_running_loop(), []

        def note(me, *data):
            seen.append((asyncio.get_running_loop() is loop, asyncio.current_task()))

        recorder = Recorder(made=note, data=note, eof=note, lost=note)
        async with wired(recorder) as (_, far):
            far.send(b"x")
            far.shutdown(socket.SHUT_WR)
            await recorder.ended()
        assert seen == [(True, None)] * 4

    run(main)


def test_tasks_and_timers_made_in_callbacks(run):
    async def main():
        done, loop = [], asyncio.get_running_loop()
        finished = loop.create_future()

        async def work(me, data):
            await asyncio.sleep(0.001)
            me.transport.write(data)
            loop.call_soon(done.append, "soon")
            loop.call_later(0.001, finished.set_result, None)

        tasks = []
        recorder = Recorder(data=lambda me, data: tasks.append(loop.create_task(work(me, data))))
        async with wired(recorder) as (_, far):
            far.send(b"x")
            assert await loop.sock_recv(far, 10) == b"x"
            await finished
            assert done == ["soon"]
            await asyncio.gather(*tasks)

    run(main)
