"""`run`: a program of its own, its generations, and sockets that it is given."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import links
from wsgi_kit import Client

APPLICATION = """
import time
def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.5)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"{version}"]
"""
PROGRAM = """
import sys
from fastnet import Limits
from fastnet.wsgi import run
run("shop:app", {address}, listening=lambda a: print(a[1], flush=True),
    limits=Limits(keep_alive_timeout=5), **{options})
"""


def write(folder: Path, version: str) -> None:
    (folder / "shop.py").write_text(APPLICATION.replace("{version}", version))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "1")
    return tmp_path


class Master:
    """The program at work, and what it has said of itself."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.address = ("127.0.0.1", int(process.stdout.readline()))

    def children(self) -> list[int]:
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return [int(word) for word in Path(path).read_text().split()]

    def version(self) -> str:
        with Client(self.address) as client:
            return client.ask().body.decode()

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Ends it; what it has written."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> str:
        """Waits for its end; what it has written."""
        out, errors = self.process.communicate(timeout=links.SOON)
        assert self.process.returncode == 0
        return out + (errors or "")


@contextlib.contextmanager
def running(folder: Path, address: str = '("127.0.0.1", 0)', **options: Any) -> Iterator[Master]:
    source = PROGRAM.replace("{address}", address).replace("{options}", repr(options))
    with links.program(source, cwd=folder) as process:
        yield Master(process)


class Customer(threading.Thread):
    """Asks again and again; a connection that says it ends is followed by another."""

    def __init__(self, address: Any) -> None:
        super().__init__()
        self.address = address
        self.got: list[str] = []
        self.failed: list[Exception] = []
        self.over = False

    def has_seen(self, version: str) -> bool:
        """Whether it has been answered by that one, or not answered."""
        return bool(self.failed) or version in self.got[-1:]

    def run(self) -> None:
        while not self.over and not self.failed:
            try:
                with Client(self.address) as client:
                    self.ask_while_it_lasts(client)
            except Exception as error:
                self.failed.append(error)

    def ask_while_it_lasts(self, client: Client) -> None:
        while not self.over:
            reply = client.ask()
            assert reply.status == 200
            self.got.append(reply.body.decode())
            if reply.headers.get("connection") == "close":
                return


@pytest.mark.parametrize("options", [{}, {"workers": 2}, {"threads": 2}])
def test_reloading_loses_no_request(folder: Path, options: dict[str, int]) -> None:
    with running(folder, **options) as master:
        customers = [Customer(master.address) for _ in range(4)]
        for customer in customers:
            customer.start()
        try:
            for version in ("1", "22", "333"):
                if version != "1":
                    write(folder, version)
                    master.process.send_signal(signal.SIGHUP)
                for customer in customers:
                    links.wait_until(partial(customer.has_seen, version))
            links.wait_until(lambda: len(master.children()) == 1)
        finally:
            for customer in customers:
                customer.over = True
                customer.join()
        assert [error for one in customers for error in one.failed] == []
        assert {text for one in customers for text in one.got} == {"1", "22", "333"}
        assert master.stop() == ""


def test_a_version_that_cannot_be_loaded(folder: Path) -> None:
    with running(folder) as master:
        (folder / "shop.py").write_text("this is no Python\n")
        master.process.send_signal(signal.SIGHUP)
        links.wait_until(lambda: len(master.children()) == 2)
        links.wait_until(lambda: len(master.children()) == 1)
        assert master.version() == "1"
        write(folder, "55555")
        master.process.send_signal(signal.SIGHUP)
        links.wait_until(lambda: master.version() == "55555")
        errors = master.stop()
    assert "SyntaxError" in errors
    assert "reloading failed; the one before goes on" in errors


def slow_to_load(version: str) -> str:
    return "import time; time.sleep(1.5)\n" + APPLICATION.replace("{version}", version)


def test_a_signal_during_a_reload_is_another_reload(folder: Path) -> None:
    with running(folder) as master:
        (folder / "shop.py").write_text(slow_to_load("22"))
        master.process.send_signal(signal.SIGHUP)
        links.wait_until(lambda: len(master.children()) == 2)
        time.sleep(0.5)  # the file has been read
        write(folder, "333")
        master.process.send_signal(signal.SIGHUP)
        links.wait_until(lambda: master.version() == "333")
        links.wait_until(lambda: len(master.children()) == 1)
        assert master.stop() == ""


def test_a_death_during_a_reload_leaves_one_generation(folder: Path) -> None:
    with running(folder) as master:
        (child,) = master.children()
        (folder / "shop.py").write_text(slow_to_load("22"))
        master.process.send_signal(signal.SIGHUP)
        links.wait_until(lambda: len(master.children()) == 2)
        os.kill(child, signal.SIGKILL)
        assert master.version() == "22"
        time.sleep(1.2)  # in which a replacement would have come
        assert len(master.children()) == 1
        write(folder, "333")
        master.process.send_signal(signal.SIGHUP)
        links.wait_until(lambda: master.version() == "333")
        links.wait_until(lambda: len(master.children()) == 1)
        assert "another follows" in master.stop()


NO_PROCESS = """
import errno, fastnet.wsgi._run as module
fork, calls = module.fork, []
def failing(*args, **options):
    calls.append(1)
    if len(calls) in (2, 3):
        raise BlockingIOError(errno.EAGAIN, "none left")
    return fork(*args, **options)
module.fork = failing
"""


def test_no_process_for_the_next_generation(folder: Path) -> None:
    source = PROGRAM.replace("{address}", '("127.0.0.1", 0)').replace("{options}", "{}")
    with links.program(NO_PROCESS + source, cwd=folder) as process:
        master = Master(process)
        write(folder, "22")
        process.send_signal(signal.SIGHUP)
        links.wait_until(lambda: master.version() == "22")
        assert master.stop().count("no process can be had (none left)") == 2


HANGING = """
import time
def app(environ, start_response):
    while True:
        try:
            time.sleep(1000)
        except BaseException:
            pass
"""


def test_generations_that_hang_are_killed(folder: Path) -> None:
    (folder / "shop.py").write_text(HANGING)
    source = PROGRAM.replace("{address}", '("127.0.0.1", 0)').replace("{options}", "{}")
    source = source.replace("keep_alive_timeout=5", "close_timeout=0.2")
    with links.program(source, cwd=folder) as process:
        master = Master(process)
        with Client(master.address) as one, Client(master.address) as two:
            one.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.3)
            process.send_signal(signal.SIGHUP)
            links.wait_until(lambda: len(master.children()) == 2)
            time.sleep(0.5)
            two.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            master.stop()


def test_an_import_that_dies_and_leaves_a_child(folder: Path) -> None:
    with running(folder) as master:
        (folder / "shop.py").write_text(
            "import os, time\nif not os.fork():\n    time.sleep(8)\n    os._exit(0)\nos._exit(3)\n"
        )
        master.process.send_signal(signal.SIGHUP)
        links.wait_until(lambda: len(master.children()) == 2)
        links.wait_until(lambda: len(master.children()) == 1)
        write(folder, "22")
        master.process.send_signal(signal.SIGHUP)
        links.wait_until(lambda: master.version() == "22", 6)
        assert "reloading failed" in master.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_is_graceful(folder: Path, number: int) -> None:
    with (
        running(folder) as master,
        Client(master.address) as client,
        Client(master.address) as idle,
    ):
        assert idle.ask().status == 200
        client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        ending = threading.Timer(0.1, master.process.send_signal, (number,))
        ending.start()
        assert client.reply().body == b"1"
        assert client.closed()
        assert idle.closed()
        ending.join()
        assert master.end() == ""


def test_a_generation_that_dies_is_replaced(folder: Path) -> None:
    with running(folder) as master:
        (child,) = master.children()
        os.kill(child, signal.SIGKILL)
        links.wait_until(lambda: master.children() not in ([], [child]))
        assert master.version() == "1"  # what came meanwhile has waited in the backlog
        assert "another follows" in master.stop()


def test_no_generation_outlives_its_master(folder: Path) -> None:
    with running(folder) as master:
        (child,) = master.children()
        master.process.kill()
        links.wait_until(lambda: not Path(f"/proc/{child}/root").exists())


def test_one_that_cannot_be_loaded_at_first(folder: Path) -> None:
    source = PROGRAM.replace("{address}", '("127.0.0.1", 0)').replace("{options}", "{}")
    for content, words in (("", "no attribute 'app'"), ("app = 5", "cannot be called")):
        (folder / "shop.py").write_text(content)
        done = subprocess.run(
            [sys.executable, "-c", source], cwd=folder, capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert words in done.stderr


# As a service manager does it: the descriptors from 3 on, named by variables.
PASSING = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS=sys.argv[2], LISTEN_PID=sys.argv[3] or str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-c", sys.argv[4]])
"""


def passing(folder: Path, sock: socket.socket, count: str = "1", pid: str = "") -> Any:
    source = PROGRAM.replace("{address}", "None").replace("{options}", "{}")
    words = [sys.executable, "-c", PASSING, str(sock.fileno()), count, pid, source]
    return subprocess.Popen(
        words,
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(sock.fileno(),),
    )


def test_sockets_of_a_service_manager(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock, passing(folder, sock) as process:
        master = Master(process)
        assert master.address == sock.getsockname()
        assert master.version() == "1"
        write(folder, "22")
        process.send_signal(signal.SIGHUP)
        links.wait_until(lambda: master.version() == "22")
        assert master.stop() == ""


def test_sockets_that_are_none(folder: Path) -> None:
    with socket.socket() as sock, socket.create_server(("127.0.0.1", 0)) as good:
        for passed, count, pid, words in (
            (sock, "1", "", "does not listen"),
            (good, "x", "", "no number of sockets"),
            (good, "0", "", "no number of sockets"),
            (good, "1", "1", "is for process 1"),
        ):
            with passing(folder, passed, count, pid) as process:
                _, errors = process.communicate(timeout=links.SOON)
            assert process.returncode == 1
            assert words in errors
