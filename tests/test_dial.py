"""From an address to a connected socket, where the listener has no room yet."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from fastnet import arrays, rpc
from fastnet._dial import dial
from fastnet._dial.loop import dial_in_loop
from fastnet.address import parse
from links import SOON, Background


@pytest.fixture
def full(keep, tmp_path):
    """A listening Unix socket whose queue is full, and its path."""
    path = str(tmp_path / "full")
    listening = keep(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    listening.bind(path)
    listening.listen(0)
    while True:
        sock = keep(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        sock.setblocking(False)
        try:
            sock.connect(path)
        except BlockingIOError:
            return listening, path


def make_room(listening):
    listening.accept()[0].close()


def test_it_waits_for_room(full):
    listening, path = full
    dialling = Background(dial, parse(path), time.monotonic() + SOON)
    make_room(listening)
    with dialling.result() as sock:
        assert sock.getpeername() == path


def test_but_not_beyond_its_deadline(full):
    with pytest.raises(TimeoutError):
        dial(parse(full[1]), time.monotonic() + 0.02)
    with pytest.raises(TimeoutError):
        arrays.connect(full[1], timeout=0.02)
    pytest.importorskip("msgspec")
    with rpc.RPCClient(full[1], connect_timeout=0.02) as client, pytest.raises(TimeoutError):
        client.call("anything")


def test_a_loop_goes_on_meanwhile(full):
    listening, path = full

    async def main():
        dialling = asyncio.create_task(dial_in_loop(parse(path)))
        await asyncio.sleep(0)
        make_room(listening)
        (await asyncio.wait_for(dialling, SOON)).close()

    asyncio.run(main())


@pytest.mark.parametrize("connect", [dial, None], ids=["thread", "loop"])
def test_the_address_is_named(connect, tmp_path):
    where = parse(str(tmp_path / "nobody"))
    with pytest.raises(FileNotFoundError, match="nobody"):
        connect(where, None) if connect else asyncio.run(dial_in_loop(where))
