"""Green servers: who wakes whom, what is still delivered, and who must not wait."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

import links
from fastnet import socketserver
from green_help import Echo, dial, once, read_all

green = pytest.importorskip("fastnet.green")

HERE = ("127.0.0.1", 0)


@contextlib.contextmanager
def at_work(server):
    """The server in a thread of its own, ended afterwards."""
    with server:
        thread = links.Background(server.serve_forever)
        try:
            yield server
        finally:
            server.shutdown()
            thread.result()


@pytest.mark.parametrize("order", ["AS", "SA"], ids=["shut first", "data first"])
def test_a_sleep_lasts_when_its_socket_was_shut_in_the_turn_that_brought_data(order):
    """Whoever waited for the bytes is woken once, not again in what he waits for next."""
    held, out = {}, []
    go, over = threading.Event(), threading.Event()

    def handle(handler, request):
        name = request.recv(1)
        held[name] = request
        request.sendall(b"k")
        if name == b"Z":  # holds up the thread, so that the others' bytes come in one turn
            go.wait(links.SOON)
        elif name == b"A":
            request.recv(10)
            held[b"S"].shutdown(socket.SHUT_RD)
            green.sleep(0)
        else:
            out.append(request.recv(10))
            start = time.monotonic()
            green.sleep(0.2)
            out.append(time.monotonic() - start)
            over.set()

    server = green.GreenTCPServer(HERE, once(handle))
    with at_work(server), dial(server) as one, dial(server) as two, dial(server) as blocker:
        socks = {"A": one, "S": two, "Z": blocker}
        for name, sock in socks.items():
            sock.sendall(name.encode())
            assert sock.recv(1) == b"k"
        for name in order:
            socks[name].sendall(b"hello")
        go.set()
        assert over.wait(links.SOON)
    data, slept = out
    assert data in (b"", b"hello")
    assert slept >= 0.19


def test_a_peer_that_reads_slowly_gets_all_that_an_ended_handler_wrote():
    """shutdown waits for bytes that nobody but the server still holds."""
    payload = bytes(range(250)) * 1024
    written = threading.Event()

    def handle(handler, request):
        request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        request.sendall(payload)
        written.set()

    with green.GreenTCPServer(HERE, once(handle)) as server:
        thread = links.Background(server.serve_forever)
        with socket.socket() as sock:
            sock.settimeout(links.SOON)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(server.server_address)
            assert written.wait(links.SOON)
            ending = links.Background(server.shutdown)
            ending.join(0.2)
            assert ending.is_alive()
            assert read_all(sock) == payload
        ending.result()
        thread.result()


@pytest.mark.parametrize(
    "kind",
    [green.GreenTCPServer, socketserver.TCPServer, socketserver.ThreadingTCPServer],
    ids=lambda kind: kind.__name__,
)
@pytest.mark.parametrize("late", [False, True], ids=["before", "about then"])
def test_a_shutdown_that_comes_before_serve_forever_ends_it(kind, late):
    with kind(HERE, Echo) as server:
        ending = links.Background(server.shutdown)
        if not late:
            ending.join(0.05)  # it has come to wait by then
        serving = links.Background(server.serve_forever, 0.01)
        serving.result()
        ending.result()


def test_a_green_server_that_was_shut_down_early_serves_again():
    with green.GreenTCPServer(HERE, Echo) as server:
        ending = links.Background(server.shutdown)
        links.Background(server.serve_forever).result()
        ending.result()
        thread = links.Background(server.serve_forever)
        with dial(server) as sock:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
        server.shutdown()
        thread.result()


def test_service_actions_cannot_wait_for_a_green_socket():
    """It runs where the server itself does: it is told so, and the server goes on."""

    class Server(green.GreenTCPServer):
        kept, said = None, None

        def process_request(self, request, address):
            if self.kept is None:
                self.kept = request  # and not handled
            else:
                super().process_request(request, address)

        def service_actions(self):
            if self.kept is not None and self.said is None:
                try:
                    self.said = self.kept.recv(10)
                except RuntimeError as error:
                    self.said = str(error)

    server = Server(HERE, Echo)
    with server:
        thread = links.Background(server.serve_forever, 0.01)
        with dial(server) as sock, dial(server) as other:
            links.wait_until(lambda: server.said is not None)
            assert server.said == "the greenlet that serves must not wait itself"
            other.sendall(b"x")
            assert other.recv(1) == b"x"
            server.shutdown()
            thread.result()
            assert read_all(sock) == b""
