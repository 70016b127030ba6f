"""BufferedProtocol: reading into the protocol's own memory."""

from __future__ import annotations

import asyncio
import mmap
import socket

import pytest

from loop.kit import Buffered, Recorder, joined, pattern, read_all, turns, wired


@pytest.mark.parametrize("size", [1, 7, 4096, 1_000_000])
def test_all_arrives_through_a_buffer_of_any_size(run, kind, size):
    async def main():
        sent = pattern(200 if size == 1 else 100_000)
        recorder = Buffered(size)
        async with wired(recorder, kind) as (_, far):
            sender = asyncio.ensure_future(asyncio.get_running_loop().sock_sendall(far, sent))
            await recorder.got(sent)
            await sender
            assert max(recorder.sizes) <= size
            assert sum(recorder.sizes) == len(sent)
            assert min(recorder.sizes) > 0

    run(main)


def test_the_order_of_calls(run):
    async def main():
        recorder = Buffered()
        async with wired(recorder) as (_, far):
            far.send(b"x")
            await recorder.got(1)
            far.shutdown(socket.SHUT_WR)
            await recorder.ended()
        assert recorder.calls == [
            "connection_made",
            "buffer_updated",
            "eof_received",
            "connection_lost",
        ]
        assert recorder.error is None
        assert set(recorder.hints) <= {-1} or min(recorder.hints) >= -1

    run(main)


def test_no_buffer_is_asked_for_before_there_is_something_to_read(run):
    async def main():
        recorder = Buffered()
        async with wired(recorder) as (_, far):
            await turns(5)
            assert recorder.hints == []
            far.send(b"x")
            await recorder.got(1)
            assert len(recorder.hints) == 1
            await turns(5)
            assert len(recorder.hints) == 1

    run(main)


def test_bytes_beyond_the_count_are_not_touched(run):
    async def main():
        recorder = Buffered(16)
        recorder.buffer[:] = b"-" * 16
        async with wired(recorder) as (_, far):
            far.send(b"abc")
            await recorder.got(b"abc")
            assert recorder.buffer == b"abc" + b"-" * 13

    run(main)


def test_the_buffer_is_the_protocols_again_after_buffer_updated(run):
    async def main():
        recorder = Buffered(data=lambda me, count: me.buffer.extend(b"grown"))
        async with wired(recorder) as (_, far):
            for number in range(3):
                far.send(b"x")
                await recorder.got(number + 1)
            recorder.on_data = lambda me, count: None
            recorder.buffer.clear()
            recorder.buffer += bytes(10)
            far.send(b"yz")
            await recorder.got(b"xxxyz")

    run(main)


@pytest.mark.parametrize("form", ["view", "part", "mmap"])
def test_forms_of_buffers(run, form):
    async def main():
        if form == "mmap":
            memory = mmap.mmap(-1, 4096)
        else:
            memory = bytearray(64)
        parts = []

        def get_buffer(hint):
            if form == "part":
                return memoryview(memory)[10:20]
            return memory if form == "mmap" else memoryview(memory)

        recorder = Buffered()
        recorder.get_buffer = get_buffer
        start = 10 if form == "part" else 0
        recorder.buffer_updated = lambda count: (
            parts.append(bytes(memory[start : start + count])),
            recorder.tell("buffer_updated"),
        )
        async with wired(recorder) as (_, far):
            far.send(pattern(30))
            await recorder.until(lambda me: len(b"".join(parts)) == 30)
            assert b"".join(parts) == pattern(30)
            if form == "part":
                assert max(map(len, parts)) <= 10
        if form == "mmap":
            memory.close()

    run(main)


@pytest.mark.parametrize("empty", [bytearray(), memoryview(bytearray())])
def test_an_empty_buffer_is_an_error(run, empty):
    async def main():
        recorder = Buffered()
        recorder.buffer = empty
        async with wired(recorder) as (_, far):
            far.send(b"x")
            await recorder.ended()
            assert isinstance(recorder.error, RuntimeError)
            (problem,) = run.take()
            assert problem["message"] == "Fatal error: protocol.get_buffer() call failed."

    run(main)


@pytest.mark.parametrize("wrong", [None, 5, b"read only"])
def test_what_is_no_buffer_is_an_error(run, wrong):
    async def main():
        recorder = Buffered()
        recorder.buffer = wrong
        async with wired(recorder) as (_, far):
            far.send(b"x")
            await recorder.ended()
            assert isinstance(recorder.error, TypeError | BufferError)
            (problem,) = run.take()
            assert problem["protocol"] is recorder

    run(main)


def test_from_data_received_to_buffers_and_back(run):
    async def main():
        plain, buffered = Recorder(), Buffered(8)
        plain.on_data = lambda me, data: me.transport.set_protocol(buffered)
        buffered.on_data = lambda me, count: transport.set_protocol(plain)
        async with wired(plain) as (transport, far):
            for number in range(4):
                far.send(b"%d" % number)
                receiver = buffered if number % 2 else plain
                await receiver.got(number // 2 + 1)
            assert plain.received == b"02"
            assert buffered.received == b"13"
            assert transport.get_protocol() is plain

    run(main)


def test_switching_while_paused(run):
    async def main():
        plain, buffered = Recorder(), Buffered(8)
        async with wired(plain) as (transport, far):
            transport.pause_reading()
            far.send(b"for the second one")
            transport.set_protocol(buffered)
            transport.resume_reading()
            await buffered.got(b"for the second one")
            assert plain.received == b""
            transport.set_protocol(plain)

    run(main)


def test_writing_and_flow_control(run):
    async def main():
        recorder = Buffered(data=lambda me, count: me.transport.write(bytes(1_000_000)))
        async with wired(recorder, tight=True) as (transport, far):
            far.send(b"x")
            await recorder.called("pause_writing")
            far.shutdown(socket.SHUT_WR)
            assert len(await read_all(far)) == 1_000_000
            await recorder.ended()
            assert recorder.heard("pause_writing", "resume_writing") == [
                "pause_writing",
                "resume_writing",
            ]
            assert transport.is_closing()

    run(main)


def test_pausing_between_buffers(run):
    async def main():
        recorder = Buffered(3, data=lambda me, count: me.transport.pause_reading())
        async with wired(recorder) as (transport, far):
            far.send(b"abcdefg")
            for so_far in (b"abc", b"abcdef", b"abcdefg"):
                await recorder.got(so_far)
                await turns(5)
                assert recorder.received == so_far
                transport.resume_reading()

    run(main)


@pytest.mark.parametrize("how", ["close", "abort"])
def test_ending_inside_the_callbacks(run, how):
    async def main():
        recorder = Buffered(2, data=lambda me, count: getattr(me.transport, how)())
        async with wired(recorder) as (_, far):
            far.send(b"abcd")
            await recorder.ended()
            assert recorder.received == b"ab"
            assert recorder.error is None

    run(main)


def test_closing_in_get_buffer(run):
    async def main():
        recorder = Buffered()

        def get_buffer(hint):
            recorder.transport.abort()
            return recorder.buffer

        recorder.get_buffer = get_buffer
        async with wired(recorder) as (_, far):
            far.send(b"x")
            await recorder.ended()
            assert recorder.error is None
            assert recorder.calls.count("connection_lost") == 1

    run(main)


def test_half_open(run):
    async def main():
        recorder = Buffered(eof=lambda me: True)
        async with wired(recorder) as (transport, far):
            far.shutdown(socket.SHUT_WR)
            await recorder.called("eof_received")
            transport.write(b"answer")
            transport.close()
            assert await read_all(far) == b"answer"

    run(main)


def test_twenty_megabytes(run):
    async def main():
        sent = pattern(20_000_000)
        asking, answering = Recorder(), Buffered(1 << 18)
        async with joined(asking, answering) as (here, _):
            here.write(sent)
            await answering.got(len(sent))
            assert answering.received == sent

    run(main)
