"""Signals, child processes and pipes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

import links
from loop.kit import Recorder, turns

MAKE_FACTORY = """
import asyncio, sys
def factory():
    name = sys.argv[1]
    if name == "asyncio":
        return asyncio.SelectorEventLoop()
    import fastnet
    return fastnet.new_event_loop(poller="select" if "select" in name else "epoll")
"""


def program(body, run):
    """A child interpreter whose main() runs on the same kind of loop."""
    return links.program(MAKE_FACTORY + body, run.name)


def test_signal_handlers(run):
    async def main():
        loop, seen = asyncio.get_running_loop(), []
        loop.add_signal_handler(signal.SIGUSR1, seen.append, "usr1")
        for times in (1, 2, 3):
            os.kill(os.getpid(), signal.SIGUSR1)
            while len(seen) < times:
                await asyncio.sleep(0)
        loop.add_signal_handler(signal.SIGUSR1, seen.append, "replaced")
        signal.raise_signal(signal.SIGUSR1)
        while len(seen) < 4:
            await asyncio.sleep(0)
        assert seen == ["usr1"] * 3 + ["replaced"]
        assert loop.remove_signal_handler(signal.SIGUSR1) is True
        assert loop.remove_signal_handler(signal.SIGUSR1) is False
        assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL

    run(main)


def test_a_signal_wakes_a_sleeping_loop(run):
    async def main():
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        loop.add_signal_handler(signal.SIGALRM, done.set_result, "woken")
        before = signal.setitimer(signal.ITIMER_REAL, 0.02)
        try:
            assert await done == "woken"
        finally:
            loop.remove_signal_handler(signal.SIGALRM)
            signal.setitimer(signal.ITIMER_REAL, *before)

    previous = signal.getsignal(signal.SIGALRM)
    try:
        run(main)
    finally:
        signal.signal(signal.SIGALRM, previous)


def test_signals_that_cannot_be_handled(run):
    async def main():
        loop = asyncio.get_running_loop()
        for number in (signal.SIGKILL, signal.SIGSTOP):
            with pytest.raises((RuntimeError, ValueError, OSError)):
                loop.add_signal_handler(number, print)
        with pytest.raises(ValueError):
            loop.add_signal_handler(1000, print)
        with pytest.raises(TypeError):
            loop.add_signal_handler("SIGUSR1", print)

        async def coroutine():
            raise AssertionError("never called")

        with pytest.raises(TypeError):
            loop.add_signal_handler(signal.SIGUSR1, coroutine)

    run(main)


def test_plain_python_handlers_run_while_the_loop_waits(run):
    async def main():
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        before = signal.signal(
            signal.SIGUSR2, lambda *_: loop.call_soon_threadsafe(done.set_result, None)
        )
        try:
            loop.call_soon(os.kill, os.getpid(), signal.SIGUSR2)
            await done
        finally:
            signal.signal(signal.SIGUSR2, before)

    run(main)


def test_ctrl_c_ends_a_runner(run):
    body = """
async def main():
    try:
        one, two = await asyncio.open_connection(*server.sockets[0].getsockname())
        print("ready", flush=True)
        await asyncio.sleep(30)
    finally:
        two.close()
        print("cleaned up", flush=True)
with asyncio.Runner(loop_factory=factory) as runner:
    server = runner.run(asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0))
    try:
        runner.run(main())
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        server.close()
"""
    with program(body, run) as child:
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGINT)
        said, _ = child.communicate(timeout=20)
        assert said == "cleaned up\ninterrupted\n"
        assert child.returncode == 0


def test_ctrl_c_ends_a_bare_loop(run):
    body = """
loop = factory()
loop.call_soon(lambda: print("ready", flush=True))
try:
    loop.run_forever()
except KeyboardInterrupt:
    print("interrupted", flush=True)
loop.run_until_complete(asyncio.sleep(0))
loop.close()
"""
    with program(body, run) as child:
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGINT)
        said, _ = child.communicate(timeout=20)
        assert said == "interrupted\n"
        assert child.returncode == 0


def test_a_process_with_pipes(run):
    async def main():
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "import sys; sys.stdout.write(sys.stdin.read().upper()); sys.stderr.write('err')",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await child.communicate(b"hello")
        assert (out, err) == (b"HELLO", b"err")
        assert child.returncode == 0
        assert await child.wait() == 0

    run(main)


def test_much_through_a_process(run):
    async def main():
        child = await asyncio.create_subprocess_exec(
            "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        sent = bytes(range(256)) * 8000
        out, _ = await child.communicate(sent)
        assert out == sent

    run(main)


def test_processes_at_once(run):
    async def main():
        async def status(number):
            child = await asyncio.create_subprocess_shell(f"exit {number}")
            return await child.wait()

        assert await asyncio.gather(*map(status, range(5))) == list(range(5))

    run(main)


def test_killing_a_process(run):
    async def main():
        child = await asyncio.create_subprocess_exec("sleep", "30")
        assert child.returncode is None
        child.send_signal(0)
        child.kill()
        assert await child.wait() == -signal.SIGKILL
        with pytest.raises(ProcessLookupError):
            child.kill()

    run(main)


def test_a_process_that_cannot_be_started(run):
    async def main():
        with pytest.raises(FileNotFoundError):
            await asyncio.create_subprocess_exec("no-such-program-anywhere")

    run(main)


def test_the_subprocess_protocol(run):
    async def main():
        loop = asyncio.get_running_loop()
        done, seen = loop.create_future(), []

        class Watching(asyncio.SubprocessProtocol):
            def pipe_data_received(self, number, data):
                seen.append((number, data))

            def pipe_connection_lost(self, number, error):
                seen.append((number, error))

            def process_exited(self):
                seen.append("exited")

            def connection_lost(self, error):
                done.set_result(error)

        transport, _ = await loop.subprocess_exec(
            Watching, "sh", "-c", "echo out; echo err >&2; exit 3", stdin=None
        )
        assert await done is None
        assert transport.get_returncode() == 3
        assert (1, b"out\n") in seen
        assert (2, b"err\n") in seen
        assert "exited" in seen
        transport.close()

    run(main)


def test_connecting_pipes(run):
    async def main():
        loop = asyncio.get_running_loop()
        readable, writable = os.pipe()
        reading, received = await loop.connect_read_pipe(Recorder, os.fdopen(readable, "rb", 0))
        writing, sent = await loop.connect_write_pipe(Recorder, os.fdopen(writable, "wb", 0))
        assert reading.get_extra_info("pipe") is not None
        writing.write(b"hello")
        await received.got(b"hello")
        reading.pause_reading()
        writing.write(b" world")
        await turns()
        assert received.received == b"hello"
        reading.resume_reading()
        await received.got(b"hello world")
        big = bytes(500_000)
        writing.write(big)
        await received.got(len(big) + 11)
        writing.write_eof()
        await received.ended()
        await sent.ended()
        assert received.heard("eof_received") == ["eof_received"]
        assert sent.error is None

    run(main)


def test_a_pipe_whose_reader_is_gone(run):
    async def main():
        loop = asyncio.get_running_loop()
        readable, writable = os.pipe()
        writing, sent = await loop.connect_write_pipe(Recorder, os.fdopen(writable, "wb", 0))
        os.close(readable)
        await sent.ended()
        assert isinstance(sent.error, BrokenPipeError | None)
        assert writing.is_closing()

    run(main)
