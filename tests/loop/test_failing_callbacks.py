"""A protocol whose methods raise: the loop says so, and everybody else lives on."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

import links
from loop.kit import Buffered, Recorder, gone, nothing, read, read_all, turns, wired


class Oops(Exception):
    pass


def failing(*args):
    raise Oops("on purpose")


async def provoke(where, far, recorder):
    """Makes the far end do what has the protocol's method called."""
    if where == "data":
        far.send(b"x")
    if where == "eof":
        far.shutdown(socket.SHUT_WR)
    if where == "lost":
        recorder.transport.close()


MESSAGES = {
    "data": "Fatal error: protocol.data_received() call failed.",
    "eof": "Fatal error: protocol.eof_received() call failed.",
}


@pytest.mark.parametrize("where", MESSAGES)
@pytest.mark.parametrize("debug", [False, True])
def test_a_reading_callback_that_raises_ends_its_connection(run, where, debug):
    async def main():
        recorder, other = Recorder(**{where: failing}), Recorder()
        async with wired(other) as (_, far_other), wired(recorder) as (transport, far):
            await provoke(where, far, recorder)
            await recorder.ended()
            assert isinstance(recorder.error, Oops)
            assert recorder.calls.count("connection_lost") == 1
            (problem,) = run.take()
            assert problem["message"] == MESSAGES[where]
            assert problem["exception"] is recorder.error
            assert problem["transport"] is transport
            assert problem["protocol"] is recorder
            try:
                assert await read_all(far) == b""
            except ConnectionResetError:
                pass
            far_other.send(b"alive")
            await other.got(b"alive")

    run(main, debug=debug)


@pytest.mark.parametrize("where", ["made", "lost"])
def test_other_callbacks_that_raise_are_told_to_the_exception_handler(run, where):
    async def main():
        recorder, other = Recorder(**{where: failing}), Recorder()
        async with wired(other) as (_, far_other), wired(recorder) as (_, far):
            if where == "made":
                far.send(b"goes on")
                await recorder.got(b"goes on")
            await provoke(where, far, recorder)
            if where == "lost":
                await recorder.ended()
                await turns()
                assert await read_all(far) == b""
            (problem,) = run.take()
            assert isinstance(problem["exception"], Oops)
            assert problem["message"]
            far_other.send(b"alive")
            await other.got(b"alive")

    run(main)


@pytest.mark.parametrize("where", ["paused", "resumed"])
def test_flow_callbacks_that_raise(run, where):
    names = {"paused": "pause_writing", "resumed": "resume_writing"}

    async def main():
        recorder = Recorder(**{where: failing})
        async with wired(recorder, tight=True) as (transport, far):
            transport.write(bytes(500_000))
            assert len(await read(far, 500_000)) == 500_000
            await recorder.called("resume_writing")
            (problem,) = run.take()
            assert problem["message"] == f"protocol.{names[where]}() failed"
            assert isinstance(problem["exception"], Oops)
            assert problem["transport"] is transport
            assert problem["protocol"] is recorder
            transport.write(b"goes on")
            assert await read(far, 7) == b"goes on"

    run(main)


@pytest.mark.parametrize("where", ["get_buffer", "buffer_updated", "eof_received"])
def test_a_buffered_protocol_that_raises(run, where):
    async def main():
        recorder = Buffered()
        setattr(recorder, where, failing)
        async with wired(recorder) as (transport, far):
            await provoke("eof" if where == "eof_received" else "data", far, recorder)
            await recorder.ended()
            assert isinstance(recorder.error, Oops)
            (problem,) = run.take()
            assert problem["message"] == f"Fatal error: protocol.{where}() call failed."
            assert problem["transport"] is transport
            assert problem["protocol"] is recorder

    run(main)


def test_a_default_handler_logs_it(run, caplog):
    async def main():
        asyncio.get_running_loop().set_exception_handler(None)
        recorder = Recorder(data=failing)
        async with wired(recorder) as (_, far):
            far.send(b"x")
            await recorder.ended()

    run(main)
    (record,) = (r for r in caplog.records if r.name == "asyncio" and r.levelname == "ERROR")
    assert MESSAGES["data"] in record.getMessage()
    assert record.exc_info[0] is Oops


def test_a_broken_exception_handler_does_not_stop_the_loop(run, caplog):
    async def main():
        asyncio.get_running_loop().set_exception_handler(failing)
        recorder, other = Recorder(data=failing), Recorder()
        async with wired(recorder) as (_, far), wired(other) as (_, far_other):
            far.send(b"x")
            await recorder.ended()
            far_other.send(b"alive")
            await other.got(b"alive")

    run(main)
    assert any("Unhandled error in exception handler" in line for line in caplog.messages)


@pytest.mark.parametrize("leaving", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["made", "data", "eof", "lost"])
def test_the_end_of_the_program_leaves_the_loop(loop_factory, where, leaving):
    """These two are nobody's to keep: run_forever() raises them, and can be called again."""

    def leave(me, *data):
        raise leaving

    recorder, other = Recorder(**{where: leave}), Recorder()
    ours, far = links.socket_pair("tcp4")
    ours_other, far_other = links.socket_pair("tcp4")
    with far, far_other, contextlib.closing(loop_factory()) as loop:

        def until(awaitable):
            return loop.run_until_complete(asyncio.wait_for(awaitable, links.SOON))

        until(loop.create_connection(lambda: other, sock=ours_other))
        connecting = loop.create_task(loop.create_connection(lambda: recorder, sock=ours))
        if where != "made":
            loop.run_until_complete(connecting)
        loop.call_soon(lambda: loop.create_task(provoke(where, far, recorder)))
        loop.call_later(links.SOON, loop.stop)
        with pytest.raises(leaving):
            loop.run_forever()
        setattr(recorder, f"on_{where}", nothing)
        assert recorder.transport is not None

        far_other.send(b"alive")
        until(other.got(b"alive"))
        loop.run_until_complete(connecting)
        for protocol in (recorder, other):
            until(gone(protocol.transport, protocol))
        assert recorder.calls.count("connection_made") == 1
        assert recorder.calls.count("connection_lost") == 1


@pytest.mark.parametrize("error", [asyncio.CancelledError, GeneratorExit, BaseException])
def test_any_other_base_exception_only_ends_the_connection(run, error):
    def leave(me, data):
        raise error

    async def main():
        recorder, other = Recorder(data=leave), Recorder()
        async with wired(other) as (_, far_other), wired(recorder) as (_, far):
            far.send(b"x")
            await recorder.ended()
            assert type(recorder.error) is error
            assert len(run.take()) == 1
            far_other.send(b"alive")
            await other.got(b"alive")

    run(main)


def test_an_os_error_of_the_protocol_ends_its_connection_quietly(run):
    def fail(me, data):
        raise OSError("the disk is full")

    async def main():
        recorder = Recorder(data=fail)
        async with wired(recorder) as (_, far):
            far.send(b"x")
            await recorder.ended()
            assert str(recorder.error) == "the disk is full"
            assert run.take() == []

    run(main)


def test_pending_bytes_are_dropped_when_a_callback_raises(run):
    def fail(me, data):
        me.transport.write(bytes(1_000_000))
        raise Oops

    async def main():
        recorder = Recorder(data=fail)
        async with wired(recorder, tight=True) as (_, far):
            far.send(b"x")
            await recorder.ended()
            run.take()
            try:
                assert len(await read_all(far)) < 1_000_000
            except ConnectionResetError:
                pass

    run(main)


def test_a_program_that_exits_in_a_callback(run):
    """sys.exit() in data_received, connections open: the process ends with its status."""
    poller = {"asyncio": "None", "fastnet": "'epoll'", "fastnet-select": "'select'"}[run.name]
    source = f"""
        import asyncio, socket, sys
        if {poller} is None:
            factory = asyncio.SelectorEventLoop
        else:
            import fastnet
            factory = lambda: fastnet.new_event_loop(poller={poller})
        class Leaves(asyncio.Protocol):
            def data_received(self, data):
                sys.exit(7)
        async def main():
            one, two = socket.socketpair()
            await asyncio.get_running_loop().create_connection(Leaves, sock=one)
            two.send(b"x")
            await asyncio.sleep(20)
        asyncio.Runner(loop_factory=factory).run(main())
    """
    with links.program(source) as child:
        said, _ = child.communicate(timeout=20)
        assert child.returncode == 7, said
