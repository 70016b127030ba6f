"""When a protocol's methods are called, and how a connection ends."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref

import pytest

import links
from loop.kit import Recorder, joined, pattern, read, read_all, rounds, turns, wired


@pytest.mark.parametrize("debug", [False, True])
def test_the_order_of_calls(run, kind, debug):
    async def main():
        recorder = Recorder()
        async with wired(recorder, kind) as (transport, far):
            assert recorder.calls == ["connection_made"]
            assert recorder.transport is transport
            far.send(b"one")
            await recorder.got(b"one")
            far.shutdown(socket.SHUT_WR)
            await recorder.ended()
            assert await read_all(far) == b""
        assert recorder.heard("data_received") == ["data_received"]
        assert recorder.calls == [
            "connection_made",
            "data_received",
            "eof_received",
            "connection_lost",
        ]
        assert recorder.error is None

    run(main, debug=debug)


def test_bytes_that_were_there_first_come_after_connection_made(run, kind):
    async def main():
        recorder = Recorder()
        loop = asyncio.get_running_loop()
        ours, far = links.socket_pair(kind)
        with far:
            far.send(b"early")
            far.shutdown(socket.SHUT_WR)
            await loop.create_connection(lambda: recorder, sock=ours)
            await recorder.ended()
        assert recorder.calls == [
            "connection_made",
            "data_received",
            "eof_received",
            "connection_lost",
        ]
        assert recorder.received == b"early"

    run(main)


@pytest.mark.parametrize("answer", [None, False, 0])
def test_an_end_closes_the_connection_unless_the_protocol_says_no(run, answer):
    async def main():
        recorder = Recorder(eof=lambda me: answer)
        async with wired(recorder) as (transport, far):
            far.shutdown(socket.SHUT_WR)
            await recorder.called("eof_received")
            assert transport.is_closing()
            assert await read_all(far) == b""
            await recorder.ended()
            assert recorder.error is None

    run(main)


def test_half_open_the_protocol_may_go_on_writing(run, kind):
    async def main():
        recorder = Recorder(eof=lambda me: True)
        async with wired(recorder, kind) as (transport, far):
            far.sendall(b"question")
            far.shutdown(socket.SHUT_WR)
            await recorder.called("eof_received")
            await turns()
            assert not transport.is_closing()
            assert recorder.calls.count("eof_received") == 1
            transport.write(b"answer")
            assert await read(far, 6) == b"answer"
            await turns()
            assert "connection_lost" not in recorder.calls
            transport.close()
            assert await read_all(far) == b""
            await recorder.ended()
            assert recorder.error is None
            assert recorder.calls.count("eof_received") == 1

    run(main)


def test_an_end_does_not_keep_a_half_open_loop_busy(run):
    async def main():
        recorder = Recorder(eof=lambda me: True)
        async with wired(recorder) as (_, far):
            far.shutdown(socket.SHUT_WR)
            await recorder.called("eof_received")
            assert await rounds(0.05) < 20

    run(main)


def test_answer_from_eof_received_is_sent(run):
    async def main():
        recorder = Recorder(eof=lambda me: me.transport.write(b"bye"))
        async with wired(recorder) as (_, far):
            far.shutdown(socket.SHUT_WR)
            assert await read_all(far) == b"bye"

    run(main)


@pytest.mark.parametrize("size", [3, 1_000_000])
def test_close_sends_what_is_pending(run, kind, size):
    async def main():
        recorder, sent = Recorder(), pattern(size)
        async with wired(recorder, kind, tight=True) as (transport, far):
            transport.write(sent)
            transport.close()
            assert transport.is_closing()
            assert await read_all(far) == sent
            await recorder.ended()
            assert recorder.error is None
            assert recorder.calls.count("connection_lost") == 1

    run(main)


def test_connection_lost_comes_after_close_returned(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder) as (transport, _):
            transport.close()
            assert recorder.calls == ["connection_made"]
            await recorder.ended()

    run(main)


def test_nothing_is_received_once_closed(run):
    async def main():
        recorder, pending = Recorder(), bytes(1_000_000)
        async with wired(recorder, tight=True) as (transport, far):
            transport.write(pending)  # so that the connection stays for a while
            transport.close()
            far.send(b"too late")
            await turns(10)
            assert recorder.received == b""
            transport.abort()

    run(main)


def test_closing_twice_is_closing_once(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder) as (transport, far):
            transport.close()
            transport.close()
            transport.abort()
            await recorder.ended()
            transport.close()
            transport.abort()
            await turns()
            assert recorder.calls == ["connection_made", "connection_lost"]
            assert recorder.error is None
            assert await read_all(far) == b""

    run(main)


def test_abort_throws_away_what_is_pending(run, kind):
    async def main():
        recorder = Recorder()
        async with wired(recorder, kind, tight=True) as (transport, far):
            transport.write(bytes(1_000_000))
            assert transport.get_write_buffer_size() > 0
            transport.abort()
            assert transport.is_closing()
            assert recorder.calls[-1] != "connection_lost"
            assert transport.get_write_buffer_size() == 0
            await recorder.ended()
            assert recorder.error is None
            try:
                assert len(await read_all(far)) < 1_000_000
            except ConnectionResetError:
                pass

    run(main)


def test_abort_after_close_does_not_wait_for_a_peer_that_reads_nothing(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder, tight=True) as (transport, _):
            transport.write(bytes(1_000_000))
            transport.close()
            await turns()
            assert "connection_lost" not in recorder.calls
            transport.abort()
            await recorder.ended()
            assert recorder.error is None

    run(main)


@pytest.mark.parametrize("how", ["close", "abort"])
@pytest.mark.parametrize("where", ["made", "data", "eof"])
def test_ending_inside_a_callback(run, kind, where, how):
    async def main():
        recorder = Recorder(**{where: lambda me, *data: getattr(me.transport, how)()})
        async with wired(recorder, kind) as (transport, far):
            if where != "made":
                far.send(b"x")
                await recorder.called("data_received")
            if where == "eof":
                far.shutdown(socket.SHUT_WR)
            await recorder.ended()
            assert transport.is_closing()
            assert recorder.calls.count("connection_lost") == 1
            assert recorder.error is None
            assert await read_all(far) == b""

    run(main)


def test_close_in_data_received_after_an_answer(run):
    def answer(me, data):
        me.transport.write(data.upper())
        me.transport.close()

    async def main():
        recorder = Recorder(data=answer)
        async with wired(recorder) as (_, far):
            far.send(b"hello")
            assert await read_all(far) == b"HELLO"
            await recorder.ended()
            assert recorder.received == b"hello"

    run(main)


def test_a_reset_is_told_to_connection_lost(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder) as (transport, far):
            links.reset(far)
            await recorder.ended()
            assert isinstance(recorder.error, ConnectionResetError)
            assert recorder.calls == ["connection_made", "connection_lost"]
            assert transport.is_closing()

    run(main)


def test_a_reset_while_writing(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder, tight=True) as (transport, far):
            transport.write(bytes(1_000_000))
            links.reset(far)
            await recorder.ended()
            assert isinstance(recorder.error, ConnectionResetError | BrokenPipeError)
            assert recorder.calls.count("connection_lost") == 1

    run(main)


def test_writing_to_a_unix_peer_that_is_gone(run):
    async def main():
        recorder = Recorder(eof=lambda me: True)
        async with wired(recorder, "unix") as (transport, far):
            far.close()
            await recorder.called("eof_received")
            transport.write(b"x")
            await recorder.ended()
            assert isinstance(recorder.error, BrokenPipeError)

    run(main)


def test_another_protocol_takes_over(run):
    async def main():
        second = Recorder()
        first = Recorder(data=lambda me, data: me.transport.set_protocol(second))
        async with wired(first) as (transport, far):
            assert transport.get_protocol() is first
            far.send(b"for the first")
            await first.got(b"for the first")
            assert transport.get_protocol() is second
            far.send(b"for the second")
            await second.got(b"for the second")
            far.shutdown(socket.SHUT_WR)
            await second.ended()
            assert second.calls == ["data_received", "eof_received", "connection_lost"]
            assert "connection_lost" not in first.calls
            first.tell("connection_lost")  # which nobody will say otherwise

    run(main)


def test_two_protocols_of_ours_talk(run, kind):
    async def main():
        asking, answering = Recorder(), Recorder(data=lambda me, data: me.transport.write(data))
        async with joined(asking, answering, kind) as (here, there):
            here.write(b"ping")
            await asking.got(b"ping")
            there.close()
            await asking.ended()
            await answering.ended()
        assert asking.heard("eof_received", "connection_lost") == [
            "eof_received",
            "connection_lost",
        ]
        assert answering.heard("eof_received", "connection_lost") == ["connection_lost"]

    run(main)


def test_a_closed_connection_is_let_go_of(run):
    async def main():
        recorder = Recorder()
        async with wired(recorder) as (transport, _):
            transport.close()
            await recorder.ended()
        await turns()
        watched = weakref.ref(recorder)
        del recorder
        gc.collect()
        # The transport is still there; it no longer holds its protocol.
        assert transport.is_closing()
        assert watched() is None

    run(main)


def test_a_protocol_may_replace_its_methods(run):
    class Stateful(asyncio.Protocol):
        def __init__(self):
            self.got = []

        def data_received(self, data):
            self.got.append(("first", data))
            self.data_received = self.second

        def second(self, data):
            self.got.append(("second", data))

    async def main():
        near, far = socket.socketpair()
        near.setblocking(False)
        with far:
            transport, protocol = await asyncio.get_running_loop().connect_accepted_socket(
                Stateful, near
            )
            for n, data in enumerate((b"a", b"b"), 1):
                far.sendall(data)
                while len(protocol.got) < n:
                    await asyncio.sleep(0)
            transport.abort()
            await asyncio.sleep(0)
        assert protocol.got == [("first", b"a"), ("second", b"b")]

    run(main)
