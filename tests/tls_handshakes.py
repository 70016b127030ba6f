"""What any server must withstand in TLS handshakes: for tests only.

A module that subclasses `Handshakes` has the fixture make(**options), which gives a server with a
list `failures`; and gets the others from here.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import fastnet
import links
import tlsfiles
from fastnet import tls

NEVER = 60.0  # seconds; a handshake's time that no test waits for
HELLO = tlsfiles.hello()
GARBAGE = [
    b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
    b"\x16\x03\x01\xff\xff" + b"\xff" * 5000,
    b"\x80" * 300,
    b"\0" * 100_000,
    HELLO[:50] + b"\xff" * len(HELLO),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tlsfiles.Files:
    return tlsfiles.Files(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def trusting(files: tlsfiles.Files) -> ssl.SSLContext:
    return tlsfiles.strict(tls.client_context(cafile=files.ca))


@pytest.fixture
def peers() -> Iterator[Callable[..., socket.socket]]:
    """peers(server, data) connects, says that much, and says no more."""
    with contextlib.ExitStack() as stack:

        def connect(server: Any, data: bytes = b"") -> socket.socket:
            sock = socket.create_connection(server.server_address, 20)
            stack.callback(tlsfiles.leave, sock)
            sock.sendall(data)
            return sock

        yield connect


def ended(sock: socket.socket) -> bool:
    """Whether the server ends the connection, with a reset or without."""
    with contextlib.suppress(ConnectionResetError):
        while sock.recv(4096):
            pass
    return True


class Handshakes:
    """Peers that stall, lie or break off, and what honest clients notice of them."""

    visit: Callable[[Any, ssl.SSLContext], None]  # an honest client
    inside: Callable[[Any], int]  # handshakes that a server has under way
    unseen = 0  # peers that a server may not even see when they leave at once

    def test_a_hundred_stalled_handshakes(self, make, peers, trusting, capfd):
        with tlsfiles.Serving(make(handshake_timeout=NEVER)) as server:
            for number in range(100):
                peers(server, (b"", HELLO[: 1 + number], HELLO)[number % 3])
                if number % 20 == 0:
                    self.visit(server, trusting)
            for _ in range(10):
                self.visit(server, trusting)
            assert self.inside(server) <= server.max_handshakes
            assert {type(error) for error in server.failures} == {fastnet.LimitError}
            assert "64 TLS handshakes at once" in str(server.failures[0])
        assert capfd.readouterr().err == ""

    def test_the_deadline(self, make, peers, trusting):
        with tlsfiles.Serving(make(handshake_timeout=0.2)) as server:
            began = time.monotonic()
            said = [b"", HELLO[:1], HELLO[: len(HELLO) // 2], HELLO]
            stalled = [peers(server, words) for words in said]
            self.visit(server, trusting)
            assert all(map(ended, stalled))
            assert 0.15 < time.monotonic() - began < links.SOON
            links.wait_until(lambda: len(server.failures) == 4)
            assert {type(error) for error in server.failures} == {fastnet.TransferTimeout}
            assert "longer than 0.2 seconds" in str(server.failures[0])
            self.visit(server, trusting)

    def test_a_drip_does_not_move_the_deadline(self, make, peers):
        with tlsfiles.Serving(make(handshake_timeout=0.3)) as server:
            sock = peers(server)
            with contextlib.suppress(OSError):
                for byte in HELLO:
                    sock.sendall(bytes([byte]))
                    time.sleep(0.01)
            assert isinstance(server.failures[0], fastnet.TransferTimeout)

    def test_garbage(self, make, peers, trusting, capfd):
        with tlsfiles.Serving(make()) as server:
            for said in GARBAGE:
                with contextlib.suppress(OSError):
                    assert ended(peers(server, said))
            links.wait_until(lambda: len(server.failures) == len(GARBAGE))
            assert all(isinstance(error, OSError) for error in server.failures)
            self.visit(server, trusting)
        assert capfd.readouterr().err == ""

    @pytest.mark.parametrize("how", [links.reset, socket.socket.close])
    def test_who_leaves_in_the_handshake(self, make, trusting, how, capfd):
        with tlsfiles.Serving(make()) as server:
            for number, said in enumerate([b"", HELLO[:40], HELLO, HELLO]):
                sock = socket.create_connection(server.server_address)
                sock.sendall(said)
                if number == 3:
                    sock.recv(1)  # so it leaves after the server's first flight
                how(sock)
            links.wait_until(
                lambda: len(server.failures) >= 4 - self.unseen and not self.inside(server)
            )
            self.visit(server, trusting)
        assert all(isinstance(error, OSError) for error in server.failures)
        assert capfd.readouterr().err == ""

    def test_a_full_house_keeps_the_young(self, make, peers, trusting):
        """The next waits until the oldest is stale, which then makes room."""
        server = make(handshake_timeout=NEVER)
        server.max_handshakes = 2
        with tlsfiles.Serving(server):
            first, second = peers(server), peers(server)
            links.wait_until(lambda: self.inside(server) == 2)
            self.visit(server, trusting)
            assert ended(first)
            (error,) = server.failures
            assert isinstance(error, fastnet.LimitError)
            second.settimeout(0.01)
            with pytest.raises(TimeoutError):
                second.recv(1)

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    def test_mistakes_in_hooks(self, make, peers, trusting, capfd):
        server = make()

        def mistaken(*_):
            raise RuntimeError("a mistake in a hook")

        server.handle_handshake_error = mistaken
        with tlsfiles.Serving(server):
            assert ended(peers(server, b"garbage, and no more than garbage"))
            self.visit(server, trusting)
            server.ssl_context.sni_callback = mistaken
            with pytest.raises(ssl.SSLError):
                tlsfiles.connect(server.server_address, trusting)
            server.ssl_context.sni_callback = None
            self.visit(server, trusting)
        assert "a mistake in a hook" in capfd.readouterr().err
