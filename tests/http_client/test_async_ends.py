"""AsyncSession where things end early: streams dropped, answers before the body is sent."""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import client_kit as kit
import fastnet
import links
from client_kit import Scripted, reply
from fastnet import http

LOOPS = pytest.mark.parametrize(
    "factory", [asyncio.new_event_loop, fastnet.new_event_loop], ids=["asyncio", "fastnet"]
)
TOO_LARGE = reply(b"no", "Connection: close", status="413 Content Too Large")


def run(factory: Any, work: Any) -> Any:
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)


class Hasty:
    """Answers each request when its head has come, and later closes with the body unread."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads: list[links.Background] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(links.Background(self._answer, sock))

    def _answer(self, sock: socket.socket) -> None:
        with sock:
            sock.settimeout(links.SOON)
            if sock.recv(1000):
                sock.sendall(TOO_LARGE)
                time.sleep(0.5)  # by then the client has received it

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(links.SOON)
        for thread in self._threads:
            thread.result()


@LOOPS
def test_an_answer_before_the_body_is_sent(factory: Any) -> None:
    async def pieces() -> Any:
        for _ in range(500):
            yield bytes(100_000)

    async def work(url: str) -> None:
        async with http.AsyncSession(trust_env=False) as session:
            bodies = (bytes(50 << 20), iter([bytes(1 << 20)] * 50), pieces())
            for response in await asyncio.gather(
                *[session.post(url, data=body) for body in bodies]
            ):
                assert (response.status_code, response.content) == (413, b"no")
            assert len(session._pool) == 0

    server = Hasty()
    try:
        run(factory, work(server.url))
    finally:
        server.close()


@LOOPS
def test_an_answer_that_only_the_system_has_received(factory: Any) -> None:
    """The connection is reset while the loop does something else; then sending fails."""

    def pieces() -> Iterator[bytes]:
        yield b"some"
        assert gone.wait(links.SOON)
        for _ in range(50):
            yield bytes(1 << 20)

    def answer(listener: socket.socket) -> None:
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(links.SOON)
            while b"some" not in sock.recv(1000):
                pass
            sock.sendall(TOO_LARGE)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.set()

    async def work(url: str) -> None:
        async with http.AsyncSession(trust_env=False) as session:
            response = await session.post(url, data=pieces())
            assert (response.status_code, response.content) == (413, b"no")

    gone = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = links.Background(answer, listener)
        run(factory, work(f"http://127.0.0.1:{listener.getsockname()[1]}"))
        thread.result()


@LOOPS
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_dropped_stream_makes_room(factory: Any) -> None:
    async def work(url: str) -> None:
        async with http.AsyncSession(most=1, trust_env=False) as session:
            for _ in range(2):
                await session.get(url, stream=True)
                gc.collect()
                assert (await session.get(url)).content == b"y"

    with Scripted(*[reply(b"x" * 10), reply(b"y")] * 2) as server:
        run(factory, work(server.url))


@LOOPS
def test_the_error_says_what_was_waited_for(factory: Any) -> None:
    def silent(sock: socket.socket) -> None:
        sock.recv(1)

    async def work(url: str) -> None:
        async with http.AsyncSession(most=1, trust_env=False) as session:
            async with await session.get(url, stream=True):
                with pytest.raises(http.ConnectTimeout, match="all 1 connections to 127"):
                    await session.get(url, timeout=0.05)
            with pytest.raises(http.ReadTimeout, match="nothing came"):
                await session.get(url, timeout=(links.SOON, 0.05))

    with Scripted(reply(b"x"), silent) as server:
        run(factory, work(server.url))


@LOOPS
def test_turns_are_forgotten_and_belong_to_their_loop(factory: Any) -> None:
    session = http.AsyncSession(most=1, trust_env=False)
    seen = set()

    async def many(urls: list[str]) -> None:
        async with await session.get(urls[0], stream=True):
            waiting = asyncio.create_task(session.get(urls[0]))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            more = [asyncio.create_task(session.get(url)) for url in urls * 3]
            await asyncio.sleep(0)
        assert all(response.ok for response in await asyncio.gather(*more))
        assert session._turns is not None
        assert len(session._turns) == 0
        seen.add(session._turns)
        await session.aclose()

    with kit.serving() as one, kit.serving() as two:
        for _ in range(2):
            run(factory, many([f"{one.url}/a", f"{two.url}/b"]))
    assert len(seen) == 2


@LOOPS
def test_content_after_a_part(factory: Any) -> None:
    """As of the blocking client: what is left is to be read, and is not `content`."""

    async def work(url: str) -> None:
        async with http.AsyncSession(trust_env=False) as session:
            for _ in range(2):
                response = await session.get(url, stream=True)
                assert await response.aread(0) == b""
                with pytest.raises(http.RequestException, match="not been read"):
                    _ = response.content
                assert await response.aread(4) == b"0123"
                assert await response.aread() == b"456789"
                with pytest.raises(http.RequestException, match="in part"):
                    _ = response.content
                async with await session.get(url, stream=True) as response:
                    assert await response.areadinto(bytearray(4)) == 4
                    with pytest.raises(http.RequestException, match="in part"):
                        _ = response.text
                response = await session.get(url)
                assert await response.aread(4) == b"0123"
                assert await response.aread() == response.content == b"0123456789"
                array = np.zeros(6, "u1")
                assert await response.arecv_into(array) == 6
                assert array.tobytes() == b"456789"

    plain = reply(b"0123456789")
    packed = reply(gzip.compress(b"0123456789"), "Content-Encoding: gzip")
    with Scripted(*[plain] * 3, *[packed] * 3) as server:
        run(factory, work(server.url))


@LOOPS
def test_an_array_after_a_head(factory: Any) -> None:
    async def work(url: str) -> None:
        async with http.AsyncSession(trust_env=False) as session:
            response = await session.get(url, stream=True)
            assert await response.aread(8) == b"HEAD1234"
            array = np.empty(4)
            assert await response.arecv_into(array) == 32
            assert array.tolist() == [0, 1, 2, 3]
            response = await session.get(url, stream=True)
            await response.aread(7)
            with pytest.raises(ValueError, match="33 bytes, the array 32"):
                await response.arecv_into(array)
            response.close()

    body = b"HEAD1234" + np.arange(4.0).tobytes()
    with Scripted(reply(body), reply(body)) as server:
        run(factory, work(server.url))


def test_an_array_after_a_head_without_a_loop() -> None:
    body = b"HEAD1234" + np.arange(4.0).tobytes()
    with Scripted(*[reply(body)] * 3) as server, http.Session(trust_env=False) as session:
        array = np.empty((2, 2))
        for target in (array, array.T):
            response = session.get(server.url, stream=True)
            assert response.read(8) == b"HEAD1234"
            assert response.recv_into(target) == 32
            assert target.ravel().tolist() == [0, 1, 2, 3]
        with session.get(server.url, stream=True) as response:
            response.read(7)
            with pytest.raises(ValueError, match="33 bytes, the array 32"):
                response.recv_into(array)
