"""Looks at a server's replies before it is timed: every byte of a body, lengths, order, the date.

A check takes the server's endpoint in words and returns what is worth a remark; it raises
`HarnessError` for a wrong reply.
"""

from __future__ import annotations

import http.client
import os
import socket
import xmlrpc.client
import zlib
from collections.abc import Callable
from pathlib import Path

from process import HarnessError

TIMEOUT = 30.0
Check = Callable[[str], str]


def address(where: str) -> tuple[str, int]:
    _, host, port = where.split()
    return host, int(port)


def expect(good: bool, what: str) -> None:
    if not good:
        raise HarnessError(what)


def remarks(reply: http.client.HTTPResponse) -> str:
    """What a reply lacks that others send."""
    found = [f"no {name}" for name in ("Date", "Content-Length") if reply.getheader(name) is None]
    found += ["closes the connection"] if reply.will_close else []
    return ", ".join(found)


def get(path: str, body: bytes | Callable[[bytes], bool]) -> Check:
    """Two requests, on one connection where it is kept."""

    def check(where: str) -> str:
        said = ""
        connection = http.client.HTTPConnection(*address(where), timeout=TIMEOUT)
        for _ in range(2):
            connection.request("GET", path)
            reply = connection.getresponse()
            said = remarks(reply)
            came = reply.read()
            expect(reply.status == 200, f"{path}: status {reply.status}")
            good = came == body if isinstance(body, bytes) else body(came)
            expect(good, f"{path}: another body, {came[:40]!r}")
        connection.close()
        return said

    return check


def post(size: int, checked: bool = True) -> Check:
    """Bodies of random bytes; the server tells length and checksum, if it has seen them."""

    def check(where: str) -> str:
        connection = http.client.HTTPConnection(*address(where), timeout=TIMEOUT)
        for _ in range(3):
            body = os.urandom(size)
            connection.request("POST", "/crc", body)
            came = connection.getresponse().read()
            if checked:
                expect(came == b"%d %d" % (size, zlib.crc32(body)), f"POST: {came[:40]!r}")
        connection.close()
        return ""

    return check


def file(name: str) -> Check:
    """A whole file by its checksum."""

    def check(where: str) -> str:
        connection = http.client.HTTPConnection(*address(where), timeout=TIMEOUT)
        connection.request("GET", "/")
        reply = connection.getresponse()
        crc = size = 0
        while piece := reply.read(1 << 20):
            crc, size = zlib.crc32(piece, crc), size + len(piece)
        connection.close()
        expect(size == os.path.getsize(name), f"{size} bytes of a file")
        expect(crc == zlib.crc32(Path(name).read_bytes()), "other bytes than the file's")
        return remarks(reply)

    return check


def pipelined(count: int, ordered: bool = True) -> Check:
    """So many requests at once, whole and cut into pieces; replies in order, and no more."""

    def check(where: str) -> str:
        paths = [f"/hello/{number:06}" for number in range(count)]
        sent = "".join(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n" for path in paths).encode()
        with socket.create_connection(address(where), TIMEOUT) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reader = sock.makefile("rb")
            for cuts in (1, 7):
                step = -(-len(sent) // cuts)
                for start in range(0, len(sent), step):
                    sock.sendall(sent[start : start + step])
                for path in paths:
                    body = read_reply(reader)
                    expect(not ordered or body == path.encode(), f"{body!r} instead of {path!r}")
        return ""

    return check


def read_reply(reader: socket.SocketIO) -> bytes:  # type: ignore[name-defined]
    """The body of the next reply."""
    status = reader.readline()
    expect(status.startswith(b"HTTP/1.1 200"), f"pipelined: {status[:60]!r}")
    length = None
    while (line := reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    expect(length is not None, "pipelined: a reply without a length")
    body: bytes = reader.read(length)
    return body


def added(where: str) -> str:
    """XML-RPC: two and three are five."""
    host, port = address(where)
    with xmlrpc.client.ServerProxy(f"http://{host}:{port}/RPC2") as proxy:
        expect(proxy.add(2, 3) == 5, "add(2, 3) is something else")
        expect(proxy.add("a", "b") == "ab", "add of texts is something else")
    return ""
