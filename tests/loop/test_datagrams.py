"""Datagram endpoints: UDP and Unix."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys

import pytest

import links
from loop.kit import Packets, endpoint, turns

HERE = ("127.0.0.1", 0)


@contextlib.contextmanager
def plain(family=socket.AF_INET, address=HERE):
    """A plain datagram socket."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind(address)
        sock.settimeout(links.SOON)
        yield sock


def address_of(transport):
    return transport.get_extra_info("sockname")


@pytest.mark.parametrize("debug", [False, True])
def test_there_and_back(run, debug):
    async def main():
        def answer(me, data, address):
            me.transport.sendto(data.upper(), address)

        async with endpoint(Packets(answer)) as (server, _):
            where = {"remote_addr": address_of(server)}
            async with endpoint(**where) as (client, recorder):
                assert recorder.calls == ["connection_made"]
                client.sendto(b"hello")
                await recorder.called("datagram_received")
                assert recorder.packets == [(b"HELLO", address_of(server))]
                client.sendto(b"again", address_of(server))
                await recorder.called("datagram_received", 2)
                assert recorder.data == [b"HELLO", b"AGAIN"]

    run(main, debug=debug)


def test_names(run):
    async def main():
        with plain() as far:
            async with endpoint(remote_addr=far.getsockname()) as (transport, _):
                assert transport.get_extra_info("peername") == far.getsockname()
                sock = transport.get_extra_info("socket")
                assert sock.type == socket.SOCK_DGRAM
                assert sock.getsockname() == address_of(transport)
            async with endpoint() as (transport, _):
                assert transport.get_extra_info("peername") is None
                assert transport.get_extra_info("nothing", 3) == 3

    run(main)


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
def test_what_can_be_sent(run, form):
    async def main():
        with plain() as far:
            async with endpoint() as (transport, _):
                transport.sendto(form(b"data"), far.getsockname())
                assert far.recvfrom(100) == (b"data", address_of(transport))

    run(main)


def test_what_cannot_be_sent(run):
    async def main():
        with plain() as far:
            async with endpoint(remote_addr=far.getsockname()) as (transport, _):
                for wrong in ("text", None, 5):
                    with pytest.raises(TypeError):
                        transport.sendto(wrong)
                with pytest.raises(ValueError):
                    transport.sendto(b"x", ("127.0.0.1", 9))

    run(main)


def test_order_and_boundaries(run):
    async def main():
        async with endpoint() as (server, recorder), endpoint() as (client, _):
            sent = [b"%d" % number * (number % 100 + 1) for number in range(100)]
            for data in sent:
                client.sendto(data, address_of(server))
            await recorder.called("datagram_received", 100)
            assert recorder.data == sent
            assert {address for _, address in recorder.packets} == {address_of(client)}

    run(main)


@pytest.mark.parametrize("size", [1473, 9000, 65507])
def test_large_datagrams(run, size):
    async def main():
        data = bytes(number % 251 for number in range(size))
        async with endpoint() as (server, recorder), endpoint() as (client, _):
            client.sendto(data, address_of(server))
            await recorder.called("datagram_received")
            assert recorder.data == [data]

    run(main)


def test_too_large_a_datagram(run):
    async def main():
        with plain() as far:
            async with endpoint(remote_addr=far.getsockname()) as (transport, recorder):
                transport.sendto(bytes(65508))
                await recorder.called("error_received")
                assert recorder.errors[0].errno == errno.EMSGSIZE
                transport.sendto(b"still alive")
                assert far.recv(100) == b"still alive"

    run(main)


def test_empty_datagrams_arrive(run):
    async def main():
        with plain() as far:
            async with endpoint() as (transport, recorder):
                far.sendto(b"", address_of(transport))
                far.sendto(b"after", address_of(transport))
                await recorder.called("datagram_received", 2)
                assert recorder.data == [b"", b"after"]

    run(main)


def test_empty_datagrams_are_sent(run):
    async def main():
        with plain() as far:
            async with endpoint() as (transport, _):
                transport.sendto(b"", far.getsockname())
                transport.sendto(b"after", far.getsockname())
                first = far.recv(100)
                if sys.version_info >= (3, 13):
                    assert first == b""
                    assert far.recv(100) == b"after"
                else:  # asyncio drops them
                    assert first in (b"", b"after")

    run(main)


def test_nobody_there(run):
    async def main():
        with plain() as far:
            gone = far.getsockname()
        async with endpoint(remote_addr=gone) as (transport, recorder):
            transport.sendto(b"hello?")
            await recorder.called("error_received")
            assert isinstance(recorder.errors[0], ConnectionRefusedError)
            assert not transport.is_closing()
            with plain(address=gone) as back:
                transport.sendto(b"hello")
                assert back.recv(10) in (b"hello", b"hello?")

    run(main)


def test_nobody_there_does_not_trouble_an_unconnected_endpoint(run):
    async def main():
        with plain() as far:
            gone = far.getsockname()
        async with endpoint() as (transport, recorder), endpoint() as (other, heard):
            transport.sendto(b"hello?", gone)
            transport.sendto(b"you", address_of(other))
            await heard.called("datagram_received")
            assert recorder.errors == []

    run(main)


def test_a_connected_endpoint_hears_only_its_peer(run):
    async def main():
        with plain() as far, plain() as stranger:
            async with endpoint(remote_addr=far.getsockname()) as (transport, recorder):
                stranger.sendto(b"psst", address_of(transport))
                far.sendto(b"hello", address_of(transport))
                await recorder.called("datagram_received")
                await turns()
                assert recorder.data == [b"hello"]

    run(main)


def test_broadcast(run):
    async def main():
        async with endpoint(local_addr=HERE, allow_broadcast=True) as (transport, _):
            sock = transport.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST) == 1
        async with endpoint() as (transport, _):
            sock = transport.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST) == 0

    run(main)


def test_reuse_port(run):
    async def main():
        async with endpoint(local_addr=HERE, reuse_port=True) as (one, _):
            async with endpoint(local_addr=address_of(one), reuse_port=True) as (two, _):
                assert address_of(one) == address_of(two)
            with pytest.raises(OSError):
                async with endpoint(local_addr=address_of(one)):
                    pass

    run(main)


def test_ipv6(run):
    if not links.has_ipv6():
        pytest.skip("this machine has no IPv6")

    async def main():
        async with endpoint(local_addr=("::1", 0)) as (server, recorder):
            async with endpoint(remote_addr=address_of(server)[:2]) as (client, _):
                client.sendto(b"six")
                await recorder.called("datagram_received")
                assert recorder.packets == [(b"six", address_of(client))]

    run(main)


def test_a_given_socket(run):
    async def main():
        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.bind(HERE)
        with plain() as far:
            async with endpoint(sock=sock) as (transport, recorder):
                assert transport.get_extra_info("socket").fileno() == sock.fileno()
                far.sendto(b"x", sock.getsockname())
                await recorder.called("datagram_received")
            await asyncio.sleep(0)
            assert sock.fileno() == -1

    run(main)


def test_a_given_connected_socket(run):
    async def main():
        with plain() as far:
            sock = socket.socket(type=socket.SOCK_DGRAM)
            sock.connect(far.getsockname())
            async with endpoint(sock=sock) as (transport, _):
                transport.sendto(b"x")
                assert far.recv(10) == b"x"

    run(main)


def test_wrong_arguments(run):
    async def main():
        make = asyncio.get_running_loop().create_datagram_endpoint
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as sock:
            for wrong in ({}, {"sock": tcp}, {"sock": sock, "local_addr": HERE}):
                with pytest.raises(ValueError):
                    await make(Packets, **wrong)
            with pytest.raises(OSError):
                await make(Packets, local_addr=("192.0.2.1", 0))

    run(main)


def test_close(run):
    async def main():
        async with endpoint() as (transport, recorder):
            assert not transport.is_closing()
            transport.close()
            transport.close()
            assert transport.is_closing()
            assert recorder.calls == ["connection_made"]
            await recorder.ended()
            await turns()
            assert recorder.calls == ["connection_made", "connection_lost"]
            assert recorder.error is None

    run(main)


def test_close_in_datagram_received(run):
    async def main():
        close = Packets(lambda me, *_: me.transport.close())
        async with endpoint(close) as (transport, recorder):
            with plain() as far:
                for _ in range(5):
                    far.sendto(b"x", address_of(transport))
                await recorder.ended()
                assert recorder.data == [b"x"]

    run(main)


def test_unix_paths(run, tmp_path):
    async def main():
        one, two = str(tmp_path / "one"), str(tmp_path / "two")
        async with endpoint(local_addr=one, family=socket.AF_UNIX) as (_, recorder):
            async with endpoint(local_addr=two, remote_addr=one, family=socket.AF_UNIX) as (
                client,
                _,
            ):
                client.sendto(b"hello")
                await recorder.called("datagram_received")
                assert recorder.packets == [(b"hello", two)]
            async with endpoint(remote_addr=one, family=socket.AF_UNIX) as (client, _):
                client.sendto(b"who am I")
                await recorder.called("datagram_received", 2)
                assert recorder.packets[1][0] == b"who am I"
                assert not recorder.packets[1][1]

    run(main)
