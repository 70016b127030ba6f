"""Recipe 11.8, remote procedure calls: examples/rpc_pickle.py; 11.6 over it: rpc_keyvalue.py."""

from __future__ import annotations

import multiprocessing
import threading

import pytest

import recipe_programs as programs
from fastnet.rpc import JSONHandler, JSONProxy, RPCHandler, RPCProxy


@pytest.mark.parametrize("kind", ["pickle", "json"])
def test_the_program(kind):
    with programs.started("rpc_pickle.py", "serve", 0, kind) as (_, port):
        for _ in range(2):
            said = programs.finished("rpc_pickle.py", "call", port, kind).splitlines()
            assert said[:2] == ["5", "-1"]
            assert "unsupported operand" in said[2]


def test_the_key_value_server():
    pytest.importorskip("msgspec")
    with programs.started("rpc_keyvalue.py", "serve", 0) as (_, port):
        assert programs.finished("rpc_keyvalue.py", "use", port).splitlines() == [
            "['foo', 'spam']",
            "bar",
            "[1, 2, 3]",
            "False",
            "[0 2 4 6 8]",
            "KeyError 'nothing'",
        ]


@pytest.mark.parametrize(
    ("handler", "proxy"), [(RPCHandler, RPCProxy), (JSONHandler, JSONProxy)], ids=["pickle", "json"]
)
def test_over_a_pipe(handler, proxy):
    here, there = multiprocessing.Pipe()
    served = handler()
    served.register_function(lambda *args, **kwargs: [list(args), kwargs], "echo")
    thread = threading.Thread(target=served.handle_connection, args=(there,))
    thread.start()
    client = proxy(here)
    assert client.echo(1, "x", a=None) == [[1, "x"], {"a": None}]
    with pytest.raises((AttributeError, RuntimeError), match="no function 'nothing'"):
        client.nothing()
    assert client.echo() == [[], {}]
    here.close()
    thread.join()
    there.close()
