"""Asynchronous streams that are cancelled, and whose peers misbehave, on every loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import numpy as np
import pytest

import fn1keyed
import fn1wire
import links
from fastnet import Limits, arrays, errors
from loop.array_kit import LOOPS, Streams, factory_of, in_thread, soon, with_by_hand


@pytest.fixture(params=LOOPS)
def loop_factory(request):
    return factory_of(request.param)


@pytest.fixture
def streams(tmp_path, certificates):
    return Streams(tmp_path, certificates)


KINDS = pytest.mark.parametrize("kind", links.ALL)


@pytest.fixture
def by_hand(run):
    """by_hand(main) runs main(stream, sock): a stream whose peer is spoken by hand."""

    def by_hand(main, **options):
        return run(lambda: with_by_hand(main, **options))

    return by_hand


# ---------------------------------------------------------------------------- cancelling


@KINDS
@pytest.mark.parametrize("call", ["recv", "peek", "skip"])
def test_cancelled_before_an_array_nothing_is_lost(run, streams, kind, call):
    async def main():
        async with streams(kind) as (one, two):
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await getattr(two, call)()
            await one.send(np.arange(5))
            assert (await two.recv() == np.arange(5)).all()

    run(main)


WHOLE = fn1wire.array(np.arange(1000))


@pytest.mark.parametrize("at", [1, 20, 32, 60, len(WHOLE) - 8001])
def test_cancelled_inside_a_head_nothing_is_lost(by_hand, at):
    async def main(stream, sock):
        sock.sendall(WHOLE[:at])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await stream.recv()
        sock.sendall(WHOLE[at:])
        assert (await stream.recv() == np.arange(1000)).all()

    by_hand(main)


@pytest.mark.parametrize("call", ["recv", "skip", "into"])
def test_cancelled_inside_an_array_receiving_is_over(by_hand, call):
    async def main(stream, sock):
        sock.sendall(WHOLE[:-100])
        out = np.zeros(1000, int)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await (stream.recv(out) if call == "into" else getattr(stream, call)())
        sock.sendall(WHOLE[-100:])
        with pytest.raises(errors.Error, match="stopped inside an array"):
            await stream.recv()
        await stream.send(np.zeros(3))  # the other direction is as it was

    by_hand(main)


@pytest.mark.parametrize("inside", [0, 1, 20_000, 40_000])
def test_cancelled_inside_an_array_with_a_key(run, inside):
    """What came before is wiped, so the rest must not pass for the whole."""
    key = bytes(range(32))
    value = np.arange(5000)

    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listening:

            def answer():
                wire = fn1keyed.Keyed(listening.accept()[0])
                wire.answer(key, fn1keyed.HMAC_SHA256)
                return wire

            answering = asyncio.create_task(in_thread(answer))
            stream = await arrays.open_connection(listening.getsockname(), authkey=key)
            wire = await answering
            blob = b"".join(map(wire.sealing.frame, fn1keyed.array(value)))
            at = blob.index(value.tobytes()) + inside
            wire.sock.sendall(blob[:at])
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await stream.recv()
            wire.sock.sendall(blob[at:])
            try:
                got = await stream.recv()
            except errors.Error as error:
                got = str(error)
            if isinstance(got, str):
                assert inside
                assert "stopped inside an array" in got
            else:
                assert (got == value).all()
            await stream.abort()
            wire.close()

    run(main)


@pytest.mark.parametrize("keyed", [False, True])
def test_cancelled_amid_a_large_array(run, streams, keyed):
    key = {"authkey": bytes(range(32))} if keyed else {}

    async def main():
        async with streams("tcp4", there=key, **key) as (one, two):
            sending = asyncio.create_task(one.send(np.ones(8 << 20)))
            out = np.full(8 << 20, 2.0)
            receiving = asyncio.create_task(two.recv(out))
            await soon(lambda: two.stats()["bytes_received"] > 1 << 20)
            receiving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await receiving
            for _ in range(2):
                with pytest.raises(errors.Error, match="stopped inside an array"):
                    await two.recv(out)
            assert not (keyed and (out == 1).any())  # nothing that was not verified
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending

    run(main)


@pytest.mark.parametrize("call", ["recv", "skip", "into"])
def test_cancelled_when_its_array_has_just_come_none_is_missing_silently(by_hand, call):
    async def main(stream, sock):
        out = np.zeros(1000, int)
        sock.sendall(WHOLE[:-100])
        receiving = asyncio.create_task(
            stream.recv(out) if call == "into" else getattr(stream, call)()
        )
        inside = (stream._link.fill_step, stream._link.discard_step)
        await soon(lambda: stream._in._step in inside)
        sock.sendall(WHOLE[-100:])
        while not stream._in._future.done():
            stream._in.go()  # what the loop calls; the task itself has not run since
        assert receiving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await receiving
        sock.sendall(fn1wire.array(np.zeros(3), number=1))
        with pytest.raises(errors.Error, match="stopped inside an array"):
            await stream.recv()

    by_hand(main)


@KINDS
def test_cancelled_inside_an_array_sending_is_over(run, streams, kind):
    async def main():
        async with streams(kind) as (one, two):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await one.send(np.zeros(8 << 20))  # nobody reads
            with pytest.raises(errors.Error, match="stopped inside an array"):
                await one.send(np.zeros(1))
            await two.send(np.ones(2))
            assert len(await one.recv()) == 2

    run(main)


def test_whole_split_at_every_byte_and_with_more_behind(by_hand):
    small = np.arange(3, dtype="u1")
    blob = fn1wire.array(small, number=1)

    async def main(stream, sock):
        sock.sendall(fn1wire.array(small, number=0) + blob[:1])
        assert (await stream.recv() == small).all()
        for at in range(1, len(blob)):
            receiving = asyncio.create_task(stream.recv())
            await asyncio.sleep(0)
            sock.sendall(blob[1:at])
            await asyncio.sleep(0)
            sock.sendall(blob[at:] + blob[:1])
            assert (await receiving == small).all()

    by_hand(main)


# ------------------------------------------------------------------ peers that misbehave


@pytest.mark.parametrize(
    ("sent", "error", "words"),
    [
        (b"", errors.IncompleteTransfer, "without saying"),
        (WHOLE[:-1], errors.IncompleteTransfer, "after 7999 of 8000"),
        (WHOLE[:40], errors.IncompleteTransfer, "the peer ended"),
        (fn1wire.error(2, "too \x1b large"), errors.LimitError, r"too \? large"),
        (b"\xff" * 100, errors.ProtocolError, "."),
        (fn1wire.message(b"nonsense", b"12345678"), errors.ProtocolError, "."),
    ],
    ids=["nothing", "short", "shorter", "refusal", "garbage", "no-array"],
)
def test_what_comes_is_not_what_should(by_hand, sent, error, words):
    async def main(stream, sock):
        sock.sendall(sent)
        sock.shutdown(socket.SHUT_WR)
        with pytest.raises(error, match=words):
            await stream.recv()

    by_hand(main)


def test_a_peer_that_is_no_array_stream(run):
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listening:
            stream = await arrays.open_connection(listening.getsockname())
            with listening.accept()[0] as sock:
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(100))
                with pytest.raises(errors.ProtocolError):
                    await stream.recv()
                await stream.abort()

    run(main)


def test_the_limit_for_standing_still(by_hand):
    async def main(stream, sock):
        sock.sendall(WHOLE[:-1])
        with pytest.raises(errors.TransferTimeout, match="stall"):
            await stream.recv()
        with pytest.raises(errors.TransferTimeout):
            await stream.send(np.zeros(8 << 20))

    by_hand(main, limits=Limits(stall_timeout=0.1))


def test_pings_are_answered_while_an_array_is_awaited(by_hand):
    async def main(stream, sock):
        receiving = asyncio.create_task(stream.recv())
        sock.settimeout(0)
        wire = bytearray()
        sock.sendall(fn1wire.frame(fn1wire.PING) * 3)

        def answered():
            with contextlib.suppress(BlockingIOError):
                wire.extend(sock.recv(10000))
            return bytes(wire).endswith(fn1wire.frame(fn1wire.PONG) * 3)

        await soon(answered)
        sock.sendall(WHOLE)
        assert len(await receiving) == 1000

    by_hand(main)


def test_a_peer_that_does_not_close_is_not_waited_for_beyond_the_limit(by_hand):
    async def main(stream, sock):
        await stream.close(0.02)
        assert stream.fileno() == -1

    by_hand(main)
