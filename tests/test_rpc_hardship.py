"""Handlers that do what handlers should not, values that are hard to send: the server goes on."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import struct

import pytest

from fastnet import rpc
from fastnet.errors import ProtocolError
from fastnet.rpc._codec import make_codec
from rpc_kit import SOON, serving

pytest.importorskip("msgspec")


@contextlib.contextmanager
def calling(*functions, **options):
    """A client of a server that serves those functions as well."""
    with serving(**options) as (server, _):
        for function in functions:
            server.register_function(function)
        with rpc.RPCClient(server.address, timeout=SOON) as client:
            yield client
            assert client.add(2, 3) == 5  # whatever it was, the server goes on
            assert client.later(1) == 1


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_handlers_that_ask_to_exit(kind):
    async def coroutine():
        raise kind("out")

    async def items():
        yield 1
        raise kind("out")

    def generator():
        yield 1
        raise kind("out")

    with calling(coroutine, items, generator) as client:
        with pytest.raises(rpc.RemoteError, match=kind.__name__):
            client.coroutine()
        for call in (client.items, client.generator):
            stream = call()
            assert next(stream) == 1
            with pytest.raises(rpc.RemoteError, match=kind.__name__):
                next(stream)


def test_a_generator_that_exits_when_it_is_closed():
    def generator():
        try:
            yield from range(10**9)
        finally:
            raise SystemExit("out")

    with calling(generator) as client:
        stream = client.generator()
        assert next(stream) == 0
        stream.close()


def test_decorated_handlers_are_what_they_return():
    async def coroutine(n):
        return n

    def generator(n):
        yield from range(n)

    async def items(n):
        for i in range(n):
            yield i

    def wrapped(function, name, act):
        @functools.wraps(function)
        def wrapper(*args):
            return act(function(*args))

        wrapper.__name__ = name
        return wrapper

    @contextlib.contextmanager
    def manager():
        yield 1

    with calling(
        wrapped(coroutine, "ran", asyncio.run),
        wrapped(coroutine, "passed", lambda thing: thing),
        wrapped(generator, "summed", sum),
        wrapped(generator, "streamed", lambda thing: thing),
        wrapped(items, "ticked", lambda thing: thing),
        manager,
    ) as client:
        assert client.ran(3) == client.passed(3) == client.summed(3) == 3
        assert list(client.streamed(300)) == list(client.ticked(300)) == list(range(300))
        with pytest.raises(TypeError):
            client.manager()


def test_things_that_are_called_without_keywords():
    class Thing:
        def __call__(self, *args):
            return list(args)

    with serving() as (server, _), rpc.RPCClient(server.address, timeout=SOON) as client:
        server.register_function(Thing(), "thing")
        server.register_function(dict, "dict")
        server.register_function(bytearray, "bytearray")
        server.register_function(functools.partial(pow, 2), "partial")
        assert client.thing(1, 2) == [1, 2]
        assert client.dict() == {}
        assert client.dict(a=1) == {"a": 1}
        assert client.bytearray(3) == bytes(3)
        assert client.partial(10) == 1024


@pytest.mark.parametrize("codec", ["msgpack", "json"])
def test_errors_that_are_hard_to_encode(codec):
    def hard(which):
        if which == "integer":
            raise ValueError(2**70)
        if which == "surrogate":
            raise ValueError("\ud800")
        if which == "file":
            raise FileNotFoundError(2, "gone", "name\udcff")
        error = ValueError("noted")
        if which == "note":
            error.add_note("\ud800")
        else:
            error.__notes__ = 5
        raise error

    with serving() as (server, _):
        server.register_function(hard)
        with rpc.RPCClient(server.address, codec=codec, timeout=SOON) as client:
            with pytest.raises(ValueError, match=str(2**70)):
                client.hard("integer")
            with pytest.raises(ValueError, match="ud800"):
                client.hard("surrogate")
            with pytest.raises(FileNotFoundError, match="gone"):
                client.hard("file")
            for which in ("note", "none"):
                with pytest.raises(ValueError, match="noted"):
                    client.hard(which)
            assert client.add(1, 1) == 2


def test_keywords_of_any_name():
    def named(**kwargs):
        return kwargs

    with calling(named) as client:
        assert client.named(self=1, name=2, args=3) == {"self": 1, "name": 2, "args": 3}


def test_a_segment_has_one_placeholder():
    """Otherwise a few bytes of payload ask for a copy each of a large segment."""
    place = b"\xd5\x4e" + struct.pack("<H", 0)
    msgpack, json = make_codec("msgpack"), make_codec("json")
    assert msgpack.unpack(b"\x91" + place, [b"x"]) == [b"x"]
    with pytest.raises(ProtocolError, match="two placeholders"):
        msgpack.unpack(b"\x92" + place + place, [b"x"])
    one = rb'{"\u0000segment":[0,""]}'
    assert json.unpack(b"[" + one + b"]", [b"x"]) == [b"x"]
    with pytest.raises(ProtocolError, match="two placeholders"):
        json.unpack(b"[" + one + b"," + one + b"]", [b"x"])


def test_the_deadline_of_a_stream_reaches_a_task():
    async def stuck():
        yield 1
        await asyncio.sleep(3600)

    async def main(address):
        async with rpc.AsyncRPCClient(address) as client:
            stream = await client.options(timeout=1).stuck()

            async def take():
                return [item async for item in stream]

            with pytest.raises(rpc.CallTimeout):
                await asyncio.wait_for(take(), SOON)
            assert await client.add(1, 1) == 2

    with serving() as (server, _):
        server.register_function(stuck)
        asyncio.run(main(server.address))
