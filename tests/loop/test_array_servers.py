"""`arrays.start_server`: peers of every kind, on every loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket

import numpy as np
import pytest

import fn1wire
import links
from fastnet import Limits, arrays, errors
from loop.array_kit import LOOPS, Streams, factory_of, soon


@pytest.fixture(params=LOOPS)
def loop_factory(request):
    return factory_of(request.param)


@pytest.fixture
def streams(tmp_path, certificates):
    return Streams(tmp_path, certificates)


async def echo(stream):
    async for array in stream:
        await stream.send(array)


async def echoes(address, **options):
    """Fails unless an honest client is served."""
    async with await arrays.open_connection(address, **options) as stream:
        await stream.send(np.arange(5))
        assert (await stream.recv() == np.arange(5)).all()


@pytest.mark.parametrize("kind", links.ALL)
def test_many_clients(run, streams, kind):
    address, mine, theirs = streams.listening(kind)

    async def main():
        async with await arrays.start_server(echo, address, **theirs) as server:
            await asyncio.gather(*(echoes(server.address, **mine) for _ in range(20)))
            await soon(lambda: server.stats()["open"] == 0)
            stats = server.stats()
            assert stats["accepted"] == 20
            assert stats["bytes_received"] > 800
            assert server.is_serving()
            assert server.sockets[0].fileno() >= 0
        assert not server.is_serving()
        assert server.sockets == ()

    run(main)


def test_a_handlers_failure_is_told(run, caplog):
    async def failing(stream):
        await stream.recv()
        raise KeyError("of the handler")

    async def main():
        async with await arrays.start_server(failing, ("127.0.0.1", 0)) as server:
            stream = await arrays.open_connection(server.address)
            await stream.send(np.zeros(1))
            with pytest.raises(errors.ProtocolError, match="its program raised KeyError"):
                await stream.recv()
            await stream.abort()

    with caplog.at_level(logging.ERROR, "fastnet.arrays"):
        run(main)
    assert "of the handler" in caplog.text


def test_a_plain_function_may_handle(run):
    got = []

    async def main():
        async with await arrays.start_server(got.append, ("127.0.0.1", 0)) as server:
            await (await arrays.open_connection(server.address)).close()
            assert got[0].closed

    run(main)


BAD = {
    "garbage": b"GET / HTTP/1.1\r\nHost: nowhere\r\n\r\n" + bytes(64),
    "a server": fn1wire.preface(role=b"S"),
    "another application": fn1wire.preface(extensions=fn1wire.extension(1, b"chess")),
    "half a preface": fn1wire.preface()[:20],
}


@pytest.mark.parametrize("name", BAD)
def test_bad_peers_harm_nobody(run, name):
    async def main():
        limits = Limits(handshake_timeout=1)  # the honest one has to make it
        async with await arrays.start_server(echo, ("127.0.0.1", 0), limits=limits) as server:
            with socket.create_connection(server.address) as sock:
                sock.sendall(BAD[name])
                await echoes(server.address)

                def counted():
                    stats = server.stats()
                    return stats["bad_peers"] + stats["handshake_timeouts"] == 1

                await soon(counted)
            assert server.stats()["pending"] == 0

    run(main)


def test_peers_that_vanish(run):
    async def main():
        async with await arrays.start_server(echo, ("127.0.0.1", 0)) as server:
            for sent in (b"", fn1wire.preface()[:10], fn1wire.preface()):
                sock = socket.create_connection(server.address)
                sock.sendall(sent)
                links.reset(sock)
            await soon(lambda: server.stats()["pending"] + server.stats()["open"] == 0)
            await echoes(server.address)

    run(main)


def test_silent_peers_are_dropped_and_told(run):
    async def main():
        limits = Limits(handshake_timeout=1)
        async with await arrays.start_server(echo, ("127.0.0.1", 0), limits=limits) as server:
            with contextlib.ExitStack() as stack:
                wires = []
                for _ in range(20):
                    sock = socket.create_connection(server.address)
                    wires.append(stack.enter_context(fn1wire.Wire(sock)))
                await echoes(server.address)
                await soon(lambda: server.stats()["handshake_timeouts"] == 20)
                assert wires[0].preface().role == b"S"
                assert wires[0].error() == (4, "no preface in time")

    run(main)


def test_silent_peers_under_tls(run, streams):
    address, mine, theirs = streams.listening("tls")

    async def main():
        options = {**theirs, "limits": Limits(handshake_timeout=1)}
        async with await arrays.start_server(echo, address, **options) as server:
            silent = socket.create_connection(server.address)
            garbage = socket.create_connection(server.address)
            with links.closing(silent, garbage):
                garbage.sendall(bytes(1000))
                await echoes(server.address, **mine)
                await soon(lambda: server.stats()["handshake_timeouts"] == 1)
                await soon(lambda: server.stats()["bad_peers"] == 1)

    run(main)


def test_more_than_the_limit_are_refused(run):
    async def main():
        limits = Limits(connections=2)
        async with await arrays.start_server(echo, ("127.0.0.1", 0), limits=limits) as server:
            one = await arrays.open_connection(server.address)
            two = await arrays.open_connection(server.address)
            await soon(lambda: server.stats()["open"] == 2)
            three = await arrays.open_connection(server.address)
            with pytest.raises((errors.ProtocolError, ConnectionError)):
                await three.recv()
            await three.abort()
            assert server.stats()["refused"] == 1
            await one.close()
            await soon(lambda: server.stats()["open"] == 1)
            await echoes(server.address)
            await two.close()

    run(main)


def test_closing_leaves_handlers_at_work_and_pending_peers_not(run, tmp_path):
    path = tmp_path / "socket"

    async def main():
        server = await arrays.start_server(echo, path)
        stream = await arrays.open_connection(path)
        await soon(lambda: server.stats()["open"] == 1)
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(str(path))
            await soon(lambda: server.stats()["pending"] == 1)
            server.close()
            server.close()
            assert not path.exists()
            await soon(lambda: server.stats()["pending"] == 0)
        waiting = asyncio.create_task(server.wait_closed())
        await stream.send(np.ones(3))
        assert len(await stream.recv()) == 3
        assert not waiting.done()
        await stream.close()
        await waiting
        assert "closed" in repr(server)

    run(main)


def test_cancelled_it_cuts_its_handlers_off(run):
    async def main():
        server = await arrays.start_server(echo, ("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve_forever())
        stream = await arrays.open_connection(server.address)
        await soon(lambda: server.stats()["open"] == 1)
        serving.cancel()
        with pytest.raises((errors.Error, ConnectionError)):
            await stream.recv()
        await stream.abort()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert not server.is_serving()

    run(main)


def test_an_address_in_use(run):
    async def main():
        async with await arrays.start_server(echo, ("127.0.0.1", 0)) as server:
            with pytest.raises(OSError, match=f"127.0.0.1:{server.address[1]}"):
                await arrays.start_server(echo, server.address)

    run(main)


def test_no_descriptor_is_left(run, monkeypatch):
    """Peers wait in the system's queue until there are descriptors again."""

    async def main():
        async with await arrays.start_server(echo, ("127.0.0.1", 0)) as server:
            real = server._socket

            class Exhausted:
                def accept(self):
                    raise OSError(24, "Too many open files")

                def __getattr__(self, name):
                    return getattr(real, name)

            server._socket = Exhausted()
            client = asyncio.create_task(echoes(server.address))
            await soon(lambda: server.stats()["shed"] >= 2)
            server._socket = real
            await client

    run(main)


# ---------------------------------------------------------------------------------- keys

KEY = bytes(range(32))


@pytest.mark.parametrize("suite", ["aes-256-gmac", "hmac-sha256"])
@pytest.mark.parametrize("kind", ["tcp4", "tls"])
def test_with_a_key(run, streams, kind, suite):
    address, mine, theirs = streams.listening(kind)
    array = np.arange(1 << 20)

    async def main():
        async with await arrays.start_server(
            echo, address, **theirs, authkey={b"ours": KEY}.get, suites=[suite]
        ) as server:
            async with await arrays.open_connection(
                server.address, **mine, authkey=KEY, key_id="ours"
            ) as stream:
                assert stream.stats()["transport"]["suite"] == suite
                back, _ = await asyncio.gather(stream.recv(), stream.send(array))
                assert (back == array).all()
            for options in ({"authkey": KEY[::-1]}, {"authkey": KEY, "key_id": "theirs"}):
                with pytest.raises(errors.AuthenticationError):
                    await arrays.open_connection(
                        server.address, **{**mine, "key_id": "ours", **options}
                    )
            assert server.stats()["accepted"] == 1
            assert server.stats()["bad_peers"] == 2

    run(main)


def test_an_end_with_a_key_and_one_without(run):
    async def main():
        async with await arrays.start_server(echo, ("127.0.0.1", 0), authkey=KEY) as server:
            stream = await arrays.open_connection(server.address)
            with pytest.raises((errors.ProtocolError, errors.AuthenticationError, OSError)):
                await stream.recv()
            await stream.abort()
        async with await arrays.start_server(echo, ("127.0.0.1", 0)) as server:
            with pytest.raises((errors.ProtocolError, errors.AuthenticationError)):
                await arrays.open_connection(server.address, authkey=KEY)
            with pytest.raises(ValueError, match="16"):
                await arrays.open_connection(server.address, authkey=b"short")

    run(main)


def test_a_listener_that_says_nothing(run):
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as silent:
            with pytest.raises(errors.TransferTimeout, match="did not answer"):
                await arrays.open_connection(
                    silent.getsockname(), authkey=KEY, limits=Limits(handshake_timeout=0.05)
                )

    run(main)


def test_a_crowd_of_silent_peers_does_not_keep_others_out(run):
    async def main():
        limits = Limits(pending=8, handshake_timeout=links.SOON)
        async with await arrays.start_server(
            echo, ("127.0.0.1", 0), authkey=KEY, limits=limits
        ) as server:
            with contextlib.ExitStack() as stack:
                for _ in range(8):
                    stack.enter_context(socket.create_connection(server.address))
                await soon(lambda: server.stats()["pending"] == 8)
                await asyncio.sleep(0.3)  # until they are no longer young
                await echoes(server.address, authkey=KEY)
                assert server.stats()["handshake_timeouts"] >= 1

    run(main)


def between(listening, target):
    """Passes bytes on both ways, and flips one bit of what the server sends."""
    client = listening.accept()[0]
    server = socket.create_connection(target)

    def pass_on(source, sink, flip):
        passed = 0
        with contextlib.suppress(OSError):
            while data := bytearray(source.recv(1 << 16)):
                if flip and passed <= 100_000 < passed + len(data):
                    data[100_000 - passed] ^= 1
                passed += len(data)
                sink.sendall(data)
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    with client, server:
        back = links.Background(pass_on, server, client, True)
        pass_on(client, server, False)
        back.result()


def test_a_tampered_array_is_never_seen(run):
    """Somebody between the ends flips a bit of a large array."""

    async def main():
        async with await arrays.start_server(echo, ("127.0.0.1", 0), authkey=KEY) as server:
            with socket.create_server(("127.0.0.1", 0)) as listening:
                relaying = links.Background(between, listening, server.address)
                stream = await arrays.open_connection(listening.getsockname(), authkey=KEY)
                await stream.send(np.ones(1 << 16))
                out = np.full(1 << 16, 2.0)
                with pytest.raises(errors.AuthenticationError):
                    await stream.recv(out)
                assert not (out == 1).any()
                with pytest.raises(errors.Error):
                    await stream.recv()
                await stream.abort()
                await soon(lambda: not relaying.is_alive())
                relaying.result()

    run(main)


def test_a_handler_that_cannot_be_called(run):
    async def main():
        for handler in (None, 5):
            with pytest.raises(TypeError, match="a handler"):
                await arrays.start_server(handler, ("127.0.0.1", 0))

    run(main)
