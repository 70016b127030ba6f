"""Worker processes: replaced when they die, gone when their parents are."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

import fastnet
import links
from fastnet import Limits, services
from serve_kit import HERE, connect, everything, refused, said, served, stuff


class Pid(asyncio.Protocol):
    """Says which process serves, and echoes."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(b"%d\n" % os.getpid())

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def supervisor(server: Any) -> int:
    """The process that watches over a server's workers."""
    return int(server._side._pid)


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def in_full(server: fastnet.Server, count: int) -> list[int]:
    """The workers, once they are complete."""
    found: list[int] = []

    def complete() -> bool:
        found[:] = [pid for pid in children(supervisor(server)) if alive(pid)]
        return len(found) == count

    links.wait_until(complete)
    return found


def serving_pid(address: Any) -> int:
    with connect(address) as sock:
        return int(sock.recv(100))


@pytest.fixture(params=["service", "protocol"])
def factory(request: pytest.FixtureRequest) -> Any:
    return services.Echo() if request.param == "service" else Pid


def test_each_serves_and_the_figures_are_sums(factory: Any) -> None:
    with served(factory, workers=2) as server:
        socks = [connect(server.address) for _ in range(20)]
        with links.closing(*socks):
            for sock in socks:
                if factory is Pid:
                    assert int(sock.recv(100)) in in_full(server, 2)
                assert said(sock, b"12345") == b"12345"
            links.wait_until(lambda: server.stats()["bytes_in"] == 100)
            assert server.stats()["open"] == server.stats()["accepted"] == 20
            assert server.peers() == []
    stats = server.stats()
    assert stats["accepted"] == stats["closed"] == 20
    assert stats["bytes_in"] == 100
    assert stats["open"] == 0


@pytest.mark.parametrize("kind", ["unix", "udp"])
def test_other_sockets(kind: str, tmp_path: Path) -> None:
    where = f"unix:{tmp_path}/s" if kind == "unix" else "udp://127.0.0.1:0"
    dgram = socket.SOCK_STREAM if kind == "unix" else socket.SOCK_DGRAM
    with served(services.Echo(), where, workers=2) as server:
        for n in range(10):
            with connect(server.address, dgram) as sock:
                sock.send(b"%d" % n)
                assert sock.recv(10) == b"%d" % n
    assert not (tmp_path / "s").exists()


def test_a_killed_worker_is_replaced() -> None:
    with served(Pid, workers=2) as server:
        first = set(in_full(server, 2))
        with connect(server.address) as sock:
            victim = int(sock.recv(100))
            assert victim in first
            os.kill(victim, signal.SIGKILL)
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(1) == b""
        links.wait_until(lambda: not alive(victim))
        for _ in range(10):  # the other one serves on, and then both do
            assert serving_pid(server.address) != victim
        second = set(in_full(server, 2))
        assert victim not in second
        assert len(first & second) == 1


def test_a_worker_that_is_asked_to_end_lets_work_end_and_is_replaced() -> None:
    with served(Pid, workers=2) as server:
        first = in_full(server, 2)
        with connect(server.address) as sock:
            victim = int(sock.recv(100))
            os.kill(victim, signal.SIGTERM)
            assert sock.recv(1) == b""  # an end, not a reset
        links.wait_until(lambda: not alive(victim))
        assert victim not in in_full(server, 2)
        assert victim in first
        for _ in range(10):
            assert serving_pid(server.address) != victim


def test_the_counts_of_a_killed_worker_are_kept() -> None:
    with served(Pid, workers=2) as server:
        in_full(server, 2)
        with connect(server.address) as sock:
            victim = int(sock.recv(100))
            assert said(sock, b"12345") == b"12345"
            links.wait_until(lambda: server.stats()["bytes_in"] == 5)
            os.kill(victim, signal.SIGKILL)
            links.wait_until(lambda: server.stats()["open"] == 0)
        assert server.stats()["bytes_in"] == 5


def test_a_killed_supervisor_ends_all(factory: Any) -> None:
    with fastnet.serve(factory, HERE, workers=2, limits=Limits(close_timeout=1.0)) as server:
        server.start()
        workers = in_full(server, 2)
        os.kill(supervisor(server), signal.SIGKILL)
        with pytest.raises(ChildProcessError, match="ended by signal 9"):
            server.wait(links.SOON)
        assert not any(map(alive, workers))
        assert refused(server.address)


def test_a_worker_that_cannot_begin_does_not_spin() -> None:
    def factory() -> Any:
        os._exit(3)

    with served(factory, workers=2) as server:
        for _ in range(3):
            with connect(server.address) as sock, contextlib.suppress(OSError):
                assert sock.recv(1) == b""
        assert alive(supervisor(server))


PROGRAM = """
import sys, time, fastnet
from fastnet import services
limits = fastnet.Limits(close_timeout=0.3)
server = fastnet.serve(services.Echo(), ("127.0.0.1", 0), workers=2, limits=limits)
print(server.address[1], flush=True)
server.serve_forever()
"""


def family(pid: int) -> list[int]:
    return [pid, *(p for child in children(pid) for p in family(child))]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "term"])
@pytest.mark.parametrize("stuck", [False, True])
def test_no_parent_no_children(number: int, stuck: bool) -> None:
    """Even with a client that keeps a worker from ending."""
    with links.program(PROGRAM) as child:
        assert child.stdout is not None
        address = ("127.0.0.1", int(child.stdout.readline()))
        links.wait_until(lambda: len(family(child.pid)) == 4)
        everyone = family(child.pid)
        with connect(address) as sock:
            assert said(sock, b"x") == b"x"
            if stuck:
                stuff(sock, quiet=0.1)
            child.send_signal(number)
            if not stuck:
                assert everything(sock) == b""
                sock.close()
            links.wait_until(lambda: not any(map(alive, everyone)))
        assert refused(address)


def test_shutdown_while_clients_are_at_work(factory: Any) -> None:
    with served(factory, workers=2) as server:
        socks = [connect(server.address) for _ in range(10)]
        with links.closing(*socks):
            if factory is Pid:
                assert all(sock.recv(100) for sock in socks)
            else:
                assert [said(sock, b"y") for sock in socks] == [b"y"] * 10
            for sock in socks:
                sock.sendall(b"on its way")
            ending = links.Background(server.shutdown)
            assert [everything(sock) for sock in socks] == [b"on its way"] * 10
            for sock in socks:
                sock.close()
            ending.result()
    assert refused(server.address)


def test_shutdown_at_once() -> None:
    for _ in range(3):
        with served(services.Echo(), workers=2):
            pass


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_no_thread_is_forked() -> None:
    """The workers come from a process that has one thread, whatever this one has."""
    over = threading.Event()
    other = links.Background(over.wait)
    try:
        with served(services.Echo(), workers=2) as server:
            in_full(server, 2)
            pid = supervisor(server)
            assert len(os.listdir(f"/proc/{pid}/task")) == 1
    finally:
        over.set()
        other.result()
