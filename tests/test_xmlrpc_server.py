"""The server: what it answers, to whom, and when it ends a connection."""

from __future__ import annotations

import contextlib
import gzip
import socket
import subprocess
import sys
import xmlrpc.client as standard
import xmlrpc.server
from xmlrpc.client import Fault

import pytest

import tlsfiles
import xmlrpc_kit as kit
from fastnet.xmlrpc import client, server


class Service:
    """An instance to register."""

    class inner:
        @staticmethod
        def deep(x):
            return x + 1

    secret = "not callable"

    def get(self, x):
        """Gives x back."""
        return x

    def _private(self):
        return "never"


@pytest.mark.parametrize("proxy", [standard.ServerProxy, client.ServerProxy])
def test_calls(proxy):
    with kit.served(allow_none=True) as (running, url):
        running.register_introspection_functions()
        running.register_multicall_functions()
        running.register_instance(Service(), allow_dotted_names=True)
        with proxy(url, allow_none=True) as calls:
            assert calls.add(3, 5) == 8
            assert calls.add("Hello", "World") == "HelloWorld"
            assert calls.echo(None, [1, {"é": 2.5}], True) == [None, [1, {"é": 2.5}], True]
            assert calls.get("x") == "x"
            assert calls.inner.deep(1) == 2
            assert {"add", "echo", "get", "pow"} <= set(calls.system.listMethods())
            assert calls.system.methodHelp("get") == "Gives x back."
            many = client.MultiCall(calls)
            many.add(1, 2)
            many.pow(2, 5)
            many.nothing()
            answers = many()
            assert (answers[0], answers[1]) == (3, 32)
            with pytest.raises(Fault, match="is not supported"):
                answers[2]
            for name in ("_private", "inner._x", "get.__func__", "nothing"):
                with pytest.raises(Fault, match="is not supported"):
                    getattr(calls, name)()
            with pytest.raises(Fault, match="ZeroDivisionError"):
                calls.pow(0, -1)
        assert running.connections == 1  # all of it on one connection


def test_faults_are_the_standard_ones():
    ours, theirs = server.SimpleXMLRPCDispatcher(), xmlrpc.server.SimpleXMLRPCDispatcher()

    def fails(kind):
        raise {"fault": Fault(7, "own"), "error": KeyError("x"), "exit": SystemExit(3)}[kind]

    for each in (ours, theirs):
        each.register_function(fails)
        each.register_function(lambda: None, "nothing")
        each.register_function(lambda: 1 << 40, "large")
        each.register_function(lambda: "\ud800é<", "rare")
        each.register_function(lambda *values: values, "echo")
    names = [("fails", ("fault",)), ("fails", ("error",)), ("fails", ("exit",)), ("fails", ())]
    names += [("nothing", ()), ("large", ()), ("rare", ()), ("echo", (1, "x", [2.5])), ("no", ())]
    messages = [standard.dumps(values, name).encode() for name, values in names]
    messages += [b"", b"<params/>", b"\xff", messages[0][:-9], b"<methodCall></methodCall>"]
    for message in messages:
        answer = ours._marshaled_dispatch(message)
        assert answer == theirs._marshaled_dispatch(message)
        assert isinstance(answer, bytes)


def test_paths():
    class Handler(kit.KeepAlive):
        rpc_paths = ("/one", "/two", "/three")

    with kit.served(server.MultiPathXMLRPCServer, Handler) as (running, url):
        for name in ("one", "two"):
            dispatcher = running.add_dispatcher(f"/{name}", server.SimpleXMLRPCDispatcher())
            dispatcher.register_function(lambda name=name: name, "name")
            assert running.get_dispatcher(f"/{name}") is dispatcher
        for name in ("one", "two"):
            with client.ServerProxy(url.replace("RPC2", name)) as calls:
                assert calls.name() == name
        with client.ServerProxy(url.replace("RPC2", "three")) as calls:
            with pytest.raises(Fault, match="KeyError"):
                calls.name()
        with client.ServerProxy(url) as calls:
            with pytest.raises(client.ProtocolError) as caught:
                calls.name()
            assert caught.value.errcode == 404


def test_gzip_both_ways():
    body = client.dumps(("x" * 5000,), "echo").encode()
    with kit.served() as (running, url):
        answer, data = kit.posted(
            running, gzip.compress(body), Content_Encoding="gzip", Accept_Encoding="gzip"
        )
        assert answer.getheader("Content-Encoding") == "gzip"
        assert client.loads(gzip.decompress(data)) == ((["x" * 5000],), None)
        answer, data = kit.posted(running, body)
        assert answer.getheader("Content-Encoding") is None
        assert client.loads(data) == ((["x" * 5000],), None)
        for coding, status in (("gzip", 400), ("br", 501)):
            answer, _ = kit.posted(running, body, Content_Encoding=coding)
            assert answer.status == status
        transport = client.Transport()
        transport.encode_threshold = 100
        with client.ServerProxy(url, transport) as calls:
            assert calls.echo("y" * 9000) == ["y" * 9000]


def raw(running, data):
    """Everything that a server says to some bytes, until it ends the connection."""
    with socket.create_connection(running.server_address, 30) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        said = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := sock.recv(65536):
                said += piece
        return said


CALL = client.dumps((1, 2), "add").encode()
SMUGGLED = b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(CALL) + CALL


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"POST /RPC2 HTTP/1.1\r\nContent-Length: {len(CALL)}", 200),
        ("POST /nowhere HTTP/1.1\r\nContent-Length: 5", 404),
        ("POST /RPC2 HTTP/1.1\r\nContent-Length: -1", 400),
        ("POST /RPC2 HTTP/1.1\r\nContent-Length: five", 500),
        ("POST /RPC2 HTTP/1.1\r\nX-None: 1", 500),
        ("POST /RPC2 HTTP/1.1\r\nContent-Length: 9999999", 413),
        (f"POST /RPC2 HTTP/1.1\r\nContent-Length: {'9' * 400}", 413),
        (f"POST /RPC2 HTTP/1.1\r\nContent-Length: {'9' * 5000}", 413),
        ("POST /RPC2 HTTP/1.1\r\nTransfer-Encoding: chunked", 500),
    ],
)
def test_what_was_not_read_is_no_request(head, status):
    class Handler(kit.KeepAlive):
        max_request_size = 100_000

    with kit.served(handler=Handler) as (running, _):
        body = CALL if status == 200 else SMUGGLED
        said = raw(running, head.encode() + b"\r\nHost: x\r\n\r\n" + body + SMUGGLED)
        assert said.startswith(b"HTTP/1.1 %d " % status)
        assert said.count(b"HTTP/1.1 ") == (2 if status == 200 else 1)


@pytest.mark.parametrize("quick", [True, False])
def test_the_quick_way_says_the_same(quick):
    class Handler(kit.KeepAlive):
        def date_time_string(self, timestamp=None):
            return "now"

        if not quick:

            def send_header(self, keyword, value):
                super().send_header(keyword, value)

    assert Handler._plain == quick

    class Failing(kit.Threaded):
        _send_traceback_header = True

        def _marshaled_dispatch(self, data, dispatch_method=None, path=None):
            if b"fail" in data:
                raise ValueError("on\r\npurpose")
            return super()._marshaled_dispatch(data, dispatch_method, path)

    large = client.dumps(("x" * 4000,), "echo").encode()
    with kit.served(Failing, Handler) as (running, _):
        answer, data = kit.posted(running, CALL)
        names = ["Server", "Date", "Content-type", "Content-length"]
        assert [name for name, _ in answer.getheaders()] == names
        assert (answer.version, answer.getheader("Date"), client.loads(data)[0]) == (
            11,
            "now",
            (3,),
        )
        for accepts, packed in (("gzip", "gzip"), ("gzip;q=0", None), ("br", None)):
            answer, data = kit.posted(running, large, Accept_Encoding=accepts)
            assert answer.getheader("Content-Encoding") == packed
            data = gzip.decompress(data) if packed else data
            assert client.loads(data) == ((["x" * 4000],), None)
        answer, data = kit.posted(running, b"fail")
        assert (answer.status, data) == (500, b"")
        assert answer.getheader("X-exception") == "on purpose"
        assert "ValueError" in answer.getheader("X-traceback")


def test_documentation():
    class Handler(server.DocXMLRPCRequestHandler):
        protocol_version = "HTTP/1.1"

    class Documented(server.DocXMLRPCServer):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.set_server_title("a title <b>")

    with kit.served(Documented, Handler) as (running, url):
        text = raw(running, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in text
        assert b"a title &lt;b&gt;" in text
        assert b"<strong>add</strong>" in text
        assert b"text/css" in raw(running, b"GET /pydoc.css HTTP/1.1\r\nConnection: close\r\n\r\n")
        with client.ServerProxy(url) as calls:
            assert calls.add(1, 2) == 3


CGI = """
import sys
from fastnet.xmlrpc.server import CGIXMLRPCRequestHandler, DocCGIXMLRPCRequestHandler
for kind in (CGIXMLRPCRequestHandler, DocCGIXMLRPCRequestHandler):
    handler = kind()
    handler.register_function(pow)
    handler.handle_request(sys.argv[1])
"""


def test_cgi():
    message = client.dumps((2, 3), "pow")
    done = subprocess.run(
        [sys.executable, "-c", CGI, message], capture_output=True, timeout=50, check=True
    )
    one, two = done.stdout.split(b"Content-Type: text/xml")[1:]
    assert one == two
    assert client.loads(one.partition(b"\n\n")[2] or one.partition(b"\r\n\r\n")[2])[0] == (8,)


def test_the_standard_names():
    public = {name for name in vars(xmlrpc.server) if not name.startswith("_")}
    assert all(hasattr(server, name) for name in public)
    assert issubclass(server.SimpleXMLRPCDispatcher, xmlrpc.server.SimpleXMLRPCDispatcher)
    assert issubclass(server.SimpleXMLRPCRequestHandler, xmlrpc.server.SimpleXMLRPCRequestHandler)


def test_over_tls(tmp_path):
    from fastnet import tls

    class Secure(tls.SSLMixin, kit.Threaded):
        pass

    files = tlsfiles.Files(tmp_path)
    with kit.served(Secure, certfile=files.server_both) as (_, url):
        trusting = tls.client_context(cafile=files.ca)
        url = url.replace("http://127.0.0.1", "https://localhost")
        with client.ServerProxy(url, context=trusting, timeout=30) as calls:
            assert [calls.pow(2, n) for n in range(3)] == [1, 2, 4]
        with client.ServerProxy(url, timeout=30) as calls:
            with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
                calls.pow(2, 2)
