"""How green servers end: what is in flight is finished, what waits is told."""

from __future__ import annotations

import threading

import pytest

import links
from green_help import Echo, dial, once, read_all

green = pytest.importorskip("fastnet.green")


def test_work_in_flight_ends_before_the_server_does():
    started = threading.Event()

    def handle(handler, request):
        request.recv(10)
        started.set()
        green.sleep(0.1)
        request.sendall(b"reply")
        request.recv(10)  # waits for its peer, who says no more

    server = green.GreenTCPServer(("127.0.0.1", 0), once(handle))
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with dial(server) as sock:
            sock.sendall(b"x")
            assert started.wait(links.SOON)
            server.shutdown()
            thread.join()
            assert read_all(sock) == b"reply"


def test_a_handler_that_never_ends_is_ended():
    def handle(handler, request):
        while True:
            green.sleep(10)

    class Server(green.GreenTCPServer):
        stop_timeout = 0.05

    with Server(("127.0.0.1", 0), once(handle)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with dial(server) as sock:
            links.wait_until(lambda: server.stats().get("accepted") == 1)
            server.shutdown()
            thread.join()
            assert read_all(sock) == b""


def test_shutdown_from_a_handler():
    def handle(handler, request):
        request.sendall(b"bye")
        handler.server.shutdown()

    with green.GreenTCPServer(("127.0.0.1", 0), once(handle)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with dial(server) as sock:
            assert read_all(sock) == b"bye"
        thread.join(links.SOON)
        assert not thread.is_alive()


def test_no_reply_is_lost_in_shutdowns_under_load():
    for _ in range(20):
        with green.GreenTCPServer(("127.0.0.1", 0), Echo) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            socks = [dial(server) for _ in range(10)]
            for sock in socks:
                sock.sendall(b"request")
            server.shutdown()
            thread.join()
            for sock in socks:
                assert read_all(sock) == b"request"
                sock.close()
