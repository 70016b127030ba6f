"""add_reader() and add_writer(), and the sock_* coroutines, on descriptors that are not ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

import pytest

import links
from loop.kit import Recorder, gone, pattern, read, turns


@pytest.fixture
def pair():
    """Two connected non-blocking sockets."""
    one, two = links.socket_pair("tcp4")
    one.setblocking(False)
    two.setblocking(False)
    with one, two:
        yield one, two


@pytest.mark.parametrize("form", ["object", "number"])
def test_a_reader(run, pair, form):
    async def main():
        loop, seen = asyncio.get_running_loop(), []
        one, two = pair
        what = one if form == "object" else one.fileno()
        loop.add_reader(what, lambda: seen.append(one.recv(100)))
        await turns()
        assert seen == []
        two.send(b"x")
        while not seen:
            await asyncio.sleep(0)
        assert loop.remove_reader(what) is True
        assert loop.remove_reader(what) is False
        two.send(b"y")
        await turns()
        assert seen == [b"x"]

    run(main)


def test_a_reader_is_called_as_long_as_there_is_something(run, pair):
    async def main():
        loop, calls = asyncio.get_running_loop(), []
        one, two = pair
        two.send(b"abc")
        loop.add_reader(one, lambda *args: calls.append(args), 1, 2)
        while len(calls) < 3:
            await asyncio.sleep(0)
        assert set(calls) == {(1, 2)}
        assert loop.remove_reader(one)

    run(main)


def test_a_writer(run, pair):
    async def main():
        loop, calls = asyncio.get_running_loop(), []
        one, _ = pair
        loop.add_writer(one, calls.append, "ready")
        while len(calls) < 2:
            await asyncio.sleep(0)
        assert loop.remove_writer(one) is True
        assert loop.remove_writer(one) is False
        count = len(calls)
        await turns()
        assert len(calls) == count

    run(main)


def test_a_writer_waits_for_room(run, pair):
    async def main():
        loop, calls = asyncio.get_running_loop(), []
        one, two = pair
        size = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                size += one.send(bytes(65536))
        loop.add_writer(one, calls.append, None)
        await turns()
        assert calls == []
        await read(two, size)
        while not calls:
            await asyncio.sleep(0)
        loop.remove_writer(one)

    run(main)


def test_both_on_one_descriptor(run, pair):
    async def main():
        loop, seen = asyncio.get_running_loop(), []
        one, two = pair
        loop.add_reader(one, lambda: seen.append(one.recv(10)))
        loop.add_writer(one, seen.append, "writable")
        two.send(b"x")
        while b"x" not in seen or "writable" not in seen:
            await asyncio.sleep(0)
        assert loop.remove_writer(one)
        seen.clear()
        two.send(b"y")
        while not seen:
            await asyncio.sleep(0)
        assert seen == [b"y"]
        loop.add_writer(one, seen.append, "writable")
        assert loop.remove_reader(one)
        two.send(b"z")
        while len(seen) < 3:
            await asyncio.sleep(0)
        assert seen[1:3] == ["writable", "writable"]
        assert loop.remove_writer(one)

    run(main)


def test_replacing_a_reader(run, pair):
    async def main():
        loop, seen = asyncio.get_running_loop(), []
        one, two = pair
        loop.add_reader(one, seen.append, "first")
        loop.add_reader(one, lambda: seen.append(one.recv(10)))
        two.send(b"x")
        while not seen:
            await asyncio.sleep(0)
        assert seen == [b"x"]
        loop.remove_reader(one)

    run(main)


def test_removed_in_the_same_turn(run, pair):
    async def main():
        loop, seen = asyncio.get_running_loop(), []
        one, two = pair

        def only_once(mine, other):
            seen.append(mine)
            loop.remove_reader(mine)
            loop.remove_reader(other)

        loop.add_reader(one, only_once, one, two)
        loop.add_reader(two, only_once, two, one)
        one.send(b"x")
        two.send(b"x")
        await turns(10)
        assert len(seen) == 1

    run(main)


def test_a_descriptor_number_used_again(run):
    async def main():
        loop = asyncio.get_running_loop()
        for number in range(50):
            one, two = socket.socketpair()
            seen = loop.create_future()
            loop.add_reader(one, seen.set_result, number)
            two.send(b"x")
            assert await seen == number
            loop.remove_reader(one)
            one.close()
            two.close()

    run(main)


def test_a_number_goes_from_a_reader_to_a_transport_and_back(run):
    async def main():
        loop = asyncio.get_running_loop()
        for number in range(20):
            one, two = socket.socketpair()
            with two:
                if number % 2:
                    transport, recorder = await loop.create_connection(Recorder, sock=one)
                    two.send(b"%d" % number)
                    await recorder.got(b"%d" % number)
                    await gone(transport, recorder)
                else:
                    seen = loop.create_future()
                    loop.add_reader(one, lambda f=seen: f.done() or f.set_result(None))
                    two.send(b"x")
                    await seen
                    loop.remove_reader(one)
                    one.close()

    run(main)


def test_pipes_and_other_descriptors(run):
    async def main():
        loop = asyncio.get_running_loop()
        readable, writable = os.pipe()
        seen = loop.create_future()
        loop.add_reader(readable, lambda: seen.set_result(os.read(readable, 10)))
        os.write(writable, b"x")
        assert await seen == b"x"
        loop.remove_reader(readable)
        ended = loop.create_future()
        loop.add_reader(readable, lambda: ended.done() or ended.set_result(None))
        os.close(writable)  # the end alone wakes a reader as well
        await ended
        loop.remove_reader(readable)
        os.close(readable)

    run(main)


def test_what_is_no_descriptor(run):
    async def main():
        loop = asyncio.get_running_loop()
        for wrong in (-1, "text", object()):
            with pytest.raises((ValueError, TypeError)):
                loop.add_reader(wrong, print)
        assert loop.remove_reader(500) is False

    run(main)


def test_receiving_and_sending(run, pair):
    async def main():
        loop = asyncio.get_running_loop()
        one, two = pair
        waiting = asyncio.ensure_future(loop.sock_recv(one, 100))
        await turns(2)
        await loop.sock_sendall(two, b"hello")
        assert await waiting == b"hello"
        buffer = bytearray(10)
        waiting = asyncio.ensure_future(loop.sock_recv_into(one, buffer))
        await turns(2)
        await loop.sock_sendall(two, memoryview(b"into"))
        assert await waiting == 4
        assert buffer[:4] == b"into"
        sent = pattern(5_000_000)
        sending = asyncio.ensure_future(loop.sock_sendall(one, sent))
        assert await read(two, len(sent)) == sent
        await sending
        one.shutdown(socket.SHUT_WR)
        assert await loop.sock_recv(two, 10) == b""

    run(main)


def test_connecting_and_accepting(run):
    async def main():
        loop = asyncio.get_running_loop()
        with socket.socket() as listening, socket.socket() as calling:
            listening.setblocking(False)
            calling.setblocking(False)
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            accepting = asyncio.ensure_future(loop.sock_accept(listening))
            await turns(2)
            await loop.sock_connect(calling, listening.getsockname())
            accepted, address = await accepting
            with accepted:
                assert address == calling.getsockname()
                assert accepted.gettimeout() == 0
            address = listening.getsockname()
        with socket.socket() as calling:
            calling.setblocking(False)
            with pytest.raises(ConnectionRefusedError):
                await loop.sock_connect(calling, address)

    run(main)


def test_datagrams(run):
    async def main():
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            one, two = (
                stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)) for _ in range(2)
            )
            for sock in (one, two):
                sock.setblocking(False)
                sock.bind(("127.0.0.1", 0))
            waiting = asyncio.ensure_future(loop.sock_recvfrom(one, 100))
            await turns(2)
            assert await loop.sock_sendto(two, b"hello", one.getsockname()) == 5
            assert await waiting == (b"hello", two.getsockname())
            buffer = bytearray(10)
            await loop.sock_sendto(two, b"into", one.getsockname())
            assert await loop.sock_recvfrom_into(one, buffer) == (4, two.getsockname())
            assert buffer[:4] == b"into"

    run(main)


def test_cancelling(run, pair):
    async def main():
        loop = asyncio.get_running_loop()
        one, two = pair
        for wait in (loop.sock_recv(one, 10), loop.sock_recv_into(one, bytearray(10))):
            task = asyncio.ensure_future(wait)
            await turns(2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert loop.remove_reader(one) is False
        two.send(b"x")
        assert await loop.sock_recv(one, 10) == b"x"

    run(main)


def test_blocking_sockets_are_refused_in_debug_mode(run, pair):
    async def main():
        one, _ = pair
        one.setblocking(True)
        with pytest.raises(ValueError):
            await asyncio.get_running_loop().sock_recv(one, 10)

    run(main, debug=True)
