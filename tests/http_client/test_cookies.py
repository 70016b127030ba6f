"""Jars of cookies: for hosts of every kind, and for several threads at a time."""

from __future__ import annotations

import http.cookiejar
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import client_kit as kit
import links
from fastnet import http as client
from fastnet.http._cookies import Cookies, cookie_header, cookie_jar, keep_cookies
from fastnet.http._headers import Headers
from fastnet.http._url import parse

HOSTS = ["a", "a.example", "127.0.0.1", "[::1]", "[::ffff:1.2.3.4]", "[fe80::1%25eth0]"]


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("port", ["", ":8080"])
@pytest.mark.parametrize("host", HOSTS)
def test_cookies_for_every_host_are_for_each(host: str, port: str) -> None:
    url = parse(f"http://{host}{port}/x")
    assert cookie_header(url, cookie_jar({"a": "b"}), Cookies()) == "a=b"
    jar = Cookies()
    keep_cookies(jar, url, Headers([("Set-Cookie", "c=d")]))
    assert jar["c"] == "d"
    assert sorted(str(cookie_header(url, jar, cookie_jar({"a": "b"}))).split("; ")) == [
        "a=b",
        "c=d",
    ]
    assert cookie_header(parse("http://other.example/"), jar) is None


def test_an_ipv6_server() -> None:
    if not links.has_ipv6():
        pytest.skip("no IPv6 here")

    class Six(kit.Server):
        address_family = kit.socket.AF_INET6

        def __init__(self) -> None:
            kit.http.server.ThreadingHTTPServer.__init__(self, ("::1", 0), kit.Handler)
            self.tls = None
            self.connections: list[Any] = []

    server = Six()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        url = f"http://[::1]:{server.server_port}/cookies?set=c=d"
        with client.Session(trust_env=False) as session:
            assert session.get(url, cookies={"a": "b"}).text == "a=b"
            assert session.get(url).text == "c=d"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_threads_that_set_and_read(hurried: None) -> None:
    jar = Cookies()
    plain = http.cookiejar.CookieJar()
    url = parse("http://a.example/")
    for number in range(20):
        jar.set(f"kept{number}", "1", "a.example")
    done = threading.Event()

    def write() -> None:
        try:
            for number in range(4000):
                jar.set(f"n{number % 50}", "1", f"{number % 7}.a.example")
                plain.set_cookie(next(iter(jar)))
                if number % 50 == 49:
                    jar.clear("1.a.example")
        finally:
            done.set()

    def read() -> None:
        while not done.is_set():
            assert jar.any
            assert "kept19" in jar
            assert "kept0=1" in str(cookie_header(url, jar))
            assert len(jar.keys()) >= 20
            Cookies().update(plain)

    threads = [links.Background(write), links.Background(read), links.Background(read)]
    for thread in threads:
        thread.result()


def test_a_jar_as_it_was_while_it_changes() -> None:
    jar = Cookies()
    jar.update({"a": "1", "b": "2"})
    for cookie in jar:
        jar.set(f"{cookie.name}{cookie.name}", "3")
    assert sorted(jar.keys()) == ["a", "aa", "b", "bb"]
