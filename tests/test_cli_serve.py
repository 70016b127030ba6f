"""``fastnet serve`` as a process."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import links
from cli_command import COMMAND, LIMIT, Running, one_line, run, wait_for

HERE = ("--bind", "127.0.0.1:0")


def serving(*args: object) -> Running:
    return Running("serve", *args)


def said(sock: socket.socket, text: bytes) -> bytes:
    """What comes back for a text, of the same length."""
    sock.sendall(text)
    got = b""
    while len(got) < len(text):
        more = sock.recv(65536)
        if not more:
            break
        got += more
    return got


@contextmanager
def connected(address: Any, kind: int = socket.SOCK_STREAM) -> Iterator[socket.socket]:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, kind) as sock:
        sock.settimeout(links.SOON)
        sock.connect(address)
        yield sock


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "term"]
)
def test_echo_until_a_signal(number: int, status: int) -> None:
    with serving("echo", *HERE) as server:
        with connected(server.address) as sock:
            assert said(sock, b"hello") == b"hello"
            server.process.send_signal(number)
            assert sock.recv(1) == b""  # an end, not a reset
        done = server.event()
        assert done["event"] == "done"
        assert done["accepted"] == 1
        assert done["bytes_in"] == done["bytes_out"] == 5
        assert server.end() == (status, "")


def test_what_it_says_to_people(tmp_path: Path) -> None:
    command = [*COMMAND, "serve", "echo", *HERE, "--unix", f"{tmp_path}/s"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        found = re.fullmatch(
            rf"echo on 127\.0\.0\.1:(\d+), unix:{tmp_path}/s; Ctrl-C ends\n", first
        )
        assert found, first
        for address in (("127.0.0.1", int(found[1])), f"{tmp_path}/s"):
            with connected(address) as sock:
                assert said(sock, b"both") == b"both"
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=LIMIT)[1]
        assert re.fullmatch(r"2 connections, 8 B in, 8 B out, \d+\.\d s\n", rest), rest
        assert process.returncode == 130
    assert not (tmp_path / "s").exists()


def test_time_over_datagrams() -> None:
    with serving("time", "--udp", *HERE) as server:
        with connected(server.address, socket.SOCK_DGRAM) as sock:
            sock.send(b"what time is it?")
            now = time.time()
            told = sock.recv(100).decode()
            assert told in {time.ctime(now + off) for off in (-2, -1, 0, 1)}
        assert server.stop(signal.SIGTERM) == (143, "")


def test_time_and_discard_over_streams() -> None:
    with serving("time", *HERE) as server, connected(server.address) as sock:
        assert re.fullmatch(rb"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\n", sock.recv(100))
        assert sock.recv(1) == b""
    with serving("discard", *HERE) as server, connected(server.address) as sock:
        sock.sendall(bytes(1 << 20))
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")
def test_an_abstract_name_and_datagrams_over_unix(tmp_path: Path) -> None:
    name = f"fastnet-test-{os.getpid()}"
    process = subprocess.Popen(
        [*COMMAND, "serve", "echo", "--udp", "--unix", f"@{name}", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert f'"address": "unix:@{name}"' in process.stdout.readline()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(links.SOON)
            sock.bind("")
            sock.connect("\0" + name)
            sock.send(b"to a name")
            assert sock.recv(100) == b"to a name"
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=LIMIT)[1] == ""


@pytest.mark.parametrize("option", ["--threads", "--workers"])
def test_side_by_side(option: str) -> None:
    with serving("echo", *HERE, option, 2) as server:
        for n in range(20):
            with connected(server.address) as sock:
                assert said(sock, b"%d" % n) == b"%d" % n
        server.process.send_signal(signal.SIGINT)
        assert server.event()["accepted"] == 20
        assert server.end() == (130, "")


def test_a_killed_supervisor_is_one_line() -> None:
    with serving("echo", *HERE, "--workers", 2) as server:
        pid = server.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        status, errors = server.end()
        assert status == 1
        assert errors == "fastnet: the supervisor of the worker processes was ended by signal 9\n"


def _listens(address: Any) -> bool:
    try:
        socket.create_connection(address).close()
    except ConnectionError:
        return False
    return True


def test_a_second_signal_cuts_it_short() -> None:
    with serving("echo", *HERE) as server, connected(server.address) as sock:
        sock.setblocking(False)
        last = time.monotonic()
        while time.monotonic() < last + 0.2:  # until the server holds what this end does not take
            try:
                sock.send(bytes(1 << 16))
                last = time.monotonic()
            except BlockingIOError:
                select.select([], [sock], [], 0.05)
        began = time.monotonic()
        server.process.send_signal(signal.SIGINT)
        sock.settimeout(links.SOON)
        wait_for(lambda: not _listens(server.address))  # so the first signal has come
        assert server.stop(signal.SIGINT) == (130, "")
        assert time.monotonic() - began < 4.0  # the graceful end waits five seconds for us


# ------------------------------------------------------------------------------ limits


def test_limits() -> None:
    options = ("--max-connections", 2, "--max-per-address", 1, "--idle", 0.2)
    with serving("echo", *HERE, *options) as server, connected(server.address) as sock:
        assert said(sock, b"in") == b"in"
        with connected(server.address) as second:
            assert second.recv(1) == b""  # the address has one
        assert sock.recv(1) == b""  # idle
        server.process.send_signal(signal.SIGTERM)
        assert server.event()["refused"] == 1


@pytest.mark.parametrize(("option", "served"), [("--allow", True), ("--deny", False)])
def test_networks(option: str, served: bool) -> None:
    with serving("echo", *HERE, option, "10.0.0.0/8", option, "127.0.0.0/8") as server:
        with connected(server.address) as sock:
            try:
                answer = said(sock, b"hi")
            except ConnectionError:
                answer = b""
            assert answer == (b"hi" if served else b"")


# ------------------------------------------------------------------------------- stats


def test_figures_as_objects() -> None:
    with serving("echo", *HERE, "--stats", "0.05") as server, connected(server.address) as sock:
        said(sock, b"figures")
        while not (event := server.event())["peers"]:
            assert event["event"] == "stats"
        host, port = sock.getsockname()
        peer = {"host": host, "port": port, "bytes_in": 7, "bytes_out": 7}
        assert event["peers"] == [peer]
        assert event["open"] == 1
        assert event["messages"] >= 1
        while server.event()["messages_per_s"] != 0:
            pass


def test_figures_as_lines() -> None:
    command = [*COMMAND, "serve", "echo", *HERE, "--stats", "0.05", "--workers", "2"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("0 open, 0 accepted, 0 refused, 0 messages/s, in 0 B/s")
        process.stdout.close()  # nobody reads any more
        assert process.wait(LIMIT) == 141


@pytest.mark.parametrize("rich", [True, False], ids=["rich", "plain"])
def test_figures_on_a_terminal(rich: bool, tmp_path: Path) -> None:
    if rich:
        pytest.importorskip("rich")
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    if not rich:
        (tmp_path / "rich.py").write_text("raise ImportError\n")
        environment["PYTHONPATH"] = str(tmp_path)
    ours, theirs = pty.openpty()
    path = f"{tmp_path}/s"
    process = subprocess.Popen(
        [*COMMAND, "serve", "echo", *HERE, "--unix", path, "--stats", "0.05"],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    os.close(theirs)
    try:
        with process:
            assert process.stderr is not None
            process.stderr.readline()
            with connected(path) as sock:
                assert said(sock, bytes(1000)) == bytes(1000)
                shown = b""

                def complete() -> bool:
                    nonlocal shown
                    if select.select([ours], [], [], 0.1)[0]:
                        shown += os.read(ours, 65536)
                    return b"unix socket" in shown and b"1.0 kB" in shown and b"1 open" in shown

                wait_for(complete)
            process.send_signal(signal.SIGINT)
            while process.poll() is None:  # it draws until its end
                if select.select([ours], [], [], 0.05)[0]:
                    try:
                        os.read(ours, 65536)
                    except OSError:
                        break
            assert process.wait(LIMIT) == 130
    finally:
        os.close(ours)


# ------------------------------------------------------------------------- wrong usage


@pytest.mark.parametrize(
    ("args", "status", "text"),
    [
        (["echo", "--bind", "0.0.0.0:0"], 1, "add --insecure"),
        (["echo", "--bind", "[::]:0"], 1, "add --insecure"),
        (["echo", "--bind", "here"], 2, "is not an address"),
        (["echo", "--bind", "127.0.0.1:99999"], 2, "ports go from 1 to 65535"),
        (["echo", "--unix", "@"], 2, "needs a path"),
        (["echo", "--unix", "/no/such/folder/s"], 1, "No such file or directory"),
        (["echo", *HERE, "--allow", "10.0.0.0/33"], 2, "10.0.0.0/33"),
        (["echo", *HERE, "--deny", "10.0.0.1/8"], 2, "host bits"),
        (["echo", *HERE, "--threads", "0"], 2, "not a number from 1 up"),
        (["echo", *HERE, "--idle", "x"], 2, "not a number of seconds"),
        (["chargen"], 2, "invalid choice"),
        ([], 2, "SERVICE"),
    ],
)
def test_wrong_usage_is_one_line(args: list[str], status: int, text: str) -> None:
    assert text in one_line(run("serve", *args), status)


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        where = f"127.0.0.1:{other.getsockname()[1]}"
        line = one_line(run("serve", "echo", "--bind", where))
    assert line == f"fastnet: cannot serve: Address already in use: tcp://{where}"
