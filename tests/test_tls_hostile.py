"""Peers that stall, lie or break off in the handshake, and what honest clients notice of them."""

from __future__ import annotations

import contextlib
import functools
import importlib
import socket
import ssl
import threading
import warnings

import pytest

import links
import tlsfiles
from fastnet import tls
from tls_handshakes import HELLO, NEVER, Handshakes, ended, files, peers, trusting

__all__ = ["files", "peers", "trusting"]  # fixtures

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

KINDS = ["TCPServer", "ThreadingTCPServer", "ForkingTCPServer"]


@pytest.fixture(params=["socketserver", "fastnet.socketserver"])
def make_kind(request, files):
    """make_kind(kind, **options) gives a server that says "here" to who gets through."""
    module = importlib.import_module(request.param)

    class Handler(module.BaseRequestHandler):
        def handle(self):
            self.server.handle(self.request)

    def make(kind, handle=lambda sock: sock.sendall(b"here"), **options):
        class Server(tls.SSLMixin, getattr(module, kind)):
            request_queue_size = 200

            def handle_handshake_error(self, sock, address, error):
                assert isinstance(sock, socket.socket)
                self.failures.append(error)

        server = Server(("127.0.0.1", 0), Handler, certfile=files.server_both, **options)
        server.handle = handle
        server.failures = []
        return server

    return make


def visit(server, context):
    with tlsfiles.client(server.server_address, context) as sock:
        assert tlsfiles.read_all(sock) == b"here"


def inside(server):
    """Handshakes under way."""
    return len(server._gate._newcomers) if server._gate else 0


@pytest.mark.parametrize("kind", KINDS)
class TestHandshakes(Handshakes):
    visit = staticmethod(visit)
    inside = staticmethod(inside)

    @pytest.fixture
    def make(self, make_kind, kind):
        return functools.partial(make_kind, kind)


def test_old_versions(make_kind, trusting, files):
    old = tls.client_context(cafile=files.ca)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with tlsfiles.Serving(make_kind("TCPServer")) as server:
        with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
            tlsfiles.connect(server.server_address, old)
        visit(server, trusting)
        assert server.failures[0].reason == "UNSUPPORTED_PROTOCOL"


def test_closing_ends_what_is_under_way(make_kind, peers):
    with tlsfiles.Serving(make_kind("TCPServer", handshake_timeout=NEVER)) as server:
        socks = [peers(server, HELLO[:20]) for _ in range(5)]
        links.wait_until(lambda: inside(server) == 5)
    for sock in socks:
        assert sock.recv(1) == b""
    server.server_close()
    server.service_actions()
    assert server.fileno() == -1
    with pytest.raises(OSError):
        server.get_request()


def test_a_handlers_process_keeps_nobodys_connection(make_kind, peers, trusting):
    """A child inherits the handshakes under way, and lets go of them."""
    server = make_kind("ForkingTCPServer", lambda sock: sock.recv(1), handshake_timeout=0.5)
    with tlsfiles.Serving(server):
        stalled = peers(server)
        links.wait_until(lambda: inside(server))
        with tlsfiles.client(server.server_address, trusting):
            assert ended(stalled)
            assert server.active_children


def test_a_peer_that_does_not_read_the_end(make_kind, trusting):
    """No room for the last record: the loop does not wait for it."""

    def fill(sock):
        sock.settimeout(0.05)
        with contextlib.suppress(TimeoutError):
            while True:
                sock.sendall(bytes(1 << 16))

    done = threading.Event()
    server = make_kind("TCPServer", fill)
    with tlsfiles.Serving(server):
        with tlsfiles.client(server.server_address, trusting):
            links.wait_until(lambda: server._gate and not server._gate._newcomers)
            server.handle = lambda sock: (sock.sendall(b"here"), done.set())
            visit(server, trusting)
    assert done.is_set()


def test_no_descriptor_is_lost(make_kind, peers, trusting):
    before = len(links.descriptors())
    with tlsfiles.Serving(make_kind("ThreadingTCPServer")) as server:
        for said in (b"garbage in the place of a hello", HELLO[:30]):
            for _ in range(20):
                sock = socket.create_connection(server.server_address)
                sock.sendall(said)
                links.reset(sock)
        links.wait_until(lambda: len(server.failures) == 40)
        visit(server, trusting)
    assert len(links.descriptors()) == before
