"""How a dispatcher ends, and what its processes hold."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from pathlib import Path

import pytest

import links
from dispatch_kit import HERE, connect, dispatching, echo, line, rest
from fastnet import fdpass
from test_serve_workers import alive

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def test_shutting_down_serves_who_has_connected():
    with dispatching(echo, workers=1) as dispatcher, contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(dispatcher)) for _ in range(8)]
        line(socks[0])
        ending = links.Background(dispatcher.shutdown, 3 * links.SOON)
        links.wait_until(lambda: dispatcher.stats()["waiting"] == 7)
        with pytest.raises(OSError):
            links.wait_until(lambda: connect(dispatcher).close())  # until nobody listens
        for number, sock in enumerate(socks):
            if number:
                assert line(sock)
            sock.sendall(b"number %d" % number)
            assert rest(sock) == b"number %d" % number
        ending.result()
        assert dispatcher.stats()["done"] >= 8


def test_a_handler_that_does_not_end_is_cut_off():
    with dispatching(echo, workers=2) as dispatcher:
        pids = dispatcher.pids
        with connect(dispatcher) as sock:
            line(sock)
            dispatcher.shutdown(0.05)
            with contextlib.suppress(ConnectionError):
                assert sock.recv(1) == b""
        assert not any(map(alive, pids))


def test_serving_in_this_thread():
    with fdpass.Dispatcher(HERE, echo, workers=1) as dispatcher:
        serving = links.Background(dispatcher.serve_forever)
        # Before: its processes would inherit the client's end, too.
        links.wait_until(lambda: dispatcher.pids)
        with connect(dispatcher) as sock:
            assert line(sock) == dispatcher.pids[0]
        dispatcher.shutdown()
        serving.result()
        with pytest.raises(RuntimeError, match="starts once"):
            dispatcher.start()


SERVE = """
from fastnet import fdpass
def handler(sock, address):
    sock.sendall(b"hello")
dispatcher = fdpass.Dispatcher(("127.0.0.1", 0), handler, workers=2)
print(dispatcher.address[1], flush=True)
try:
    dispatcher.serve_forever()
except KeyboardInterrupt:
    print("interrupted", dispatcher.stats()["done"])
"""


def test_ctrl_c():
    with links.program(SERVE) as program:
        port = int(program.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), links.SOON) as sock:
            assert sock.recv(10) == b"hello"
        program.send_signal(signal.SIGINT)
        assert program.stdout.read() == "interrupted 1\n"
        assert program.wait(links.SOON) == 0


def test_one_that_never_starts(tmp_path):
    path = tmp_path / "socket"
    with fdpass.Dispatcher(f"unix:{path}", echo) as dispatcher:
        assert dispatcher.fileno() >= 0
        assert dispatcher.stats()["accepted"] == 0
        assert dispatcher.pids == []
    assert not path.exists()
    assert dispatcher.fileno() == -1
    dispatcher.shutdown()


def test_two_at_once_end_one_by_one():
    with dispatching(echo, workers=1) as one:
        with dispatching(echo, workers=1) as two:
            one.shutdown()
            with connect(two) as sock:
                assert line(sock) == two.pids[0]


def test_a_forked_child_ends_nothing():
    with dispatching(echo, workers=1) as dispatcher:
        pid = os.fork()
        if not pid:
            dispatcher.shutdown()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        with connect(dispatcher) as sock:
            assert line(sock)


def test_what_it_is_not_made_of():
    for options, error in (
        ({"workers": 0}, ValueError),
        ({"threads": True}, ValueError),
        ({"policy": "random"}, ValueError),
        ({"handler": None}, TypeError),
        ({"address": "nowhere"}, ValueError),
    ):
        with pytest.raises(error):
            fdpass.Dispatcher(**{"address": HERE, "handler": echo, **options})


def held(pid):
    found = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()]
    return [what for what in found if what.startswith(("socket", "pipe"))]


def test_descriptors_are_the_processes_own():
    """A worker holds its channel and its connections, and nothing of the others."""
    with dispatching(echo, workers=2) as dispatcher, connect(dispatcher) as sock:
        worker = held(line(sock))
        mine = set(links.descriptors().values())
        others = set(held(dispatcher._pid)) - mine
        assert not others & {what for what in worker if what.startswith("pipe")}
        assert len({what for what in worker if what.startswith("socket")} - mine) == 2
    assert threading.active_count() == 1


def test_none_is_lost_while_workers_die():
    """Every connection is answered, except by a worker that was killed over it."""
    with dispatching(echo, workers=2) as dispatcher:
        lost = 0
        for turn in range(60):
            if turn % 15 == 7:
                with contextlib.suppress(ProcessLookupError, IndexError):
                    os.kill(dispatcher.pids[turn % 2], signal.SIGKILL)
            with connect(dispatcher) as sock:
                answer = line(sock)
                lost += answer is None
                if answer is not None:
                    sock.sendall(b"x")
                    assert rest(sock) == b"x"
        assert lost == 0
