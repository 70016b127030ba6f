"""URLs taken apart, refused and joined."""

from __future__ import annotations

import importlib.util

import pytest

from fastnet.http import InvalidURL
from fastnet.http._url import join, parse


def test_parts():
    url = parse("HTTP://us%40er:p%3Aw@Example.COM:8080/a%20b/ä?q=ü&x=[1]#f g".replace(" ", "%20"))
    assert url.origin == ("http", "example.com", 8080)
    assert url.authority == "example.com:8080"
    assert url.target == "/a%20b/%C3%A4?q=%C3%BC&x=[1]"
    assert url.fragment == "f%20g"
    assert url.userinfo == ("us@er", "p:w")
    assert url.text == "http://example.com:8080/a%20b/%C3%A4?q=%C3%BC&x=[1]#f%20g"
    for text, host, port, authority, target in [
        ("http://a", "a", 80, "a", "/"),
        ("https://a", "a", 443, "a", "/"),
        ("https://a:443/", "a", 443, "a", "/"),
        ("http://a:443/", "a", 443, "a:443", "/"),
        ("http://a:?b", "a", 80, "a", "/?b"),
        ("http://[::1]:8/x", "::1", 8, "[::1]:8", "/x"),
        ("http://[fe80::1%25eth0]/", "fe80::1%eth0", 80, "[fe80::1]", "/"),
        ("http://a.b.c./", "a.b.c.", 80, "a.b.c.", "/"),
        ("http://u@a/", "a", 80, "a", "/"),
        (b"http://a/b", "a", 80, "a", "/b"),
    ]:
        url = parse(text)
        assert (url.host, url.port, url.authority, url.target) == (host, port, authority, target)


BAD = """
a
/path
a:80
//a/
http:a
http:/a
http:///a
http://
http://:80/
http://user@/
mailto:a@b
file:///x
ftp://a/
http://a:b/
http://a:-1/
http://a:65536/
http://a:0/
http://a:8 0/
http://a b/
http://a/b c
http://a/%0d%0a\r\nX: y
http://a\tb/
http://a/\x00
http://a/\x7f
http://a\\b/
http://a\\@b/
http://[::1/
http://::1/
http://[a]/
http://[::1%25a/b]/
http://a%41/
http://a..b/
http://.a/
http://-a/
http://a-/
http://a<b/
http://a"b/
""".strip("\n").split("\n")
BAD += [f"http://{'a' * 64}/", f"http://{'a.' * 130}b/", " http://a/", "http://a/ ", "http://a/\nb"]
BAD += ["http://\u200b/"]


def test_what_is_refused():
    for text in BAD:
        with pytest.raises(InvalidURL) as caught:
            print(text, parse(text))
        assert isinstance(caught.value, ValueError)
    with pytest.raises(InvalidURL, match=r"is http://a.b/c meant"):
        parse("a.b/c")


def test_international_names():
    assert parse("http://bücher.example/").host == "xn--bcher-kva.example"
    if importlib.util.find_spec("idna"):
        assert parse("http://straße.example/").host == "xn--strae-oqa.example"
    with pytest.raises(InvalidURL):
        parse("http://\u0378.example/")


def test_without_idna(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "idna", None)
    assert parse("http://bücher.example/").host == "xn--bcher-kva.example"


def test_joining():
    base = parse("https://a.example/b/c?d#e")
    assert join(base, "x").text == "https://a.example/b/x#e"
    assert join(base, "?y").text == "https://a.example/b/c?y#e"
    assert join(base, "#z").text == "https://a.example/b/c?d#z"
    assert join(base, "http://b.example").text == "http://b.example/#e"
    with pytest.raises(InvalidURL):
        join(base, "gopher://x")
    with pytest.raises(InvalidURL):
        join(base, "/a\r\nb")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("/a%zzb", "/a%25zzb"),
        ("/100%", "/100%25"),
        ("/a?b=%", "/a?b=%25"),
        ("/a%20b?c=5%", "/a%20b?c=5%25"),
        ("/a%20b%", "/a%2520b%25"),  # as it stands it cannot have been escaped
        ("/%7Euser/%41%2d?%7e=%2f", "/~user/A-?~=%2F"),
        ("/%c3%a4%2fx", "/%C3%A4%2Fx"),
        ("/a/../b", "/b"),
        ("/a/./b/.", "/a/b/"),
        ("/a/b/..", "/a/"),
        ("/../..", "/"),
        ("/..//a", "//a"),
        ("/a//../b", "/a/b"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/...", "/a/..."),
        ("/.a/..b", "/.a/..b"),
        ("/a?../b", "/a?../b"),
        ("/a%25b", "/a%25b"),
    ],
)
def test_normal_forms(given: str, text: str) -> None:
    url = parse("http://a" + given)
    assert (url.text, url.target) == ("http://a" + text, text)
    assert parse(url.text) == url
    if not text.startswith("//"):  # which urljoin takes for a slash too many
        assert join(parse("http://a/x/y"), given).text == "http://a" + text


def test_normal_forms_of_parameters_and_fragments() -> None:
    assert parse("http://a/", {"b": "50%", "~": "%7E"}).target == "/?b=50%25&~=%257E"
    assert parse("http://a/", "b=50%").target == "/?b=50%25"
    assert parse("http://a/#%7e%").fragment == "%257e%25"
