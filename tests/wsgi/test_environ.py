"""What an application is told of a request (PEP 3333, RFC 3875)."""

from __future__ import annotations

from typing import Any

import pytest

from wsgi_kit import PLAIN, Client, serving

pytestmark = pytest.mark.parametrize("threads", [0, 4])


@pytest.fixture
def seen(threads: int) -> Any:
    """seen(*lines, **options) is the environ of such a request."""
    environs: list[dict[str, Any]] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environs.append(environ)
        start_response("200 OK", PLAIN)
        return [b""]

    with serving(app, threads) as server:

        def seen(*lines: str, **options: Any) -> dict[str, Any]:
            with Client(server) as client:
                assert client.ask(*lines, **options).status == 200
                seen.client = client.sock  # type: ignore[attr-defined]
            seen.server = server  # type: ignore[attr-defined]
            return environs.pop()

        yield seen


def test_everything_that_cgi_and_wsgi_name(seen: Any, threads: int) -> None:
    got = seen("Content-Type: a/b", "X-One: 1", body=b"abc", method="POST", target="/a/b?c=d&e")
    port = str(seen.server.server_port)
    expected = {
        "REQUEST_METHOD": "POST", "SCRIPT_NAME": "", "PATH_INFO": "/a/b", "QUERY_STRING": "c=d&e",
        "CONTENT_TYPE": "a/b", "CONTENT_LENGTH": "3", "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": port, "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_SOFTWARE": "fastnet",
        "GATEWAY_INTERFACE": "CGI/1.1", "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "a",
        "HTTP_X_ONE": "1", "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
        "wsgi.multithread": threads > 1, "wsgi.multiprocess": False, "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }  # fmt: skip
    assert {key: got[key] for key in expected} == expected
    assert got["REMOTE_PORT"].isdigit()
    assert set(got) - set(expected) == {
        "REMOTE_PORT", "wsgi.input", "wsgi.errors", "wsgi.file_wrapper",
    }  # fmt: skip
    assert all(type(key) is str for key in got)


def test_header_fields(seen: Any) -> None:
    got = seen("A: 1", "a:  2\t", "A:", "Cookie: x=1", "Cookie: y=2", "E: \xe4\xff", "X-Y-z: \t")
    assert got["HTTP_A"] == "1, 2, "
    assert got["HTTP_COOKIE"] == "x=1; y=2"
    assert got["HTTP_E"] == "\xe4\xff"
    assert got["HTTP_X_Y_Z"] == ""
    assert "HTTP_CONTENT_LENGTH" not in got
    assert "CONTENT_TYPE" not in got
    assert "CONTENT_LENGTH" not in got


def test_names_that_lie_are_not_passed_on(seen: Any) -> None:
    got = seen("X_Forwarded_For: evil", "Proxy: http://evil/", "Content_Length: 5", "X-Ok: 1")
    assert sorted(k for k in got if k.startswith("HTTP_")) == ["HTTP_HOST", "HTTP_X_OK"]
    assert "CONTENT_LENGTH" not in got


def test_paths(seen: Any) -> None:
    for target, path, query in (
        ("/%e4%C3%a4%20", "/\xe4\xc3\xa4 ", ""),
        ("/%2e%2F%25", "/./%", ""),
        ("/%zz%4", "/%zz%4", ""),
        ("/%", "/%", ""),
        ("/%0d%0a%00", "/\r\n\0", ""),
        ("/?%41%", "/", "%41%"),
        ("/a?b?c", "/a", "b?c"),
        ("//a//b/../c", "//a//b/../c", ""),
        ("http://b:80", "/", ""),
        ("http://b/c%41?d", "/cA", "d"),
        ("http://b?c", "/", "c"),
    ):
        got = seen(target=target)
        assert (got["PATH_INFO"], got["QUERY_STRING"]) == (path, query), target


def test_an_absolute_target_says_the_host(seen: Any) -> None:
    assert seen(target="http://b:81/")["HTTP_HOST"] == "b:81"


def test_it_does_so_without_a_host_too(threads: int) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", PLAIN)
        return [environ["HTTP_HOST"].encode()]

    with serving(app, threads) as server, Client(server) as client:
        client.send(b"GET http://b:81/ HTTP/1.0\r\n\r\n")
        assert client.reply().body == b"b:81"


def test_the_whole_server_as_a_target(threads: int) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", PLAIN)
        return [environ["PATH_INFO"].encode()]

    # wsgiref's validator thinks that every path begins with a slash.
    with serving(app, threads, check=False) as server, Client(server) as client:
        assert client.ask(target="*", method="OPTIONS").body == b"*"


def test_versions(seen: Any) -> None:
    assert seen(version="1.0")["SERVER_PROTOCOL"] == "HTTP/1.0"
    assert seen(version="1.7")["SERVER_PROTOCOL"] == "HTTP/1.1"


def test_many_names_and_long_ones(seen: Any) -> None:
    for turn in range(12):
        lines = [f"X-{turn}-{i}: {i}" for i in range(90)]
        got = seen(*lines, "Y" * 300 + ": long")
        assert all(got[f"HTTP_X_{turn}_{i}"] == str(i) for i in range(90))
        assert got["HTTP_" + "Y" * 300] == "long"


def test_an_environ_is_the_request_s_own(threads: int) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        before = environ.get("mine", "none")
        environ["mine"] = "some"
        environ["SERVER_NAME"] = environ["REMOTE_ADDR"] = "x"
        start_response("200 OK", PLAIN)
        return [before.encode()]

    with serving(app, threads) as server, Client(server) as client:
        assert [client.ask().body for _ in range(3)] == [b"none"] * 3
