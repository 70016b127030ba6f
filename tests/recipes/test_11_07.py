"""Recipe 11.7 and the slides' connections and pickles: between interpreters."""

from __future__ import annotations

import multiprocessing.connection

import pytest

import recipe_programs as programs
from fastnet.connection import AuthenticationError, Client
from links import SOON

ECHOED = "hello\n42\n[1, 2, 3, 4, 5]\n"


def test_the_echo():
    with programs.started("connection_echo.py", "server", 0) as (_, port):
        for _ in range(2):
            assert programs.finished("connection_echo.py", "client", port) == ECHOED
        address = ("127.0.0.1", int(port))
        with pytest.raises(AuthenticationError):
            Client(address, authkey=b"wrong", timeout=SOON)
        with multiprocessing.connection.Client(address, authkey=b"peekaboo") as conn:
            conn.send({"the": "standard library's"})
            assert conn.recv() == {"the": "standard library's"}


def test_the_slides_server_adds():
    with programs.started("slides_multiprocessing.py", "server", 0) as (child, port):
        assert programs.finished("slides_multiprocessing.py", "client", port) == "[1, 2, 3, 4, 5]\n"
        assert child.wait(SOON) == 0


def test_the_slides_pickles():
    out = programs.finished("slides_pickle.py", "files").splitlines()
    assert out == ["{'name': 'ACME', 'shares': [100, 50], 'price': 490.1}", "True"]
    with programs.started("slides_pickle.py", "server", 0) as (_, port):
        assert programs.finished("slides_pickle.py", "client", port) == "[1, 2, 3, 4, 5]\n"
