"""`fastnet.serve` with asyncio's protocol classes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from typing import Any

import pytest

import fastnet
import links
from fastnet import Limits
from serve_kit import (
    HERE,
    POLLERS,
    connect,
    everything,
    exactly,
    place,
    refused,
    said,
    served,
    stuff,
)

pytest.importorskip("fastnet.loop")


class Mirror(asyncio.Protocol):
    """Sends back what it receives."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Buffered(asyncio.BufferedProtocol):
    """The same, through a buffer of its own."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.buffer = bytearray(4096)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, count: int) -> None:
        self.transport.write(bytes(self.buffer[:count]))


class Datagrams(asyncio.DatagramProtocol):
    """The same, by datagrams."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.transport.sendto(data, address)


async def lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A stream handler: echoes lines, says goodbye at the end."""
    async for line in reader:
        writer.write(line)
        await writer.drain()
    writer.write(b"bye\n")
    writer.close()


def Lines() -> Any:
    return asyncio.StreamReaderProtocol(asyncio.StreamReader(), lines)


@pytest.fixture(params=POLLERS)
def poller(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# ------------------------------------------------------------------------- what is served


@pytest.mark.parametrize("factory", [Mirror, Buffered])
@pytest.mark.parametrize("kind", ["tcp4", "tcp6", "unix", "abstract"])
def test_streams(factory: Any, kind: str, poller: str, tmp_path: Any) -> None:
    address, _ = place(kind, tmp_path)
    data = bytes(range(256)) * 2000
    with (
        served(factory, address, poller=poller) as server,
        connect(server.address) as one,
        connect(server.address) as two,
    ):
        assert said(one, b"one") == b"one"
        sending = links.Background(two.sendall, data)
        assert exactly(two, len(data)) == data
        sending.result()
        two.shutdown(socket.SHUT_WR)
        assert two.recv(1) == b""
        links.wait_until(lambda: server.stats()["open"] == 1)
        assert server.stats()["bytes_in"] == len(data) + 3
        assert len(server.peers()) == 1


@pytest.mark.parametrize("kind", ["udp4", "udp6", "unix-datagram"])
def test_datagrams(kind: str, poller: str, tmp_path: Any) -> None:
    address, dgram = place(kind, tmp_path)
    with (
        served(Datagrams, address, type=dgram, poller=poller) as server,
        connect(server.address, dgram) as sock,
    ):
        for data in (b"a", bytes(1400)):  # asyncio itself sends no empty ones everywhere
            sock.send(data)
            assert sock.recv(65536) == data


def test_stream_handlers(poller: str) -> None:
    with served(Lines, poller=poller) as server, connect(server.address) as sock:
        assert said(sock, b"line\n") == b"line\n"
        sock.sendall(b"rest")
        sock.shutdown(socket.SHUT_WR)
        assert everything(sock) == b"restbye\n"


@pytest.mark.parametrize("factory", [Mirror, Buffered, Lines])
@pytest.mark.parametrize("workers", [1, 2])
def test_tls(factory: Any, workers: int, poller: str, certificates: links.Certificates) -> None:
    options: dict[str, Any] = {"ssl_context": certificates.server, "poller": poller}
    with served(factory, workers=workers, **options) as server:
        raw = connect(server.address)
        with certificates.client.wrap_socket(raw, server_hostname="localhost") as sock:
            data = bytes(range(256)) * 800 + b"\n"
            assert said(sock, data) == data
            ending = links.Background(server.shutdown)
            assert everything(sock) in (b"", b"bye\n")
        ending.result()


# --------------------------------------------------------------------------------- limits


def test_who_may_connect() -> None:
    for options, inside in (({"allow": "127.0.0.0/8"}, True), ({"deny": "127.0.0.1"}, False)):
        with served(Mirror, **options) as server, connect(server.address) as sock:
            try:
                assert (said(sock, b"x") == b"x") == inside
            except ConnectionError:
                assert not inside
            assert server.stats()["denied"] == (0 if inside else 1)


@pytest.mark.parametrize("name", ["connections", "connections_per_address"])
def test_as_many_connections_as_allowed(name: str, poller: str) -> None:
    with served(Mirror, poller=poller, limits=Limits(**{name: 2})) as server:
        socks = [connect(server.address) for _ in range(2)]
        with links.closing(*socks):
            assert [said(sock, b"x") for sock in socks] == [b"x"] * 2
            with connect(server.address) as third, contextlib.suppress(ConnectionError):
                assert said(third, b"x") == b""
            assert server.stats()["refused"] == 1
            socks.pop().close()
            links.wait_until(lambda: server.stats()["open"] == 1)
            with connect(server.address) as third:
                assert said(third, b"x") == b"x"


class Ends(Mirror):
    """Writes down how its connections end."""

    seen: list[BaseException | None] = []  # noqa: RUF012

    def connection_lost(self, error: BaseException | None) -> None:
        self.seen.append(error)


@pytest.fixture
def ends() -> type[Ends]:
    class Fresh(Ends):
        seen: list[BaseException | None] = []  # noqa: RUF012

    return Fresh


def test_an_idle_connection_is_closed(ends: type[Ends], poller: str) -> None:
    limits = Limits(idle_timeout=0.7)
    with (
        served(ends, poller=poller, limits=limits) as server,
        connect(server.address) as idle,
        connect(server.address) as busy,
    ):
        over = threading.Event()

        def wait() -> None:
            with contextlib.suppress(ConnectionResetError):
                everything(idle)
            over.set()

        waiting = links.Background(wait)
        while not over.wait(0.02):
            assert said(busy, b"x") == b"x"
        waiting.result()
        assert len(ends.seen) == 1
        assert isinstance(ends.seen[0], OSError)


class Pours(Ends):
    """Writes without looking at who reads."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.pour()

    def pour(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(bytes(1 << 18))
            self.loop.call_soon(self.pour)


def test_who_writes_on_loses_the_connection(poller: str) -> None:
    class Fresh(Pours):
        seen: list[BaseException | None] = []  # noqa: RUF012

    limits = Limits(write_buffer=1 << 20)
    before = links.resident()
    with (
        served(Fresh, poller=poller, limits=limits) as server,
        connect(server.address),
    ):
        links.wait_until(lambda: Fresh.seen)
        assert links.growth(before) < 16 << 20
        assert isinstance(Fresh.seen[0], OSError)


def test_a_reader_that_stalls_is_closed(ends: type[Ends], poller: str) -> None:
    limits = Limits(min_rate=100_000, rate_window=0.3)
    with served(ends, poller=poller, limits=limits) as server, connect(server.address) as sock:
        stuff(sock, quiet=0.1, most=32 << 20)
        links.wait_until(lambda: ends.seen)
        assert isinstance(ends.seen[0], OSError)


def test_a_handshake_that_does_not_come(certificates: links.Certificates) -> None:
    limits = Limits(handshake_timeout=0.3)
    options: dict[str, Any] = {"ssl_context": certificates.server, "limits": limits}
    with served(Mirror, **options) as server, connect(server.address) as silent:
        raw = connect(server.address)
        with certificates.client.wrap_socket(raw, server_hostname="localhost") as sock:
            with contextlib.suppress(ConnectionResetError):
                assert silent.recv(1) == b""
            assert said(sock, b"x") == b"x"


# ----------------------------------------------------------------------------- its own end


class Works(asyncio.Protocol):
    """Answers each request after a while, in a task."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.tasks: set[Any] = set()

    def data_received(self, data: bytes) -> None:
        task = asyncio.get_running_loop().create_task(self.answer(data))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def answer(self, data: bytes) -> None:
        await asyncio.sleep(float(data))
        self.transport.write(b"answer")


@pytest.mark.parametrize("workers", [1, 2])
def test_work_in_flight_is_finished(workers: int, poller: str) -> None:
    with served(Works, workers=workers, poller=poller) as server:
        socks = [connect(server.address) for _ in range(5)]
        with links.closing(*socks):
            for sock in socks:
                sock.sendall(b"0.3")
            links.wait_until(lambda: server.stats().get("bytes_in") == 15)
            ending = links.Background(server.shutdown)
            links.wait_until(lambda: refused(server.address))
            assert [everything(sock) for sock in socks] == [b"answer"] * 5
            for sock in socks:
                sock.close()
            ending.result()


def test_work_that_does_not_end_is_cut(poller: str) -> None:
    with served(Works, poller=poller) as server, connect(server.address) as sock:
        sock.sendall(b"1000")
        links.wait_until(lambda: server.stats()["bytes_in"] == 4)
        began = time.monotonic()
        server.shutdown(0.1)
        assert time.monotonic() - began < 3.0
        with contextlib.suppress(ConnectionResetError):
            assert everything(sock) == b""


@pytest.mark.parametrize("tls", [False, True])
def test_stream_handlers_that_wait_see_the_end(
    tls: bool, poller: str, certificates: links.Certificates
) -> None:
    context = certificates.server if tls else None
    with served(Lines, poller=poller, ssl_context=context) as server:
        socks: list[Any] = [connect(server.address) for _ in range(3)]
        if tls:
            client = certificates.client
            socks = [client.wrap_socket(sock, server_hostname="localhost") for sock in socks]
        with links.closing(*socks):
            assert [said(sock, b"x\n") for sock in socks] == [b"x\n"] * 3
            ending = links.Background(server.shutdown)
            assert [everything(sock) for sock in socks] == [b"bye\n"] * 3
            for sock in socks:
                sock.close()
            ending.result()


def test_what_has_come_is_answered(poller: str) -> None:
    for _ in range(25):
        with fastnet.serve(Mirror, HERE, poller=poller) as server:
            socks = [connect(server.address) for _ in range(8)]
            with links.closing(*socks):
                for sock in socks[:4]:
                    sock.sendall(b"before")
                server.start()
                for sock in socks[4:]:
                    sock.sendall(b"during")
                ending = links.Background(server.shutdown)
                assert [everything(sock) for sock in socks] == [b"before"] * 4 + [b"during"] * 4
                for sock in socks:
                    sock.close()
                ending.result()


def test_from_a_handler(poller: str) -> None:
    server: fastnet.Server

    class Ender(Mirror):
        def data_received(self, data: bytes) -> None:
            self.transport.write(b"last words")
            server.shutdown()

    with served(Ender, poller=poller) as server, connect(server.address) as sock:
        sock.sendall(b"end")
        assert everything(sock) == b"last words"
        sock.close()
        assert server.wait(links.SOON)


# -------------------------------------------------------------------------- bad handlers


class Bad(Mirror):
    """Raises where its peer tells it to."""

    def data_received(self, data: bytes) -> None:
        if data == b"raise":
            raise RuntimeError("on purpose")
        if data == b"twice":
            self.transport.close()
            self.transport.close()
            self.transport.abort()
        self.transport.write(data)


def test_handlers_that_raise_or_close_twice(poller: str, caplog: Any) -> None:
    with served(Bad, poller=poller) as server, connect(server.address) as other:
        for word in (b"raise", b"twice"):
            with connect(server.address) as sock:
                sock.sendall(word)
                with contextlib.suppress(ConnectionResetError):
                    assert everything(sock) == b""
        assert said(other, b"fine") == b"fine"
        links.wait_until(lambda: server.stats()["open"] == 1)
    assert "on purpose" in caplog.text


def test_a_factory_that_raises(poller: str) -> None:
    made = []

    def factory() -> Any:
        made.append(1)
        if len(made) == 1:
            raise RuntimeError("no protocol today")
        return Mirror()

    with served(factory, poller=poller) as server:
        with connect(server.address) as sock, contextlib.suppress(ConnectionResetError):
            assert sock.recv(1) == b""
        with connect(server.address) as sock:
            assert said(sock, b"x") == b"x"
