"""Servers among bad peers and in bad times."""

from __future__ import annotations

import os
import socket
import threading

import pytest

import links
import serving
from fastnet import socketserver
from serving import Echo, running


class Server(socketserver.ThreadingTCPServer):
    request_queue_size = 200

    def handle_error(self, request, client_address):
        pass  # resets are what these tests are about


@pytest.fixture(params=["threading", "forking", "plain"])
def server(request):
    kinds = {
        "threading": Server,
        "plain": type("Plain", (socketserver.TCPServer,), {"handle_error": Server.handle_error}),
        "forking": type("Forking", (socketserver.ForkingMixIn, Server), {}),
    }
    with running(kinds[request.param](("127.0.0.1", 0), Echo(socketserver))) as server:
        yield server


def alive(server):
    with serving.connect(server) as sock:
        sock.sendall(b"hello")
        sock.shutdown(socket.SHUT_WR)
        assert serving.exactly(sock, 5) == b"hello"
        assert sock.recv(1) == b""


STAGES = {
    "at once": lambda sock: None,
    "after sending": lambda sock: sock.sendall(b"hello"),
    "while being answered": lambda sock: sock.sendall(bytes(200_000)),
    "after an answer": lambda sock: (sock.sendall(b"hello"), sock.recv(5)),
    "after its own end": lambda sock: (sock.sendall(b"hello"), sock.shutdown(socket.SHUT_WR)),
}


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_resets(server, stage):
    for _ in range(3):
        sock = serving.connect(server)
        try:
            stage(sock)
            if isinstance(server, socketserver.ForkingMixIn):
                sock.shutdown(socket.SHUT_RDWR)  # a child has this end too: close() ends nothing
        except OSError:
            pass  # the server was quicker
        finally:
            links.reset(sock)
    alive(server)


def test_a_blocked_handler_blocks_nobody_else():
    entered, release = threading.Event(), threading.Event()

    class Handler(Echo(socketserver)):
        def handle(self):
            if self.request.recv(1, socket.MSG_PEEK) == b"!":
                entered.set()
                release.wait()
            super().handle()

    with running(Server(("127.0.0.1", 0), Handler)) as server:
        with serving.connect(server) as sock:
            sock.sendall(b"!")
            assert entered.wait(links.SOON)
            for _ in range(3):
                alive(server)
            release.set()
            assert sock.recv(1) == b"!"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_while_serving():
    with running(Server(("127.0.0.1", 0), Echo(socketserver))) as server:
        with serving.connect(server) as sock:
            for _ in range(5):
                pid = os.fork()
                if not pid:
                    server.socket.close()
                    os._exit(0)
                sock.sendall(b"x")
                assert sock.recv(1) == b"x"
                assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
                alive(server)


def test_shutdowns_under_load_lose_no_reply():
    """Whoever was accepted is answered, however the shutdown falls."""
    answered, lost, accepted = [], [], []

    class Counting(Server):
        def get_request(self):
            got = super().get_request()
            accepted.append(got[1])
            return got

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(self.request.recv(100).upper())

    def client(address, stop):
        while not stop.is_set():
            with socket.socket() as sock:
                sock.settimeout(links.SOON)
                try:
                    sock.connect(address)
                    name = sock.getsockname()
                    sock.sendall(b"hello")
                    reply = sock.recv(100)
                except OSError:
                    reply = b""
                else:
                    (answered if reply == b"HELLO" else lost).append(name)

    for _ in range(200):
        server = Counting(("127.0.0.1", 0), Handler)
        loops = serving.loops(server, 2, 60)
        stop = threading.Event()
        clients = [links.Background(client, server.server_address, stop) for _ in range(2)]
        links.wait_until(lambda: accepted)
        server.shutdown()
        for loop in loops:
            loop.result()
        server.server_close()
        stop.set()
        for one in clients:
            one.result()
        assert set(accepted) <= set(answered), "a reply was lost"
        answered.clear()
        accepted.clear()


OUT_OF_DESCRIPTORS = """
    import os, resource, socket, threading, time
    from fastnet import socketserver

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            while message := self.request.recv(100):
                self.request.sendall(message)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, args=(60,), daemon=True)
    serving.start()

    def talk(sock):
        sock.sendall(b"hello")
        return sock.recv(100)

    # All clients exist before there are none left for the server.
    clients = [socket.socket() for _ in range(5)]
    for sock in clients:
        sock.settimeout(20)
    clients[0].connect(server.server_address)
    assert talk(clients[0]) == b"hello"
    spare = [os.open("/dev/null", os.O_RDONLY)]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare[0] + 1, hard))
    before = time.process_time()
    for sock in clients[1:]:
        sock.connect(server.server_address)
    time.sleep(0.5)
    assert time.process_time() - before < 0.3, "it spins"
    assert talk(clients[0]) == b"hello"
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    for sock in clients:
        assert talk(sock) == b"hello"
        sock.close()
    server.shutdown()
    serving.join()
    server.server_close()
    print("survived")
"""


def test_out_of_descriptors():
    assert "survived" in links.run(OUT_OF_DESCRIPTORS)
