"""TLS of green servers: what a handler may do with its request, and how connections end."""

from __future__ import annotations

import os
import socket
import ssl
import threading

import pytest

import links
import tlsfiles
from fastnet import Limits, tls
from fastnet.socketserver import ThreadingTCPServer
from green_help import Echo, Lines, once

green = pytest.importorskip("fastnet.green")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return tlsfiles.Files(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def trusting(files):
    return tlsfiles.strict(tls.client_context(cafile=files.ca))


@pytest.fixture(params=["epoll", "select"])
def serve(request, files):
    """serve(handler, **options) gives a running server, and ends it afterwards."""
    running = []

    class Server(tls.SSLMixin, green.GreenTCPServer):
        poller = request.param

        def handle_handshake_error(self, sock, address, error):
            self.failures.append(error)

    def serve(handler, address=("127.0.0.1", 0), base=Server, **options):
        options = {"certfile": files.server_both, **options}
        server = base(address, handler, **options)
        server.failures = []
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


def read(sock, size):
    got = bytearray()
    while len(got) < size:
        block = sock.recv(size - len(got))
        assert block, f"the end after {len(got)} of {size} bytes"
        got += block
    return bytes(got)


def test_an_echo_of_many_sizes(serve, trusting):
    server = serve(Echo)
    with tlsfiles.client(server.server_address, trusting) as sock:
        for size in (1, 2, 1000, 8192, 8193, 16384, 16385, 65536, 300_001):
            data = os.urandom(size)
            sock.sendall(data)
            assert read(sock, size) == data
        assert sock.version() == "TLSv1.3"
    assert server.failures == []


def test_files_and_large_messages(serve, trusting):
    server = serve(Lines)
    data = os.urandom(2_000_000).replace(b"\n", b" ") + b"\n"
    with tlsfiles.client(server.server_address, trusting) as sock:
        for said in (b"\n", b"a line\n", data):
            sock.sendall(said)
            assert read(sock, len(said)) == said


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_end_is_no_truncation(serve, trusting, version):
    trusting.maximum_version = version
    data = os.urandom(1_000_000)
    server = serve(once(lambda handler, request: request.sendall(data)))
    with tlsfiles.client(server.server_address, trusting) as sock:
        assert tlsfiles.read_all(sock) == data
        assert sock.recv(1) == b""


def test_many_at_once(serve, trusting):
    server = serve(Echo)
    socks = links.Background(
        lambda: [tlsfiles.connect(server.server_address, trusting) for _ in range(50)]
    ).result()
    with links.closing(*socks):
        for number, sock in enumerate(socks):
            sock.sendall(b"number %d" % number)
        for number, sock in enumerate(socks):
            assert sock.recv(100) == b"number %d" % number


def test_client_certificates(serve, files, trusting):
    def name(handler, request):
        request.sendall(request.getpeercert()["subjectAltName"][0][1].encode())

    known = tls.client_context(cafile=files.ca, certfile=files.client_both)
    impostor = tls.client_context(cafile=files.ca, certfile=files.impostor_both)
    server = serve(once(name), ca_certs=files.ca, cert_reqs=ssl.CERT_REQUIRED)
    with tlsfiles.client(server.server_address, trusting) as sock:
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
            sock.recv(1)
    with tlsfiles.client(server.server_address, impostor) as sock:
        with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
            sock.recv(1)
    with tlsfiles.client(server.server_address, known) as sock:
        assert tlsfiles.read_all(sock) == b"client.example"
    kinds = [type(error) for error in server.failures]
    assert kinds == [ssl.SSLError, ssl.SSLCertVerificationError]


def test_what_a_handler_can_ask(serve, files, trusting):
    found = {}

    def handle(handler, request):
        assert isinstance(request, green.GreenTLSSocket)
        assert request.context is handler.server.ssl_context
        assert request.server_side
        assert request.server_hostname is None
        assert request.gettimeout() is None
        found["names"] = request.getpeername(), request.getsockname()
        found["agreed"] = request.version(), request.selected_alpn_protocol(), request.cipher()[2]
        assert request.getpeercert() is None
        request.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        assert request.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert (request.family, request.type) == (socket.AF_INET, socket.SOCK_STREAM)
        for call in (request.recv, lambda *a: request.sendall(b"x", *a[1:])):
            with pytest.raises(ValueError, match="flags"):
                call(1, socket.MSG_PEEK)
        with pytest.raises(OSError):
            request.dup()
        buffer = bytearray(4)
        assert request.recv_into(buffer, 2) == 2
        assert request.pending() == 4
        assert request.recv_into(memoryview(buffer)[2:]) == 2
        assert request.recv(0) == b""
        assert request.recv(9) == b"ef"
        request.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            request.recv(1)
        request.setblocking(True)
        assert request.send(b"done" + bytes(buffer)) == 8
        request.close()
        request.close()
        assert request.fileno() == -1
        for call in (lambda: request.recv(1), lambda: request.sendall(b"x")):
            with pytest.raises(OSError):
                call()
        found["all"] = True

    context = tls.server_context(files.server_both, alpn=["echo"])
    asking = tls.client_context(cafile=files.ca, alpn=["echo"])
    server = serve(once(handle), certfile=None, ssl_context=context)
    with tlsfiles.client(server.server_address, asking) as sock:
        sock.sendall(b"abcdef")
        assert tlsfiles.read_all(sock) == b"doneabcd"
        assert found["names"] == (sock.getsockname(), sock.getpeername())
    assert found["agreed"] == ("TLSv1.3", "echo", 256)
    links.wait_until(lambda: "all" in found)


def test_timeouts(serve, trusting):
    seen = []

    def handle(handler, request):
        request.settimeout(0.05)
        for call in (lambda: request.recv(1), lambda: request.sendall(bytes(100_000_000))):
            with pytest.raises(TimeoutError) as caught:
                call()
            seen.append(str(caught.value))
        request.settimeout(0.0)
        with pytest.raises(ssl.SSLWantWriteError):
            request.send(b"x")
        seen.append("non-blocking")

    server = serve(once(handle))
    with tlsfiles.client(server.server_address, trusting) as sock:
        links.wait_until(lambda: len(seen) == 3)
        assert not any(sock.recv(100_000))
    assert seen[:2] == ["The read operation timed out", "The write operation timed out"]


def test_reading_while_writing(serve, trusting):
    """One greenlet reads and another writes; the peer takes nothing until it has sent all."""
    greenlet = pytest.importorskip("greenlet")
    data = os.urandom(8_000_000)
    writers, ended = [], []

    class Server(tls.SSLMixin, green.GreenTCPServer):
        def service_actions(self):
            while writers:
                greenlet.greenlet(writers.pop()).switch()

    def handle(handler, request):
        writers.append(lambda: ended.append(request.sendall(data)))
        handler.server.same = read(request, len(data)) == data
        while not ended:
            green.sleep(0.005)

    server = serve(once(handle), base=Server)
    with tlsfiles.client(server.server_address, trusting) as sock:
        sock.sendall(data)
        assert tlsfiles.read_all(sock) == data
    assert server.same


def test_half_a_shutdown(serve, trusting):
    def handle(handler, request):
        assert request.recv(3) == b"abc"
        request.shutdown(socket.SHUT_WR)
        with pytest.raises(OSError):
            request.send(b"x")
        handler.server.rest = read(request, 4), request.recv(1)

    server = serve(once(handle))
    with tlsfiles.client(server.server_address, trusting) as sock:
        sock.sendall(b"abcde")
        assert sock.recv(1) == b""
        sock.sendall(b"fg")
        socket.socket.shutdown(sock, socket.SHUT_WR)
        links.wait_until(lambda: hasattr(server, "rest"))
    assert server.rest == (b"defg", b"")


def test_going_on_in_plain_text(serve, trusting):
    def handle(handler, request):
        assert request.recv(10) == b""  # the client's good-bye, and what follows it
        assert request.recv(10) == request.read(0) == b""
        plain = request.unwrap()
        with pytest.raises(ValueError, match="unwrapped"):
            request.read(1)
        with pytest.raises(ValueError, match="No SSL"):
            request.unwrap()
        plain.sendall(b"plain " + plain.recv(2) + read(plain, 3))

    server = serve(once(handle))
    left, right = ssl.MemoryBIO(), ssl.MemoryBIO()
    with socket.create_connection(server.server_address, links.SOON) as sock:
        client = trusting.wrap_bio(left, right, server_hostname="localhost")
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(right.read())
                left.write(sock.recv(65536))
        with pytest.raises(ssl.SSLWantReadError):
            client.unwrap()
        sock.sendall(right.read() + b"hello")  # in one segment, as it may come
        got = b""
        while block := sock.recv(1000):
            got += block
        assert got.endswith(b"plain hello")


@pytest.mark.parametrize("suppressed", [True, False])
def test_a_cut_wire(serve, trusting, files, suppressed):
    context = tlsfiles.strict(tls.server_context(files.server_both))

    def handle(handler, request):
        request.suppress_ragged_eofs = suppressed
        try:
            handler.server.got = request.recv(1)
        except ssl.SSLEOFError as error:
            handler.server.got = error

    server = serve(once(handle), certfile=None, ssl_context=context)
    with tlsfiles.client(server.server_address, trusting) as sock:
        socket.socket.shutdown(sock, socket.SHUT_WR)
        links.wait_until(lambda: hasattr(server, "got"))
    assert server.got == b"" if suppressed else isinstance(server.got, ssl.SSLEOFError)


def test_a_handler_that_raises(serve, trusting, capfd):
    def handle(handler, request):
        request.sendall(b"so far")
        raise ValueError("a mistake")

    server = serve(once(handle))
    with tlsfiles.client(server.server_address, trusting) as sock:
        assert tlsfiles.read_all(sock) == b"so far"
    assert "a mistake" in capfd.readouterr().err


@pytest.mark.parametrize("how", ["attribute", "argument"])
def test_without_the_mixin(serve, files, trusting, how, tmp_path):
    context = tls.server_context(files.server_both)

    class Server(green.GreenUnixStreamServer):
        limits = Limits(handshake_timeout=0.1)
        ssl_context = context if how == "attribute" else None

        def __init__(self, *args, certfile):
            super().__init__(*args, **({} if how == "attribute" else {"ssl_context": context}))

    server = serve(Echo, str(tmp_path / "s"), Server)
    with socket.socket(socket.AF_UNIX) as stalled:
        stalled.settimeout(links.SOON)
        stalled.connect(server.server_address)
        with tlsfiles.client(server.server_address, trusting) as sock:
            sock.sendall(b"hello")
            assert sock.recv(10) == b"hello"
        assert stalled.recv(1) == b""  # at the deadline of the limits
    with pytest.raises(RuntimeError, match="serve_forever only"):
        server.get_request()


def test_nothing_that_would_serve_plain_text(files):
    address = ("127.0.0.1", 0)

    class Own:
        def get_request(self):
            raise AssertionError("never called")

    for bases in (
        (Own, green.GreenTCPServer),
        (Own, tls.SSLMixin, green.GreenTCPServer),
        (tls.SSLMixin, Own, green.GreenTCPServer),
    ):
        options = {"certfile": files.server_both} if tls.SSLMixin in bases else {}
        with pytest.raises(TypeError, match=r"Own\.get_request would never be called"):
            type("Server", bases, {})(address, Echo, **options)
    with pytest.raises(TypeError, match="SSLMixin before"):
        type("Server", (green.GreenTCPServer, tls.SSLMixin), {})(address, Echo)
    with pytest.raises(TypeError, match="certfile"):
        type("Server", (tls.SSLMixin, green.GreenTCPServer), {})(address, Echo)
    with green.GreenTCPServer(address, Echo) as server:
        server.get_request = Own().get_request
        with pytest.raises(TypeError, match="accepts in C"):
            server.serve_forever()
    with green.GreenTCPServer(address, Echo) as server:
        context = tls.server_context(files.server_both)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        with pytest.raises(TypeError, match="accepts in C"):
            server.serve_forever()
    mixed = type("Server", (tls.SSLMixin, green.GreenTCPServer), {})
    with mixed(address, Echo, certfile=files.server_both) as server:
        server.ssl_context = None
        with pytest.raises(TypeError, match="accepts in C"):
            server.serve_forever()
    with type("Server", (tls.SSLMixin, ThreadingTCPServer), {})(
        address, Echo, certfile=files.server_both
    ) as server:
        assert server.ssl_context is not None
