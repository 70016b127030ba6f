"""What programs must not be able to do to a loop: close it from inside, take it apart, end it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

import fastnet
import links
from fastnet._native.dgramtransport import DatagramTransport
from fastnet._native.transport import StreamTransport
from loop import kit

THREAD = "Non-thread-safe operation"


@pytest.fixture(params=["fastnet", "fastnet-select"])
def loop_factory(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    """Ours only: these rules are about what is behind it."""
    if request.param == "fastnet":
        return fastnet.new_event_loop
    return functools.partial(fastnet.new_event_loop, poller="select")


# ---------------------------------------------------------------------- closing it


def closes_the_reactor(said: list[str]) -> Callable[..., None]:
    """A hook that tries to close the reactor it is called by, and notes what that says."""

    def close(*args: Any) -> None:
        loop: Any = asyncio.get_running_loop()
        try:
            loop.reactor.close()
        except RuntimeError as error:
            said.append(str(error))
        else:
            said.append("closed")

    return close


def test_data_received_cannot_close_the_reactor(run: Any) -> None:
    async def main() -> None:
        said: list[str] = []
        recorder = kit.Recorder(data=closes_the_reactor(said))
        async with kit.wired(recorder) as (transport, far):
            far.send(b"x")
            await recorder.got(b"x")
            assert said == ["the reactor is at work"]
            transport.write(b"still here")
            assert await kit.read(far, 10) == b"still here"

    run(main)


def test_eof_received_cannot_close_the_reactor(run: Any) -> None:
    async def main() -> None:
        said: list[str] = []
        recorder = kit.Recorder(eof=closes_the_reactor(said))
        async with kit.wired(recorder) as (_, far):
            far.shutdown(socket.SHUT_WR)
            await recorder.ended()
            assert said == ["the reactor is at work"]
            assert await kit.read_all(far) == b""

    run(main)


def test_buffer_updated_cannot_close_the_reactor(run: Any) -> None:
    async def main() -> None:
        said: list[str] = []
        recorder = kit.Buffered(data=closes_the_reactor(said))
        async with kit.wired(recorder) as (transport, far):
            far.send(b"x")
            await recorder.got(b"x")
            assert said == ["the reactor is at work"]
            transport.write(b"still here")
            assert await kit.read(far, 10) == b"still here"

    run(main)


def test_datagram_received_cannot_close_the_reactor(run: Any) -> None:
    async def main() -> None:
        said: list[str] = []
        recorder = kit.Packets(got=closes_the_reactor(said))
        async with kit.endpoint(recorder) as (transport, _):
            for count in (1, 2):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
                    far.sendto(b"x", transport.get_extra_info("sockname"))
                await recorder.called("datagram_received", count)
            assert said == ["the reactor is at work"] * 2

    run(main)


# ------------------------------------------------------------ transports made twice


def test_a_stream_transport_is_initialised_once(run: Any) -> None:
    """And the connection that it has stays its own, with nothing left of it afterwards."""

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        recorder, second = kit.Recorder(), kit.Recorder()
        ours, theirs = socket.socketpair()
        other, others = socket.socketpair()
        with links.closing(theirs, other, others):
            for sock in (ours, theirs, other, others):
                sock.setblocking(False)
            transport = StreamTransport(loop, ours, recorder)
            await recorder.called("connection_made")
            with pytest.raises(RuntimeError, match="twice"):
                transport.__init__(loop, other, second)  # type: ignore[misc]
            theirs.send(b"one")
            others.send(b"not read")
            await recorder.got(b"one")
            transport.abort()
            await recorder.ended()
            assert await kit.read_all(theirs) == b""
            del transport, recorder.transport
            gc.collect()
            others.send(b"nobody is told")
            await kit.turns()
            assert second.calls == []

    run(main)


def test_a_datagram_transport_is_initialised_once(run: Any) -> None:
    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        recorder = kit.Packets()
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        async with kit.endpoint(recorder) as (transport, _):
            assert isinstance(transport, DatagramTransport)
            with other, pytest.raises(RuntimeError, match="twice"):
                transport.__init__(loop, other, kit.Packets())  # type: ignore[misc]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
                far.sendto(b"x", transport.get_extra_info("sockname"))
            await recorder.called("datagram_received")
            assert recorder.data == [b"x"]

    run(main)


# ------------------------------------------------------------ writes of other threads


def test_a_write_of_another_thread_while_the_loop_waits_is_refused(run: Any) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        recorder = kit.Recorder()

        def write() -> str:
            while True:  # until the loop has come to wait
                try:
                    recorder.transport.write(b"y")
                except RuntimeError as error:
                    return str(error)

        async with kit.wired(recorder) as (transport, far):
            said = await loop.run_in_executor(None, write)
            assert said.startswith(THREAD)
            transport.write(b"end")
            found = b""
            while not found.endswith(b"end"):
                found += await loop.sock_recv(far, 1 << 16)
            assert found.strip(b"y") == b"end"

    run(main)


def test_a_write_of_another_thread_while_a_protocol_is_called_does_not_end_the_loop(
    run: Any,
) -> None:
    """Big ones, too, which begin to be sent at once."""

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def from_elsewhere(protocol: Any, data: bytes) -> None:
            def write() -> None:
                with contextlib.suppress(RuntimeError):
                    protocol.transport.write(bytes(1 << 18))

            links.Background(write).result()
            protocol.transport.write(data)

        recorder = kit.Recorder(data=from_elsewhere)
        async with kit.wired(recorder) as (_, far):
            for count in range(1, 6):
                far.send(b"x")
                await recorder.called("data_received", count)
            seen = 0
            while seen < 5:
                seen += (await loop.sock_recv(far, 1 << 18)).count(b"x")

    run(main)


def test_threads_that_write_all_the_time_do_not_end_the_loop(run: Any) -> None:
    """Each write is taken or refused; the loop serves on."""

    async def main() -> None:
        over = threading.Event()
        refusals: list[str] = []

        def write(transport: Any) -> None:
            big = bytes(1 << 16)
            while not over.wait(0.0005):
                try:
                    transport.write(big)
                except RuntimeError as error:
                    refusals.append(str(error))

        def talk(sock: socket.socket) -> None:
            """Keeps the loop at work, and the connection empty."""
            while not over.is_set():
                sock.sendall(b"x" * 1000)
                sock.recv(1 << 20)

        here = [kit.Recorder(data=lambda me, data: me.transport.write(data)) for _ in range(2)]
        async with contextlib.AsyncExitStack() as stack:
            threads = []
            for recorder in here:
                transport, far = await stack.enter_async_context(kit.wired(recorder))
                transport.set_write_buffer_limits(1 << 40)
                far.settimeout(links.SOON)
                threads += [links.Background(write, transport), links.Background(talk, far)]
            try:
                for recorder in here:
                    await recorder.until(lambda me: me.calls.count("data_received") > 200)
            finally:
                over.set()
                for recorder in here:  # who sends is held up by nobody
                    recorder.transport.abort()
                for thread in threads:
                    with contextlib.suppress(OSError):
                        await asyncio.to_thread(thread.result)
        assert all(said.startswith(THREAD) for said in refusals)
        async with kit.serving(kit.Echo) as (_, address):
            await kit.echoes(address)

    run(main)
