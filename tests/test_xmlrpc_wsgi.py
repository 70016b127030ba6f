"""XML-RPC as a WSGI application, under the standard library's validator."""

from __future__ import annotations

import gzip
import io
import wsgiref.simple_server
import wsgiref.util
import wsgiref.validate

import pytest

import tlsfiles
from fastnet.xmlrpc import client, server

CALL = client.dumps((2, 3), "pow").encode()


def asked(app, body=CALL, method="POST", path="/RPC2", **environ):
    """The status, the headers and the body of an answer."""
    values = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **environ,
    }
    values = {name: value for name, value in values.items() if value is not None}
    wsgiref.util.setup_testing_defaults(values)
    said = []
    answer = wsgiref.validate.validator(app)(values, lambda *args: said.append(args[:2]))
    try:
        data = b"".join(answer)
    finally:
        answer.close()
    status, headers = said[0]
    headers = {name.lower(): value for name, value in headers}
    assert int(headers["content-length"]) == len(data)
    return int(status.split()[0]), headers, data


@pytest.fixture
def app():
    made = server.XMLRPCApp(allow_none=True, max_request_size=50_000)
    made.register_function(pow)
    made.register_function(lambda x: x, "echo")
    made.register_introspection_functions()
    return made


def test_calls(app):
    status, headers, data = asked(app)
    assert (status, headers["content-type"]) == (200, "text/xml")
    assert client.loads(data) == ((8,), None)
    for body in (b"", b"nonsense", client.dumps((), "no").encode()):
        status, _, data = asked(app, body)
        assert status == 200
        with pytest.raises(client.Fault):
            client.loads(data)


def damaged(data: bytes) -> list[bytes]:
    """Data in gzip that cannot be unpacked, for each reason there is."""
    packed = gzip.compress(data)
    return [
        packed[:10] + b"\xff" * 30,  # no deflate
        packed[:-9],  # ends early
        packed[:-8] + bytes(8),  # another checksum
        packed[:5],
        b"\0" + packed,
    ]


def test_refusals(app):
    cases = [
        (404, {"path": "/elsewhere"}),
        (405, {"method": "GET"}),
        (411, {"CONTENT_LENGTH": None}),
        (400, {"CONTENT_LENGTH": str(len(CALL) + 1)}),
        (413, {"CONTENT_LENGTH": "50001"}),
        (501, {"HTTP_CONTENT_ENCODING": "br\u00e9"}),
        (400, {"HTTP_CONTENT_ENCODING": "gzip"}),
        (413, {"body": gzip.compress(b" " * 50_001), "HTTP_CONTENT_ENCODING": "gzip"}),
        (200, {"body": gzip.compress(b" " * 50_000), "HTTP_CONTENT_ENCODING": "gzip"}),
        *((400, {"body": body, "HTTP_CONTENT_ENCODING": "gzip"}) for body in damaged(CALL)),
    ]
    for status, options in cases:
        assert asked(app, **options)[0] == status, options
    assert asked(app, method="GET")[1]["allow"] == "POST"
    app.max_request_size = None
    assert asked(app, gzip.compress(CALL), HTTP_CONTENT_ENCODING="gzip")[0] == 200


def test_lengths_of_many_digits(app: server.XMLRPCApp) -> None:
    """Without the validator, which cannot read them itself."""
    for digits, expected in (
        ("9" * 5000, "413 Content Too Large"),
        ("0" * 5000 + str(len(CALL)), "200 OK"),
        ("x" * 5000, "400 Bad Request"),
        ("0" * 5000, "200 OK"),  # a fault: there is no call
    ):
        for limit in (50_000, None):
            app.max_request_size = limit
            said: list[str] = []
            environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "CONTENT_LENGTH": digits}
            app(
                {**environ, "wsgi.input": io.BytesIO(CALL)},
                lambda status, headers: said.append(status),  # noqa: B023
            )
            assert said == [expected], digits[:3]


def test_gzip(app):
    body = client.dumps(("x" * 5000,), "echo").encode()
    for accepts, packed in (("gzip", True), ("br, GZIP;q=0.5", True), ("gzip;q=0", False), ("", 0)):
        _, headers, data = asked(
            app, gzip.compress(body), HTTP_CONTENT_ENCODING="gzip", HTTP_ACCEPT_ENCODING=accepts
        )
        assert (headers.get("content-encoding") == "gzip") == packed
        data = gzip.decompress(data) if packed else data
        assert client.loads(data) == (("x" * 5000,), None)


def test_bodies_without_a_length(app):
    options = {"CONTENT_LENGTH": None, "wsgi.input_terminated": True}
    assert client.loads(asked(app, **options)[2]) == ((8,), None)
    assert asked(app, b" " * 50_001, **options)[0] == 413
    app.max_request_size = None
    assert client.loads(asked(app, **options)[2]) == ((8,), None)


def test_large_bodies(app):
    app.max_request_size = None
    app.encode_threshold = None
    value = client.Binary(bytes(3_000_000))
    assert client.loads(asked(app, client.dumps((value,), "echo").encode())[2]) == ((value,), None)


def test_dispatchers_of_others():
    made = server.SimpleXMLRPCDispatcher()
    made.register_function(pow)
    assert client.loads(asked(server.application(made, rpc_paths=()), path="/any")[2]) == (
        (8,),
        None,
    )
    paths = server.MultiPathXMLRPCServer(("127.0.0.1", 0), bind_and_activate=False)
    try:
        paths.add_dispatcher("/one", made)
        app = server.application(paths, rpc_paths=())
        assert client.loads(asked(app, path="/one")[2]) == ((8,), None)
        assert asked(app, path="/two")[0] == 404
    finally:
        paths.server_close()


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    """Logs nothing."""

    def log_message(self, *args):
        pass


def test_on_a_server(app):
    running = wsgiref.simple_server.make_server("127.0.0.1", 0, app, handler_class=Quiet)
    with tlsfiles.Serving(running):
        with client.ServerProxy(f"http://127.0.0.1:{running.server_port}", allow_none=True) as s:
            assert s.echo(None) is None
            assert {"echo", "pow", "system.listMethods"} < set(s.system.listMethods())
