"""Servers in hard places: signals at bad moments, no children to be had, no output, two at once."""

from __future__ import annotations

import mmap
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

import fastnet
import links
from fastnet import services
from serve_kit import HERE, connect, refused, said, served
from test_serve_workers import in_full, supervisor

# SIGTERM comes while a function of the package's server part is entered or left: at the first
# such moment, then at the second, and so on, until it serves before the moment has come.
SIGNALS = """
import os, signal, sys
import fastnet
from fastnet import services

part = os.sep + "_serve" + os.sep
left = 0
serving = False

def tracer(frame, event, arg):
    global left
    if part not in frame.f_code.co_filename:
        return None
    if event in ("call", "return"):
        left -= 1
        if left == 0:
            signal.setitimer(signal.ITIMER_REAL, 8)
            os.kill(os.getpid(), signal.SIGTERM)
    return tracer

def late(*_):
    global serving
    if left <= 0:
        print("not ended by a signal at moment", moment, flush=True)
        os._exit(1)
    serving = True
    server.shutdown()

signal.signal(signal.SIGALRM, late)
signal.signal(signal.SIGTERM, lambda *_: server.shutdown())
limits = fastnet.Limits(close_timeout=0.5)
moment = 0
while not serving:
    moment += 1
    server = fastnet.serve(services.Echo(), ("127.0.0.1", 0), limits=limits)
    left = moment
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    sys.settrace(tracer)
    try:
        server.serve_forever()
    except RuntimeError as error:  # it had ended before it began
        assert str(error) == "the server has ended", error
    sys.settrace(None)
    signal.setitimer(signal.ITIMER_REAL, 0)
    server.shutdown()
print(moment)
"""


def test_a_signal_handler_may_call_shutdown_at_any_moment_of_serve_forever() -> None:
    assert int(links.run(SIGNALS)) > 10


IGNORED = """
import signal, socket
import fastnet
from fastnet import services

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
server = fastnet.serve(services.Echo(), ("127.0.0.1", 0), workers=2)
server.start()
with socket.create_connection(server.address, 10) as sock:
    sock.send(b"a")
    print(sock.recv(1))
server.shutdown()
print(server.wait(10))
"""


def test_workers_serve_and_end_well_where_the_program_ignores_sigchld() -> None:
    assert links.run(IGNORED).split() == ["b'a'", "True"]


def test_a_worker_that_cannot_be_replaced_at_once_is_replaced_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The others serve on where the system has no process to give."""
    monkeypatch.setattr("fastnet._serve._workers._MOST_PAUSE", 0.25)
    counts = mmap.mmap(-1, 2)  # shared with the children: forks, and those that failed
    fork = os.fork

    def scarce() -> int:
        counts[0] += 1
        if counts[0] in (4, 5):  # the supervisor and its two workers are there
            counts[1] += 1
            raise BlockingIOError(11, os.strerror(11))
        return fork()

    monkeypatch.setattr(os, "fork", scarce)
    with counts, served(services.Echo(), workers=2) as server:
        victim, other = in_full(server, 2)
        os.kill(victim, signal.SIGKILL)
        links.wait_until(lambda: counts[1] > 0)
        with connect(server.address) as sock:
            assert said(sock, b"x") == b"x"
        links.wait_until(lambda: counts[0] > 5)
        assert counts[1] == 2
        assert other in in_full(server, 2)
        with connect(server.address) as sock:
            assert said(sock, b"x") == b"x"


@pytest.mark.parametrize("name", ["stdout", "stderr"])
@pytest.mark.parametrize("closed", [False, True], ids=["none", "closed"])
def test_workers_need_no_standard_output(
    name: str, closed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file: Any = None
    if closed:
        file = (tmp_path / "out").open("w")
        file.close()
    monkeypatch.setattr(sys, name, file)
    with served(services.Echo(), workers=2) as server:
        with connect(server.address) as sock:
            assert said(sock, b"x") == b"x"
        server.shutdown()
        assert server.wait(links.SOON)


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_servers_with_workers_the_one_that_ends_lets_go_of_its_address(first: int) -> None:
    """The other's processes, forked later or earlier, hold none of its sockets."""
    with (
        served(services.Echo(), workers=2) as one,
        fastnet.serve(services.Echo(), HERE, workers=2) as two,
    ):
        two.start()
        ending, staying = (one, two) if first == 0 else (two, one)
        address = ending.address
        in_full(staying, 2)
        ending.shutdown()
        assert ending.wait(links.SOON)
        assert refused(address)
        socket.create_server(address).close()
        with connect(staying.address) as sock:
            assert said(sock, b"x") == b"x"
        assert supervisor(staying)
