"""The catalogue's second half: framing, bodies, the connection, limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import hostile.http_catalogue as base
from hostile.http_catalogue import (
    BODY_LIMIT,
    EXTRA_LIMIT,
    GET,
    LAST,
    LIMITS,
    SMUGGLED,
    Case,
    bad,
    chunked,
    good,
    post,
    request,
    shown,
    waits,
)

HELLO = b"5\r\nhello\r\n"


def lengths() -> Iterator[Case]:
    """Content-Length (RFC 9112 6.2, RFC 9110 8.6)."""
    yield good("five", post("Content-Length: 5", body=b"hello"))
    yield good("none", post())
    yield good("zero", post("Content-Length: 0"))
    yield good("leading zeros", post("Content-Length: 005", body=b"hello"))
    yield good("in small letters", post("content-length:5", body=b"hello"))
    yield good("of a GET", request("Content-Length: 5", body=b"hello"))
    yield good("then another", post("Content-Length: 5", body=b"hello") + GET, 2)
    yield waits("not all of it", post("Content-Length: 5", body=b"hell"))
    yield good("one byte beyond it", post("Content-Length: 4", body=b"hello") + GET, 2)
    for value in ("-1", "-0", "+5", "5.0", "5e0", "0x5", "0b1", "5 5", "5,5", "5, 5", "5,6", "5;5",
                  ",5", "5,", "", "five", "'5'", '"5"', "5_0", "\xb2", "\xa05", "5\x00", "5\x0b",
                  "\x0c5", "5 ", "5\t", "\t5", " \t5", "1" * 20, "9223372036854775808",
                  "18446744073709551621", "4294967301x", "00000000000000000005", "--5", "5-5",
                  "NaN", "Infinity", "0o5", "5L", "5h", "\xd9\xa5", "5 chunked"):  # fmt: skip
        yield bad(f"{shown(value)!r}", post(f"Content-Length: {value}", body=b"hello"))
    yield bad("a blank before the colon", post("Content-Length : 5", body=b"hello"))
    yield bad("twice", post("Content-Length: 5", "Content-Length: 5", body=b"hello"))
    yield bad("two", post("Content-Length: 5", "Content-Length: 0", body=SMUGGLED))
    yield bad("two, in either case", post("Content-Length: 0", "CONTENT-LENGTH: 5", body=SMUGGLED))
    yield bad("one empty of two", post("Content-Length:", "Content-Length: 5", body=SMUGGLED))
    yield bad("folded", post("Content-Length:", " 5", body=b"hello"))
    yield bad("too much", post(f"Content-Length: {BODY_LIMIT + 1}"), 413)
    yield bad("the most that fits", post("Content-Length: 9223372036854775807"), 413)


def codings() -> Iterator[Case]:
    """Transfer-Encoding, alone and with a length (RFC 9112 6.1, 6.3): CL.TE, TE.CL, TE.TE."""
    body = HELLO + LAST
    yield good("chunked", chunked(body))
    yield good("CHUNKED", post("TRANSFER-ENCODING:  CHUNKED", body=body))
    yield good("of a GET", request("Transfer-Encoding: chunked", body=body))
    yield good("then another", chunked(body) + GET, 2)
    for first, second in (("Content-Length: 5", "Transfer-Encoding: chunked"),
                          ("Transfer-Encoding: chunked", "Content-Length: 5"),
                          ("Content-Length: 0", "transfer-encoding:chunked"),
                          ("Content-Length: 4", "Transfer-Encoding: CHUNKED"),
                          ("Content-Length: 5", "Transfer-Encoding: identity"),
                          ("Content-Length: 5", "Transfer-Encoding: xchunked"),
                          ("Content-Length: 5", "Transfer-Encoding:")):  # fmt: skip
        yield bad(f"{first}, {second}", post(first, second, body=LAST + SMUGGLED))
    for value in ("", "chunked,", ",chunked", ", chunked", "chunked, chunked", "chunked,chunked",
                  "chunked chunked", "chunked;", "chunked;a=b", "'chunked' x", '"chunked"',
                  "chunked gzip", "chunked, gzip", "chunked, identity", "\tchunked", " \tchunked",
                  "chunked ", "chunked\t", "\x0bchunked", "chunked\x0b", "\x0cchunked", "\0chunked",
                  "chunked\0", "ch\xfcnked", "chunked\xa0", "\xa0chunked", "chunked:", "chunked=",
                  "[chunked]", "(chunked)", "chunked/1", "gzip chunked", 'x;a=",chunked"',
                  "chunked\rX: y", "chunked\nX: y", "\nchunked", "\rchunked"):  # fmt: skip
        yield bad(f"{shown(value)!r}", post(f"Transfer-Encoding: {value}", body=body))
    for value in ("identity", "gzip", "deflate", "gzip, chunked", "identity, chunked", "xchunked",
                  "chunkedx", "chunk", "x-chunked", "chun%6bed", "c.hunked", "gzip,gzip, chunked",
                  "'chunked'", "cow", "x;y=z, chunked", "trailers", "*"):  # fmt: skip
        yield bad(f"{shown(value)!r}", post(f"Transfer-Encoding: {value}", body=body), 501)
    te = "Transfer-Encoding: chunked"
    yield bad("twice", post(te, te, body=body))
    yield bad("chunked, then gzip", post(te, "Transfer-Encoding: gzip", body=body))
    yield bad("chunked, then nothing", post(te, "Transfer-Encoding:", body=body))
    yield bad("gzip, then chunked", post("Transfer-Encoding: gzip", te, body=body), 501)
    yield bad("identity, then chunked", post("Transfer-Encoding: identity", te, body=body), 501)
    for line in ("Transfer-Encoding : chunked", " Transfer-Encoding: chunked", "Transfer-Encoding",
                 "Transfer-Encoding\t: chunked", "Transfer-Encoding\x0b: chunked",
                 "X: y\rTransfer-Encoding: chunked", "X: y\nTransfer-Encoding: chunked",
                 "Transfer\x00-Encoding: chunked", "Transfer-Encoding\xa0: chunked",
                 "Transfer-Encoding;: chunked", "Transfer Encoding: chunked"):  # fmt: skip
        yield bad(shown(line), post("Content-Length: 5", line, body=LAST + SMUGGLED))
    yield good("a coding's look-alike", post("Transfer_Encoding: chunked", "Content-Length: 5",
                                             body=b"0\r\n\r\n"))  # fmt: skip
    yield bad("in HTTP/1.0", post(te, body=body, version="HTTP/1.0"))
    yield bad("in HTTP/1.0, kept alive", post(te, "Connection: keep-alive", version="HTTP/1.0"))
    yield bad("another in HTTP/1.0", post("Transfer-Encoding: gzip", version="HTTP/1.0"))


def chunks() -> Iterator[Case]:
    """Chunked bodies (RFC 9112 7.1)."""
    for name, body in (
        ("empty", LAST), ("zeros", b"000\r\n\r\n"), ("two", HELLO + b"1\r\n!\r\n" + LAST),
        ("big and small digits", b"a\r\n0123456789\r\nA\r\n0123456789\r\n" + LAST),
        ("sixteen digits", b"0000000000000005\r\nhello\r\n" + LAST),
        ("line ends as data", b"4\r\n\r\n\r\n\r\n" + LAST),
        ("an extension", b"5;a\r\nhello\r\n" + LAST), ("its value", b"5;a=b;c\r\nhello\r\n" + LAST),
        ("a quoted value", b'5;a="b;\t\\"c\xe9"\r\nhello\r\n' + LAST),
        ("an extension of the last", b"0;a=b\r\n\r\n"), ("a trailer", b"0\r\nA: b\r\n\r\n"),
        ("trailers", HELLO + b"0\r\nA: b\r\nB:\r\nc:\td \r\n\r\n"),
    ):  # fmt: skip
        yield good(name, chunked(body) + GET, 2)
    yield waits("a size without its end", chunked(b"5"))
    yield waits("half a chunk", chunked(b"5\r\nhel"))
    yield waits("no last chunk", chunked(HELLO))
    yield waits("half an end", chunked(HELLO + b"0\r\n"))
    for size in ("", "g", "0x5", "0X5", "-5", "+5", " 5", "5 ", "\t5", "5\t", "5h", "5L", "5.0",
                 "5,5", "5_0", "5:", "5#", "\xb2", "5\0", "5\x0b", "00000000000000005", "5 5",
                 "10000000000000005", "fffffffffffffffff", "0x", "%35", "5\xa0"):  # fmt: skip
        body = f"{size}\r\nhello\r\n0\r\n\r\n".encode("latin-1")
        yield bad(f"size {shown(size)!r}", chunked(body))
    for size in ("ffffffffffffffff", "7fffffffffffffff", "8000000000000000", "40000001"):
        yield bad(f"size {size}", chunked(size.encode() + b"\r\nhello"), 413)
    yield bad("a size that wraps around", chunked(HELLO + b"fffffffffffffffb\r\n"), 413)
    for ext in (";", "; ", "; a", " ;a", ";a ", ";a =b", ";a= b", ";a=", ";=b", ";;a", ";a=b;",
                ';a="b', ';a="b"c', ';a="\x01"', ';a="\\\x01"', ";\xe9", ";a=\xe9", ";a\0", ",a",
                ";a=b=c", ";a b", ";a\rb", ";a\nb", ';a="\n"', ';a="\r\n"', ";a\n"):  # fmt: skip
        body = b"5" + ext.encode("latin-1") + b"\r\nhello\r\n" + LAST
        yield bad(f"extension {shown(ext)!r}", chunked(body))
    for name, body in (
        ("a size ended by a line feed", b"5\nhello\r\n" + LAST),
        ("a size ended by a carriage return", b"5\rhello\r\n" + LAST),
        ("a size with an extension ended by a line feed", b"5;a\nhello\r\n" + LAST),
        ("data ended by a line feed", b"5\r\nhello\n" + LAST),
        ("data ended by a carriage return", b"5\r\nhello\r" + LAST),
        ("data without an end", b"5\r\nhello" + LAST), ("data too short", b"6\r\nhello\r\n" + LAST),
        ("data too long", b"4\r\nhello\r\n" + LAST), ("data ended by blanks", b"1\r\nx  \r\n"),
        ("the last ended by a line feed", b"0\n\r\n"), ("the end a line feed", b"0\r\n\n"),
        ("an empty line between", HELLO + b"\r\n" + LAST), ("no chunks", b"hello" + GET),
        ("the next request for an end", b"0\r\n" + GET), ("data in the last", b"0\r\nab\r\n\r\n"),
    ):  # fmt: skip
        yield bad(name, chunked(body))
    for line in ("A : b", " A: b", "A", ": b", "A: b\rc", "A: b\nB: c", "A: \0", "A: \x7f",
                 "A: b\r\n c", "A b: c", "\xe9: b", "Content-Length: 5", "transfer-encoding: x",
                 "Host: b", "Connection: close", "Trailer: A", "TE: trailers", "Expect: x",
                 "Authorization: x", "Cookie: a", "Content-Type: a/b", "Content-Encoding: gzip",
                 "Content-Range: x", "Upgrade: x", "Keep-Alive: x", "Set-Cookie: a=b",
                 "Max-Forwards: 1", "Proxy-Authorization: x"):  # fmt: skip
        body = b"0\r\n" + line.encode("latin-1") + b"\r\n\r\n"
        yield bad(f"trailer {shown(line)!r}", chunked(body))


def connections() -> Iterator[Case]:
    """Pipelines, and who closes (RFC 9112 9)."""
    body = post("Content-Length: 5", body=b"hello")
    yield good("two", GET * 2, 2)
    yield good("fifty", GET * 50, 50)
    yield good("bodies between", (GET + body + chunked(HELLO + LAST)) * 3 + GET, 10)
    yield good("an empty line after a body", body + b"\r\n" + GET, 2)
    yield bad("two empty lines after a body", body + b"\r\n\r\n" + GET, after=1)
    yield bad("a line feed after a body", body + b"\n" + GET, after=1)
    yield good("one, then a half", GET + b"GET /half", 1)
    yield good("close", request("Connection: close") + GET, closes=True)
    for value in ("CLOSE", "x, close", "close, x", ",close,", "keep-alive, close", "close\t"):
        yield good(f"{shown(value)!r}", request(f"Connection: {value}") + GET, closes=True)
    yield good("close in a second line", request("Connection: x", "Connection: close") + GET,
               closes=True)  # fmt: skip
    for value in ("keep-alive", "closed", "x-close", "", "clo se", '"close"', "close;x", "host"):
        yield good(f"{value!r} keeps", request(f"Connection: {value}") + GET, 2)
    old = "HTTP/1.0"
    yield good("HTTP/1.0", request(version=old) + GET, closes=True)
    yield good("HTTP/1.0 kept alive", request("Connection: Keep-Alive", version=old) + GET, 2)
    yield good("HTTP/1.0, both", request("Connection: keep-alive, close", version=old) + GET,
               closes=True)  # fmt: skip
    yield good("HTTP/1.0 by a proxy's field", request("Proxy-Connection: keep-alive", version=old),
               closes=True)  # fmt: skip
    yield good("HTTP/1.0 with a Keep-Alive field", request("Keep-Alive: x", version=old),
               closes=True)  # fmt: skip
    kept = post("Connection: keep-alive", "Content-Length: 1", body=b"x", version=old)
    yield good("HTTP/1.0 with a body, kept alive", kept + GET, 2)
    yield good("upgrade that is not taken", request("Connection: upgrade", "Upgrade: h2c") + GET, 2)
    yield bad("the second refused", GET + request("A : b") + GET, after=1)
    yield bad("another version second", GET + request(version="HTTP/2.0") + GET, 505, after=1)
    yield bad("a body's rest for a request", post(body=b"\x00\x01"), after=1)


def expectations() -> Iterator[Case]:
    """Expect (RFC 9110 10.1.1)."""
    for value in ("100-continue", "100-Continue", "100-CONTINUE"):
        yield good(value, post(f"Expect: {value}", "Content-Length: 5", body=b"hello"))
    yield good("with chunks", chunked(HELLO + LAST, "Expect: 100-continue"))
    yield good("without a body", request("Expect: 100-continue") + GET, 2)
    for value in ("200-ok", "100", "100-continue, x", "100-continue;a", "x=y", "", "\xe9"):
        yield bad(f"{shown(value)!r}", post(f"Expect: {value}", "Content-Length: 5", body=b"hello"),
                  417)  # fmt: skip
    yield good("another in HTTP/1.0", post("Expect: x", "Content-Length: 1", body=b"x",
               version="HTTP/1.0"), closes=True)  # fmt: skip
    yield bad("with two lengths", post("Expect: 100-continue", "Content-Length: 5, 5"))


def limits() -> Iterator[Case]:
    """At each limit, and one beyond it."""
    room = LIMITS["line"] - len("GET / HTTP/1.1")
    yield good("the longest line", request(target="/" + "a" * room))
    yield bad("a line too long", request(target="/" + "a" * (room + 1)), 414)
    yield bad("a line without an end", b"GET /" + b"a" * LIMITS["line"], 414)
    yield bad("a method without an end", b"A" * (LIMITS["line"] + 2), 414)
    room = LIMITS["field"] - len("A: ")
    yield good("the longest field", request("A: " + "b" * room))
    yield bad("a field too long", request("A: " + "b" * (room + 1)), 431)
    yield bad("a name without an end", request()[:-2] + b"A" * (LIMITS["field"] + 2), 431)
    yield bad("a field without an end", request()[:-2] + b"A:" + b"b" * LIMITS["field"], 431)
    yield good("the most fields", request(*["A: b"] * (LIMITS["fields"] - 1)))
    yield bad("a field too many", request(*["A: b"] * LIMITS["fields"]), 431)
    many = ["A: " + "b" * 9994] * 6
    room = LIMITS["head"] - len(request(*many)) - len("A: \r\n")
    yield good("the longest head", request(*many, "A: " + "b" * room))
    yield bad("a head too long", request(*many, "A: " + "b" * (room + 1)), 431)
    extras = EXTRA_LIMIT // 11
    lines = b"1;abcdefghij\r\nx\r\n"
    yield good("the most extensions", chunked(lines * extras + LAST))
    yield bad("an extension too many", chunked(lines * (extras + 1) + LAST), 431)
    yield bad("an extension without an end", chunked(b"1;" + b"a" * (EXTRA_LIMIT + 1)), 431)
    yield bad("trailers without an end", chunked(b"0\r\n" + b"A: b\r\n" * EXTRA_LIMIT), 431)
    yield bad("a trailer without an end", chunked(b"0\r\nA:" + b"b" * EXTRA_LIMIT), 431)
    yield good("many small chunks", chunked(b"1\r\nx\r\n" * 2000 + LAST))


_ALL: dict[str, Callable[[], Iterator[Case]]] = {
    "request lines": base.request_lines,
    "versions": base.versions,
    "targets": base.targets,
    "hosts": base.hosts,
    "fields": base.fields,
    "lengths": lengths,
    "codings": codings,
    "chunks": chunks,
    "connections": connections,
    "expectations": expectations,
    "limits": limits,
}
GROUPS: dict[str, list[Case]] = {subject: list(make()) for subject, make in _ALL.items()}
