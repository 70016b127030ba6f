"""Proxies: whole URLs over http, tunnels for https, the environment."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
import trustme

import client_kit as kit
from fastnet import http
from fastnet.http._proxy import choose
from fastnet.http._url import parse


@pytest.fixture
def clean(monkeypatch):
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)
    return monkeypatch


def test_http_through_a_proxy(clean):
    with kit.proxying() as (proxy, seen):
        given = {"http": proxy.url.replace("//", "//user:pass@")}
        with http.Session(proxies=given) as session:
            for _ in range(2):
                text = session.get("http://nowhere.example/a?b=1").text
                assert text == "by proxy: http://nowhere.example/a?b=1"
            assert session.get("http://other.example:81/").text.endswith("other.example:81/")
            assert len(session._pool) == 1
        assert seen[0] == ("GET", "http://nowhere.example/a?b=1", "Basic dXNlcjpwYXNz")


def test_a_tunnel(clean, tmp_path):
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    with kit.serving(context) as server, kit.proxying() as (proxy, seen):
        proxies = {"https": proxy.url.replace("//", "//user:pass@")}
        with http.Session(verify=tmp_path / "ca.pem", proxies=proxies) as session:
            for _ in range(2):
                said = session.get(f"{server.url}/x").json()
                assert said["path"] == "/x"
                assert "proxy-authorization" not in said["headers"]
            assert seen == [("CONNECT", f"127.0.0.1:{server.port}", "Basic dXNlcjpwYXNz")]
            with pytest.raises(http.ProxyError, match="403"):
                session.get("https://refused.example/")
            assert session.get(f"{server.url}/y", proxies={"https": None}).ok
        assert len(seen) == 2


def test_the_environment(clean):
    with kit.proxying() as (proxy, seen), kit.serving() as server:
        clean.setenv("http_proxy", proxy.url)
        clean.setenv("no_proxy", "direct.example,127.0.0.1")
        assert http.get("http://a.example/").text == "by proxy: http://a.example/"
        assert http.get(server.url).json()["path"] == "/"
        assert http.urlopen("http://b.example/").read() == b"by proxy: http://b.example/"
        with http.Session(trust_env=False) as session:
            assert session.get(server.url).ok
        assert len(seen) == 2


def test_which_proxy(clean):
    def chosen(url, given=None):
        return choose(parse(url), given, True)

    given = {"http": "http://p1", "https://a": "http://p2", "all": "http://p3", "no": "b,.c"}
    assert chosen("http://a/", given) == "http://p1"
    assert chosen("https://a/", given) == "http://p2"
    assert chosen("https://x/", given) == "http://p3"
    assert chosen("http://b/", given) is None
    assert chosen("http://d.c/", given) is None
    assert chosen("http://a/") is None
    clean.setenv("all_proxy", "http://all:1")
    assert chosen("https://a/") == "http://all:1"
    assert chosen("https://a/", {"https": None}) is None
    clean.setenv("NO_PROXY", "*")
    assert chosen("https://a/") is None


@pytest.mark.parametrize(
    ("hosts", "direct"),
    [
        ("127.0.0.0/8", ["127.0.0.1", "127.9.9.9"]),
        ("b, 10.1.2.3/8 ,192.168.0.0/16", ["10.255.0.1", "192.168.1.1", "b"]),
        ("fd00::/8,nonsense/x,1.2.3.4/99", ["[fd12::1]"]),
        ("127.0.0.1", ["127.0.0.1"]),
    ],
)
def test_networks_that_are_asked_directly(clean: Any, hosts: str, direct: list[str]) -> None:
    everybody = ["127.0.0.1", "127.9.9.9", "10.255.0.1", "192.168.1.1", "b", "[fd12::1]", "[::1]"]
    clean.setenv("http_proxy", "http://p:1")
    clean.setenv("no_proxy", hosts)
    given = {"all": "http://p:1", "no_proxy": hosts}
    for host in everybody:
        expected = None if host in direct else "http://p:1"
        assert choose(parse(f"http://{host}:8080/"), None, True) == expected
        assert choose(parse(f"http://{host}/"), given, False) == expected


def test_what_is_no_proxy(clean):
    for url in ("socks5://a", "https://a", "http://", "http://a b"):
        with pytest.raises(http.InvalidURL):
            http.get("http://x.example/", proxies={"http": url})
    with pytest.raises(http.ProxyError, match="cannot be reached"):
        http.get("http://x.example/", proxies={"http": "127.0.0.1:1"})
