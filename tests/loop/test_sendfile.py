"""sendfile(), on sockets and on transports."""

from __future__ import annotations

import asyncio

import pytest

import links
from loop.kit import Recorder, gone, pattern, read, read_all, serving, turns, wired


def test_sending_a_file_on_a_socket(run, tmp_path):
    async def main():
        loop, sent = asyncio.get_running_loop(), pattern(500_000)
        (tmp_path / "file").write_bytes(sent)
        one, two = links.socket_pair("tcp4")
        one.setblocking(False)
        two.setblocking(False)
        with one, two, open(tmp_path / "file", "rb") as file:
            sending = asyncio.ensure_future(loop.sock_sendfile(one, file, 1000, 400_000))
            assert await read(two, 400_000) == sent[1000:401_000]
            assert await sending == 400_000
            assert file.tell() == 401_000
            assert await loop.sock_sendfile(one, file, 490_000) == 10_000
            assert await read(two, 10_000) == sent[490_000:]

    run(main)


@pytest.mark.parametrize("fallback", [True, False])
@pytest.mark.parametrize("size", [0, 10, 3_000_000])
def test_sending_a_file_on_a_transport(run, tmp_path, size, fallback):
    async def main():
        loop, sent = asyncio.get_running_loop(), pattern(size)
        (tmp_path / "file").write_bytes(sent)
        recorder = Recorder()
        async with wired(recorder) as (transport, far):
            transport.write(b"[")
            with open(tmp_path / "file", "rb") as file:
                sending = asyncio.ensure_future(loop.sendfile(transport, file, fallback=fallback))
                assert await read(far, size + 1) == b"[" + sent
                assert await sending == size
            transport.write(b"]")
            transport.write_eof()
            assert await read_all(far) == b"]"
            far.send(b"heard")
            await recorder.got(b"heard")

    run(main)


def test_a_second_file_does_not_end_the_first(run, tmp_path):
    async def main():
        loop, sent = asyncio.get_running_loop(), pattern(8_000_000)
        (tmp_path / "file").write_bytes(sent)
        async with wired(Recorder()) as (transport, far):
            with open(tmp_path / "file", "rb") as file, open(tmp_path / "file", "rb") as other:
                sending = asyncio.ensure_future(loop.sendfile(transport, file))
                await asyncio.sleep(0.05)
                assert not sending.done()
                if hasattr(loop, "reactor"):  # asyncio's own lets them mix
                    with pytest.raises(RuntimeError):
                        await loop.sendfile(transport, other)
                assert await read(far, len(sent)) == sent
                assert await sending == len(sent)

    run(main)


def test_what_cannot_be_sent(run, tmp_path):
    async def main():
        loop = asyncio.get_running_loop()
        (tmp_path / "file").write_bytes(b"text")
        async with wired(Recorder()) as (transport, _):
            with open(tmp_path / "file", "rb") as file:
                for place in ((0, 0), (0, -5), (-1, 2)):
                    with pytest.raises(ValueError):
                        await loop.sendfile(transport, file, *place)
                with pytest.raises(TypeError):
                    await loop.sendfile(transport, file, 0, 2.5)
            with open(tmp_path / "file") as text, pytest.raises(ValueError):
                await loop.sendfile(transport, text)

    run(main)


def test_a_protocol_that_was_paused_goes_on_behind_a_file(run, tmp_path):
    async def main():
        loop, sent = asyncio.get_running_loop(), pattern(4_000_000)
        (tmp_path / "file").write_bytes(sent)
        recorder = Recorder()
        async with wired(recorder) as (transport, far):
            transport.write(sent)
            with open(tmp_path / "file", "rb") as file:
                sending = asyncio.ensure_future(loop.sendfile(transport, file))
                assert await read(far, 2 * len(sent)) == sent + sent
                assert await sending == len(sent)
            assert recorder.calls.count("pause_writing") == recorder.calls.count("resume_writing")

    run(main)


def test_sending_a_file_behind_much_else(run, tmp_path):
    async def main():
        loop, sent = asyncio.get_running_loop(), pattern(300_000)
        (tmp_path / "file").write_bytes(sent)
        async with wired(Recorder(), tight=True) as (transport, far):
            transport.write(sent)
            with open(tmp_path / "file", "rb") as file:
                sending = asyncio.ensure_future(loop.sendfile(transport, file, 5, 200_000))
                await turns(2)
                with pytest.raises(RuntimeError):
                    transport.write(b"in between")
                expected = sent + sent[5:200_005]
                assert await read(far, len(expected)) == expected
                assert await sending == 200_000

    run(main)


def test_sending_a_file_over_tls(run, certificates, tmp_path):
    async def main():
        loop, sent = asyncio.get_running_loop(), pattern(300_000)
        (tmp_path / "file").write_bytes(sent)
        there = Recorder()
        async with serving(lambda: there, ssl=certificates.server) as (_, address):
            transport, here = await loop.create_connection(
                Recorder, *address, ssl=certificates.client, server_hostname="localhost"
            )
            with open(tmp_path / "file", "rb") as file:
                assert await loop.sendfile(transport, file) == 300_000
                with pytest.raises(RuntimeError):
                    await loop.sendfile(transport, file, fallback=False)
            await there.got(sent)
            await gone(transport, here)

    run(main)


def test_sending_a_file_on_a_closing_transport(run, tmp_path):
    async def main():
        (tmp_path / "file").write_bytes(b"x")
        async with wired(Recorder()) as (transport, _):
            transport.close()
            with open(tmp_path / "file", "rb") as file, pytest.raises(RuntimeError):
                await asyncio.get_running_loop().sendfile(transport, file)

    run(main)
