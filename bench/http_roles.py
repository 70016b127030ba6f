"""HTTP clients in Python, one request after the other: ``python http_roles.py NAME ENDPOINT JSON``.

Says "ready" when its first reply was right; "run SECONDS" is answered with "result" and JSON.
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
import time
import xmlrpc.client
import zlib
from collections.abc import Callable
from typing import Any

TEXT = b"Hello, world!"
Once = Callable[[], int]  # one exchange; what it counts for


def same(came: bytes) -> int:
    if came != TEXT:
        raise ValueError(f"another body: {came[:40]!r}")
    return 1


def get_fastnet(host: str, port: int) -> Once:
    from fastnet.http import Session

    session, url = Session(), f"http://{host}:{port}/"
    return lambda: same(session.get(url).content)


def get_urllib3(host: str, port: int) -> Once:
    import urllib3

    pool, url = urllib3.PoolManager(), f"http://{host}:{port}/"
    return lambda: same(pool.request("GET", url).data)


def get_requests(host: str, port: int) -> Once:
    import requests

    session, url = requests.Session(), f"http://{host}:{port}/"
    return lambda: same(session.get(url).content)


def get_standard(host: str, port: int) -> Once:
    connection = http.client.HTTPConnection(host, port)

    def once() -> int:
        connection.request("GET", "/")
        return same(connection.getresponse().read())

    return once


def calls(proxy: Any) -> Once:
    def once() -> int:
        if proxy.add(2, 3) != 5:
            raise ValueError("2 and 3 are not 5")
        return 1

    return once


def call_fastnet(host: str, port: int) -> Once:
    from fastnet.xmlrpc.client import ServerProxy

    return calls(ServerProxy(f"http://{host}:{port}/RPC2"))


def call_standard(host: str, port: int) -> Once:
    return calls(xmlrpc.client.ServerProxy(f"http://{host}:{port}/RPC2"))


def warm_array(size: int) -> Any:
    import numpy as np

    return np.ones(size // 8)  # touched, so that no page is fresh


def verified(once: Once, array: Any, crc: int) -> Once:
    """The same, when what it leaves in the array is right."""
    array[:] = 0
    once()
    if zlib.crc32(array) != crc:
        raise ValueError("other bytes in the array than were sent")
    return once


def array_session(host: str, port: int, size: int, crc: int) -> Once:
    """Into an array by `fastnet.http`."""
    from fastnet.http import Session

    session, url, array = Session(), f"http://{host}:{port}/", warm_array(size)

    def once() -> int:
        session.get(url, stream=True).recv_into(array)
        return size

    return verified(once, array, crc)


def array_raw(host: str, port: int, size: int, crc: int) -> Once:
    """The same reply, its body taken by `fastnet.recv_into`."""
    import fastnet

    sock, array = socket.create_connection((host, port)), warm_array(size)

    def once() -> int:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += sock.recv(1)
        fastnet.recv_into(array, sock)
        return size

    return verified(once, array, crc)


def array_sent(host: str, port: int, size: int, crc: int) -> Once:
    """What `fastnet.send_from` sends."""
    import fastnet

    sock, array = socket.create_connection((host, port)), warm_array(size)

    def once() -> int:
        sock.sendall(b"x")
        fastnet.recv_into(array, sock)
        return size

    return verified(once, array, crc)


ROLES: dict[str, Callable[..., Once]] = {
    "get-fastnet": get_fastnet,
    "get-urllib3": get_urllib3,
    "get-requests": get_requests,
    "get-standard": get_standard,
    "call-fastnet": call_fastnet,
    "call-standard": call_standard,
    "array-session": array_session,
    "array-raw": array_raw,
    "array-sent": array_sent,
}


def run(once: Once, seconds: float) -> dict[str, float]:
    count, began = 0, time.perf_counter()
    now, end = began, began + seconds
    times = []
    while now < end:
        count += once()
        before, now = now, time.perf_counter()
        times.append(now - before)
    times.sort()
    p50, p99 = times[len(times) // 2] * 1e6, times[len(times) * 99 // 100] * 1e6
    return {"requests": count, "seconds": now - began, "p50": p50, "p99": p99}


def main(name: str, where: str, params: str) -> None:
    _, host, port = where.split()
    once = ROLES[name](host, int(port), **json.loads(params))
    once()
    print("ready", flush=True)
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "quit":
            return
        print("result", json.dumps(run(once, float(rest))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
