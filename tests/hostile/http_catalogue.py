"""Requests that servers have read in two ways, or should refuse: what a strict one does with each.

Data only.  `GROUPS` maps a subject to its cases.  A case is the bytes that a client sends, the
statuses of the answers in order, and whether the server then closes the connection (otherwise it
waits for more).  The server meant reads each body to its end before it answers 200, has the limits
of `LIMITS`, refuses CONNECT with 501, and counts no 100 among its answers.

Sources: RFC 9110, RFC 9112, RFC 3986, and the published kinds of request smuggling (CL.TE, TE.CL,
TE.TE, CL.0, chunk extensions, line ends, header names, pipelining).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

LIMITS = {"line": 8192, "field": 16384, "fields": 100, "head": 65536}
BODY_LIMIT = 1 << 30
EXTRA_LIMIT = 16384  # bytes of extensions and trailers of one chunked body

GET = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"  # a request that is in order, to follow another
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nX: y"


class Case(NamedTuple):
    """One connection's bytes, and what a strict server answers."""

    name: str
    raw: bytes
    statuses: tuple[int, ...]
    closes: bool


def good(name: str, raw: bytes, answers: int = 1, *, closes: bool = False) -> Case:
    """Nothing wrong with it."""
    return Case(name, raw, (200,) * answers, closes)


def bad(name: str, raw: bytes, status: int = 400, *, after: int = 0) -> Case:
    """Refused, after some requests that were in order."""
    return Case(name, raw, (200,) * after + (status,), True)


def waits(name: str, raw: bytes, answers: int = 0) -> Case:
    """Not whole yet."""
    return Case(name, raw, (200,) * answers, False)


def request(*lines: str, method: str = "GET", target: str = "/", version: str = "HTTP/1.1",
            host: str | None = "a", body: bytes = b"") -> bytes:  # fmt: skip
    """A request of Latin-1 lines."""
    first = [f"{method} {target} {version}"] + ([] if host is None else [f"Host: {host}"])
    return "\r\n".join([*first, *lines, "", ""]).encode("latin-1") + body


def post(*lines: str, body: bytes = b"", version: str = "HTTP/1.1") -> bytes:
    """A POST with a body, framed by its lines."""
    return request(*lines, method="POST", version=version, body=body)


def chunked(body: bytes, *lines: str) -> bytes:
    """A POST with a chunked body."""
    return post("Transfer-Encoding: chunked", *lines, body=body)


def shown(text: str) -> str:
    """A name for a value with odd bytes."""
    return ascii(text)[1:-1]


LAST = b"0\r\n\r\n"


def request_lines() -> Iterator[Case]:
    """The first line (RFC 9112 3)."""
    yield good("plain", request())
    yield good("an empty line before", b"\r\n" + request())
    yield bad("two empty lines before", b"\r\n\r\n" + request())
    yield bad("a bare line feed before", b"\n" + request())
    yield bad("a bare carriage return before", b"\r" + request())
    yield bad("a blank before", b" " + request())
    yield bad("NUL before", b"\0" + request())
    yield good("a method of one's own", request(method="M-SEARCH"))
    yield good("a method in small letters", request(method="get"))
    yield good("every byte of a token", request(method="!#$%&'*+-.^_`|~09azAZ"))
    for byte in '(),/:;<=>?@[\\]{}"\x01\x7f\xe9':
        yield bad(f"{shown(byte)} in the method", request(method=f"G{byte}T"))
    yield bad("no method", b"/ HTTP/1.1\r\nHost: a\r\n\r\n")
    yield bad("an empty method", request(method=""))
    yield bad("two blanks after the method", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n")
    yield bad("two blanks before the version", b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n")
    for name, byte in (("a tab", "\t"), ("a vertical tab", "\v"), ("a form feed", "\f"),
                       ("NUL", "\0"), ("a carriage return", "\r")):  # fmt: skip
        yield bad(f"{name} after the method", f"GET{byte}/ HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        yield bad(f"{name} before the version", f"GET /{byte}HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    yield bad("a blank at the end", request(version="HTTP/1.1 "))
    yield bad("a tab at the end", request(version="HTTP/1.1\t"))
    yield bad("HTTP/0.9", b"GET /\r\n")
    yield bad("HTTP/0.9 with a blank", b"GET / \r\n")
    yield bad("only a method", b"GET\r\n\r\n")
    yield bad("a line without its carriage return", b"GET / HTTP/1.1\nHost: a\r\n\r\n")
    yield bad("lines without carriage returns", b"GET / HTTP/1.1\nHost: a\n\n")
    yield bad("two carriage returns", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n")
    yield bad("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    yield bad("SOCKS", b"\x05\x01\x00")
    yield bad("a response", b"HTTP/1.1 200 OK\r\n\r\n")
    yield waits("nothing", b"")
    yield waits("half a line", b"GET / HT")
    yield waits("half a head", b"GET / HTTP/1.1\r\nHost: a\r\n")
    yield waits("half an end", b"GET / HTTP/1.1\r\nHost: a\r\n\r")


def versions() -> Iterator[Case]:
    """RFC 9112 2.3."""
    yield good("HTTP/1.0", request(version="HTTP/1.0"), closes=True)
    yield good("HTTP/1.9 is as HTTP/1.1", request(version="HTTP/1.9"))
    yield bad("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)
    for version in ("HTTP/2.0", "HTTP/3.0", "HTTP/0.9", "HTTP/0.0", "HTTP/9.1"):
        yield bad(version, request(version=version), 505)
    for version in ("http/1.1", "Http/1.1", "HTTP/1", "HTTP/1.", "HTTP/.1", "HTTP/11", "HTTP/1.10",
                    "HTTP/01.1", "HTTP/1.01", "HTTP/1,1", "HTTP/1.x", "HTTP/-1.1", "HTTP/+1.1",
                    "HTTP 1.1", "HTTP/ 1.1", "HTTPS/1.1", "HTP/1.1", "HTTP/2", "1.1", "HTTP\\1.1",
                    "HTTP/1.1x", "FTP/1.1", "HTTP/1.1#", "HTTP/\xb9.1"):  # fmt: skip
        yield bad(shown(version), request(version=version))


def targets() -> Iterator[Case]:
    """The forms of a target, and what may stand in it (RFC 9112 3.2)."""
    for target in ("/", "//", "//b/c", "/../..", "/%00", "/%zz", "/a?b?c", "/?", "/a;b=c", "/:80",
                   "/@b", "/http://b/", "/a|b^c{}\"<>`\\", "/" + "a" * 4000):  # fmt: skip
        yield good(f"target {shown(target)[:20]}", request(target=target))
    for target in ("a", "a/b", "?a", "*", "**", "/a#b", "#", "\\a", ":80", "a:80", "b.c", "@b/",
                   "http:", "http:/b", "http//b/", "http:///", "http://", "http://?q", "://b/",
                   "HTTP/1.1", "ftp://b/", "urn:b", "javascript:b", "httpx://b/", "file:///b",
                   "http://u@b/", "http://u:p@b/", "http://b:c/", "http://b:99999/", "http://:80/",
                   "http://[::1/", "http://[]/", "http://b]/", "http://b\\@c/", "http://%/",
                   "http://\xe9/", "http://b,c d/", "http://b#/", "/\xe9", "/\x80"):  # fmt: skip
        yield bad(f"target {shown(target)}", request(target=target))
    for byte in (*range(1, 9), *range(11, 13), *range(14, 32), 127):
        yield bad(f"byte {byte} in the target", request(target=f"/a{chr(byte)}b"))
    for target in ("http://a/", "http://b/", "HTTPS://b:1/c?d", "http://b", "http://b?c",
                   "http://[::1]:80/", "http://1.2.3.4/", "http://b:/"):  # fmt: skip
        yield good(f"absolute {target}", request(target=target))
    yield bad("absolute without Host", request(target="http://a/", host=None))
    yield bad("absolute with a bad Host", request(target="http://a/", host="b c"))
    yield bad("absolute with two Hosts", request("Host: b", target="http://a/"))
    yield good("OPTIONS *", request(method="OPTIONS", target="*"))
    yield bad("options *", request(method="options", target="*"))
    yield bad("POST *", request(method="POST", target="*"))
    yield bad("CONNECT", request(method="CONNECT", target="b:443"), 501)
    yield bad("CONNECT with a body", request("Content-Length: 5", method="CONNECT", target="b:1",
                                             body=SMUGGLED), 501)  # fmt: skip
    for target in ("b", "b:", ":443", "/b:1", "http://b:1/", "u@b:1", "b:1/", "*", "b:x", "b:1#"):
        yield bad(f"CONNECT {target}", request(method="CONNECT", target=target))
    yield bad("the form of CONNECT with GET", request(target="b:443"))


def hosts() -> Iterator[Case]:
    """RFC 9112 3.2, RFC 9110 7.2."""
    yield bad("none", request(host=None))
    yield good("none in HTTP/1.0", request(host=None, version="HTTP/1.0"), closes=True)
    yield bad("two", request("Host: b"))
    yield bad("two of the same", request("Host: a"))
    yield bad("two in HTTP/1.0", request("Host: b", version="HTTP/1.0"))
    yield bad("two of different case", request("hOsT: b"))
    yield bad("two, one of them empty", request("Host:"))
    yield bad("a blank before the colon", request("Host : a", host=None))
    yield bad("a folded one", request("Host:", " a", host=None))
    yield good("without a blank", request("Host:a", host=None))
    yield good("with tabs around", request("Host:\t a \t", host=None))
    for host in ("a.b:80", "A", "a.", "a_b", "1.2.3.4:8", "[::1]", "[::1]:", "%41", "", "a:"):
        yield good(f"Host {host!r}", request(host=host))
    for host in ("a b", "a, b", "a/b", "a@b", "u:p@a", "a?b", "a#b", "a\\b", "a:b", "a:-1", "a:+1",
                 "a:65536", "a:080808", "a:80:80", ":80", "[::1", "::1", "[::1]a", "[a]", "[]",
                 "%", "%4", "%zz", "<a>", "a|b", "a^b", '"a"', "a\x01", "a\x7f", "\xe9",
                 "http://a", "a\x0b", "a\0"):  # fmt: skip
        yield bad(f"Host {shown(host)}", request(host=host))


def fields() -> Iterator[Case]:
    """Field lines (RFC 9112 5, RFC 9110 5)."""
    for line in ("A:b", "A: b", "A:\t b\t ", "A:", "A: \xe9\x80\xff", "A: b\tc", "A: b:c",
                 "!#$%&'*+-.^_`|~: b", "1: 2", "A: ()<>@,;:\\\"/[]?={}", "Content_Length: 5",
                 "Transfer_Encoding: chunked",
                 "X-Content-Length: 5", "Content-Length-X: 5"):  # fmt: skip
        yield good(f"line {shown(line)}", request(line))
    for line in ("A : b", "A\t: b", "A  : b", " A: b", "\tA: b", " ", "\t", "A", "A b", ":", ": b",
                 "A b: c", "A, b: c", "A(b): c", "A@b: c", '"A": b', "A=b: c", "{A}: b", "A\xe9: b",
                 "\x01A: b", "\x0bA: b", "\xa0A: b", "A\x00: b",
                 "A;: b", "A/B: c", "[A]: b"):  # fmt: skip
        yield bad(f"line {shown(line)}", request(line))
    for byte in (*range(9), *range(11, 13), *range(14, 32), 127):
        yield bad(f"byte {byte} in a value", request(f"A: b{chr(byte)}c"))
    yield bad("a carriage return in a value", request("A: b\rc"))
    yield bad("a carriage return, then a field", request("A: b\rContent-Length: 5", body=SMUGGLED))
    yield bad("a line feed, then a field", request("A: b\nContent-Length: 5", body=SMUGGLED))
    yield bad("a line feed for an end", b"GET / HTTP/1.1\r\nHost: a\r\nA: b\n\r\n")
    yield bad("a line feed for the empty line", b"GET / HTTP/1.1\r\nHost: a\r\n\n")
    yield bad("a carriage return for the empty line", b"GET / HTTP/1.1\r\nHost: a\r\n\r" + GET)
    yield bad("two carriage returns", b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\r\n\r\n")
    yield bad("a folded line", request("A: b", " c"))
    yield bad("a line folded by a tab", request("A: b", "\tc"))
    yield bad("a folded empty line", request("A: b", " "))
    yield bad("a folded first line", b"GET / HTTP/1.1\r\n A: b\r\nHost: a\r\n\r\n")
    yield bad("a folded coding", request("Transfer-Encoding:", " chunked", body=LAST))
    yield bad("a request inside the fields", request("GET /x HTTP/1.1"))
