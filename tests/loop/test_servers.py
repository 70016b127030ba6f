"""create_server(): what it listens on, who is let in, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

import links
from loop.kit import Echo, Recorder, calling, echoes, read, read_all, serving, wired


def test_an_echo_server(run):
    async def main():
        async with serving(Echo) as (server, address):
            assert server.is_serving()
            assert isinstance(server, asyncio.AbstractServer)
            assert server.get_loop() is asyncio.get_running_loop()
            for _ in range(3):
                await echoes(address)
        assert not server.is_serving()

    run(main)


def test_a_factory_is_asked_for_each_connection(run):
    async def main():
        made = []

        def factory():
            made.append(Recorder())
            return made[-1]

        async with serving(factory) as (_, address):
            with calling(address) as one, calling(address) as two:
                one.send(b"1")
                two.send(b"22")
                while len(made) < 2 or not all(protocol.received for protocol in made):
                    await asyncio.sleep(0)
                assert sorted(len(protocol.received) for protocol in made) == [1, 2]

    run(main)


def test_a_factory_that_raises_refuses_only_its_connection(run):
    if run.stock:
        pytest.skip("asyncio leaves the refused socket to the garbage collector")

    async def main():
        failing = [True]

        def factory():
            if failing:
                failing.clear()
                raise ValueError("not this one")
            return Echo()

        loop = asyncio.get_running_loop()
        server = await loop.create_server(factory, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        async with server:
            with calling(address) as far:
                try:
                    assert await read_all(far) == b""
                except ConnectionResetError:
                    pass
            await echoes(address)
        run.take()  # it may be told of; asyncio does so in debug mode

    run(main)


def test_ipv6(run):
    if not links.has_ipv6():
        pytest.skip("this machine has no IPv6")

    async def main():
        loop = asyncio.get_running_loop()
        async with await loop.create_server(Echo, "::1", 0) as server:
            (sock,) = server.sockets
            assert sock.family == socket.AF_INET6
            assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
            await echoes(sock.getsockname(), socket.AF_INET6)

    run(main)


def test_several_hosts(run):
    async def main():
        loop = asyncio.get_running_loop()
        hosts = ["127.0.0.1", "127.0.0.2"]
        async with await loop.create_server(Echo, hosts, 0) as server:
            names = [sock.getsockname() for sock in server.sockets]
            assert sorted(name[0] for name in names) == hosts
            for name in names:
                await echoes(name)

    run(main)


@pytest.mark.parametrize("host", [None, ""])
def test_all_interfaces(run, host):
    async def main():
        loop = asyncio.get_running_loop()
        async with await loop.create_server(Echo, host, 0) as server:
            for sock in server.sockets:
                if sock.family == socket.AF_INET:
                    await echoes(("127.0.0.1", sock.getsockname()[1]))

    run(main)


def test_a_given_socket(run):
    async def main():
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        server = await loop.create_server(Echo, sock=sock)
        assert server.sockets[0].fileno() == sock.fileno()
        await echoes(sock.getsockname())
        server.close()
        await server.wait_closed()
        assert sock.fileno() == -1

    run(main)


def test_wrong_arguments(run):
    async def main():
        loop = asyncio.get_running_loop()
        with socket.socket() as sock, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            with pytest.raises(ValueError):
                await loop.create_server(Echo, "127.0.0.1", 0, sock=sock)
            with pytest.raises(ValueError):
                await loop.create_server(Echo, sock=datagrams)
            with pytest.raises(ValueError):
                await loop.create_server(Echo)
            with pytest.raises(TypeError):
                await loop.create_server(Echo, "127.0.0.1", 0, ssl=True)
            with pytest.raises(ValueError):
                await loop.create_server(Echo, "127.0.0.1", 0, ssl_handshake_timeout=1)

    run(main)


def test_a_port_in_use(run):
    async def main():
        loop = asyncio.get_running_loop()
        async with serving(Echo) as (_, address):
            with pytest.raises(OSError) as caught:
                await loop.create_server(Echo, *address)
            assert str(address[1]) in str(caught.value)

    run(main)


def test_an_address_of_nobody_here(run):
    async def main():
        with pytest.raises(OSError):
            await asyncio.get_running_loop().create_server(Echo, "192.0.2.1", 0)

    run(main)


def test_reuse_port(run):
    async def main():
        loop = asyncio.get_running_loop()
        async with await loop.create_server(Echo, "127.0.0.1", 0, reuse_port=True) as one:
            address = one.sockets[0].getsockname()
            async with await loop.create_server(Echo, *address, reuse_port=True) as two:
                assert two.sockets[0].getsockname() == address
                for _ in range(8):
                    await echoes(address)

    run(main)


def test_reuse_address_by_default(run):
    async def main():
        async with serving(Echo) as (server, _):
            sock = server.sockets[0]
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1

    run(main)


@pytest.mark.parametrize("backlog", [60, 200])
def test_many_callers_at_once(run, backlog):
    async def main():
        async with serving(Echo, backlog=backlog) as (_, address):
            with contextlib.ExitStack() as stack:
                fars = []
                for _ in range(60):
                    fars.append(stack.enter_context(socket.socket()))
                    fars[-1].setblocking(False)
                loop = asyncio.get_running_loop()
                await asyncio.gather(*(loop.sock_connect(far, address) for far in fars))
                for far in fars:
                    far.send(b"x")
                for far in fars:
                    assert await read(far, 1) == b"x"

    run(main)


def test_the_sockets_cannot_be_used_for_transfer(run):
    async def main():
        async with serving(Echo) as (server, _):
            assert isinstance(server.sockets, tuple)
            assert all(isinstance(s, asyncio.trsock.TransportSocket) for s in server.sockets)

    run(main)


def test_many_connections_come_and_go(run):
    async def main():
        loop = asyncio.get_running_loop()
        async with serving(Echo) as (_, address):

            async def caller(number):
                recorder = Recorder()
                transport, _ = await loop.create_connection(lambda: recorder, *address)
                transport.write(b"%04d" % number)
                await recorder.got(b"%04d" % number)
                transport.close()
                await recorder.ended()
                assert recorder.error is None

            for first in range(0, 200, 50):
                await asyncio.gather(*map(caller, range(first, first + 50)))

    run(main)


def test_a_caller_that_resets_before_it_is_accepted(run):
    async def main():
        async with serving(Echo) as (_, address):
            for _ in range(5):
                links.reset(socket.create_connection(address))
            await echoes(address)

    run(main)


def test_a_server_closed_in_a_callback(run):
    async def main():
        loop = asyncio.get_running_loop()
        servers = []
        recorder = Recorder(made=lambda me: servers[0].close())
        servers.append(await loop.create_server(lambda: recorder, "127.0.0.1", 0))
        with calling(servers[0].sockets[0].getsockname()) as far:
            await recorder.called("connection_made")
            far.send(b"still served")
            await recorder.got(b"still served")
        await recorder.ended()
        await servers[0].wait_closed()

    run(main)


def test_an_accepted_socket(run, kind):
    async def main():
        loop = asyncio.get_running_loop()
        one, far = links.socket_pair(kind)
        far.setblocking(False)
        with far:
            transport, protocol = await loop.connect_accepted_socket(Recorder, one)
            assert transport.get_extra_info("socket").getsockname() == far.getpeername()
            far.send(b"hello")
            await protocol.got(b"hello")
            transport.close()
            await protocol.ended()

    run(main)


def test_a_datagram_socket_is_no_accepted_socket(run):
    async def main():
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            with pytest.raises(ValueError):
                await asyncio.get_running_loop().connect_accepted_socket(Recorder, sock)
        async with wired(Recorder()):
            pass

    run(main)
