"""Datagrams that have to wait: on a Unix socket whose peer reads slowly."""

from __future__ import annotations

import contextlib
import socket
import sys

import pytest

import links
from loop.kit import endpoint, turns


@pytest.fixture
def full_pair(tmp_path):
    """Two connected Unix sockets; the first is full after few datagrams."""
    one, two = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2))
    two.bind(str(tmp_path / "two"))  # asyncio takes a peer without a name for no peer
    one.connect(str(tmp_path / "two"))
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    one.setblocking(False)
    two.settimeout(links.SOON)
    yield one, two
    one.close()
    two.close()


def test_close_sends_what_is_queued(run, full_pair):
    async def main():
        one, two = full_pair
        async with endpoint(sock=one) as (transport, recorder):
            sent = [b"%04d" % number * 50 for number in range(100)]
            for data in sent:
                transport.sendto(data)
            assert transport.get_write_buffer_size() > 0
            transport.close()
            await turns()
            assert "connection_lost" not in recorder.calls
            for data in sent:
                assert two.recv(1000) == data
                await turns(1)
            await recorder.ended()
            assert recorder.error is None

    run(main)


def test_abort_drops_what_is_queued(run, full_pair):
    async def main():
        one, two = full_pair
        async with endpoint(sock=one) as (transport, recorder):
            for _ in range(100):
                transport.sendto(bytes(200))
            transport.abort()
            await recorder.ended()
            two.setblocking(False)
            count = 0
            with contextlib.suppress(BlockingIOError):
                while two.recv(1000):
                    count += 1
            assert count < 100

    run(main)


def test_pausing_the_writer(run, full_pair):
    if run.stock and sys.version_info >= (3, 13):
        pytest.skip("asyncio 3.13 loses count of what is queued")

    async def main():
        one, two = full_pair
        async with endpoint(sock=one) as (transport, recorder):
            transport.set_write_buffer_limits(high=5000, low=1000)
            count = 0
            while "pause_writing" not in recorder.calls:
                transport.sendto(bytes(200))
                count += 1
            assert transport.get_write_buffer_size() > 5000
            for _ in range(count):
                assert len(two.recv(1000)) == 200
                await turns(1)
            assert recorder.heard("pause_writing", "resume_writing") == [
                "pause_writing",
                "resume_writing",
            ]
            assert transport.get_write_buffer_size() == 0

    run(main)


def test_queued_datagrams_are_copies(run, full_pair):
    async def main():
        one, two = full_pair
        async with endpoint(sock=one) as (transport, _):
            data = bytearray(200)
            for number in range(60):
                data[:] = bytes([number]) * 200
                transport.sendto(data)
            for number in range(60):
                assert two.recv(1000) == bytes([number]) * 200
                await turns(1)

    run(main)
