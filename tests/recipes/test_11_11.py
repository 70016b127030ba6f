"""Recipe 11.11, passing descriptors: examples/passing_descriptors*.py."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

import links
import recipe_programs as programs


def test_over_a_pipe():
    with programs.started("passing_descriptors.py", 0) as (program, port):
        for number in range(3):
            with programs.connect(port) as sock:
                programs.exchange(sock, b"line %d\n" % number)
        program.send_signal(signal.SIGINT)
        said = program.communicate(timeout=links.SOON)[0]
    assert said.count("SERVER: Got connection from ('127.0.0.1', ") == 3
    assert said.count("CHILD: GOT FD") == 3
    assert "CHILD: RECV b'line 2\\n'" in said


@pytest.fixture
def server(tmp_path):
    """The server of the second form, which waits for its worker."""
    path = str(tmp_path / "servconn")
    command = [sys.executable, programs.EXAMPLES / "passing_descriptors_server.py", path, "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout.readline() == "waiting for a worker\n"
            yield program, path
        finally:
            program.kill()


STDLIB_WORKER = """
import os, sys
from multiprocessing.connection import Client
from multiprocessing.reduction import recv_handle
from socket import AF_INET, SOCK_STREAM, socket
serv = Client(sys.argv[1], authkey=b'peekaboo')
serv.send(os.getpid())
while True:
    with socket(AF_INET, SOCK_STREAM, fileno=recv_handle(serv)) as client:
        while msg := client.recv(1024):
            client.send(msg)
"""


@pytest.mark.parametrize("ours", [True, False], ids=["ours", "the standard library's"])
def test_separate_programs(server, ours):
    program, path = server
    example = programs.EXAMPLES / "passing_descriptors_worker.py"
    command = [sys.executable, example] if ours else [sys.executable, "-c", STDLIB_WORKER]
    with subprocess.Popen(
        [*command, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as worker:
        try:
            port = program.stdout.readline().split()[-1]
            for number in range(3):
                with programs.connect(port) as sock:
                    programs.exchange(sock, b"line %d\n" % number)
            program.send_signal(signal.SIGINT)
            assert program.wait(links.SOON) == 0
            said, complaint = worker.communicate(timeout=links.SOON)
        finally:
            worker.kill()
    if ours:
        assert worker.returncode == 0, complaint
        assert said.count("WORKER: RECV") == 3
