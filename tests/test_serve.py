"""The life of a server: beginning, ending, its paths and descriptors, wrong arguments."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import fastnet
import links
from fastnet import Limits, services
from serve_kit import HERE, connect, everything, exactly, refused, said, served, stuff

Echo = services.Echo


class Silent(asyncio.Protocol):
    """A protocol that does nothing."""


@pytest.fixture(params=[Echo(), Silent], ids=["service", "protocol"])
def factory(request: pytest.FixtureRequest) -> Any:
    return request.param


# ---------------------------------------------------------------------------- beginning


def test_it_listens_before_it_serves(factory: Any) -> None:
    with fastnet.serve(factory, HERE) as server:
        host, port = server.address
        assert host == "127.0.0.1"
        assert port > 0
        assert server.fileno() == server.sockets[0].fileno() >= 0
        with connect(server.address) as sock:
            server.start()
            if isinstance(factory, Echo):
                assert said(sock, b"x") == b"x"


def test_starting_twice(factory: Any) -> None:
    with served(factory) as server:
        for again in (server.start, server.serve_forever):
            with pytest.raises(RuntimeError, match="started already"):
                again()
    for again in (server.start, server.serve_forever):
        with pytest.raises(RuntimeError, match="has ended"):
            again()


def test_one_that_was_never_started(factory: Any, tmp_path: Path) -> None:
    server = fastnet.serve(factory, [HERE, f"unix:{tmp_path}/s"])
    assert not any(server.stats().values())
    assert server.peers() == []
    server.shutdown()
    server.shutdown()
    assert server.sockets == ()
    assert server.fileno() == -1
    assert server.address[1] > 0  # still known
    assert refused(server.address)
    assert not (tmp_path / "s").exists()
    assert server.wait(0)


def test_a_port_in_use_closes_the_rest(tmp_path: Path) -> None:
    with socket.create_server(HERE) as other:
        with pytest.raises(OSError, match=r"in use: tcp://127\.0\.0\.1:") as caught:
            fastnet.serve(Echo(), [HERE, other.getsockname()])
        assert caught.value.errno
    with served(Echo(), "udp://127.0.0.1:0") as server:
        port = server.address[1]
        with pytest.raises(OSError, match="in use: udp://"):
            fastnet.serve(Echo(), f"udp://127.0.0.1:{port}")


def test_servers_that_share_a_port() -> None:
    with served(Echo(), reuse_port=True) as one:
        with served(Echo(), one.address, reuse_port=True) as two:
            assert two.address == one.address
            for _ in range(20):
                with connect(one.address) as sock:
                    assert said(sock, b"x") == b"x"
            taken = one.stats()["accepted"] + two.stats()["accepted"]
            assert taken == 20


# ----------------------------------------------------------------------------- the paths


def test_a_path_is_made_and_removed(factory: Any, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with served(factory, f"unix:{path}") as server:
        assert server.address == str(path)
        assert path.is_socket()
    assert not path.exists()


def test_a_stale_path_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_UNIX, kind) as gone:
            gone.bind(str(path))
        assert path.is_socket()
        with served(Echo(), path, type=kind) as server, connect(server.address, kind) as sock:
            assert said(sock, b"new") == b"new"
        assert not path.exists()


def test_a_path_that_somebody_has_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with served(Echo(), path) as server:
        with pytest.raises(OSError, match="in use"):
            fastnet.serve(Echo(), path)
        with connect(server.address) as sock:
            assert said(sock, b"x") == b"x"
    path.write_text("no socket")
    with pytest.raises(OSError, match="in use"):
        fastnet.serve(Echo(), path)
    assert path.read_text() == "no socket"


def test_a_path_that_was_replaced_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with served(Echo(), path):
        path.rename(tmp_path / "old")  # so that the number of its file is not used again
        path.write_text("somebody else's")
    assert path.read_text() == "somebody else's"


# -------------------------------------------------------------------------------- ending


def test_nobody_is_left_waiting(factory: Any) -> None:
    """A client that is connected and silent sees the end."""
    with served(factory) as server:
        socks = [connect(server.address) for _ in range(5)]
        with links.closing(*socks):
            ending = links.Background(server.shutdown)
            assert [everything(sock) for sock in socks] == [b""] * 5
            for sock in socks:
                sock.close()
            ending.result()
        assert refused(server.address)
        assert server.stats()["open"] == 0


def test_newcomers_are_refused_while_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with served(Echo(), [HERE, path], threads=2) as server, connect(server.address) as sock:
        stuff(sock)  # work in flight, which keeps it from ending
        ending = links.Background(server.shutdown)
        links.wait_until(lambda: refused(server.address))
        links.wait_until(lambda: not path.exists())
        assert ending.is_alive()
        assert everything(sock)
        sock.close()
        ending.result()


def test_a_deadline_cuts_what_does_not_end() -> None:
    with served(Echo()) as server, connect(server.address) as sock:
        stuff(sock)
        began = time.monotonic()
        server.shutdown(0.1)
        assert time.monotonic() - began < 2.0
        with pytest.raises(ConnectionResetError):
            everything(sock)


def test_the_deadline_of_the_limits() -> None:
    limits = Limits(close_timeout=0.1)
    with served(Echo(), limits=limits) as server, connect(server.address) as sock:
        stuff(sock)
    assert server.wait(0)


def test_twice_from_several_threads() -> None:
    with served(Echo()) as server, connect(server.address) as sock:
        assert said(sock, b"x") == b"x"
        calls = [links.Background(server.shutdown, 5.0) for _ in range(4)]
        assert everything(sock) == b""
        sock.close()
        for call in calls:
            call.result()
        server.shutdown()


def test_from_a_signal_handler(factory: Any) -> None:
    server = fastnet.serve(factory, HERE)

    def client() -> bytes:
        with connect(server.address) as sock:
            links.wait_until(lambda: server.stats().get("accepted") == 1)
            os.kill(os.getpid(), signal.SIGUSR1)
            return everything(sock)

    before = signal.signal(signal.SIGUSR1, lambda *_: server.shutdown())
    try:
        talking = links.Background(client)
        server.serve_forever()
        assert talking.result() == b""
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert refused(server.address)
    assert signal.set_wakeup_fd(-1) == -1  # left as it was found


def test_waiting_for_the_end() -> None:
    with served(Echo()) as server:
        assert not server.wait(0)
        threading.Timer(0.05, server.shutdown).start()
        assert server.wait(links.SOON)


def test_an_exception_in_the_block_ends_it() -> None:
    with pytest.raises(ZeroDivisionError), served(Echo()) as server:
        _ = 1 / 0
    assert refused(server.address)


PROGRAM = """
import asyncio, sys, fastnet
from fastnet import services

class Mirror(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data): self.transport.write(data)

factory = {"service": services.Echo(), "protocol": Mirror}[sys.argv[1]]
server = fastnet.serve(factory, ("127.0.0.1", 0), workers=int(sys.argv[2]))
print(server.address[1], flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    print("interrupted", server.sockets, flush=True)
"""


@pytest.mark.parametrize("kind", ["service", "protocol"])
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c(kind: str, workers: int) -> None:
    with links.program(PROGRAM, kind, workers) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        with connect(("127.0.0.1", port)) as sock:
            assert said(sock, b"x") == b"x"
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "interrupted ()\n"
            assert child.wait(links.SOON) == 0
        assert refused(("127.0.0.1", port))


# ---------------------------------------------------------------------------------- fork


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_while_it_serves(factory: Any) -> None:
    with served(factory) as server, connect(server.address) as sock:
        links.wait_until(lambda: server.stats()["accepted"] == 1)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                server.stats()
                server.peers()
                server.shutdown()
                server.shutdown()
                status = 0 if server.sockets == () else 2
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        assert status == 0
        if isinstance(factory, Echo):  # the parent's connections and sockets are as they were
            assert said(sock, b"parent") == b"parent"
        with connect(server.address) as other:
            if isinstance(factory, Echo):
                assert said(other, b"again") == b"again"


# ----------------------------------------------------------------------- wrong arguments

TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


@pytest.mark.parametrize(
    ("args", "error", "text"),
    [
        ({"factory": Echo}, TypeError, r"write Echo\(\)"),
        ({"factory": None}, TypeError, "neither a service nor"),
        ({"factory": "echo"}, TypeError, "neither a service nor"),
        ({"type": socket.SOCK_RAW}, ValueError, "SOCK_STREAM or SOCK_DGRAM"),
        ({"threads": 0}, ValueError, "threads must be at least 1"),
        ({"threads": True}, ValueError, "threads must be at least 1"),
        ({"workers": 0}, ValueError, "workers must be at least 1"),
        ({"workers": 2.0}, ValueError, "workers must be at least 1"),
        ({"poller": "kqueue"}, ValueError, "'epoll' or 'select'"),
        ({"factory": Silent, "threads": 2}, ValueError, "use workers"),
        ({"ssl_context": TLS}, ValueError, "serve an asyncio protocol"),
        (
            {"factory": Silent, "ssl_context": TLS, "type": socket.SOCK_DGRAM},
            ValueError,
            "TLS needs a stream",
        ),
        ({"address": []}, ValueError, "no address"),
        ({"address": "nowhere"}, ValueError, "not an address"),
        ({"address": "127.0.0.1:1"}, ValueError, "tcp://127.0.0.1:1"),
        ({"address": ("127.0.0.1", 99999)}, ValueError, "between 0 and 65535"),
        ({"address": [HERE, "udp://127.0.0.1:0"]}, ValueError, "not both"),
        ({"allow": ["10.0.0.0/40"]}, ValueError, "10.0.0.0/40"),
        ({"deny": 5.5}, (TypeError, ValueError), "5.5|iterable"),
    ],
)
def test_wrong_arguments(args: dict[str, Any], error: Any, text: str) -> None:
    given = {"factory": Echo(), "address": HERE, **args}
    with pytest.raises(error, match=text):
        fastnet.serve(given.pop("factory"), given.pop("address"), **given)


def test_a_descriptor_that_select_cannot_watch() -> None:
    """Said when the server starts, in words; its socket is closed like any other."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1100:
        pytest.skip("so many descriptors are not allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1100), hard))
    try:
        held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1030)]
        try:
            with fastnet.serve(Echo(), HERE, poller="select") as server:
                with pytest.raises(fastnet.Error, match="select"):
                    server.start()
        finally:
            for fd in held:
                os.close(fd)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# ---------------------------------------------------------------------- what it has taken


def test_what_has_come_is_answered() -> None:
    """Connections that it has not even accepted, too."""
    for n in range(25):
        with fastnet.serve(Echo(), HERE, threads=1 + n % 2) as server:
            socks = [connect(server.address) for _ in range(8)]
            with links.closing(*socks):
                for sock in socks[:4]:
                    sock.sendall(b"before")
                server.start()
                for sock in socks[4:]:
                    sock.sendall(b"during")
                ending = links.Background(server.shutdown)
                assert [exactly(sock, 7) for sock in socks] == [b"before"] * 4 + [b"during"] * 4
                for sock in socks:
                    sock.close()
                ending.result()
            stats = server.stats()
            assert stats["accepted"] == 8
            assert stats["bytes_in"] == stats["bytes_out"] == 48


def test_a_path_that_is_too_long_is_named():
    with pytest.raises(OSError, match=r"too long: unix:/x"):
        fastnet.serve(services.Echo(), "unix:/" + "x" * 200)
