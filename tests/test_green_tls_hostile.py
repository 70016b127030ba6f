"""Peers that stall, lie or break off in the handshake with a green server, and its end."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest

import fastnet
import links
import tlsfiles
from fastnet import tls
from green_help import Echo
from tls_handshakes import HELLO, NEVER, Handshakes, ended, files, peers, trusting

__all__ = ["files", "peers", "trusting"]  # fixtures

green = pytest.importorskip("fastnet.green")


@pytest.fixture(params=["epoll", "select"])
def make(request, files):
    """make(**options) gives an echo server."""

    class Server(tls.SSLMixin, green.GreenTCPServer):
        poller = request.param

        def handle_handshake_error(self, sock, address, error):
            self.failures.append(error)

    def make(**options):
        server = Server(("127.0.0.1", 0), Echo, certfile=files.server_both, **options)
        server.failures = []
        return server

    return make


def visit(server, context):
    with tlsfiles.client(server.server_address, context) as sock:
        sock.sendall(b"here")
        assert sock.recv(10) == b"here"


class TestHandshakes(Handshakes):
    visit = staticmethod(visit)
    unseen = 1  # one that is gone before it is accepted is not a handshake that failed

    @staticmethod
    def inside(server):
        return len(server._handshakes._inside) if server._handshakes else 0


def test_those_who_wait_have_a_deadline_and_a_bound(make, peers):
    server = make(handshake_timeout=0.2)
    server.max_handshakes = 1
    server.request_queue_size = 3
    with tlsfiles.Serving(server):
        socks = [peers(server) for _ in range(6)]
        assert all(map(ended, socks))
        links.wait_until(lambda: len(server.failures) == 6)
        kinds = [type(error) for error in server.failures]
        assert kinds.count(fastnet.LimitError) >= 2  # more than three waited
        assert fastnet.TransferTimeout in kinds
        assert not server._handshakes._accepted


@pytest.mark.parametrize("what", ["garbage", "a reset"])
def test_after_the_handshake(make, trusting, what, capfd):
    with tlsfiles.Serving(make()) as server:
        with tlsfiles.client(server.server_address, trusting) as sock:
            if what == "garbage":
                socket.socket.send(sock, b"\x17\x03\x03\x00\x20" + bytes(32))
                with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
                    sock.recv(1)
            else:
                sock.sendall(b"x")
                assert sock.recv(1) == b"x"
                links.reset(sock)
        visit(server, trusting)
        links.wait_until(lambda: not server._tasks)
    said = capfd.readouterr().err
    assert ("SSLError" if what == "garbage" else "ConnectionResetError") in said
    assert server.failures == []


def test_a_context_for_the_other_end(make, files, trusting):
    server = make()
    server.ssl_context = trusting
    with tlsfiles.Serving(server):
        for _ in range(2):
            with socket.create_connection(server.server_address, links.SOON) as sock:
                assert ended(sock)
    assert [type(error) for error in server.failures] == [ssl.SSLError] * 2


def test_a_shutdown_ends_what_is_under_way(make, peers, trusting):
    server = make(handshake_timeout=NEVER)
    server.max_handshakes = 5
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with tlsfiles.client(server.server_address, trusting) as sock:
            sock.sendall(b"here")
            assert sock.recv(10) == b"here"
            stalled = [peers(server, HELLO[:20]) for _ in range(7)]
            links.wait_until(lambda: len(server._handshakes._waiting) == 2)
            server.shutdown()
            thread.join(links.SOON)
            assert not thread.is_alive()
            assert sock.recv(1) == b""  # with a good-bye
            assert all(map(ended, stalled))
    finally:
        server.shutdown() if thread.is_alive() else None
        server.server_close()
    assert server.failures == []
