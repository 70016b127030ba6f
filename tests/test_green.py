"""Blocking handlers on greenlets: what a handler may do with its request."""

from __future__ import annotations

import os
import pickle
import socket
import struct
import threading
import time

import pytest

import links
from fastnet import Limits
from green_help import Echo, Lines, dial, once, read_all

green = pytest.importorskip("fastnet.green")


@pytest.fixture(params=["epoll", "select"])
def serve(request, tmp_path):
    """serve(handler, **attributes) gives a running server's address, and ends it afterwards."""
    running = []

    def serve(handler, base=green.GreenTCPServer, address=("127.0.0.1", 0), **attributes):
        kind = type("Server", (base,), {"poller": request.param, **attributes})
        server = kind(address, handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        running.append((server, thread))
        return server

    yield serve
    for server, thread in running:
        server.shutdown()
        thread.join(links.SOON)
        assert not thread.is_alive()
        server.server_close()


@pytest.mark.parametrize("handler", [Echo, Lines])
def test_many_connections_side_by_side(serve, handler):
    server = serve(handler)
    socks = [dial(server) for _ in range(200)]
    for round_ in range(3):
        for n, sock in enumerate(socks):
            sock.sendall(f"{round_} {n}\n".encode())
        for n, sock in enumerate(socks):
            expected = f"{round_} {n}\n".encode()
            assert read_all(sock, len(expected)) == expected
    for sock in socks:
        sock.close()


@pytest.mark.parametrize("handler", [Echo, Lines])
def test_large_messages_both_ways(serve, handler):
    server = serve(handler)
    data = os.urandom(5_000_000).replace(b"\n", b" ") + b"\n"
    with dial(server) as sock:
        sender = links.Background(sock.sendall, data)
        assert read_all(sock, len(data)) == data
        sender.result()
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""


def test_sendall_of_much_to_a_slow_reader_is_bounded(serve):
    data = os.urandom(20_000_000)
    server = serve(once(lambda handler, request: request.sendall(memoryview(data))))
    with dial(server) as sock:
        links.wait_until(lambda: server.stats().get("bytes_out", 0) > 0)
        assert read_all(sock) == data


def test_byte_by_byte_and_short_reads(serve):
    def handle(handler, request):
        got = b""
        while not got.endswith(b"!"):
            got += request.recv(3)
        request.sendall(got)

    with dial(serve(once(handle))) as sock:
        for byte in b"one two three!":
            sock.send(bytes([byte]))
        assert read_all(sock) == b"one two three!"


def test_recv_into_peek_and_files(serve):
    def handle(handler, request):
        assert request.recv(4, socket.MSG_PEEK) == b"abcd"
        buffer = bytearray(8)
        assert request.recv_into(buffer, 2) == 2
        assert request.recv_into(memoryview(buffer)[2:4]) == 2
        request.sendall(buffer[:4])
        with request.makefile("rwb") as file:
            pickle.dump(pickle.load(file), file)

    with dial(serve(once(handle))) as sock, sock.makefile("rwb") as file:
        file.write(b"abcd")
        file.flush()
        assert file.read(4) == b"abcd"
        pickle.dump({"x": [1, 2]}, file)
        file.flush()
        assert pickle.load(file) == {"x": [1, 2]}


def test_timeouts(serve):
    def handle(handler, request):
        request.settimeout(0.05)
        assert request.gettimeout() == 0.05
        try:
            request.recv(10)
        except TimeoutError as error:
            request.sendall(str(error).encode())
        request.setblocking(False)
        with pytest.raises(BlockingIOError):
            request.recv(10)
        request.settimeout(None)
        request.sendall(request.recv(10))

    with dial(serve(once(handle))) as sock:
        assert sock.recv(100) == b"timed out"
        sock.sendall(b"late")
        assert sock.recv(100) == b"late"


def test_handlers_see_their_peer_and_set_options(serve):
    def handle(handler, request):
        assert handler.client_address == request.getpeername()
        assert request.getsockname() == handler.server.server_address
        request.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        assert request.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert request.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        assert (request.family, request.type) == (socket.AF_INET, socket.SOCK_STREAM)
        request.sendall(repr(handler.client_address).encode())

    with dial(serve(once(handle))) as sock:
        assert read_all(sock) == repr(sock.getsockname()).encode()


def test_half_close_both_ways(serve):
    def handle(handler, request):
        data = request.makefile("rb").read()
        request.sendall(data[::-1])
        request.shutdown(socket.SHUT_WR)
        with pytest.raises(OSError):
            request.sendall(b"more")

    with dial(serve(once(handle))) as sock:
        sock.sendall(b"abc")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"cba"


def test_sleep_lets_others_go_on(serve):
    def handle(handler, request):
        wait = struct.unpack("d", request.recv(8))[0]
        green.sleep(wait)
        request.sendall(b"done")

    server = serve(once(handle))
    with dial(server) as slow, dial(server) as quick:
        began = time.monotonic()
        slow.sendall(struct.pack("d", 0.3))
        quick.sendall(struct.pack("d", 0.0))
        assert quick.recv(4) == b"done"
        assert time.monotonic() - began < 0.25
        assert slow.recv(4) == b"done"
        assert time.monotonic() - began >= 0.3


def test_sleep_outside_a_handler_is_an_ordinary_one():
    began = time.monotonic()
    green.sleep(0.02)
    assert time.monotonic() - began >= 0.02


def test_a_handler_that_raises_ends_its_connection_alone(serve, capsys):
    def handle(handler, request):
        if request.recv(1) == b"x":
            raise ValueError("what a client")
        request.sendall(b"fine")

    server = serve(once(handle))
    with dial(server) as good, dial(server) as bad:
        bad.sendall(b"x")
        assert read_all(bad) == b""
        good.sendall(b"y")
        assert read_all(good) == b"fine"
    assert "what a client" in capsys.readouterr().err


def test_reset_wakes_the_handler(serve):
    ended = threading.Event()

    def handle(handler, request):
        try:
            while request.recv(100):
                pass
        except ConnectionResetError:
            ended.set()

    with dial(serve(once(handle))) as sock:
        sock.sendall(b"x")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert ended.wait(links.SOON)


def test_closing_twice_and_using_it_afterwards(serve):
    seen = []

    def handle(handler, request):
        request.close()
        request.close()
        assert request.fileno() == -1
        for use in (lambda: request.recv(1), lambda: request.sendall(b"x")):
            with pytest.raises(OSError) as caught:
                use()
            seen.append(caught.value.errno)

    with dial(serve(once(handle))) as sock:
        assert read_all(sock) == b""
    links.wait_until(lambda: len(seen) == 2)


def test_hooks_are_those_of_socketserver(serve):
    def verify(self, request, address):
        return request.recv(1) == b"y"  # it may even wait

    server = serve(Echo, verify_request=verify)
    with dial(server) as sock:
        sock.sendall(b"n")
        assert read_all(sock) == b""
    with dial(server) as sock:
        sock.sendall(b"yes")
        assert read_all(sock, 2) == b"es"


def test_service_actions_are_called(serve):
    calls = threading.Semaphore(0)

    def actions(self):
        calls.release()

    server = serve(Echo, service_actions=actions)
    with dial(server) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        assert calls.acquire(timeout=links.SOON)


def test_limits(serve):
    server = serve(Echo, limits=Limits(connections=2))
    with dial(server) as one, dial(server) as two:
        for sock in (one, two):
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
        with dial(server) as three:
            assert three.recv(1) == b""


def test_idle_limit_reaches_the_handler(serve):
    server = serve(Echo, limits=Limits(idle_timeout=0.05))
    with dial(server) as sock:
        assert read_all(sock) == b""


def test_unix_sockets(serve, tmp_path):
    server = serve(Lines, green.GreenUnixStreamServer, str(tmp_path / "s"))
    with dial(server) as sock:
        sock.sendall(b"a line\n")
        assert read_all(sock, 7) == b"a line\n"


def test_serves_in_one_thread_only(serve):
    server = serve(Echo)
    with dial(server) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        with pytest.raises(RuntimeError, match="one thread"):
            server.serve_forever()


def test_descriptors_do_not_mix(serve):
    """Numbers are used again at once: no byte may reach the wrong connection."""
    server = serve(Echo)
    for n in range(1500):
        with dial(server) as sock:
            word = f"{n:08}".encode()
            sock.sendall(word)
            if n % 3:
                assert read_all(sock, 8) == word
