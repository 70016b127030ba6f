"""Applications of Flask and of Django, and many clients at a time."""

from __future__ import annotations

import http.client
import threading
from typing import Any

import pytest

from links import Background
from wsgi_kit import PLAIN, Client, Reply, serving

pytestmark = pytest.mark.parametrize("threads", [0, 4])


def form(name: str, content: bytes) -> tuple[str, bytes]:
    """A form with a file: its type, and its bytes."""
    body = (
        f'--b\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    return "Content-Type: multipart/form-data; boundary=b", body + content + b"\r\n--b--\r\n"


def speaks_well(client: Client, large: bytes) -> Reply:
    """What both applications below answer alike."""
    assert client.ask(target="/hello?name=W%C3%B6rld").body.decode() == "Hello Wörld"
    line, body = form("x.bin", b"\r\n" * 50_000)
    reply = client.ask(line, body=body, method="POST", target="/upload")
    assert reply.body == b"x.bin 100000"
    assert client.ask(target="/stream").body == b"".join(b"%d\n" % n for n in range(1000))
    assert client.ask(target="/file").body == large
    assert client.ask(target="/hello", method="HEAD").body == b""
    assert client.ask(target="/none").status == 404
    assert client.ask(target="/breaks").status == 500
    reply = client.ask(target="/cookies")
    assert "a=1" in reply.headers["set-cookie"]
    assert "b=2" in reply.headers["set-cookie"]
    return client.ask(target="/hello")


def test_flask(threads: int, tmp_path: Any) -> None:
    flask = pytest.importorskip("flask")
    app = flask.Flask("app")
    app.logger.disabled = True
    large = bytes(range(256)) * 5000
    (tmp_path / "large").write_bytes(large)

    @app.route("/hello")
    def hello() -> str:
        return f"Hello {flask.request.args.get('name', 'you')}"

    @app.post("/upload")
    def upload() -> str:
        file = flask.request.files["f"]
        return f"{file.filename} {len(file.read())}"

    @app.route("/stream")
    def stream() -> Any:
        return flask.Response((f"{n}\n" for n in range(1000)), mimetype="text/plain")

    @app.route("/file")
    def file() -> Any:
        return flask.send_file(tmp_path / "large", mimetype="application/octet-stream")

    @app.route("/breaks")
    def breaks() -> Any:
        raise ValueError

    @app.route("/cookies")
    def cookies() -> Any:
        reply = flask.make_response("set")
        reply.set_cookie("a", "1")
        reply.set_cookie("b", "2")
        return reply

    for check in (True, False):
        with serving(app, threads, check=check) as server, Client(server) as client:
            speaks_well(client, large)
            reply = client.ask("Range: bytes=5-9", target="/file")
            assert reply.status == 206
            assert reply.body == large[5:10]


def django_app(large: str) -> Any:
    """Made once: Django has one configuration in a process."""
    django = pytest.importorskip("django")
    from django.conf import settings

    if not settings.configured:
        settings.configure(
            ROOT_URLCONF="django_urls", ALLOWED_HOSTS=["*"], SECRET_KEY="k", LOGGING_CONFIG=None
        )
        django.setup()
    import logging
    import sys
    import types

    from django import http
    from django.core.wsgi import get_wsgi_application
    from django.urls import path

    logging.getLogger("django.request").disabled = True

    def hello(request: Any) -> Any:
        return http.HttpResponse(f"Hello {request.GET.get('name', 'you')}")

    def upload(request: Any) -> Any:
        file = request.FILES["f"]
        return http.HttpResponse(f"{file.name} {len(file.read())}")

    def stream(request: Any) -> Any:
        return http.StreamingHttpResponse(f"{n}\n" for n in range(1000))

    def file(request: Any) -> Any:
        return http.FileResponse(open(large, "rb"))

    def breaks(request: Any) -> Any:
        raise ValueError

    def cookies(request: Any) -> Any:
        reply = http.HttpResponse("set")
        reply.set_cookie("a", "1")
        reply.set_cookie("b", "2")
        return reply

    urls: Any = types.ModuleType("django_urls")
    urls.urlpatterns = [
        path(view.__name__, view) for view in (hello, upload, stream, file, breaks, cookies)
    ]
    sys.modules["django_urls"] = urls
    from django.urls import clear_url_caches

    clear_url_caches()
    return get_wsgi_application()


def test_django(threads: int, tmp_path: Any) -> None:
    large = bytes(range(256)) * 5000
    (tmp_path / "large").write_bytes(large)
    app = django_app(str(tmp_path / "large"))
    for check in (True, False):
        with serving(app, threads, check=check) as server, Client(server) as client:
            speaks_well(client, large)


def test_many_clients_at_a_time(threads: int) -> None:
    running = [0, 0]
    lock = threading.Lock()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        with lock:
            running[0] += 1
            running[1] = max(running)
        body = environ["wsgi.input"].read(1 << 20)
        start_response("200 OK", PLAIN)
        yield environ["PATH_INFO"].encode()
        for at in range(0, len(body), 1000):
            yield body[at : at + 1000]
        with lock:
            running[0] -= 1

    def work(number: int) -> None:
        connection = http.client.HTTPConnection(*server.server_address, timeout=30)
        for turn in range(40):
            path = f"/{number}/{turn}"
            body = (path * (turn * 50)).encode()
            connection.request("POST", path, body)
            assert connection.getresponse().read() == path.encode() + body
        connection.close()

    with serving(app, threads) as server:
        for one in [Background(work, number) for number in range(8)]:
            one.result()
        assert server.stats()["requests"] == 320
    assert running[1] <= max(threads, 1)
