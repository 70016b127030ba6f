"""create_connection(): where to, from where, and what when nobody is there."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys

import pytest

import links
from loop.kit import Echo, Recorder, serving, turns


def unused_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.mark.parametrize("debug", [False, True])
def test_by_host_and_port(run, debug):
    async def main():
        loop = asyncio.get_running_loop()
        async with serving(Echo) as (_, (host, port)):
            transport, recorder = await loop.create_connection(Recorder, host, port)
            assert recorder.calls == ["connection_made"]
            assert recorder.transport is transport
            assert transport.get_extra_info("peername") == (host, port)
            transport.write(b"hello")
            await recorder.got(b"hello")
            transport.close()
            await recorder.ended()

    run(main, debug=debug)


def test_by_name(run):
    async def main():
        loop = asyncio.get_running_loop()
        async with serving(Echo) as (_, (_, port)):
            transport, recorder = await loop.create_connection(Recorder, "localhost", port)
            assert transport.get_extra_info("peername")[1] == port
            transport.close()
            await recorder.ended()

    run(main)


@pytest.mark.parametrize("options", [{}, {"happy_eyeballs_delay": 0.05, "interleave": 1}])
def test_the_next_address_of_a_name_is_tried(run, options):
    """A name has two addresses, and nobody listens at the first."""

    async def main():
        loop = asyncio.get_running_loop()
        async with serving(Echo) as (_, address):
            found = [("127.0.0.3", address[1]), address]

            async def getaddrinfo(host, port, **kwargs):
                return [
                    (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", name)
                    for name in (found if host == "two.example" else [(host, port)])
                ]

            loop.getaddrinfo = getaddrinfo
            transport, recorder = await loop.create_connection(
                Recorder, "two.example", address[1], **options
            )
            assert transport.get_extra_info("peername") == address
            transport.close()
            await recorder.ended()

    run(main)


def test_a_given_socket(run):
    async def main():
        loop = asyncio.get_running_loop()
        async with serving(Echo) as (_, address):
            sock = socket.create_connection(address)
            transport, recorder = await loop.create_connection(Recorder, sock=sock)
            assert transport.get_extra_info("socket").fileno() == sock.fileno()
            transport.write(b"hello")
            await recorder.got(b"hello")
            transport.close()
            await recorder.ended()
            await asyncio.sleep(0)
            assert sock.fileno() == -1

    run(main)


def test_a_local_address(run):
    async def main():
        loop = asyncio.get_running_loop()
        server_side = Recorder()
        async with serving(lambda: server_side) as (_, address):
            transport, recorder = await loop.create_connection(
                Recorder, *address, local_addr=("127.0.0.5", 0)
            )
            assert transport.get_extra_info("sockname")[0] == "127.0.0.5"
            await server_side.called("connection_made")
            assert server_side.transport.get_extra_info("peername")[0] == "127.0.0.5"
            transport.close()
            await recorder.ended()

    run(main)


def test_a_local_address_that_is_taken(run):
    async def main():
        loop = asyncio.get_running_loop()
        async with serving(Echo) as (_, address):
            with pytest.raises(OSError) as caught:
                await loop.create_connection(Recorder, *address, local_addr=address)
            assert caught.value.errno == errno.EADDRINUSE

    run(main)


def test_nobody_listens(run):
    async def main():
        with pytest.raises(ConnectionRefusedError) as caught:
            await asyncio.get_running_loop().create_connection(Recorder, "127.0.0.1", unused_port())
        assert caught.value.errno == errno.ECONNREFUSED

    run(main)


def test_nobody_listens_at_any_address(run):
    async def main():
        loop = asyncio.get_running_loop()
        port = unused_port()

        async def getaddrinfo(host, wanted, **kwargs):
            return [
                (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (name, port))
                for name in ("127.0.0.1", "127.0.0.2")
            ]

        loop.getaddrinfo = getaddrinfo
        with pytest.raises(OSError) as caught:
            await loop.create_connection(Recorder, "two.example", port)
        assert "127.0.0.1" in str(caught.value)
        if sys.version_info >= (3, 12):
            with pytest.raises(ExceptionGroup) as group:
                await loop.create_connection(Recorder, "two.example", port, all_errors=True)
            assert len(group.value.exceptions) == 2

    run(main)


def test_an_unknown_name(run):
    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(socket.gaierror):
            await loop.create_connection(Recorder, "127.0.0.1", "no such service")

    run(main)


def test_wrong_arguments(run):
    async def main():
        connect = asyncio.get_running_loop().create_connection
        with socket.socket() as sock, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            for wrong in (
                {},
                {"host": "127.0.0.1", "port": 1, "sock": sock},
                {"sock": datagrams},
                {"host": "127.0.0.1", "port": 1, "server_hostname": "x"},
                {"host": "127.0.0.1", "port": 1, "ssl_handshake_timeout": 1},
                {"host": "127.0.0.1", "port": 1, "ssl_shutdown_timeout": 1},
            ):
                with pytest.raises(ValueError):
                    await connect(Recorder, **wrong)

    run(main)


def test_a_socket_in_use_by_a_transport(run):
    async def main():
        loop = asyncio.get_running_loop()
        one, two = socket.socketpair()
        with two:
            transport, recorder = await loop.create_connection(Recorder, sock=one)
            with pytest.raises(RuntimeError):
                loop.add_reader(one, turns)
            with pytest.raises(RuntimeError):
                loop.add_writer(one.fileno(), turns)
            with pytest.raises(RuntimeError):
                loop.remove_reader(one)
            transport.close()
            await recorder.ended()

    run(main)


def test_a_factory_that_raises(run):
    def factory():
        raise ValueError("no protocol today")

    async def main():
        loop = asyncio.get_running_loop()
        async with serving(Echo) as (_, address):
            sock = socket.create_connection(address)
            with contextlib.closing(sock), pytest.raises(ValueError, match="no protocol"):
                await loop.create_connection(factory, sock=sock)

    run(main)


def test_cancelled_while_connecting(run):
    async def main():
        loop = asyncio.get_running_loop()
        with socket.socket() as full:  # whose queue is full: the next caller hangs
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            with contextlib.ExitStack() as stack:
                for _ in range(4):
                    caller = stack.enter_context(socket.socket())
                    caller.setblocking(False)
                    caller.connect_ex(full.getsockname())
                connecting = loop.create_task(loop.create_connection(Recorder, *full.getsockname()))
                await turns(5)
                assert not connecting.done()
                connecting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await connecting

    run(main)


def test_the_connection_is_made_before_the_call_returns(run):
    async def main():
        order = []
        loop = asyncio.get_running_loop()
        async with serving(Echo) as (_, address):
            transport, recorder = await loop.create_connection(
                lambda: Recorder(made=lambda me: order.append("made")), *address
            )
            order.append("returned")
            transport.close()
            await recorder.ended()
        assert order == ["made", "returned"]

    run(main)


def test_aborted_in_connection_made(run):
    async def main():
        loop = asyncio.get_running_loop()
        async with serving(Echo) as (_, address):
            transport, recorder = await loop.create_connection(
                lambda: Recorder(made=lambda me: me.transport.abort()), *address
            )
            await recorder.ended()
            assert transport.is_closing()

    run(main)


def test_ipv6(run):
    if not links.has_ipv6():
        pytest.skip("this machine has no IPv6")

    async def main():
        loop = asyncio.get_running_loop()
        async with await loop.create_server(Echo, "::1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            transport, recorder = await loop.create_connection(
                Recorder, "::1", port, family=socket.AF_INET6
            )
            transport.write(b"six")
            await recorder.got(b"six")
            transport.close()
            await recorder.ended()

    run(main)
