"""Services fed with resets, stalls and floods, and shut down in the middle of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import select
import socket
import struct
import threading
from typing import Any

import pytest

import fastnet
import links
from fastnet import Limits, services
from serve_kit import HERE, POLLERS, connect, everything, exactly, place, said, served, stuff


@pytest.fixture(params=POLLERS)
def poller(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# ------------------------------------------------------------------------------- resets


@pytest.mark.parametrize("service", ["Echo", "Discard", "Time"])
def test_a_reset_at_every_stage(service: str, poller: str) -> None:
    with (
        served(getattr(services, service)(), poller=poller) as server,
        connect(server.address) as other,
    ):
        for stage in range(6):
            sock = connect(server.address)
            if stage >= 1:
                sock.sendall(b"some")
            if stage == 2 and service == "Echo":
                assert exactly(sock, 4) == b"some"
            if stage == 3:
                stuff(sock, quiet=0.05, most=8 << 20)
            if stage == 4:
                sock.shutdown(socket.SHUT_WR)
            if stage == 5:
                stuff(sock, quiet=0.05, most=8 << 20)
                sock.shutdown(socket.SHUT_WR)
            links.reset(sock)
        links.wait_until(lambda: server.stats()["open"] <= 1)
        assert server.stats()["accepted"] == 7
        if service == "Echo":
            assert said(other, b"still here") == b"still here"


def test_a_reset_before_it_is_accepted(poller: str) -> None:
    with fastnet.serve(services.Echo(), HERE, poller=poller) as server:
        for _ in range(20):
            sock = connect(server.address)
            sock.sendall(b"gone")
            links.reset(sock)
        server.start()
        with connect(server.address) as sock:
            assert said(sock, b"here") == b"here"
        links.wait_until(lambda: server.stats()["open"] == 0)


# --------------------------------------------------------------------- slow, and too many


def test_one_byte_at_a_time(poller: str) -> None:
    with (
        served(services.Echo(), poller=poller) as server,
        connect(server.address) as sock,
    ):
        for n in range(300):
            sock.send(bytes([n % 256]))
        assert exactly(sock, 300) == bytes(n % 256 for n in range(300))


def test_slow_readers_harm_nobody(poller: str) -> None:
    with served(services.Echo(), poller=poller) as server:
        socks = [connect(server.address) for _ in range(10)]
        with links.closing(*socks), connect(server.address) as quick:
            sent = [stuff(sock, quiet=0.01, most=8 << 20) for sock in socks]
            for n in range(200):
                assert said(quick, b"%4d" % n) == b"%4d" % n
            for sock, count in zip(socks, sent, strict=True):
                assert len(exactly(sock, count)) == count  # all of it, in the end


PROGRAM = """
import resource, sys, fastnet
from fastnet import services
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
server = fastnet.serve(services.Echo(), ("127.0.0.1", 0), poller=sys.argv[1])
print(server.address[1], flush=True)
server.start()
for line in sys.stdin:
    print(server.stats()[line.strip()], flush=True)
server.shutdown()
"""


def test_when_descriptors_run_out(poller: str) -> None:
    with links.program(PROGRAM, poller) as child:
        assert child.stdin is not None
        assert child.stdout is not None

        def count(name: str) -> int:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(name + "\n")
            child.stdin.flush()
            return int(child.stdout.readline())

        address = ("127.0.0.1", int(child.stdout.readline()))
        for _ in range(2):
            socks = [connect(address) for _ in range(100)]
            with links.closing(*socks):
                assert said(socks[0], b"in") == b"in"
                for sock in socks[60:]:  # those who came last are told, not left waiting
                    with contextlib.suppress(ConnectionResetError):
                        assert sock.recv(1) == b""
                assert said(socks[1], b"those in go on") == b"those in go on"
            links.wait_until(lambda: count("open") == 0)
            with connect(address) as sock:
                assert said(sock, b"again") == b"again"
            links.wait_until(lambda: count("open") == 0)


# ------------------------------------------------------------------- the right connection


def churn(address: Any, seed: int, count: int) -> None:
    """Opens and closes, in every way there is, and checks what comes back."""
    chance = random.Random(seed)
    reset = struct.pack("ii", 1, 0)
    for n in range(count):
        mine = b"%8d-%8d" % (seed, n)
        with connect(address) as sock:
            way = chance.randrange(4)
            if way != 3 and address[0] != "/":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            if way == 1:
                sock.send(mine)  # and gone, without its answer
                continue
            assert said(sock, mine) == mine
            if way == 2:
                sock.send(mine)


@pytest.mark.parametrize("kind", ["tcp4", "unix"])
def test_ten_thousand_quick_opens_and_closes(kind: str, tmp_path: Any) -> None:
    address, _ = place(kind, tmp_path)
    with served(services.Echo(), address, threads=2) as server:
        work = [links.Background(churn, server.address, n, 2500) for n in range(4)]
        for one in work:
            one.result(50)
        links.wait_until(lambda: server.stats()["open"] == 0)
        assert server.stats()["accepted"] == 10_000


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_hundred_thousand_quick_opens_and_closes(poller: str) -> None:
    many = int(os.environ.get("FASTNET_OPENS", "100000"))
    with served(services.Echo(), threads=2, poller=poller) as server:
        work = [links.Background(churn, server.address, n, many // 4) for n in range(4)]
        for one in work:
            one.result(500)
        links.wait_until(lambda: server.stats()["open"] == 0)


# --------------------------------------------------------------------- ending under load


def echoes_until_the_end(socks: list[socket.socket], started: threading.Event) -> list[Any]:
    """Each socket asks and waits for its answer, again and again, until the server's end.

    For each: how many bytes it sent, and what came back.
    """
    sent = [0] * len(socks)
    got = [bytearray() for _ in socks]
    poll = select.poll()
    at = {}
    for n, sock in enumerate(socks):
        at[sock.fileno()] = n
        poll.register(sock, select.POLLIN)
        sent[n] += sock.send(b"%7d:%7d|" % (n, 0))
    rounds = 0
    while at:
        for fd, _ in poll.poll(links.SOON * 1000):
            n = at[fd]
            data = socks[n].recv(1 << 16)  # a reset raises
            if not data:
                poll.unregister(fd)
                del at[fd]
                socks[n].close()
                continue
            got[n] += data
            if len(got[n]) == sent[n]:
                with contextlib.suppress(BrokenPipeError):
                    sent[n] += socks[n].send(b"%7d:%7d|" % (n, sent[n] // 16))
        rounds += 1
        if rounds == 3:
            started.set()
    return list(zip(sent, map(bytes, got), strict=True))


def shut_down_under_load(clients: int, factory: Any = None, **options: Any) -> None:
    with served(factory or services.Echo(), **options) as server:
        socks = [connect(server.address) for _ in range(clients)]
        with links.closing(*socks):
            started = threading.Event()
            load = links.Background(echoes_until_the_end, socks, started)
            assert started.wait(links.SOON)
            server.shutdown()
            results = load.result()
    came = 0
    for n, (sent, got) in enumerate(results):
        whole = b"".join(b"%7d:%7d|" % (n, k) for k in range(sent // 16))
        assert whole.startswith(got)  # its own bytes, in order, none lost in between
        assert sent - len(got) in (0, 16)  # at most the question that came after the end
        came += len(got)
    stats = server.stats()
    assert stats["bytes_out"] == came  # and nothing that the server sent was lost
    assert stats["failed"] == 0


def test_shutdown_under_load(poller: str) -> None:
    for n in range(40):
        shut_down_under_load(8, poller=poller, threads=1 + n % 2)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_thousand_shutdowns_under_load() -> None:
    for n in range(1000):
        shut_down_under_load(1 + n % 30, threads=1 + n % 3)


class Mirror(asyncio.Protocol):
    """Echo as a protocol."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


def test_shutdown_of_protocols_under_load(poller: str) -> None:
    for _ in range(40):
        shut_down_under_load(8, Mirror, poller=poller)


def test_shutdown_gives_the_slow_what_has_come(poller: str) -> None:
    """Who reads slowly is waited for; what was taken from it comes back."""
    limits = Limits(close_timeout=20.0)
    with served(services.Echo(), poller=poller, limits=limits) as server:
        with connect(server.address) as sock:
            sent = stuff(sock)
            taken = server.stats()["bytes_in"]
            ending = links.Background(server.shutdown)
            got = everything(sock)
            assert taken <= len(got) <= sent
            sock.close()
            ending.result()
        assert server.stats()["bytes_out"] == len(got)


def test_shutdown_of_datagrams_under_load() -> None:
    for _ in range(20):
        with served(services.Echo(), "udp://127.0.0.1:0") as server:
            with connect(server.address, socket.SOCK_DGRAM) as sock:
                for n in range(50):
                    sock.send(b"%d" % n)
                server.shutdown()
                for n in range(50):  # they had come before its end
                    assert sock.recv(100) == b"%d" % n


def test_nothing_is_left_of_it() -> None:
    before = links.descriptors()
    for n in range(20):
        with served(services.Echo(), threads=2) as server:
            socks = [connect(server.address) for _ in range(10)]
            with links.closing(*socks):
                if n % 2:
                    assert [said(sock, b"x") for sock in socks] == [b"x"] * 10
                server.shutdown(0.0)
    assert len(links.descriptors()) == len(before)
