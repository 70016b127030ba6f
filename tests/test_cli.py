"""The command as a whole: help, usage, addresses, and what it says when things go wrong."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest

import fastnet
from cli_command import COMMAND, LIMIT, one_line, run
from fastnet.cli import _address, _names, _report, main
from fastnet.cli._report import Failure


def test_version() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout == f"fastnet {fastnet.__version__}\n"


@pytest.mark.parametrize(
    "words", [[], ["recv"], ["send"], ["demo"], ["bench"], ["bench", "arrays"]]
)
def test_help(words: list[str]) -> None:
    done = run(*words, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: fastnet")
    assert done.stderr == ""


def test_help_has_examples() -> None:
    assert "fastnet send a.npy b.npz 127.0.0.1:9000" in run("--help").stdout


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["fly"],
        ["recv", "--count", "0"],
        ["recv", "--count", "many"],
        ["recv", "--timeout", "-1"],
        ["recv", "--bind", "9000"],
        ["recv", "--bind", ":9000"],
        ["recv", "--bind", "::1:9000"],
        ["recv", "--bind", "127.0.0.1:66000"],
        ["send", "a.npy"],
        ["send", "a.npy", "127.0.0.1"],
        ["send", "a.npy", "127.0.0.1:0"],
        ["bench", "arrays", "--sizes", "3"],
        ["bench", "arrays", "--sizes", "2G"],
        ["bench", "arrays", "--sizes", "1K,,"],
        ["bench", "arrays", "--serve", "127.0.0.1:0", "--connect", "127.0.0.1:9010"],
        ["demo", "--size", "lots"],
    ],
)
def test_wrong_usage_is_one_line_and_status_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("fastnet: ")
    assert printed.err.count("\n") == 1


def test_importing_the_command_is_light() -> None:
    code = (
        "import sys, fastnet.cli._parser as p; p.build();"
        "print([m for m in ('numpy', 'rich', 'matplotlib', 'fastnet.arrays') if m in sys.modules])"
    )
    done = subprocess.run([COMMAND[0], "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("command", [["recv", "--bind"], ["send", "missing.npy"]])
def test_host_that_does_not_exist(command: list[str], tmp_path: os.PathLike[str]) -> None:
    import numpy as np

    np.save(os.path.join(tmp_path, "missing.npy"), np.arange(3))
    line = one_line(run(*command, "no-such-host.invalid:9000", cwd=tmp_path))
    assert line.startswith("fastnet: cannot find host 'no-such-host.invalid': ")


@pytest.mark.parametrize(
    "command", [["recv", "--bind"], ["bench", "arrays", "--serve"]], ids=["recv", "bench"]
)
class TestListening:
    def test_port_in_use(self, command: list[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            where = f"127.0.0.1:{taken.getsockname()[1]}"
            line = one_line(run(*command, where))
        assert line == f"fastnet: cannot listen on {where}: Address already in use"

    @pytest.mark.parametrize("where", ["0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0"])
    def test_beyond_loopback_needs_insecure(self, command: list[str], where: str) -> None:
        if where.startswith("[") and not socket.has_ipv6:
            pytest.skip("no IPv6 here")
        line = one_line(run(*command, where))
        assert "can be reached from other machines" in line
        assert "--insecure" in line


def test_insecure_listens_everywhere() -> None:
    done = run("recv", "--bind", "0.0.0.0:0", "--insecure", "--timeout", "0.1", "--json")
    assert '"address": ["0.0.0.0", ' in done.stdout
    one_line(done)  # nothing has arrived


def test_nobody_listens(tmp_path: os.PathLike[str]) -> None:
    import numpy as np

    path = os.path.join(tmp_path, "a.npy")
    np.save(path, np.arange(3))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    line = one_line(run("send", path, f"127.0.0.1:{port}"))
    assert line.startswith(f"fastnet: cannot connect to 127.0.0.1:{port}: Connection refused")


def test_output_that_nobody_reads() -> None:
    with subprocess.Popen(
        [*COMMAND, "bench", "arrays", "--sizes", "8,16,24,32", "--rounds", "1", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(LIMIT) == 141
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_output_that_cannot_be_written() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "recv", "--bind", "127.0.0.1:0", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=LIMIT,
            check=False,
        )
    assert one_line(done) == "fastnet: cannot write the output: No space left on device"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9000", ("127.0.0.1", 9000)),
        ("tcp://node7:9000", ("node7", 9000)),
        ("[::1]:9000", ("::1", 9000)),
        ("unix:/run/x", "unix:/run/x"),
        ("./x", "./x"),
    ],
)
def test_addresses(text: str, address: object) -> None:
    assert _address.parse(text) == address


def test_address_as_one_writes_it() -> None:
    assert _address.show(("::1", 9000, 0, 0)) == "[::1]:9000"
    assert _address.show(("127.0.0.1", 9000)) == "127.0.0.1:9000"
    assert _address.show("/run/x") == "/run/x"


@pytest.mark.parametrize("where", ["127.0.0.1:1", "127.5.6.7:1", "[::1]:1", "[::ffff:127.0.0.1]:1"])
def test_loopback_is_allowed(where: str) -> None:
    try:
        _address.to_listen(_address.parse(where), insecure=False)
    except Failure as failure:
        if "cannot find host" not in str(failure):  # a machine without IPv6
            raise


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("weights", ("weights.npy",)),
        ("weights.npy", ("weights.npy",)),
        ("run/weights", ("run", "weights.npy")),
        ("a/b/c", ("a", "b", "c.npy")),
        ("größe 1", ("größe 1.npy",)),
        ("x" * 200, ("x" * 200 + ".npy",)),
        ("-rf", ("-rf.npy",)),
        ("a..b", ("a..b.npy",)),
    ],
)
def test_good_names(name: str, path: tuple[str, ...]) -> None:
    assert _names.parts(name) == path


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "/etc/passwd",
        "a/",
        "/a",
        "a//b",
        ".",
        "..",
        "../a",
        "a/../b",
        "a/..",
        "a/./b",
        ".hidden",
        "a/.hidden",
        "a\0b",
        "a\nb",
        "a\x1b[2Jb",
        "a\u202eb",
        "a\udc80b",
        "a\\b",
        "..\\a",
        "x" * 201,
        "ö" * 101,
        "/".join("a" * 9),
    ],
)
def test_bad_names(name: str) -> None:
    with pytest.raises(_names.RefusedName):
        _names.parts(name)


def test_what_a_peer_sends_cannot_command_the_terminal() -> None:
    assert _report.clean("a\x1b[2J\nb\0") == "a\\x1b[2J\\nb\\x00"


@pytest.mark.parametrize(
    ("nbytes", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (268435456, "268.4 MB")]
)
def test_sizes(nbytes: int, text: str) -> None:
    assert _report.size(nbytes) == text


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    assert _report.explain(ZeroDivisionError()) is None
