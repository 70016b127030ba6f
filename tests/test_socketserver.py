"""fastnet.socketserver and the standard module: the same tests for both."""

from __future__ import annotations

import importlib
import os
import socket
import threading

import pytest

import links
import serving
from serving import Echo, Failing, Lines, running

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture(params=["socketserver", "fastnet.socketserver"])
def module(request):
    """The standard module, or ours."""
    return importlib.import_module(request.param)


STREAMS = ["TCPServer", "ThreadingTCPServer", "ForkingTCPServer",
           "UnixStreamServer", "ThreadingUnixStreamServer", "ForkingUnixStreamServer"]  # fmt: skip
DATAGRAMS = ["UDPServer", "ThreadingUDPServer", "ForkingUDPServer",
             "UnixDatagramServer", "ThreadingUnixDatagramServer",
             "ForkingUnixDatagramServer"]  # fmt: skip


def class_of(module, name):
    """A class by its name; what 3.11 lacks is made as its documentation says."""
    if not hasattr(module, name):
        return type(name, (module.ForkingMixIn, getattr(module, name.removeprefix("Forking"))), {})
    return getattr(module, name)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("handler", [Echo, Lines])
def test_streams(module, name, handler, tmp_path):
    server = class_of(module, name)(serving.address(name, tmp_path), handler(module))
    with running(server):
        for _ in range(3):
            with serving.connect(server) as sock:
                for text in (b"hello\n", b"again\n" * 1000):
                    sock.sendall(text)
                    assert serving.exactly(sock, len(text)) == text
                sock.shutdown(socket.SHUT_WR)
                assert sock.recv(1) == b""


@pytest.mark.parametrize("name", DATAGRAMS)
def test_datagrams(module, name, tmp_path):
    class Handler(module.DatagramRequestHandler):
        def handle(self):
            assert self.packet == self.rfile.getvalue()
            self.wfile.write(self.rfile.read().upper())

    server = class_of(module, name)(serving.address(name, tmp_path), Handler)
    with running(server), serving.datagram_socket(server, tmp_path) as sock:
        for text in (b"hello", b"again", b"x" * 8000):
            sock.sendto(text, server.server_address)
            assert sock.recv(10000) == text.upper()


def test_hooks_in_their_order(module):
    calls = []

    def recorded(name, result=None):
        def hook(self, *args):
            calls.append(name)
            original = getattr(module.TCPServer, name)
            return original(self, *args)

        return hook

    names = ("server_bind server_activate get_request verify_request process_request "
             "finish_request shutdown_request close_request server_close")  # fmt: skip
    kind = type("Server", (module.TCPServer,), {name: recorded(name) for name in names.split()})
    with kind(("127.0.0.1", 0), module.BaseRequestHandler) as server:
        with serving.connect(server):
            server.handle_request()
    assert " ".join(calls) == names


@pytest.mark.parametrize("name", ["TCPServer", "ThreadingTCPServer", "ForkingTCPServer"])
def test_a_handler_that_raises(module, name, capfd):
    server = getattr(module, name)(("127.0.0.1", 0), Failing(module))
    with running(server):
        for _ in range(2):
            with serving.connect(server) as sock:
                assert sock.recv(100) == b""
    error = capfd.readouterr().err
    assert error.count("Exception occurred during processing of request from ('127.0.0.1', ") == 2
    assert error.count("ValueError: on purpose") == 2
    assert error.count("-" * 40 + "\n") == 4


def test_a_handler_that_closes_twice(module):
    class Handler(module.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"bye")
            self.wfile.close()
            self.request.close()
            self.request.close()

    with running(module.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as server:
        for _ in range(3):
            with serving.connect(server) as sock:
                assert serving.exactly(sock, 3) == b"bye"
                assert sock.recv(1) == b""


def test_finish_follows_a_handle_that_raises(module):
    calls = []

    class Handler(module.BaseRequestHandler):
        def setup(self):
            calls.append("setup")

        def handle(self):
            calls.append("handle")
            raise OSError("on purpose")

        def finish(self):
            calls.append("finish")

    with module.TCPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_: calls.append("error")
        with serving.connect(server):
            server.handle_request()
    assert calls == ["setup", "handle", "finish", "error"]


def test_verify_request(module):
    class Server(module.TCPServer):
        def verify_request(self, request, client_address):
            return client_address[0] != "127.0.0.1"

    with running(Server(("127.0.0.1", 0), Echo(module))) as server:
        with serving.connect(server) as sock:
            assert sock.recv(1) == b""


@pytest.mark.parametrize("by", ["server", "socket"])
def test_handle_request_and_its_timeout(module, by):
    calls = []

    class Server(module.TCPServer):
        timeout = 30 if by == "socket" else 0.01

        def handle_timeout(self):
            calls.append("timeout")

    with Server(("127.0.0.1", 0), Echo(module)) as server:
        server.socket.settimeout(0.01 if by == "socket" else 30)
        server.handle_request()
        assert calls == ["timeout"]


def test_bind_and_activate_by_hand(module):
    server = module.TCPServer(("127.0.0.1", 0), Echo(module), bind_and_activate=False)
    server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
    server.server_bind()
    server.server_activate()
    with running(server), serving.connect(server) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"


def test_reuse(module):
    class Server(module.TCPServer):
        allow_reuse_address = True
        allow_reuse_port = True

    with Server(("127.0.0.1", 0), Echo(module)) as one:
        assert one.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        with Server(one.server_address, Echo(module)):
            pass
        with pytest.raises(OSError, match="in use"):
            module.TCPServer(one.server_address, Echo(module))


def test_service_actions_are_called_all_the_time(module):
    class Server(module.TCPServer):
        calls = 0

        def service_actions(self):
            self.calls += 1

    with running(Server(("127.0.0.1", 0), Echo(module)), poll_interval=0.01) as server:
        links.wait_until(lambda: server.calls > 5)


def test_an_exception_of_service_actions_ends_the_loop(module):
    class Server(module.TCPServer):
        def service_actions(self):
            raise LookupError

    with Server(("127.0.0.1", 0), Echo(module)) as server:
        with pytest.raises(LookupError):
            server.serve_forever(0.01)
        server.shutdown()  # which has nothing to wait for


def test_a_server_may_serve_again(module):
    server = module.TCPServer(("127.0.0.1", 0), Echo(module))
    for _ in range(3):
        thread = links.Background(server.serve_forever, 0.01)
        with serving.connect(server) as sock:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
        server.shutdown()
        thread.result()
    server.server_close()
    server.server_close()


def test_own_get_request(module):
    class Server(module.UDPServer):
        def get_request(self):
            data, address = self.socket.recvfrom(100)  # blocks if there is nothing
            return (data, self.socket), address

    class Handler(module.DatagramRequestHandler):
        def handle(self):
            self.wfile.write(self.packet * 2)

    with running(Server(("127.0.0.1", 0), Handler)) as server:
        with serving.datagram_socket(server, None) as sock:
            for _ in range(3):
                sock.sendto(b"ab", server.server_address)
                assert sock.recv(100) == b"abab"


def test_a_handlers_settings(module):
    seen = []

    class Handler(module.StreamRequestHandler):
        timeout = 5
        wbufsize = 1000
        disable_nagle_algorithm = True

        def handle(self):
            seen.append(self.connection.gettimeout())
            seen.append(self.request.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0)
            self.wfile.write(b"kept until the end")
            seen.append(isinstance(self.server, module.TCPServer))

    with running(module.TCPServer(("127.0.0.1", 0), Handler)) as server:
        with serving.connect(server) as sock:
            assert serving.exactly(sock, 18) == b"kept until the end"
    assert seen == [5, True, True]


@pytest.mark.parametrize("block", [True, False])
def test_block_on_close(module, block):
    release, entered = threading.Event(), threading.Event()

    class Handler(module.BaseRequestHandler):
        def handle(self):
            entered.set()
            release.wait()

    class Server(module.ThreadingTCPServer):
        block_on_close = block

    server = Server(("127.0.0.1", 0), Handler)
    thread = links.Background(server.serve_forever, 0.01)
    with serving.connect(server):
        entered.wait(links.SOON)
        server.shutdown()
        thread.result()
        closing = links.Background(server.server_close)
        if not block:
            closing.result()
        assert closing.is_alive() is block
        release.set()
        closing.result()


def test_forked_children_are_seen_to(module):
    class Server(module.ForkingTCPServer):
        max_children = 3

    server = Server(("127.0.0.1", 0), Lines(module))
    with running(server):
        for _ in range(10):
            with serving.connect(server) as sock:
                sock.sendall(b"x\n")
                sock.shutdown(socket.SHUT_WR)  # the child has this end too: close() ends nothing
                assert sock.recv(10) == b"x\n"
                assert sock.recv(10) == b""
            assert len(server.active_children or ()) <= 3
    assert not server.active_children
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
