"""Unix stream sockets: by path and by abstract name."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import sys

import pytest

import links
from loop.kit import Echo, Recorder, turns

removes_path = sys.version_info >= (3, 13)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "socket")


async def echoes(path):
    loop = asyncio.get_running_loop()
    transport, recorder = await loop.create_unix_connection(Recorder, path)
    transport.write(b"hello")
    await recorder.got(b"hello")
    transport.close()
    await recorder.ended()


def test_by_path(run, path):
    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(Echo, path)
        assert server.is_serving()
        assert stat.S_ISSOCK(os.stat(path).st_mode)
        assert server.sockets[0].getsockname() == path
        for _ in range(3):
            await echoes(path)
        server.close()
        await server.wait_closed()
        assert os.path.exists(path) is not removes_path

    run(main)


def test_path_objects_and_bytes(run, path, tmp_path):
    async def main():
        loop = asyncio.get_running_loop()
        async with await loop.create_unix_server(Echo, tmp_path / "socket"):
            await echoes(tmp_path / "socket")
            await echoes(path.encode())

    run(main)


def test_an_abstract_name(run):
    name = f"\0fastnet-test-{os.getpid()}"

    async def main():
        loop = asyncio.get_running_loop()
        async with await loop.create_unix_server(Echo, name) as server:
            assert server.sockets[0].getsockname() == name.encode()
            await echoes(name)
        with pytest.raises(ConnectionRefusedError):
            await loop.create_unix_connection(Recorder, name)

    run(main)


def test_names_of_the_ends(run, path):
    async def main():
        loop = asyncio.get_running_loop()
        there = Recorder()
        async with await loop.create_unix_server(lambda: there, path):
            transport, here = await loop.create_unix_connection(Recorder, path)
            await there.called("connection_made")
            assert transport.get_extra_info("peername") == path
            assert transport.get_extra_info("sockname") == ""
            assert there.transport.get_extra_info("sockname") == path
            assert there.transport.get_extra_info("peername") == ""
            transport.close()
            await here.ended()
            await there.ended()

    run(main)


def test_a_stale_socket_is_replaced(run, path):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)

    async def main():
        loop = asyncio.get_running_loop()
        async with await loop.create_unix_server(Echo, path):
            await echoes(path)

    run(main)


def test_a_path_that_is_something_else(run, path):
    with open(path, "w"):
        pass

    async def main():
        with pytest.raises(OSError) as caught:
            await asyncio.get_running_loop().create_unix_server(Echo, path)
        assert path in str(caught.value)

    run(main)


@pytest.mark.skipif(not removes_path, reason="paths are left where they are before 3.13")
def test_only_its_own_path_is_removed(run, path, tmp_path):
    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(Echo, path)
        os.rename(path, tmp_path / "moved")
        with open(path, "w"):
            pass
        server.close()
        await server.wait_closed()
        assert os.path.exists(path)

        os.unlink(path)
        server = await loop.create_unix_server(Echo, path, cleanup_socket=False)
        server.close()
        await server.wait_closed()
        assert os.path.exists(path)

    run(main)


def test_given_sockets(run, path):
    async def main():
        loop = asyncio.get_running_loop()
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        async with await loop.create_unix_server(Echo, sock=listening):
            far = socket.socket(socket.AF_UNIX)
            far.connect(path)
            transport, recorder = await loop.create_unix_connection(Recorder, sock=far)
            transport.write(b"hello")
            await recorder.got(b"hello")
            transport.close()
            await recorder.ended()

    run(main)


def test_nobody_there(run, path):
    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(FileNotFoundError):
            await loop.create_unix_connection(Recorder, path)
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(path)
        with pytest.raises(ConnectionRefusedError):
            await loop.create_unix_connection(Recorder, path)

    run(main)


def test_wrong_arguments(run, path):
    async def main():
        loop = asyncio.get_running_loop()
        with socket.socket() as tcp:
            for wrong in (
                {"path": None, "sock": None},
                {"path": path, "sock": tcp},
                {"path": None, "sock": tcp},
            ):
                with pytest.raises(ValueError):
                    await loop.create_unix_connection(Recorder, **wrong)
                with pytest.raises(ValueError):
                    await loop.create_unix_server(Echo, **wrong)
            with pytest.raises(ValueError):
                await loop.create_unix_connection(Recorder, path, server_hostname="x")

    run(main)


def test_streams(run, path):
    async def main():
        async def serve(reader, writer):
            writer.write((await reader.readline()).upper())
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_unix_server(serve, path)
        async with server:
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"hello\n")
            assert await reader.read() == b"HELLO\n"
            writer.close()
            await writer.wait_closed()

    run(main)


def test_descriptors_can_be_passed_beside(run):
    """The transport's socket is a real one: its duplicate can carry a descriptor."""

    async def main():
        loop = asyncio.get_running_loop()
        one, two = links.socket_pair("unix")
        with two:
            transport, recorder = await loop.create_unix_connection(Recorder, sock=one)
            transport.pause_reading()
            with transport.get_extra_info("socket").dup() as duplicate:
                number = os.open(os.devnull, os.O_RDONLY)
                socket.send_fds(two, [b"x"], [number])
                os.close(number)
                _, (received,), _, _ = socket.recv_fds(duplicate, 10, 1)
                os.close(received)
            transport.resume_reading()
            await turns(2)
            transport.close()
            await recorder.ended()

    run(main)
