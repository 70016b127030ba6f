"""``fastnet talk`` as a process, with servers of every kind at the other end."""

from __future__ import annotations

import os
import pty
import select
import signal
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import fastnet
import links
from cli_command import COMMAND, LIMIT, one_line, run, wait_for
from cli_talking import EVERY_BYTE, answering, echo, everything, shown, talk
from fastnet import services

# ----------------------------------------------------------------------------- streams


def test_bytes_go_and_come_unchanged() -> None:
    with echo() as server:
        done = talk(shown(server.address), data=EVERY_BYTE * 100)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == EVERY_BYTE * 100


def test_unix_paths_and_abstract_names(tmp_path: Path) -> None:
    name = f"fastnet-talk-{os.getpid()}"
    with echo([f"unix:{tmp_path}/s", f"unix:\0{name}"]):
        for where in (f"{tmp_path}/s", f"unix:{tmp_path}/s", f"@{name}"):
            assert talk(where, data=b"x").stdout == b"x"


def test_ipv6() -> None:
    if not links.has_ipv6():
        pytest.skip("this machine has no IPv6")
    with echo(("::1", 0)) as server:
        assert talk(f"[::1]:{server.address[1]}", data=b"six").stdout == b"six"


def test_the_server_may_end_first() -> None:
    with fastnet.serve(services.Time(), ("127.0.0.1", 0)) as server:
        server.start()
        done = talk(shown(server.address), data=None, stdin=subprocess.DEVNULL)
        assert done.returncode == 0
        assert done.stdout.endswith(b"\n")
        assert len(done.stdout) == 25


def test_answers_after_the_end_of_stdin() -> None:
    def work(sock: socket.socket) -> None:
        assert everything(sock) == b"question"
        sock.sendall(b"answer")

    with answering(work) as where:
        assert talk(where, data=b"question").stdout == b"answer"


def test_closed_stdin() -> None:
    with answering(lambda sock: sock.sendall(everything(sock) + b"closed")) as where:
        command = [*COMMAND, "talk", where]
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" <&-', "sh", *command],
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )
    assert done.stdout == b"closed"


def test_closed_stdout() -> None:
    got = []

    def work(sock: socket.socket) -> None:
        sock.sendall(b"not to come back")
        got.append(everything(sock))

    with answering(work) as where:
        command = [*COMMAND, "talk", where]
        quiet = ["sh", "-c", 'exec "$@" >&-', "sh", *command]
        assert subprocess.run(quiet, input=b"x", timeout=LIMIT, check=False).returncode == 0
    assert got == [b"x"]


def test_keep_open_and_wait() -> None:
    def work(sock: socket.socket) -> None:
        assert sock.recv(100) == b"x"
        sock.settimeout(0.1)
        with pytest.raises(TimeoutError):  # it is not told of the end
            sock.recv(1)
        sock.settimeout(links.SOON)
        sock.sendall(b"late")
        assert sock.recv(1) == b""

    with answering(work) as where:
        done = talk(where, "--keep-open", "--wait", "0.6", data=b"x")
    assert (done.returncode, done.stdout) == (0, b"late")


def test_line_ends_for_http() -> None:
    with answering(lambda sock: sock.sendall(everything(sock))) as where:
        done = talk(where, "--crlf", data=b"GET / HTTP/1.0\nHost: x\r\n\n\r\rend")
    assert done.stdout == b"GET / HTTP/1.0\r\nHost: x\r\n\r\n\r\rend"


def test_line_ends_split_between_pieces() -> None:
    from fastnet.cli._talk import Lines

    lines = Lines()
    pieces = [b"a\r", b"\nb\n", b"", b"\nc\r\r", b"\n\n", b"\n"]
    assert b"".join(map(lines.crlf, pieces)) == b"a\r\nb\r\n\r\nc\r\r\n\r\n\r\n"


class Live:
    """It, with pipes to talk through."""

    def __init__(self, *args: object, **options: Any) -> None:
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process = subprocess.Popen(
            [*COMMAND, "talk", *map(str, args)], bufsize=0, **{**pipes, **options}
        )

    def __enter__(self) -> subprocess.Popen[bytes]:
        return self.process

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(LIMIT)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


def test_nothing_is_held_back() -> None:
    with echo() as server, Live(shown(server.address)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for n in range(5):
            process.stdin.write(b"%d without a line end" % n)
            assert process.stdout.read(100) == b"%d without a line end" % n


def test_ctrl_c_is_clean() -> None:
    with echo() as server, Live(shown(server.address)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"x")
        assert process.stdout.read(1) == b"x"
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_nobody_reads_the_output() -> None:
    with echo() as server, Live(shown(server.address)) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stdin is not None
        process.stdin.write(b"x")
        assert process.wait(LIMIT) == 141
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_by_hand() -> None:
    ours, theirs = pty.openpty()
    try:
        with echo() as server:
            ends = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
            with Live(shown(server.address), **ends) as process:
                seen = b""

                def sees(text: bytes) -> bool:
                    nonlocal seen
                    if select.select([ours], [], [], 0.1)[0]:
                        seen += os.read(ours, 1000)
                    return text in seen

                wait_for(lambda: sees(b"Ctrl-D ends what you send"))
                seen = b""
                os.write(ours, b"hello\n")
                wait_for(lambda: seen.count(b"hello") == 2 or (sees(b"") and False))
                os.write(ours, b"\x04")  # Ctrl-D
                assert process.wait(LIMIT) == 0
    finally:
        os.close(ours)
        os.close(theirs)


# ---------------------------------------------------------------------------- failures


def test_a_server_that_resets() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with Live(shown(listener.getsockname())) as process:
            sock, _ = listener.accept()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.close()
            assert process.stderr is not None
            assert process.wait(LIMIT) == 1
            assert process.stderr.read().endswith(b": Connection reset by peer\n")


def test_a_server_that_ends_too_early(tmp_path: Path) -> None:
    taken = threading.Event()

    def work(sock: socket.socket) -> None:
        sock.recv(1)
        sock.shutdown(socket.SHUT_WR)
        taken.wait(links.SOON)

    (tmp_path / "much").write_bytes(bytes(20_000_000))
    with answering(work) as where, open(tmp_path / "much", "rb") as file:
        done = talk(where, data=None, stdin=file)
        taken.set()
    assert done.returncode == 1
    assert done.stderr.endswith(b" ended before it had taken everything\n")


def test_a_server_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = talk(shown(listener.getsockname()), "--timeout", "0.2", data=b"x")
    assert done.returncode == 1
    assert done.stderr.endswith(b": nothing has moved for 0.2 s\n")


@pytest.mark.parametrize(
    ("args", "status", "text"),
    [
        (["127.0.0.1:1"], 1, "cannot connect to 127.0.0.1:1: Connection refused"),
        (["--udp", "127.0.0.1:1"], 1, "127.0.0.1:1: Connection refused"),
        (["/no/such/socket"], 1, "No such file or directory"),
        (["@no-such-name"], 1, "unix:@no-such-name: Connection refused"),
        (["nowhere"], 2, "is not an address"),
        (["127.0.0.1:0"], 2, "ports go from 1"),
        (["a..b:1"], 1, "cannot find host"),
        (["--cafile", "x", "127.0.0.1:1"], 2, "are for --tls"),
        (["--udp", "--tls", "127.0.0.1:1"], 2, "needs a stream"),
        (["--tls", "--cafile", "/no/such/file", "127.0.0.1:1"], 1, "No such file"),
        (["--tls", "--cafile", "/dev/null", "127.0.0.1:1"], 1, "no certificate"),
        (["--tls", "--key", "/dev/null", "127.0.0.1:1"], 1, "certfile"),
        (["--tls", "/no/such/socket"], 2, "--name"),
        (["--wait", "x", "127.0.0.1:1"], 2, "number of seconds"),
    ],
)
def test_failures_are_one_line(args: list[str], status: int, text: str) -> None:
    done = talk(args[-1], *args[:-1], data=b"x\n")
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith(b"fastnet: ")
    assert done.stderr.count(b"\n") == 1
    assert text in done.stderr.decode()


def test_help_and_no_address() -> None:
    assert "--keep-open" in run("talk", "--help").stdout
    assert "HOST:PORT" in one_line(run("talk"), 2)


# --------------------------------------------------------------------------- datagrams


def test_lines_are_datagrams(tmp_path: Path) -> None:
    for where in (("127.0.0.1", 0), f"unix:{tmp_path}/s"):
        with echo(where, type=socket.SOCK_DGRAM) as server:
            address = server.address
            there = address if isinstance(address, str) else shown(address)
            done = talk(there, "--udp", "--wait", "0.3", data=b"one\n\ntwo\xff\x00 \r\nlast")
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == b"one\n\ntwo\xff\x00 \r\nlast\n"


def test_a_line_longer_than_a_datagram() -> None:
    with echo(type=socket.SOCK_DGRAM) as server:
        for length in (65_510, 1_000_000):
            done = talk(shown(server.address), "--udp", data=bytes(length))
            assert done.returncode == 1
            assert done.stderr.count(b"\n") == 1
            assert b"ong" in done.stderr  # message too long, a line is longer
