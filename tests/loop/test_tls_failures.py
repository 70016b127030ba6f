"""TLS with peers that are not trusted, say nonsense, are slow or are gone."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

import pytest

import links
from loop.kit import Echo, Recorder, secured, serving, turns


def test_a_server_nobody_trusts(run, certificates):
    async def main():
        loop = asyncio.get_running_loop()
        there = Recorder()
        async with serving(lambda: there, ssl=certificates.server) as (_, address):
            with pytest.raises(ssl.SSLCertVerificationError):
                await loop.create_connection(
                    Recorder, *address, ssl=certificates.stranger, server_hostname="localhost"
                )
            with pytest.raises(ssl.SSLCertVerificationError):
                await loop.create_connection(
                    Recorder, *address, ssl=certificates.client, server_hostname="other.example"
                )
            await turns()
            assert there.calls == []
        run.take()  # the server may tell of the alert

    run(main)


def test_a_peer_that_speaks_something_else(run, certificates):
    async def main():
        loop, there = asyncio.get_running_loop(), Recorder()
        async with serving(lambda: there, ssl=certificates.server) as (_, address):
            with socket.create_connection(address) as far:
                far.setblocking(False)
                far.send(b"GET / HTTP/1.0\r\n\r\n" * 5)
                try:
                    while await loop.sock_recv(far, 4096):
                        pass
                except ConnectionResetError:
                    pass
            assert there.calls == []
        async with serving(Echo) as (_, address):
            with pytest.raises(ssl.SSLError):
                await loop.create_connection(
                    Recorder, *address, ssl=certificates.client, server_hostname="localhost"
                )
        run.take()

    run(main)


def test_a_handshake_that_takes_too_long(run, certificates):
    async def main():
        loop = asyncio.get_running_loop()
        one, far = links.socket_pair("tcp4")
        with far:
            with pytest.raises(ConnectionAbortedError, match="handshake"):
                await loop.create_connection(
                    Recorder,
                    sock=one,
                    ssl=certificates.client,
                    server_hostname="localhost",
                    ssl_handshake_timeout=0.02,
                )
        with contextlib.closing(socket.socket()) as idle:
            options = {"ssl": certificates.server, "ssl_handshake_timeout": 0.02}
            async with serving(Recorder, **options) as (_, address):
                idle.setblocking(False)
                await loop.sock_connect(idle, address)
                try:
                    assert await loop.sock_recv(idle, 10) == b""
                except ConnectionResetError:
                    pass
        run.take()

    run(main)


def test_a_connection_lost_in_the_handshake(run, certificates):
    async def main():
        loop = asyncio.get_running_loop()
        one, far = links.socket_pair("tcp4")
        connecting = loop.create_task(
            loop.create_connection(
                Recorder, sock=one, ssl=certificates.client, server_hostname="localhost"
            )
        )
        await turns()
        links.reset(far)
        with pytest.raises(ConnectionResetError):
            await connecting

    run(main)


def test_a_peer_that_does_not_say_goodbye(run, certificates):
    async def main():
        here, there = Recorder(), Recorder()
        async with secured(certificates, here, there) as (transport, _):
            transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
            await there.ended()
            await here.ended()
        run.take()

    run(main)


def test_a_peer_that_never_answers_goodbye(run, certificates):
    async def main():
        here = Recorder()
        loop = asyncio.get_running_loop()
        one, two = links.socket_pair("tcp4")
        greeting = links.Background(certificates.server.wrap_socket, two, server_side=True)
        transport, _ = await loop.create_connection(
            lambda: here,
            sock=one,
            ssl=certificates.client,
            server_hostname="localhost",
            ssl_shutdown_timeout=0.02,
        )
        with await asyncio.to_thread(greeting.result):
            transport.close()
            await here.ended()
        run.take()

    run(main)
