"""SSLMixin in front of every server class for streams, ours and the standard library's."""

from __future__ import annotations

import http.server
import importlib
import os
import socket
import ssl
import threading
import urllib.request
import xmlrpc.client
import xmlrpc.server

import pytest

import links
import tlsfiles
from fastnet import tls

# Of a fork with threads, from Python 3.12 on: it is the server class's way.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

KINDS = ["TCPServer", "UnixStreamServer", "ThreadingTCPServer", "ForkingTCPServer"]
MODULES = ["socketserver", "fastnet.socketserver"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return tlsfiles.Files(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=MODULES)
def module(request):
    return importlib.import_module(request.param)


@pytest.fixture
def make(module, files, tmp_path):
    """make(kind, handler, **options) gives a server; the handler is a function of the socket."""

    def make(kind, handle, **options):
        class Handler(module.BaseRequestHandler):
            def handle(self):
                handle(self.request)

        class Server(tls.SSLMixin, getattr(module, kind)):
            def handle_handshake_error(self, sock, address, error):
                self.failures.append(error)

        address = str(tmp_path / "s") if kind.startswith("Unix") else ("127.0.0.1", 0)
        options = {"certfile": files.server, "keyfile": files.server_key, **options}
        server = Server(address, Handler, **options)
        server.failures = []
        return server

    return make


@pytest.fixture
def trusting(files):
    return tlsfiles.strict(tls.client_context(cafile=files.ca))


def echo(sock):
    assert isinstance(sock, ssl.SSLSocket)
    assert sock.gettimeout() is None
    while data := sock.recv(65536):
        sock.sendall(data)


@pytest.mark.parametrize("kind", KINDS)
def test_echo(make, trusting, kind):
    payload = os.urandom(40_000)
    with tlsfiles.Serving(make(kind, echo)) as server:
        for _ in range(3):
            with tlsfiles.client(server.server_address, trusting) as sock:
                for size in (1, 100, len(payload)):
                    sock.sendall(payload[:size])
                    got = b""
                    while len(got) < size:
                        got += sock.recv(65536)
                    assert got == payload[:size]
                assert sock.version() == "TLSv1.3"
    assert server.failures == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_end_is_no_truncation(make, trusting, kind, version):
    trusting.maximum_version = version
    data = bytes(50_000)
    with tlsfiles.Serving(make(kind, lambda sock: sock.sendall(data))) as server:
        with tlsfiles.client(server.server_address, trusting) as sock:
            assert tlsfiles.read_all(sock) == data
            # Even with an answer of its own under way that nobody reads.
            assert sock.recv(1) == b""


@pytest.mark.parametrize("kind", KINDS)
def test_a_handler_that_raises(make, trusting, kind, capfd):
    def handle(sock):
        sock.sendall(b"so far")
        raise ValueError("a mistake")

    with tlsfiles.Serving(make(kind, handle)) as server:
        with tlsfiles.client(server.server_address, trusting) as sock:
            assert tlsfiles.read_all(sock) == b"so far"
    assert "a mistake" in capfd.readouterr().err


def test_a_handler_that_ends_tls_itself(make, trusting):
    def handle(sock):
        sock.sendall(b"now in clear: ")
        sock.unwrap().sendall(b"hello")

    with tlsfiles.Serving(make("ThreadingTCPServer", handle)) as server:
        sock = tlsfiles.connect(server.server_address, trusting)
        assert tlsfiles.read_all(sock) == b"now in clear: "
        with sock.unwrap() as plain:
            assert plain.recv(100) == b"hello"


@pytest.mark.parametrize("kind", KINDS)
def test_client_certificates(make, files, kind, trusting):
    def name(sock):
        sock.sendall(sock.getpeercert()["subjectAltName"][0][1].encode())

    known = tls.client_context(cafile=files.ca, certfile=files.client_both)
    impostor = tls.client_context(cafile=files.ca, certfile=files.impostor_both)
    options = {"ca_certs": files.ca, "cert_reqs": ssl.CERT_REQUIRED}
    with tlsfiles.Serving(make(kind, name, **options)) as server:
        for context in (trusting, impostor):
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            with pytest.raises(ssl.SSLError, match=r"(?i)alert|unexpected"):
                tlsfiles.connect(server.server_address, context)
        with tlsfiles.client(server.server_address, known) as sock:
            assert tlsfiles.read_all(sock) == b"client.example"
        assert [type(error) for error in server.failures] == [
            ssl.SSLError,
            ssl.SSLCertVerificationError,
        ]


def test_the_client_sees_why_it_is_turned_away(make, files, trusting):
    """In TLS 1.3 the alert comes after the client's own handshake."""
    with tlsfiles.Serving(make("TCPServer", echo, ca_certs=files.ca)) as server:
        with tlsfiles.client(server.server_address, trusting) as sock:
            with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
                sock.recv(1)
        with socket.create_connection(server.server_address) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert sock.recv(100) in (
                b"",
                b"\x15\x03\x01\0\x02\x02\x46",
                b"\x15\x03\x03\0\x02\x02F",
            )


@pytest.mark.parametrize("kind", KINDS)
def test_one_request_at_a_time(make, trusting, kind):
    server = make(kind, echo)
    for good in (True, False, True):
        work = links.Background(server.handle_request)
        if good:
            with tlsfiles.client(server.server_address, trusting) as sock:
                sock.sendall(b"hello")
                assert sock.recv(100) == b"hello"
        else:
            family = socket.AF_UNIX if kind.startswith("Unix") else socket.AF_INET
            with socket.socket(family) as sock:
                sock.connect(server.server_address)
                sock.sendall(b"this is no TLS at all")
                sock.settimeout(10)
                while sock.recv(100):
                    pass
        work.result()
    assert len(server.failures) == 1
    server.timeout = 0.01
    server.handle_timeout = lambda: server.failures.append("timeout")
    server.handle_request()
    assert server.failures[1:] == ["timeout"]
    server.server_close()
    assert server.fileno() == -1


def test_a_loop_of_ones_own(make, trusting):
    server = make("TCPServer", echo)

    def work():
        request, address = server.get_request()
        server.process_request(request, address)

    serving = links.Background(work)
    with tlsfiles.client(server.server_address, trusting) as sock:
        sock.sendall(b"hello")
        assert sock.recv(100) == b"hello"
    serving.result()
    server.server_close()


def test_several_threads_on_one_server(make, trusting):
    """Recipe 11.2's way of having a few handlers: all are at work at once."""
    meeting = threading.Barrier(4)

    def handle(sock):
        meeting.wait(links.SOON)
        sock.sendall(b"met")

    server = make("TCPServer", handle)
    with tlsfiles.Serving(server, threads=4):

        def client():
            with tlsfiles.client(server.server_address, trusting) as sock:
                return tlsfiles.read_all(sock)

        for work in [links.Background(client) for _ in range(8)]:
            assert work.result() == b"met"


def test_many_at_once(make, trusting):
    """A burst of honest clients beyond the limit: none is sacrificed to another."""
    server = make("ThreadingTCPServer", lambda sock: sock.sendall(b"here"))
    server.max_handshakes = 4
    server.socket.listen(200)

    def client():
        with tlsfiles.client(server.server_address, trusting) as sock:
            return tlsfiles.read_all(sock)

    with tlsfiles.Serving(server):
        for work in [links.Background(client) for _ in range(60)]:
            assert work.result() == b"here"
    assert server.failures == []


def test_verify_request_and_own_hooks(make, trusting):
    server = make("TCPServer", echo)
    seen = []
    server.verify_request = lambda request, address: seen.append(request) or False
    with tlsfiles.Serving(server):
        with tlsfiles.client(server.server_address, trusting) as sock:
            assert tlsfiles.read_all(sock) == b""
    assert isinstance(seen[0], ssl.SSLSocket)


def test_workers_forked_from_one_server(make, trusting):
    server = make("TCPServer", lambda sock: sock.sendall(str(os.getpid()).encode()))
    server.fileno()  # the parent has a gate, which is not the workers'
    workers = []
    for _ in range(2):
        pid = os.fork()
        if not pid:
            try:
                server.serve_forever(0.05)
            finally:
                os._exit(1)
        workers.append(pid)
    try:
        found = set()
        for _ in range(10):
            with tlsfiles.client(server.server_address, trusting) as sock:
                found.add(int(tlsfiles.read_all(sock)))
        assert found <= set(workers)
    finally:
        for pid in workers:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        server.server_close()


def test_arguments(make, files):
    context = tls.server_context(files.server_both)
    for options, error, words in [
        ({"certfile": None, "keyfile": None}, TypeError, "TLS needs certfile="),
        ({"ssl_context": context}, TypeError, "either ssl_context or certfile"),
        ({"cert_reqs": ssl.CERT_REQUIRED}, ValueError, "cert_reqs needs ca_certs"),
        ({"handshake_timeout": 0}, ValueError, "handshake_timeout is None or above 0"),
        ({"keyfile": files.client_key}, ValueError, "does not belong"),
        ({"certfile": "no/such.pem"}, FileNotFoundError, "no/such"),
    ]:
        with pytest.raises(error, match=words):
            make("TCPServer", echo, **options)
    with pytest.raises(TypeError, match="TLS needs a stream"):
        make("UDPServer", echo)
    options = {"certfile": None, "keyfile": None, "ssl_context": context}
    make("TCPServer", echo, handshake_timeout=None, **options).server_close()
    optional = make("TCPServer", echo, ca_certs=files.ca, cert_reqs=ssl.CERT_OPTIONAL)
    assert optional.ssl_context.verify_mode == ssl.CERT_OPTIONAL
    optional.server_close()


def test_http_and_xmlrpc_servers(files, trusting):
    class Page(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *args):
            pass

    class Web(tls.SSLMixin, http.server.ThreadingHTTPServer):
        pass

    class Calls(tls.SSLMixin, xmlrpc.server.SimpleXMLRPCServer):
        pass

    own = {"certfile": files.server_both}
    with tlsfiles.Serving(Web(("127.0.0.1", 0), Page, **own)) as server:
        url = f"https://localhost:{server.server_port}/"
        with urllib.request.urlopen(url, context=trusting, timeout=20) as answer:
            assert answer.read() == b"hello"
    with tlsfiles.Serving(Calls(("127.0.0.1", 0), logRequests=False, **own)) as server:
        server.register_function(pow)
        url = f"https://localhost:{server.server_address[1]}/"
        with xmlrpc.client.ServerProxy(url, context=trusting) as proxy:
            assert [proxy.pow(2, n) for n in range(3)] == [1, 2, 4]
