"""Recipe 11.5, a simple REST-based interface: examples/rest_hello.py."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import re
import runpy
import ssl
import subprocess
import sys
from xml.etree import ElementTree

import pytest

import links
import recipe_programs as programs
from app_kit import call

HAS_SERVER = importlib.util.find_spec("fastnet.wsgi") is not None
needs_server = pytest.mark.skipif(not HAS_SERVER, reason="fastnet.wsgi is not here")


def fetch(port, path, **headers):
    client = http.client.HTTPConnection("127.0.0.1", int(port), timeout=links.SOON)
    with contextlib.closing(client):
        client.request("GET", path, headers=headers)
        reply = client.getresponse()
        return reply.status, reply.headers.get_content_type(), reply.read().decode()


@pytest.mark.parametrize("variant", ["wsgiref", pytest.param("recipe", marks=needs_server)])
def test_the_recipe(variant):
    with programs.started("rest_hello.py", 0, variant) as (_, port):
        status, kind, text = fetch(port, "/hello?name=Guido")
        assert (status, kind) == (200, "text/html")
        assert "<h1>Hello Guido!</h1>" in text
        assert "<h1>Hello &lt;b&gt;!</h1>" in fetch(port, "/hello?name=%3Cb%3E")[2]
        status, kind, text = fetch(port, "/localtime")
        assert (status, kind) == (200, "application/xml")
        names = [element.tag for element in ElementTree.fromstring(text)]
        assert names == ["year", "month", "day", "hour", "minute", "second"]
        assert fetch(port, "/nothing") == (404, "text/plain", "Not Found")


@needs_server
def test_over_https(tmp_path):
    subprocess.run(
        [sys.executable, programs.EXAMPLES / "tls_echo.py", "certificates", tmp_path], check=True
    )
    context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    with programs.started("rest_hello.py", 0, "tls", tmp_path) as (_, port):
        client = http.client.HTTPSConnection("localhost", int(port), context=context)
        with contextlib.closing(client):
            client.request("GET", "/hello?name=Guido")
            assert b"<h1>Hello Guido!</h1>" in client.getresponse().read()


def check_richer(get):
    assert "<h1>Hello Guido!</h1>" in get("/hello?name=Guido")[2]
    status, kind, text = get("/time/utc")
    assert (status, kind) == (200, "application/json")
    assert json.loads(text)["year"] >= 2024
    assert get("/time/utc", Accept="text/csv")[2].startswith("year,month,day,hour")
    assert get("/time/utc", Accept="application/xml")[1] == "application/xml"
    assert get("/time/mars")[:2] == (404, "application/problem+json")
    assert "/time/{zone}" in json.loads(get("/openapi.json")[2])["paths"]


def test_the_richer_form():
    api = runpy.run_path(str(programs.EXAMPLES / "rest_hello.py"))["api"]

    def get(path, **headers):
        more = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        reply = call(api, "GET", path, **more)
        return reply.status, re.split(";", reply["Content-Type"])[0], reply.text

    check_richer(get)


@needs_server
def test_the_richer_form_on_our_server():
    with programs.started("rest_hello.py", 0, "richer") as (_, port):
        check_richer(lambda path, **headers: fetch(port, path, **headers))
