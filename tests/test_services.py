"""Echo, Discard and Time over every kind of socket, and the limits that C keeps."""

from __future__ import annotations

import re
import socket
import threading
import time
from typing import Any

import pytest

import links
from fastnet import Limits, Tuning, cidr, services
from serve_kit import (
    DATAGRAMS,
    HERE,
    POLLERS,
    STREAMS,
    connect,
    everything,
    exactly,
    place,
    said,
    served,
    stuff,
)

LINE = rb"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}"


@pytest.fixture(params=POLLERS)
def poller(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# ------------------------------------------------------------------------------ streams


@pytest.mark.parametrize("kind", STREAMS)
def test_echo(kind: str, poller: str, tmp_path: Any) -> None:
    address, _ = place(kind, tmp_path)
    data = bytes(range(256)) * 2000
    with (
        served(services.Echo(), address, poller=poller) as server,
        connect(server.address) as one,
        connect(server.address) as two,
    ):
        assert said(one, b"x") == b"x"
        sender = links.Background(two.sendall, data)
        assert exactly(two, len(data)) == data
        sender.result()
        two.shutdown(socket.SHUT_WR)
        assert two.recv(1) == b""
        assert said(one, b"y") == b"y"


@pytest.mark.parametrize("kind", STREAMS)
def test_a_half_closed_peer_gets_all_its_echo(kind: str, poller: str, tmp_path: Any) -> None:
    address, _ = place(kind, tmp_path)
    with (
        served(services.Echo(), address, poller=poller) as server,
        connect(server.address) as sock,
    ):
        sent = stuff(sock, quiet=0.1)  # more than the server holds
        sock.shutdown(socket.SHUT_WR)
        assert len(everything(sock)) == sent


def test_discard(poller: str) -> None:
    with (
        served(services.Discard(), poller=poller) as server,
        connect(server.address) as sock,
    ):
        sock.sendall(bytes(1 << 20))
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
        assert server.stats()["bytes_in"] == 1 << 20
        assert server.stats()["bytes_out"] == 0


@pytest.mark.parametrize("kind", STREAMS)
def test_time(kind: str, poller: str, tmp_path: Any) -> None:
    address, _ = place(kind, tmp_path)
    with served(services.Time(), address, poller=poller) as server:
        before = time.time()
        with connect(server.address) as sock:
            told = everything(sock)
        assert re.fullmatch(LINE + rb"\n", told), told
        parsed = time.mktime(time.strptime(told.decode().strip()))
        assert before - 2 <= parsed <= time.time() + 1
        with connect(server.address) as sock:  # one who says something first
            sock.sendall(b"what time is it?")
            assert re.fullmatch(LINE + rb"\n", everything(sock))


def test_ipv4_and_ipv6_at_once() -> None:
    if not links.has_ipv6():
        pytest.skip("this machine has no IPv6")
    with served(services.Echo(), ("::", 0)) as server:
        port = server.address[1]
        with connect(("127.0.0.1", port)) as four, connect(("::1", port)) as six:
            assert said(four, b"4") == b"4"
            assert said(six, b"6") == b"6"
            assert {peer["host"] for peer in server.peers()} == {"127.0.0.1", "::1"}


def test_several_addresses(poller: str, tmp_path: Any) -> None:
    places = [HERE, "tcp://127.0.0.1:0", f"unix:{tmp_path}/s"]
    with served(services.Echo(), places, poller=poller) as server:
        names = [sock.getsockname() for sock in server.sockets]
        assert names[0] == server.address
        assert names[2] == f"{tmp_path}/s"
        for name in names:
            with connect(name) as sock:
                assert said(sock, b"here") == b"here"


def test_threads_share_the_work(poller: str) -> None:
    with served(services.Echo(), threads=3, poller=poller) as server:
        names = {"fastnet-serve", "fastnet-serve-1", "fastnet-serve-2"}
        links.wait_until(lambda: names <= {thread.name for thread in threading.enumerate()})
        socks = [connect(server.address) for _ in range(30)]
        with links.closing(*socks):
            for n, sock in enumerate(socks):
                sock.sendall(b"%03d" % n)
            assert [exactly(sock, 3) for sock in socks] == [b"%03d" % n for n in range(30)]
            assert server.stats()["open"] == 30
            assert len(server.peers()) == 30


# ---------------------------------------------------------------------------- datagrams


@pytest.mark.parametrize("kind", DATAGRAMS)
@pytest.mark.parametrize("threads", [1, 2])
def test_datagrams(kind: str, threads: int, poller: str, tmp_path: Any) -> None:
    address, dgram = place(kind, tmp_path)
    options: dict[str, Any] = {"type": dgram, "poller": poller, "threads": threads}
    with (
        served(services.Echo(), address, **options) as server,
        connect(server.address, dgram) as one,
        connect(server.address, dgram) as two,
    ):
        for data in (b"a", b"", bytes(1400), bytes(range(256)) * 32):
            one.send(data)
            two.send(b"two" + data)
            assert one.recv(65536) == data
            assert two.recv(65536) == b"two" + data
        links.wait_until(lambda: server.stats()["datagrams_out"] == 8)  # counted once sent
        assert server.stats()["datagrams_in"] == 8


def test_udp_in_the_address() -> None:
    with (
        served(services.Time(), "udp://127.0.0.1:0") as server,
        connect(server.address, socket.SOCK_DGRAM) as sock,
    ):
        sock.send(b"")
        assert re.fullmatch(LINE, sock.recv(100))  # without a newline


def test_discarded_datagrams() -> None:
    with (
        served(services.Discard(), "udp://127.0.0.1:0") as server,
        connect(server.address, socket.SOCK_DGRAM) as sock,
    ):
        for _ in range(10):
            sock.send(b"gone")
        links.wait_until(lambda: server.stats()["datagrams_in"] == 10)
        assert server.stats()["datagrams_out"] == 0


# ------------------------------------------------------------------------------ figures


def test_figures_and_peers(poller: str) -> None:
    with served(services.Echo(), poller=poller) as server:
        assert server.peers() == []
        with connect(server.address) as sock:
            assert said(sock, b"12345") == b"12345"
            host, port = sock.getsockname()
            links.wait_until(lambda: server.stats()["writes"] == 1)  # counted once sent
            assert [(p["host"], p["port"], p["bytes_in"]) for p in server.peers()] == [
                (host, port, 5)
            ]
            assert server.peers()[0]["bytes_out"] == 5
            stats = server.stats()
            assert stats["open"] == stats["accepted"] == stats["reads"] == stats["writes"] == 1
            assert stats["bytes_in"] == stats["bytes_out"] == 5
            assert 0 < stats["seconds"] < 30
        links.wait_until(lambda: server.stats()["open"] == 0)
        assert server.stats()["closed"] == 1
        assert server.peers() == []
    assert server.stats()["bytes_in"] == 5  # still known afterwards


def test_a_unix_peer_has_no_name(tmp_path: Any) -> None:
    with (
        served(services.Echo(), f"unix:{tmp_path}/s") as server,
        connect(server.address) as sock,
    ):
        said(sock, b"x")
        links.wait_until(lambda: server.stats()["writes"] == 1)
        assert server.peers() == [{"host": None, "port": 0, "bytes_in": 1, "bytes_out": 1}]


# ----------------------------------------------------------------------- who may come in


def is_served(address: Any) -> bool:
    with connect(address) as sock:
        try:
            return said(sock, b"?") == b"?"
        except ConnectionError:
            return False


@pytest.mark.parametrize(
    ("options", "served_here"),
    [
        ({"allow": "127.0.0.0/8"}, True),
        ({"allow": ["10.0.0.0/8"]}, False),
        ({"allow": ["10.0.0.0/8", "127.0.0.1"]}, True),
        ({"deny": cidr.NetworkSet(["127.0.0.1/32"])}, False),
        ({"deny": ["::/0"]}, True),
        ({"allow": ["127.0.0.0/8"], "deny": ["127.0.0.1"]}, False),
    ],
)
def test_networks(options: dict[str, Any], served_here: bool, poller: str) -> None:
    with served(services.Echo(), poller=poller, **options) as server:
        assert is_served(server.address) == served_here
        assert server.stats()["denied"] == (0 if served_here else 1)


def test_networks_of_datagrams() -> None:
    with (
        served(services.Echo(), "udp://127.0.0.1:0", deny="127.0.0.0/8") as server,
        connect(server.address, socket.SOCK_DGRAM) as sock,
    ):
        sock.send(b"x")
        links.wait_until(lambda: server.stats()["datagrams_in"] == 1)
        sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            sock.recv(10)


# -------------------------------------------------------------------------------- limits


@pytest.mark.parametrize("name", ["connections", "connections_per_address"])
def test_as_many_connections_as_allowed(name: str, poller: str) -> None:
    with served(services.Echo(), poller=poller, limits=Limits(**{name: 3})) as server:
        socks = [connect(server.address) for _ in range(3)]
        with links.closing(*socks):
            assert [said(sock, b"x") for sock in socks] == [b"x"] * 3
            assert not is_served(server.address)
            assert server.stats()["refused"] == 1
            socks.pop().close()
            links.wait_until(lambda: server.stats()["open"] == 2)
            assert is_served(server.address)


def test_an_idle_connection_is_closed(poller: str) -> None:
    limits = Limits(idle_timeout=0.7)
    with (
        served(services.Echo(), poller=poller, limits=limits) as server,
        connect(server.address) as idle,
        connect(server.address) as busy,
    ):
        over = threading.Event()
        waiting = links.Background(lambda: (everything(idle), over.set()))
        while not over.wait(0.02):
            assert said(busy, b"x") == b"x"
        waiting.result()
        assert said(busy, b"x") == b"x"
        assert server.stats()["failed"] == 1


def test_a_reader_that_stalls_is_closed(poller: str) -> None:
    limits = Limits(min_rate=100_000, rate_window=0.3)
    with (
        served(services.Echo(), poller=poller, limits=limits) as server,
        connect(server.address) as stalls,
        connect(server.address) as quiet,
    ):
        assert said(quiet, b"x") == b"x"
        stuff(stalls, quiet=0.1)
        links.wait_until(lambda: server.stats()["failed"] == 1)
        assert said(quiet, b"x") == b"x"  # nothing waits for it, so it is not slow


def test_what_waits_for_a_peer_is_bounded(poller: str) -> None:
    limits = Limits(write_buffer=1 << 16)
    with served(services.Echo(), poller=poller, limits=limits) as server:
        socks = [connect(server.address) for _ in range(30)]
        with links.closing(*socks), connect(server.address) as other:
            for sock in socks:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            before = links.resident()
            sent = sum(stuff(sock, quiet=0.005, most=4 << 20) for sock in socks)
            assert said(other, b"still here") == b"still here"
            assert sent > 5 << 20
            assert links.growth(before) < 30 * (1 << 17) + (4 << 20)
            for peer in server.peers():  # what was read and not sent
                assert peer["bytes_in"] - peer["bytes_out"] <= 2 << 16


def test_tuning_is_taken() -> None:
    tuning = Tuning(nodelay=False, spin=0.0)
    with served(services.Echo(), tuning=tuning) as server, connect(server.address) as sock:
        assert said(sock, b"x") == b"x"
        assert server.stats()["spins_idle"] == 0
