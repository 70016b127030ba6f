"""Holding back a writer that is too fast, and a reader that does not want more."""

from __future__ import annotations

import asyncio
import socket

import pytest

from loop.kit import Recorder, joined, pattern, read, read_all, rounds, turns, wired

PAUSES = ("pause_writing", "resume_writing")


def test_the_limits_of_the_write_buffer(run):
    async def main():
        async with wired(Recorder()) as (transport, _):
            assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
            transport.set_write_buffer_limits()
            assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
            transport.set_write_buffer_limits(high=4000)
            assert transport.get_write_buffer_limits() == (1000, 4000)
            transport.set_write_buffer_limits(low=100)
            assert transport.get_write_buffer_limits() == (100, 400)
            transport.set_write_buffer_limits(high=10, low=10)
            assert transport.get_write_buffer_limits() == (10, 10)
            transport.set_write_buffer_limits(high=0)
            assert transport.get_write_buffer_limits() == (0, 0)
            for wrong in ({"high": 5, "low": 6}, {"high": -1}, {"high": 1, "low": -1}):
                with pytest.raises(ValueError):
                    transport.set_write_buffer_limits(**wrong)
            assert transport.get_write_buffer_limits() == (0, 0)

    run(main)


def test_pause_and_resume_alternate(run, kind):
    async def main():
        recorder = Recorder()
        async with wired(recorder, kind, tight=True) as (transport, far):
            transport.write(bytes(1_000_000))
            assert recorder.heard(*PAUSES) == ["pause_writing"]
            assert 64 * 1024 < transport.get_write_buffer_size() < 1_000_000
            transport.write(bytes(1_000_000))
            assert recorder.heard(*PAUSES) == ["pause_writing"]
            assert len(await read(far, 2_000_000)) == 2_000_000
            await recorder.called("resume_writing")
            assert recorder.heard(*PAUSES) == list(PAUSES)
            assert transport.get_write_buffer_size() <= 16 * 1024
            transport.write(bytes(1_000_000))
            assert recorder.heard(*PAUSES) == ["pause_writing", "resume_writing", "pause_writing"]
            assert len(await read(far, 1_000_000)) == 1_000_000

    run(main)


def test_writing_resumes_at_the_low_mark(run):
    async def main():
        sizes = []
        recorder = Recorder(resumed=lambda me: sizes.append(me.transport.get_write_buffer_size()))
        async with wired(recorder, tight=True) as (transport, far):
            transport.set_write_buffer_limits(high=400_000, low=300_000)
            transport.write(bytes(800_000))
            assert "pause_writing" in recorder.calls
            while not sizes:
                assert await read(far, 10_000)
                await turns(1)
            assert sizes[0] <= 300_000

    run(main)


def test_no_pause_below_the_high_mark(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder, tight=True) as (transport, far):
            transport.set_write_buffer_limits(high=2_000_000)
            transport.write(bytes(1_000_000))
            assert transport.get_write_buffer_size() > 0
            assert recorder.heard(*PAUSES) == []
            assert len(await read(far, 1_000_000)) == 1_000_000
            assert recorder.heard(*PAUSES) == []

    run(main)


def test_a_high_mark_of_zero(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder, tight=True) as (transport, far):
            transport.set_write_buffer_limits(high=0)
            transport.write(b"fits")
            assert recorder.heard(*PAUSES) == []
            transport.write(bytes(500_000))
            assert recorder.heard(*PAUSES) == ["pause_writing"]
            assert len(await read(far, 500_004)) == 500_004
            await recorder.called("resume_writing")
            assert transport.get_write_buffer_size() == 0

    run(main)


def test_setting_limits_below_what_is_pending_pauses(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder, tight=True) as (transport, _):
            transport.set_write_buffer_limits(high=2_000_000)
            transport.write(bytes(1_000_000))
            assert recorder.heard(*PAUSES) == []
            transport.set_write_buffer_limits(high=1000)
            assert recorder.heard(*PAUSES) == ["pause_writing"]

    run(main)


def test_the_buffer_size_counts_every_pending_byte(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder, tight=True) as (transport, far):
            assert transport.get_write_buffer_size() == 0
            transport.write(bytes(1_000_000))
            before = transport.get_write_buffer_size()
            assert 0 < before < 1_000_000
            transport.write(b"12345")
            assert transport.get_write_buffer_size() == before + 5
            assert len(await read(far, 1_000_005)) == 1_000_005
            assert transport.get_write_buffer_size() == 0

    run(main)


def test_writing_from_resume_writing(run):
    async def main():
        chunk, count = pattern(300_000), 8

        def more(me):
            nonlocal count
            count -= 1
            if count:
                me.transport.write(chunk)

        recorder = Recorder(resumed=more)
        async with wired(recorder, tight=True) as (transport, far):
            transport.write(chunk)
            assert await read(far, 8 * len(chunk)) == chunk * 8
            assert transport.get_write_buffer_size() == 0

    run(main)


def test_closing_in_resume_writing(run):
    if run.stock:
        pytest.skip("asyncio calls connection_lost twice when nothing is left to write")

    async def main():
        recorder = Recorder(resumed=lambda me: me.transport.close())
        async with wired(recorder, tight=True) as (transport, far):
            transport.set_write_buffer_limits(high=100_000, low=0)
            transport.write(bytes(600_000))
            assert len(await read_all(far)) == 600_000
            await recorder.ended()
            await turns()
            assert recorder.calls.count("connection_lost") == 1

    run(main)


def test_a_connection_lost_while_paused_says_no_resume(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder, tight=True) as (transport, _):
            transport.write(bytes(1_000_000))
            transport.abort()
            await recorder.ended()
            assert recorder.calls == ["connection_made", "pause_writing", "connection_lost"]

    run(main)


def test_nothing_is_delivered_while_paused(run, kind):
    async def main():
        recorder = Recorder()
        async with wired(recorder, kind) as (transport, far):
            assert transport.is_reading()
            transport.pause_reading()
            transport.pause_reading()
            assert not transport.is_reading()
            far.send(b"wait")
            await turns(10)
            assert recorder.received == b""
            transport.resume_reading()
            transport.resume_reading()
            assert transport.is_reading()
            await recorder.got(b"wait")
            far.send(b"more")
            await recorder.got(b"waitmore")

    run(main)


def test_pausing_in_connection_made(run):
    async def main():
        recorder = Recorder(made=lambda me: me.transport.pause_reading())
        async with wired(recorder) as (transport, far):
            far.send(b"wait")
            await turns(10)
            assert recorder.calls == ["connection_made"]
            transport.resume_reading()
            await recorder.got(b"wait")

    run(main)


def test_pausing_in_data_received(run):
    """Each piece is the last one until the protocol asks for more."""

    async def main():
        recorder = Recorder(data=lambda me, data: me.transport.pause_reading())
        async with wired(recorder) as (transport, far):
            sent = pattern(1_000_000)
            sender = asyncio.ensure_future(asyncio.get_running_loop().sock_sendall(far, sent))
            times = 0
            while len(recorder.received) < len(sent):
                times += 1
                await recorder.called("data_received", times)
                await turns(2)
                assert recorder.calls.count("data_received") == times
                transport.resume_reading()
            await sender
            assert recorder.received == sent

    run(main)


def test_an_end_waits_while_paused(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder) as (transport, far):
            transport.pause_reading()
            far.send(b"last words")
            far.shutdown(socket.SHUT_WR)
            await turns(10)
            assert recorder.calls == ["connection_made"]
            transport.resume_reading()
            await recorder.ended()
            assert recorder.received == b"last words"
            assert recorder.calls[-2:] == ["eof_received", "connection_lost"]

    run(main)


def test_a_paused_reader_does_not_keep_the_loop_busy(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder) as (transport, far):
            transport.pause_reading()
            far.send(b"x")
            far.close()
            assert await rounds(0.05) < 20

    run(main)


def test_writing_and_closing_while_reading_is_paused(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder) as (transport, far):
            transport.pause_reading()
            transport.write(b"out")
            assert await read(far, 3) == b"out"
            transport.close()
            assert not transport.is_reading()
            await recorder.ended()

    run(main)


def test_resume_after_close_does_nothing(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder) as (transport, far):
            transport.pause_reading()
            far.send(b"never")
            transport.close()
            transport.resume_reading()
            transport.pause_reading()
            assert not transport.is_reading()
            await recorder.ended()
            transport.resume_reading()
            assert recorder.received == b""

    run(main)


def test_pause_and_resume_in_one_turn(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder) as (transport, far):
            for number in range(20):
                transport.pause_reading()
                far.send(b"%d;" % number)
                transport.resume_reading()
                await turns(1)
            await recorder.got(b"".join(b"%d;" % number for number in range(20)))

    run(main)


def test_another_connection_is_paused_inside_a_callback(run):
    """What was read for it in the same turn is not delivered any more."""

    async def main():
        one, two = Recorder(), Recorder()
        async with wired(one) as (first, far_one), wired(two) as (second, far_two):
            for recorder, other in ((one, second), (two, first)):
                recorder.on_data = lambda me, data, other=other: other.pause_reading()
            far_one.send(b"x")
            far_two.send(b"x")
            await turns(10)
            assert len(one.received) + len(two.received) >= 1
            if not (first.is_reading() or second.is_reading()):
                return  # both were delivered before either was paused, as asyncio may
            assert len(one.received) + len(two.received) == 1
            first.resume_reading()
            second.resume_reading()
            await one.got(b"x")
            await two.got(b"x")

    run(main)


def test_two_ends_hold_each_other_back(run):
    async def main():
        asking, answering = Recorder(), Recorder()
        async with joined(asking, answering) as (here, there):
            sent = pattern(20_000_000)
            here.write(sent)
            there.pause_reading()
            await turns(20)
            assert here.get_write_buffer_size() > 0
            there.resume_reading()
            await answering.got(len(sent))
            assert answering.received == sent

    run(main)
