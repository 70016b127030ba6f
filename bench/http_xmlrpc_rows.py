"""XML-RPC: ``add`` by many connections, and one call after the other."""

from __future__ import annotations

import xmlrpc.client
from pathlib import Path
from typing import Any

import http_checks as checks
from http_harness import Contestant, Load, Role, Wrk
from http_proof import LOOP, Proof, row, temporary_directory, wsgi
from servers_harness import python_server
from table import Row

APP, DROP_IN = "fastnet, WSGI application", "fastnet SimpleXMLRPCServer"
THREADING, CLOSING = "ThreadingMixIn, HTTP/1.1", "standard pair"
KEEPING = "standard pair, HTTP/1.1"
NEEDS = ("fastnet.xmlrpc.server:SimpleXMLRPCServer",)
CLIENT = ("fastnet.xmlrpc.client:ServerProxy",)


def server(name: str, load: Load, requires: tuple[str, ...] = (), **params: Any) -> Contestant:
    command = python_server("http_servers:xmlrpc", **params)
    return Contestant(name, command, load, requires, checks.added)


def application(name: str, load: Load, requires: tuple[str, ...]) -> Contestant:
    return wsgi(LOOP, load, checks.added, name=name, requires=requires, app="xmlrpc")


def many(proof: Proof) -> list[Row]:
    """16 connections that are kept."""
    case = "XML-RPC add, 16 connections"
    with temporary_directory() as directory:
        body = Path(directory) / "add.xml"
        body.write_text(xmlrpc.client.dumps((2, 3), "add"))
        load = Wrk(16, "/RPC2", ("method=POST", "type=text/xml", f"file={body}"))
        contestants = [
            server(THREADING, load, package="xmlrpc"),
            application(APP, load, NEEDS),
            server(DROP_IN, load, NEEDS, package="fastnet.xmlrpc"),
        ]
        results = proof.compare(case, contestants, THREADING)
    return [
        row("xmlrpc", case, results, APP, THREADING, 8),
        row("xmlrpc", case, results, DROP_IN, THREADING, None),
    ]


def one(proof: Proof) -> list[Row]:
    """Both ends fastnet's, beside the standard pair as it comes, and with connections kept."""
    ours, standard = Role("call-fastnet"), Role("call-standard")
    contestants = [
        server(CLOSING, standard, package="xmlrpc", threads=False, keep_alive=False),
        server(KEEPING, standard, package="xmlrpc", threads=False),
        application(APP, ours, (*NEEDS, *CLIENT)),
        server(DROP_IN, ours, (*NEEDS, *CLIENT), package="fastnet.xmlrpc", threads=False),
    ]
    case = "XML-RPC, one call after the other"
    results = proof.compare(case, contestants, CLOSING, "calls")
    bounds: list[tuple[str, str, float | None]] = [
        (APP, CLOSING, 5),
        (APP, KEEPING, None),
        (DROP_IN, CLOSING, None),
        (DROP_IN, KEEPING, None),
    ]
    return [
        row("xmlrpc-one", case, results, name, base, wanted, unit="calls")
        for name, base, wanted in bounds
    ]
