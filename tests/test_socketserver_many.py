"""fastnet.socketserver beyond the standard module: many loops, limits, prompt shutdowns."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time

import pytest

import links
import serving
from fastnet import sockets, socketserver
from serving import Echo, running


class Held(socketserver.BaseRequestHandler):
    """Says hello, then waits to be let go."""

    def handle(self):
        server = self.server
        with server.lock:
            server.now += 1
            server.most = max(server.most, server.now)
        try:
            self.request.sendall(b"hello")
            self.request.recv(1)
        finally:
            with server.lock:
                server.now -= 1


class Limited(socketserver.ThreadingTCPServer):
    max_threads = 2
    request_queue_size = 50

    def __init__(self, *args):
        self.lock = threading.Lock()
        self.now = self.most = 0
        super().__init__(*args)


def test_requests_are_our_sockets():
    seen = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            seen.append((type(self.request), self.request.getblocking()))

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        with serving.connect(server):
            server.handle_request()
        assert server.socket.getblocking()
        assert os.get_blocking(server.fileno())
    assert seen == [(sockets.Socket, True)]


@pytest.mark.parametrize("kind", [socketserver.TCPServer, socketserver.ThreadingTCPServer])
def test_sixteen_threads_on_one_server(kind):
    class Server(kind):
        request_queue_size = 100

    server = Server(("127.0.0.1", 0), Echo(socketserver))
    with running(server, threads=16, poll_interval=60):
        clients = [serving.connect(server) for _ in range(16)]  # all served side by side
        for turn in range(20):
            for number, sock in enumerate(clients):
                sock.sendall(b"%d %d" % (turn, number))
            for number, sock in enumerate(clients):
                assert sock.recv(100) == b"%d %d" % (turn, number)
        for sock in clients:
            sock.close()


def test_many_short_connections_to_many_threads():
    server = socketserver.TCPServer(("127.0.0.1", 0), serving.Lines(socketserver))

    def client():
        for _ in range(25):
            with serving.connect(server) as sock:
                sock.sendall(b"hello\n")
                assert serving.exactly(sock, 6) == b"hello\n"

    with running(server, threads=8, poll_interval=60):
        for thread in [links.Background(client) for _ in range(4)]:
            thread.result()


def test_no_thread_is_held_up_by_a_connection_that_another_took():
    class Server(socketserver.TCPServer):
        turns = 0

        def get_request(self):
            request, client_address = super().get_request()
            try:
                super().get_request()  # there is no second one: this must not wait
            except BlockingIOError:
                pass
            return request, client_address

        def service_actions(self):
            self.turns += 1

    handler = socketserver.BaseRequestHandler
    with running(Server(("127.0.0.1", 0), handler), poll_interval=0.01) as server:
        with serving.connect(server):
            before = server.turns
            links.wait_until(lambda: server.turns > before + 3)


@pytest.mark.parametrize("threads", [1, 5])
def test_a_shutdown_does_not_wait_for_the_poll_interval(threads):
    server = socketserver.UDPServer(("127.0.0.1", 0), socketserver.DatagramRequestHandler)
    began = time.monotonic()
    with running(server, threads=threads, poll_interval=60):
        pass
    assert time.monotonic() - began < 20


def test_a_shutdown_before_serving():
    server = socketserver.TCPServer(("127.0.0.1", 0), Echo(socketserver))
    early = links.Background(server.shutdown)
    time.sleep(0.02)
    assert early.is_alive()
    server.serve_forever(60)
    early.result()
    server.server_close()


# --------------------------------------------------------------------------- max_threads


@pytest.mark.parametrize("threads", [1, 4])
def test_max_threads(threads):
    with running(Limited(("127.0.0.1", 0), Held), threads=threads, poll_interval=60) as server:
        clients = [serving.connect(server) for _ in range(8)]
        left = set(clients)
        while left:
            ready = [sock for sock in left if readable(sock)]
            assert len(ready) <= 2
            for sock in ready:
                assert serving.exactly(sock, 5) == b"hello"
                sock.close()
            left -= set(ready)
    assert server.most == 2


def readable(sock):
    sock.settimeout(0.01)
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return False


def test_at_the_limit_a_shutdown_does_not_wait_for_handlers():
    server = Limited(("127.0.0.1", 0), Held)
    loop = links.Background(server.serve_forever, 60)
    clients = [serving.connect(server) for _ in range(3)]
    links.wait_until(lambda: server.now == 2)
    server.shutdown()
    loop.result()
    assert server.now == 2
    for sock in clients:
        sock.close()
    server.server_close()
    assert server.now == 0


def test_at_the_limit_service_actions_are_called():
    class Server(Limited):
        turns = 0

        def service_actions(self):
            self.turns += 1

    with running(Server(("127.0.0.1", 0), Held), poll_interval=0.01) as server:
        clients = [serving.connect(server) for _ in range(3)]
        links.wait_until(lambda: server.now == 2)
        before = server.turns
        links.wait_until(lambda: server.turns > before + 3)
        for sock in clients:
            sock.close()


def test_refused_requests_and_failures_take_no_place():
    class Server(Limited):
        def verify_request(self, request, client_address):
            return request.recv(1) == b"y"

    with running(Server(("127.0.0.1", 0), Held), poll_interval=60) as server:
        for word in b"nnnynny":
            with serving.connect(server) as sock:
                sock.sendall(bytes([word]))
                assert serving.exactly(sock, 5) == (b"hello" if word == ord("y") else b"")


def test_handle_request_at_the_limit():
    timeouts = []
    with Limited(("127.0.0.1", 0), Held) as server:
        server.timeout = 0.05
        server.handle_timeout = lambda: timeouts.append(1)
        clients = [serving.connect(server) for _ in range(3)]
        for _ in range(3):
            server.handle_request()
        assert timeouts == [1]
        clients.pop(0).close()
        server.timeout = links.SOON
        server.handle_request()
        for sock in clients:
            assert serving.exactly(sock, 5) == b"hello"
            sock.close()
    assert server.most == 2


def test_threads_that_have_ended_are_let_go():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), serving.Lines(socketserver))
    with running(server):
        for _ in range(100):
            with serving.connect(server) as sock:
                sock.sendall(b"x\n")
                assert sock.recv(2) == b"x\n"
        assert len(server._threads) < 50


# ----------------------------------------------------------------------------- max_children


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_max_children_does_not_hold_up_a_shutdown():
    class Server(socketserver.ForkingTCPServer):
        max_children = 1

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(b"hello")
            self.request.recv(1)

    server = Server(("127.0.0.1", 0), Handler)
    loop = links.Background(server.serve_forever, 60)
    clients = [serving.connect(server) for _ in range(2)]
    assert serving.exactly(clients[0], 5) == b"hello"
    server.shutdown()
    loop.result()
    assert len(server.active_children) == 1
    for sock in clients:
        sock.shutdown(socket.SHUT_WR)
        sock.close()
    server.server_close()
    assert not server.active_children


def test_a_closed_listener_costs_no_cpu():
    server = socketserver.TCPServer(("127.0.0.1", 0), Echo(socketserver))
    loop = links.Background(server.serve_forever, 60)
    with serving.connect(server) as sock:  # the loop has come to its wait when this is served
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
    server.server_close()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    time.sleep(0.3)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    server.shutdown()
    loop.result()
    assert used < 0.2
