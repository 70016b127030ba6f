"""HTTP clients in Python, one request after the other, against the C reference."""

from __future__ import annotations

import zlib
from pathlib import Path

import http_checks as checks
from http_apps import TEXT
from http_harness import Contestant, Role
from http_proof import Proof, make_file, reference, row, temporary_directory
from servers_harness import python_server
from table import Row

SESSION, URLLIB3, REQUESTS = "fastnet.http Session", "urllib3", "requests"
STANDARD = "http.client"
NEEDS = ("fastnet.http:Session",)
SIZE = 256 << 20
INTO, RAW, SENT = "Session, recv_into(array)", "fastnet.recv_into", "send_from to recv_into"


def client(name: str, role: str, requires: tuple[str, ...] = ()) -> Contestant:
    made = reference(Role(role), checks.get("/", TEXT), name=name)
    return Contestant(made.name, made.server, made.load, requires, made.check)


def small(proof: Proof) -> list[Row]:
    """A page of 13 bytes, the connection kept."""
    contestants = [
        client(SESSION, "get-fastnet", NEEDS),
        client(URLLIB3, "get-urllib3", ("urllib3",)),
        client(REQUESTS, "get-requests", ("requests",)),
        client(STANDARD, "get-standard"),
    ]
    case = "client GET of a small page"
    results = proof.compare(case, contestants, SESSION)
    bounds: list[tuple[str, float | None]] = [(URLLIB3, 4), (REQUESTS, 8), (STANDARD, None)]
    return [row("client", case, results, SESSION, base, wanted) for base, wanted in bounds]


def download(proof: Proof) -> list[Row]:
    """256 MiB into one array: by HTTP, and as raw bytes from the same sender and from an array."""
    case = "download of 256 MiB into an array"
    with temporary_directory() as directory:
        name = make_file(directory, SIZE)
        params = (("size", SIZE), ("crc", zlib.crc32(Path(name).read_bytes())))
        words, check = (f"file={name}", "cc=auto"), checks.file(name)
        http = reference(Role("array-session", params), check, *words, name=INTO)
        contestants = [
            reference(Role("array-raw", params), check, *words, name=RAW),
            Contestant(INTO, http.server, http.load, NEEDS, http.check),
            Contestant(
                SENT,
                python_server("http_servers:send_arrays", file=name),
                Role("array-sent", params),
                ("fastnet:send_from",),
            ),
        ]
        results = proof.compare(case, contestants, RAW, "bytes")
    return [
        row("download", case, results, INTO, RAW, 0.8, unit="bytes"),
        row("download", case, results, INTO, SENT, None, unit="bytes"),
    ]
