"""What is special in our TLS protocol, beside asyncio's own on the same tests."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import ssl
from asyncio import sslproto

import pytest

import links
from fastnet._native.handles import LoopCore
from fastnet._native.streamfeed import feed_bytes, feeds_bytes
from fastnet._native.tlsproto import TlsProtocol
from loop import kit


class Loop(LoopCore, asyncio.SelectorEventLoop):
    """Our inner part on asyncio's selector and transports."""


@pytest.fixture(params=["asyncio", "ours", "ours on another loop"])
def run(request, monkeypatch):
    """Runs a coroutine function with that TLS protocol."""
    if request.param != "asyncio":
        monkeypatch.setattr(sslproto, "SSLProtocol", TlsProtocol)
    factory = Loop if request.param == "ours" else asyncio.SelectorEventLoop

    def run(main):
        async def limited():
            async with asyncio.timeout(links.SOON):
                return await main()

        with asyncio.Runner(loop_factory=factory) as runner:
            problems = []
            runner.get_loop().set_exception_handler(lambda loop, told: problems.append(told))
            result = runner.run(limited())
            assert problems == []
            return result

    return run


@contextlib.asynccontextmanager
async def tls(certificates, one, two, server=None):
    """A client's and a server's protocol, connected by TLS over a Unix socket."""
    loop = asyncio.get_running_loop()
    here, there = links.socket_pair("unix")
    accepting = asyncio.ensure_future(
        loop.connect_accepted_socket(lambda: two, there, ssl=server or certificates.server)
    )
    first, _ = await loop.create_connection(
        lambda: one, sock=here, ssl=certificates.client, server_hostname="localhost"
    )
    second, _ = await accepting
    try:
        yield first, second
    finally:
        await kit.gone(first, one)
        await kit.gone(second, two)


@pytest.mark.parametrize("size", [1, 4096, 16384, 16385, 300_000, 2_000_000])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_one_write_of_any_size(run, certificates, size, kind):
    async def main():
        two = kit.Recorder()
        async with tls(certificates, kit.Recorder(), two) as (first, _):
            data = kit.pattern(size)
            first.write(kind(data))
            await two.got(data)

    run(main)


def test_writelines(run, certificates):
    async def main():
        two = kit.Recorder()
        numbers = memoryview(kit.pattern(40_000)).cast("I")
        async with tls(certificates, kit.Recorder(), two) as (first, _):
            first.write(memoryview(b""))
            pieces = [b"a", b"", bytearray(b"b" * 20_000), memoryview(b""), memoryview(b"c")]
            first.writelines(iter(pieces))
            first.write(memoryview(numbers.tobytes()))
            await two.got(b"a" + b"b" * 20_000 + b"c" + numbers.tobytes())
            with pytest.raises(TypeError, match="expecting a bytes-like instance, got str"):
                first.write("text")

    run(main)


def test_what_is_written_early_waits_for_the_handshake(run, certificates):
    async def main():
        early = bytearray(b"early")

        class Early(kit.Recorder):
            def connection_made(self, transport):
                super().connection_made(transport)
                transport.write(early)
                early[:] = b"later"

        two = kit.Recorder()
        async with tls(certificates, Early(), two) as (first, _):
            first.write(b" and late")
            await two.got(b"early and late")

    run(main)


@pytest.mark.parametrize("size", [1, 100, 70_000])
def test_buffered_protocols_of_any_size(run, certificates, size):
    async def main():
        two = kit.Buffered(size)
        if sslproto.SSLProtocol is not TlsProtocol:
            two.buffer = memoryview(two.buffer)  # asyncio loses data in slices of a bytearray
        data = kit.pattern(3000 if size == 1 else 200_000)
        async with tls(certificates, kit.Recorder(), two) as (first, _):
            first.write(data)
            await two.got(data)

    run(main)


def test_pausing_within_a_callback(run, certificates):
    async def main():
        def pause(protocol, data):
            protocol.transport.pause_reading()
            asyncio.get_running_loop().call_later(0.001, protocol.transport.resume_reading)

        two = kit.Recorder(data=pause)
        data = kit.pattern(1_500_000)
        async with tls(certificates, kit.Recorder(), two) as (first, _):
            first.write(data)
            await two.got(data)
            assert two.calls.count("data_received") > 1

    run(main)


def test_an_echo_of_much_at_once(run, certificates):
    async def main():
        one = kit.Recorder()
        data = kit.pattern(3_000_000)
        async with tls(certificates, one, kit.Echo(), None) as (first, second):
            second.set_write_buffer_limits(high=0)
            first.write(data)
            await one.got(data)

    run(main)


def test_an_ssl_object_of_ones_own_is_asked(run, certificates):
    class Counting(ssl.SSLObject):
        reads = 0

        def read(self, *args):
            Counting.reads += 1
            return super().read(*args)

    async def main():
        certificates.server.sslobject_class = Counting
        try:
            two = kit.Recorder()
            async with tls(certificates, kit.Recorder(), two) as (first, _):
                first.write(b"x" * 100_000)
                await two.got(100_000)
        finally:
            del certificates.server.sslobject_class
        assert Counting.reads

    run(main)


def test_the_arguments_are_asyncios():
    theirs = inspect.signature(sslproto.SSLProtocol.__init__)
    assert inspect.signature(TlsProtocol.__init__) == theirs
    assert issubclass(TlsProtocol, sslproto.SSLProtocol)
    loop = Loop()
    context = ssl.create_default_context()
    with pytest.raises(ValueError, match="ssl_handshake_timeout should be a positive number"):
        TlsProtocol(loop, asyncio.Protocol(), context, None, ssl_handshake_timeout=0)
    with pytest.raises(ValueError, match="Server side SSL needs a valid SSLContext"):
        TlsProtocol(loop, asyncio.Protocol(), None, None, server_side=True)
    loop.close()


def test_connections_of_a_loop_share_a_buffer():
    loop = Loop()
    context = ssl.create_default_context()
    made = [
        TlsProtocol(loop, asyncio.Protocol(), context, None, server_hostname="x") for _ in range(2)
    ]
    assert made[0].get_buffer(-1) is made[1].get_buffer(-1)
    assert len(made[0].get_buffer(-1)) == made[0].max_size == 256 * 1024
    for protocol in made:
        protocol._app_transport._closed = True
    del made, protocol
    loop.close()
    gc.collect()


# ----------------------------------------------------------------- asyncio's stream readers


def test_a_stream_reader_is_fed():
    async def main():
        reader = asyncio.StreamReader(limit=100)
        protocol = asyncio.StreamReaderProtocol(reader)
        assert feeds_bytes(protocol)
        feed_bytes(protocol, b"")
        feed_bytes(protocol, b"abc")
        waiting = asyncio.create_task(reader.readexactly(6))
        await kit.turns(1)
        feed_bytes(protocol, b"def")
        assert await waiting == b"abcdef"
        waiting.cancel()
        late = asyncio.create_task(reader.read(1))
        await kit.turns(1)
        late.cancel()
        feed_bytes(protocol, b"x")
        with pytest.raises(asyncio.CancelledError):
            await late
        assert await reader.read(1) == b"x"

        class Transport:
            paused = 0

            def pause_reading(self):
                self.paused += 1

        transport = Transport()
        reader.set_transport(transport)
        feed_bytes(protocol, bytes(200))
        assert transport.paused == 0
        feed_bytes(protocol, b"1")
        feed_bytes(protocol, b"1")
        assert transport.paused == 1
        reader.feed_eof()
        with pytest.raises(AssertionError):
            feed_bytes(protocol, b"after the end")
        protocol.connection_lost(None)
        feed_bytes(protocol, b"nobody hears")

    asyncio.run(main())


def test_only_asyncios_own_reader_is_fed(monkeypatch):
    class Mine(asyncio.StreamReaderProtocol):
        pass

    class MyReader(asyncio.StreamReader):
        fed = b""

        def feed_data(self, data):
            self.fed += data

    async def main():
        reader = MyReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        assert not feeds_bytes(Mine(reader))
        assert not feeds_bytes(asyncio.Protocol())
        feed_bytes(protocol, b"abc")
        assert reader.fed == b"abc"
        protocol.data_received = print
        assert not feeds_bytes(protocol)
        protocol = asyncio.StreamReaderProtocol(reader)
        monkeypatch.setattr(asyncio.StreamReader, "feed_data", print)
        assert not feeds_bytes(protocol)

    asyncio.run(main())
