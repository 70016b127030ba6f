"""What may be written, when, and that it arrives as it was."""

from __future__ import annotations

import array
import asyncio
import socket
import sys

import pytest

from loop.kit import Recorder, joined, pattern, read, read_all, turns, wired

FORMS = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "a view's part": lambda data: memoryview(b"<" + data + b">")[1:-1],
    "a writable view": lambda data: memoryview(bytearray(data)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [1, 5000, 2_000_000])
def test_any_bytes_can_be_written(run, form, size):
    async def main():
        recorder, sent = Recorder(), pattern(size)
        async with wired(recorder) as (transport, far):
            assert transport.write(FORMS[form](sent)) is None
            assert await read(far, size) == sent

    run(main)


@pytest.mark.parametrize("what", ["text", 5, None, [b"x"], array.array("b", b"x")])
def test_other_things_are_refused(run, what):
    async def main():
        async with wired(Recorder()) as (transport, far):
            with pytest.raises(TypeError):
                transport.write(what)
            transport.write(b"still alive")
            assert await read(far, 11) == b"still alive"

    run(main)


def test_a_bytearray_belongs_to_its_owner_again(run):
    if run.stock and sys.version_info >= (3, 12):
        pytest.skip("asyncio keeps a view of the caller's bytearray from 3.12 on")

    async def main():
        async with wired(Recorder(), tight=True) as (transport, far):
            owned = bytearray(pattern(1_000_000))
            transport.write(owned)
            assert transport.get_write_buffer_size() > 0
            view = memoryview(bytearray(b"second"))
            transport.write(view)
            view[:] = b"------"
            owned[:] = bytes(len(owned))
            owned.clear()
            assert await read(far, 1_000_000) == pattern(1_000_000)
            assert await read(far, 6) == b"second"

    run(main)


def test_small_mutable_writes_are_sent_as_they_were(run):
    async def main():
        async with wired(Recorder()) as (transport, far):
            owned = bytearray(b"first.")
            transport.write(owned)
            owned[:] = b"second"
            transport.write(owned)
            owned.clear()
            assert await read(far, 12) == b"first.second"

    run(main)


def test_writing_nothing_does_nothing(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder) as (transport, far):
            for nothing in (b"", bytearray(), memoryview(b"")):
                transport.write(nothing)
            assert transport.get_write_buffer_size() == 0
            transport.writelines([])
            transport.write(b"x")
            assert await read(far, 1) == b"x"
            assert recorder.calls == ["connection_made"]

    run(main)


def test_writes_arrive_in_order(run, kind):
    async def main():
        async with wired(Recorder(), kind) as (transport, far):
            pieces = [b"%d," % number * (number % 50 + 1) for number in range(5000)]
            for piece in pieces:
                transport.write(piece)
            whole = b"".join(pieces)
            assert await read(far, len(whole)) == whole

    run(main)


@pytest.mark.parametrize("count", [1, 3, 5000])
def test_writelines(run, count):
    async def main():
        async with wired(Recorder()) as (transport, far):
            transport.write(b"[")
            pieces = [FORMS[list(FORMS)[i % 5]](b"%d;" % i) for i in range(count)]
            transport.writelines(pieces)
            transport.write(b"]")
            whole = b"[" + b"".join(pieces) + b"]"
            assert await read(far, len(whole)) == whole

    run(main)


def test_a_large_writelines(run):
    async def main():
        async with wired(Recorder()) as (transport, far):
            whole = pattern(5_000_000)
            transport.writelines([whole[at : at + 70_001] for at in range(0, len(whole), 70_001)])
            transport.write(b"end")
            assert await read(far, len(whole) + 3) == whole + b"end"

    run(main)


def test_writing_from_connection_made(run, kind):
    async def main():
        recorder = Recorder(made=lambda me: me.transport.write(b"welcome"))
        async with wired(recorder, kind) as (_, far):
            assert await read(far, 7) == b"welcome"

    run(main)


def test_much_from_connection_made(run):
    async def main():
        sent = pattern(3_000_000)

        def greet(me):
            me.transport.write(sent)
            me.transport.close()

        async with wired(Recorder(made=greet)) as (_, far):
            assert await read_all(far) == sent

    run(main)


def test_writing_from_another_connections_callback(run):
    async def main():
        one, two = Recorder(), Recorder()
        async with wired(one) as (_, far_one), wired(two) as (transport, far_two):
            one.on_data = lambda me, data: transport.write(data)
            far_one.send(b"across")
            assert await read(far_two, 6) == b"across"
            two.on_data = lambda me, data: me.transport.write(data)
            far_two.send(b"back")
            assert await read(far_two, 4) == b"back"

    run(main)


def test_writing_from_a_timer_and_a_task(run):
    async def main():
        async with wired(Recorder()) as (transport, far):
            asyncio.get_running_loop().call_later(0.01, transport.write, b"timer ")
            assert await read(far, 6) == b"timer "

            async def later():
                await asyncio.sleep(0)
                transport.write(b"task")

            task = asyncio.ensure_future(later())
            assert await read(far, 4) == b"task"
            await task

    run(main)


def test_writes_in_one_turn_are_there_in_the_next(run):
    """A write is not held back until the loop has nothing else to do."""

    async def main():
        async with wired(Recorder(), "unix") as (transport, far):
            transport.write(b"now")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert far.recv(10) == b"now"

    run(main)


def test_write_after_close(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder) as (transport, far):
            transport.write(b"before")
            transport.close()
            await recorder.ended()
            transport.write(b"after")
            transport.write(b"after")
            assert await read_all(far) == b"before"
            assert recorder.calls == ["connection_made", "connection_lost"]

    run(main)


def test_write_after_abort(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder) as (transport, far):
            transport.abort()
            transport.write(b"after")
            await recorder.ended()
            assert await read_all(far) == b""

    run(main)


def test_many_writes_to_a_lost_connection_are_logged(run, caplog):
    async def main():
        recorder = Recorder()
        async with wired(recorder) as (transport, _):
            transport.abort()
            for _ in range(20):
                transport.write(b"x")
            await recorder.ended()

    run(main)
    assert any("socket.send() raised exception" in line for line in caplog.messages)


@pytest.mark.parametrize("size", [5, 500_000])
def test_write_eof(run, kind, size):
    async def main():
        recorder, sent = Recorder(), pattern(size)
        async with wired(recorder, kind, tight=True) as (transport, far):
            assert transport.can_write_eof() is True
            transport.write(sent)
            transport.write_eof()
            transport.write_eof()
            assert await read_all(far) == sent
            assert not transport.is_closing()
            with pytest.raises(RuntimeError):
                transport.write(b"more")
            if sys.version_info >= (3, 12):
                with pytest.raises(RuntimeError):
                    transport.writelines([b"more"])
            far.send(b"still heard")
            await recorder.got(b"still heard")

    run(main)


def test_write_eof_then_close(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder, tight=True) as (transport, far):
            transport.write(bytes(500_000))
            transport.write_eof()
            transport.close()
            assert len(await read_all(far)) == 500_000
            await recorder.ended()
            assert recorder.error is None

    run(main)


def test_write_eof_after_close(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder) as (transport, _):
            transport.close()
            transport.write_eof()
            await recorder.ended()

    run(main)


def test_half_closed_both_ways(run):
    async def main():
        asking = Recorder(eof=lambda me: False)
        answering = Recorder(eof=lambda me: me.transport.write(bytes(me.received).upper()))
        async with joined(asking, answering) as (here, _):
            here.write(b"question")
            here.write_eof()
            await asking.ended()
            assert asking.received == b"QUESTION"
            await answering.ended()
            assert asking.error is None is answering.error

    run(main)


def test_fifty_megabytes_past_a_slow_reader(run):
    async def main():
        size, chunk = 50_000_000, pattern(1_000_000)
        asking, seen = Recorder(), 0
        answering = Recorder()
        async with joined(asking, answering) as (here, there):
            done = asyncio.get_running_loop().create_future()

            def taken(me, data):
                nonlocal seen
                at = seen % 1_000_000
                whole = chunk[at : at + len(data)]
                while len(whole) < len(data):
                    whole += chunk[: len(data) - len(whole)]
                assert data == whole
                seen += len(data)
                me.received.clear()
                there.pause_reading()
                asyncio.get_running_loop().call_soon(there.resume_reading)
                if seen >= size:
                    done.set_result(None)

            answering.on_data = taken
            for _ in range(size // len(chunk)):
                here.write(chunk)
                pause, resume = (asking.calls.count(f"{w}_writing") for w in ("pause", "resume"))
                assert pause - resume in (0, 1)
                if pause > resume:
                    await asking.called("resume_writing", resume + 1)
            await done
            assert seen == size
            assert here.get_write_buffer_size() == 0

    run(main)


def test_nodelay_is_set_on_tcp(run):
    async def main():
        async with wired(Recorder()) as (transport, _):
            sock = transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            await turns(1)

    run(main)
