"""WSGI: fastnet beside the C reference, other servers in C or Rust, and the standard library's."""

from __future__ import annotations

from dataclasses import replace

import http_checks as checks
from http_apps import TEN_KIB, TEXT
from http_harness import Contestant, Drain, HTTPComparison, Wrk
from http_proof import (
    BJOERN,
    C_REFERENCE,
    FASTPYSGI,
    GRANIAN,
    LOOP,
    PEERS,
    THREADS,
    WSGIREF,
    Proof,
    best,
    make_file,
    reference,
    row,
    short,
    temporary_directory,
    wsgi,
)
from servers_harness import has_strace
from servers_rows import absent
from table import Row

DEEP = 16
POSTED = 64 << 10
FILE = 100 << 20
SENDFILE, SENDFILE_AUTO = "C sendfile loop", "C sendfile loop, bbr replaced"


def hello_all(*servers: str, connections: int = 64) -> list[Contestant]:
    """The C reference and servers with the small reply."""
    load, check = Wrk(connections), checks.get("/", TEXT)
    made = [reference(load, check)]
    for server in servers:
        mine = short(load) if server == WSGIREF else load
        made.append(wsgi(server, mine, check, app="hello"))
    return made


def hello(proof: Proof) -> list[Row]:
    """13 bytes to 64 connections."""
    contestants = hello_all(LOOP, THREADS, *PEERS, WSGIREF)
    results = proof.compare("WSGI hello, 64 connections", contestants, C_REFERENCE)
    bounds: list[tuple[str, str, float | None, str]] = [
        (LOOP, C_REFERENCE, 0.90, "rate"),
        (LOOP, C_REFERENCE, 1.5, "cpu"),
        (LOOP, BJOERN, 0.8, "cpu"),
        (LOOP, FASTPYSGI, 0.8, "cpu"),
        (LOOP, BJOERN, None, "rate"),
        (LOOP, FASTPYSGI, None, "rate"),
        (LOOP, GRANIAN, 1.7, "rate"),
        (LOOP, WSGIREF, 15, "rate"),
        (THREADS, C_REFERENCE, None, "rate"),
        (THREADS, GRANIAN, None, "rate"),
    ]
    return [
        row("hello", "WSGI hello", results, name, base, wanted, figure)
        for name, base, wanted, figure in bounds
    ]


def calls(proof: Proof) -> list[Row]:
    """System calls per request, under strace, so nothing here is timed."""
    contestants = hello_all(LOOP, THREADS, *PEERS)
    rows = {
        one.name: Row(
            "calls",
            f"WSGI hello: system calls per request, {one.name}",
            2.1 if one.name == LOOP else None,
            None,
            unit="calls",
            at_least=False,
        )
        for one in contestants
    }
    if not has_strace():
        return [replace(one, note="strace is not installed") for one in rows.values()]
    proof.say("system calls, WSGI hello ...")
    with HTTPComparison(C_REFERENCE, proof.say) as comparison:
        comparison.start(contestants)
        comparison.count_calls(proof.seconds)
        results = comparison.results
    proof.results["system calls, WSGI hello"] = results
    return [
        absent(one, results, name)
        if results.why_not(name)
        else replace(one, measured=results.calls[name])
        for name, one in rows.items()
    ]


def pipelined(proof: Proof) -> list[Row]:
    """16 requests at a time on each of 64 connections; the reply is the path."""
    load = Wrk(path="/hello/000000", words=(f"pipeline={DEEP}",))
    check = checks.pipelined(DEEP)
    contestants = [reference(load, checks.pipelined(DEEP, ordered=False))]
    contestants += [wsgi(one, load, check, app="path") for one in (LOOP, THREADS, *PEERS)]
    results = proof.compare("WSGI hello, pipelined x 16", contestants, C_REFERENCE)
    case = "WSGI hello, pipelined x 16"
    return [
        row("pipelined", case, results, LOOP, GRANIAN, 3),
        row("pipelined", case, results, LOOP, C_REFERENCE, 0.25),
        row("pipelined", case, results, LOOP, C_REFERENCE, None, "cpu"),
        row("pipelined", case, results, THREADS, C_REFERENCE, None),
    ]


def beside_best(proof: Proof, section: str, case: str, contestants: list[Contestant]) -> list[Row]:
    """fastnet and the best of the peers."""
    results = proof.compare(case, contestants, C_REFERENCE)
    rows = [row(section, case, results, LOOP, best(results, PEERS), 1.0)]
    rows.append(row(section, case, results, LOOP, best(results, PEERS), None, "cpu"))
    return [*rows, row(section, case, results, LOOP, C_REFERENCE, None)]


def ten_kib(proof: Proof) -> list[Row]:
    load, check = Wrk(), checks.get("/", TEN_KIB)
    contestants = [reference(load, checks.get("/", TEN_KIB), f"body={len(TEN_KIB)}")]
    contestants += [wsgi(one, load, check, app="10k") for one in (LOOP, THREADS, *PEERS)]
    return beside_best(proof, "10k", "WSGI 10 KiB reply", contestants)


def posts(proof: Proof) -> list[Row]:
    load = Wrk(words=("method=POST", f"size={POSTED}"))
    contestants = [reference(load, checks.post(POSTED, checked=False))]
    servers = (LOOP, THREADS, *PEERS)
    contestants += [wsgi(one, load, checks.post(POSTED), app="post") for one in servers]
    return beside_best(proof, "post", "WSGI POST of 64 KiB", contestants)


def thousand(proof: Proof) -> list[Row]:
    contestants = hello_all(LOOP, THREADS, *PEERS, connections=1000)
    return beside_best(proof, "thousand", "WSGI hello, 1,000 connections", contestants)


def files(proof: Proof) -> list[Row]:
    """100 MiB by ``wsgi.file_wrapper`` to a client that throws them away."""
    case, load = "file of 100 MiB", Drain()
    with temporary_directory() as directory:
        name = make_file(directory, FILE)
        check = checks.file(name)
        contestants = [
            reference(load, check, f"file={name}", name=SENDFILE),
            reference(load, check, f"file={name}", "cc=auto", name=SENDFILE_AUTO),
        ]
        servers = (LOOP, *PEERS)
        contestants += [wsgi(one, load, check, app="file", file=name) for one in servers]
        results = proof.compare(case, contestants, SENDFILE, "bytes")
    pairs: list[tuple[str, str, float | None]] = [
        (LOOP, SENDFILE, 0.9),
        (LOOP, SENDFILE_AUTO, None),
        (LOOP, best(results, PEERS), None),
    ]
    return [
        row("file", case, results, one, base, wanted, unit="bytes") for one, base, wanted in pairs
    ]
