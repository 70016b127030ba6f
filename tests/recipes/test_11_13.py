"""Recipe 11.13, sending and receiving large arrays: examples/large_arrays.py."""

from __future__ import annotations

import importlib.util
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

import links

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "large_arrays.py"


COUNT = 300_000


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("large_arrays", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def recipe_send_from(arr, dest):
    """The recipe's own."""
    view = memoryview(arr).cast("B")
    while len(view):
        nsent = dest.send(view)
        view = view[nsent:]


def recipe_recv_into(arr, source):
    """The recipe's own."""
    view = memoryview(arr).cast("B")
    while len(view):
        nrecv = source.recv_into(view)
        view = view[nrecv:]


def test_both_ends():
    done = subprocess.run(
        [sys.executable, EXAMPLE, str(COUNT)], capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"sent {COUNT * 8} bytes") == 2
    assert done.stdout.count(f"received {COUNT * 8} bytes") == 2


def test_each_end_as_a_program():
    command = [sys.executable, EXAMPLE]
    with subprocess.Popen(
        [*command, "serve", "0", "1000"], stdout=subprocess.PIPE, text=True
    ) as serving:
        port = serving.stdout.readline().split()[-1]
        done = subprocess.run(
            [*command, "connect", port, "1000"], capture_output=True, text=True, timeout=50
        )
        assert done.returncode == 0, done.stderr
        assert "received 8000 bytes" in serving.communicate(timeout=links.SOON)[0]
        assert serving.returncode == 0


def test_a_client_with_the_recipes_own_loops(example, capsys):
    with example.listening(0) as listening:
        serving = links.Background(example.server, listening, COUNT)
        with socket.create_connection(listening.getsockname()) as sock:
            array = np.zeros(COUNT)
            recipe_recv_into(array, sock)
            assert (array == np.arange(COUNT)).all()
            recipe_send_from(array * 2, sock)
        serving.result()
    assert "sent 2400000 bytes" in capsys.readouterr().out


def test_a_server_with_the_recipes_own_loops(example, capsys):
    with example.listening(0) as listening:
        working = links.Background(example.client, listening.getsockname()[1], COUNT)
        sock, _ = listening.accept()
        with sock:
            recipe_send_from(np.arange(0.0, COUNT), sock)
            array = np.zeros(COUNT)
            recipe_recv_into(array, sock)
        working.result()
    assert (array == 2 * np.arange(COUNT)).all()
