"""REST: the two resources of recipe 11.5."""

from __future__ import annotations

import http_checks as checks
from http_apps import TEXT
from http_harness import Wrk
from http_proof import LOOP, WSGIREF, Proof, row, short, wsgi
from table import Row

HELLO, TIME = "/hello?name=Guido", "/localtime"
NEEDS = ("fastnet.rest:PathDispatcher",)


def hello_page(body: bytes) -> bool:
    return b"<h1>Hello Guido!</h1>" in body and body.endswith(b"</html>")


def time_document(body: bytes) -> bool:
    return body.startswith(b"<?xml") and body.endswith(b"</time>")


def rest(proof: Proof) -> list[Row]:
    """On `fastnet.rest` and `fastnet.wsgi`, beside WSGI hello, and the recipe on ``wsgiref``."""
    contestants = [wsgi(LOOP, Wrk(), checks.get("/", TEXT), app="hello")]
    for path, good in ((HELLO, hello_page), (TIME, time_document)):
        load, check, word = Wrk(path=path), checks.get(path, good), path.partition("?")[0]
        ours, theirs = f"fastnet {word}", f"recipe on wsgiref {word}"
        contestants.append(wsgi(LOOP, load, check, name=ours, requires=NEEDS, app="rest"))
        contestants.append(wsgi(WSGIREF, short(load), check, name=theirs, app="recipe"))
    results = proof.compare("REST, recipe 11.5", contestants, LOOP)
    rows = []
    for word in ("/hello", "/localtime"):
        ours = f"fastnet {word}"
        rows.append(row("rest", f"REST {word}", results, ours, LOOP, 0.5))
        rows.append(row("rest", f"REST {word}", results, ours, f"recipe on wsgiref {word}", 8))
    return rows
