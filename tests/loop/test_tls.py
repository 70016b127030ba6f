"""TLS on create_server() and create_connection(), and start_tls()."""

from __future__ import annotations

import asyncio
import ssl

import pytest

import links
from loop.kit import Buffered, Echo, Recorder, gone, pattern, secured, serving, turns


@pytest.mark.parametrize("debug", [False, True])
def test_there_and_back(run, certificates, debug):
    async def main():
        there = Recorder(data=lambda me, data: me.transport.write(data.upper()))
        here = Recorder()
        async with secured(certificates, here, there) as (transport, _):
            assert here.calls == ["connection_made"]
            transport.write(b"hello")
            await here.got(b"HELLO")
            transport.close()
            await here.ended()
            await there.ended()
            assert here.error is None is there.error
            assert here.calls.count("connection_lost") == 1
            assert there.heard("eof_received", "connection_lost") == [
                "eof_received",
                "connection_lost",
            ]

    run(main, debug=debug)


def test_what_the_transport_tells(run, certificates):
    async def main():
        here, there = Recorder(), Recorder()
        async with secured(certificates, here, there) as (transport, other):
            assert isinstance(transport.get_extra_info("ssl_object"), ssl.SSLObject)
            assert transport.get_extra_info("sslcontext") is certificates.client
            assert other.get_extra_info("sslcontext") is certificates.server
            assert transport.get_extra_info("cipher")[1].startswith("TLS")
            assert transport.get_extra_info("compression") is None
            assert "subjectAltName" in transport.get_extra_info("peercert")
            assert not other.get_extra_info("peercert")
            assert transport.get_extra_info("no such thing", 7) == 7
            sock = transport.get_extra_info("socket")
            assert transport.get_extra_info("peername") == sock.getpeername()
            assert other.get_extra_info("peername") == sock.getsockname()
            assert transport.get_protocol() is here
            assert not transport.is_closing()

    run(main)


def test_certificates_of_clients(run, certificates):
    async def main():
        loop, there = asyncio.get_running_loop(), Recorder()
        async with serving(lambda: there, ssl=certificates.demanding) as (_, address):
            transport, here = await loop.create_connection(
                Recorder, *address, ssl=certificates.known, server_hostname="localhost"
            )
            await there.called("connection_made")
            assert there.transport.get_extra_info("peercert")["subjectAltName"]
            await gone(transport, here)

    run(main)


def test_there_is_no_half_close(run, certificates):
    async def main():
        here, there = Recorder(), Recorder()
        async with secured(certificates, here, there) as (transport, _):
            assert transport.can_write_eof() is False
            with pytest.raises(RuntimeError):  # that it cannot is a kind of RuntimeError
                transport.write_eof()
            transport.write(b"still alive")
            await there.got(b"still alive")

    run(main)


def test_an_end_closes_whatever_the_protocol_says(run, certificates):
    async def main():
        here, there = Recorder(), Recorder(eof=lambda me: True)
        async with secured(certificates, here, there) as (transport, _):
            transport.close()
            await here.ended()
            await there.ended()

    run(main)


@pytest.mark.parametrize("size", [1, 16_384, 5_000_000])
@pytest.mark.parametrize("upwards", [True, False])
def test_transfers(run, certificates, size, upwards):
    async def main():
        here, there = Recorder(), Recorder()
        async with secured(certificates, here, there) as pair:
            sending, receiver = (pair[0], there) if upwards else (pair[1], here)
            sent = pattern(size)
            sending.write(sent)
            await receiver.got(sent)

    run(main)


def test_both_ways_at_once(run, certificates):
    async def main():
        here, there = Recorder(), Recorder()
        async with secured(certificates, here, there) as pair:
            sent = pattern(4_000_000)
            for transport in pair:
                for at in range(0, len(sent), 500_000):
                    transport.write(sent[at : at + 500_000])
            await here.got(sent)
            await there.got(sent)
            assert here.calls.count("pause_writing") == here.calls.count("resume_writing")

    run(main)


def test_close_sends_what_is_pending(run, certificates):
    async def main():
        here, there = Recorder(), Recorder()
        async with secured(certificates, here, there) as (transport, _):
            sent = pattern(3_000_000)
            transport.write(sent)
            transport.close()
            assert transport.is_closing()
            await there.got(sent)
            await here.ended()
            await there.ended()
            assert here.error is None is there.error

    run(main)


def test_abort(run, certificates):
    async def main():
        here, there = Recorder(), Recorder()
        async with secured(certificates, here, there) as (transport, _):
            transport.write(pattern(20_000_000))
            transport.abort()
            await here.ended()
            await there.ended()
            assert here.error is None
            assert len(there.received) < 20_000_000

    run(main)


def test_flow_control(run, certificates):
    async def main():
        here, there = Recorder(), Recorder()
        async with secured(certificates, here, there) as (transport, other):
            other.pause_reading()
            assert not other.is_reading()
            transport.set_write_buffer_limits(high=100_000, low=10_000)
            assert transport.get_write_buffer_limits() == (10_000, 100_000)
            piece, count = pattern(500_000), 0
            while "pause_writing" not in here.calls:
                assert count < 200
                transport.write(piece)
                count += 1
                await turns(1)
            assert transport.get_write_buffer_size() > 100_000
            await turns(10)
            before = len(there.received)
            await turns(10)
            assert len(there.received) == before
            other.resume_reading()
            await here.called("resume_writing")
            await there.got(count * len(piece))
            assert there.received == count * piece

    run(main)


@pytest.mark.parametrize("size", [100, 50_000])
def test_buffered_protocols(run, certificates, size):
    async def main():
        here, there = Recorder(), Buffered(size)
        # asyncio reads into a slice of the buffer, which of a bytearray is a copy.
        there.get_buffer = lambda hint: memoryview(there.buffer)
        async with secured(certificates, here, there) as (transport, other):
            sent = pattern(200_000)
            transport.write(sent)
            await there.got(sent)
            assert max(there.sizes) <= size
            other.write(b"thanks")
            await here.got(b"thanks")
            transport.close()
            await there.ended()
            assert there.heard("eof_received") == ["eof_received"]

    run(main)


def test_a_callback_that_raises(run, certificates):
    def fail(me, data):
        raise ValueError("on purpose")

    async def main():
        here, there = Recorder(), Recorder(data=fail)
        async with secured(certificates, here, there) as (transport, _):
            transport.write(b"x")
            await here.ended()
            await there.ended()
            assert isinstance(run.take()[0]["exception"], ValueError)

    run(main)


def test_upgrading_a_connection(run, certificates):
    async def main():
        loop = asyncio.get_running_loop()
        one, two = links.socket_pair("tcp4")
        plain_here, plain_there, here, there = (Recorder() for _ in range(4))
        raw_here, _ = await loop.create_connection(lambda: plain_here, sock=one)
        raw_there, _ = await loop.connect_accepted_socket(lambda: plain_there, two)
        raw_here.write(b"shall we?")
        await plain_there.got(b"shall we?")
        upgraded = await asyncio.gather(
            loop.start_tls(raw_here, here, certificates.client, server_hostname="localhost"),
            loop.start_tls(raw_there, there, certificates.server, server_side=True),
        )
        upgraded[0].write(b"yes")
        await there.got(b"yes")
        upgraded[1].write(pattern(1_000_000))
        await here.got(pattern(1_000_000))
        assert upgraded[0].get_extra_info("ssl_object") is not None
        assert "connection_made" not in here.calls
        upgraded[0].close()
        await here.ended()
        await there.ended()
        assert plain_here.calls == ["connection_made"]

    run(main)


def test_wrong_arguments(run, certificates):
    async def main():
        loop = asyncio.get_running_loop()
        here, there = Recorder(), Recorder()
        async with secured(certificates, here, there) as (transport, _):
            with pytest.raises(TypeError):
                await loop.start_tls(transport, here, None)
            with pytest.raises(TypeError):
                await loop.start_tls(object(), here, certificates.client)
            with pytest.raises(TypeError):
                transport.write("text")

    run(main)


def test_unix(run, certificates, tmp_path):
    async def main():
        loop, path = asyncio.get_running_loop(), str(tmp_path / "socket")
        there = Recorder(data=lambda me, data: me.transport.write(data))
        async with await loop.create_unix_server(lambda: there, path, ssl=certificates.server):
            transport, here = await loop.create_unix_connection(
                Recorder, path, ssl=certificates.client, server_hostname="localhost"
            )
            transport.write(b"hello")
            await here.got(b"hello")
            transport.close()
            await here.ended()
            await there.ended()

    run(main)


def test_many_at_once(run, certificates):
    async def main():
        loop = asyncio.get_running_loop()
        async with serving(Echo, ssl=certificates.server) as (_, address):

            async def client(number):
                transport, here = await loop.create_connection(
                    Recorder, *address, ssl=certificates.client, server_hostname="localhost"
                )
                transport.write(b"%04d" % number * 1000)
                await here.got(b"%04d" % number * 1000)
                transport.close()
                await here.ended()

            await asyncio.gather(*map(client, range(20)))

    run(main)
