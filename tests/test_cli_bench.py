"""``fastnet demo`` and ``fastnet bench``."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli_command import LIMIT, Running, one_line, reset, run
from fastnet.cli import _arena
from fastnet.cli._arena import Broken
from fastnet.cli._arena_client import Client
from fastnet.cli._arena_server import KEY, SafePickles
from fastnet.cli._report import Failure

SMALL = ["--size", "1M"]
ROLES = ["loop", "connection", "send_from", "stream"]


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


class TestDemo:
    def test_plain(self) -> None:
        pytest.importorskip("matplotlib")
        done = run("demo", *SMALL)
        assert (done.returncode, done.stderr) == (0, "")
        for text in (
            "grace_hopper.jpg         uint8        (600,512,3)      921.6 kB   same bytes there",
            "jacksboro_fault_dem.npz  int16        (344,403)        277.3 kB   same bytes there",
            "date: datetime64[D]",
            "1 MiB of float64, sent as 1, every byte compared; median of 5 rounds",
            "plain socket loop",
            "multiprocessing.connection",
            "congestion",
            "fastnet recv --out received",
            "fastnet send FILE.npy 127.0.0.1:9000",
        ):
            assert text in done.stdout
        assert done.stdout.isascii()

    def test_json_and_own_files(self, tmp_path: Path) -> None:
        array = np.asfortranarray(np.arange(12.0).reshape(3, 4))
        np.save(tmp_path / "mine.npy", array)
        np.savez_compressed(tmp_path / "more.npz", x=np.float32(1), y=np.empty((0, 3)))
        done = run("demo", "--json", *SMALL, tmp_path / "mine.npy", tmp_path / "more.npz")
        assert (done.returncode, done.stderr) == (0, "")
        *shown, rates, transport = events(done.stdout)
        assert [event["name"] for event in shown] == ["mine", "more/x", "more/y"]
        assert shown[0]["shape"] == [3, 4]
        assert sorted(rates["gb_per_s"]) == sorted(ROLES)
        assert all(value > 0 for value in rates["gb_per_s"].values())
        assert "congestion" in transport

    def test_without_matplotlib(self, tmp_path: Path) -> None:
        (tmp_path / "matplotlib").mkdir()
        text = "raise ImportError('as if missing', name='matplotlib')\n"
        (tmp_path / "matplotlib" / "__init__.py").write_text(text)
        done = run("demo", *SMALL, env={**os.environ, "PYTHONPATH": str(tmp_path)})
        assert done.returncode == 0
        assert done.stderr.count("\n") == 1
        assert "pip install matplotlib" in done.stderr
        assert "plain socket loop" in done.stdout

    def test_stopped(self, tmp_path: Path) -> None:
        # An array of the user's, because the samples are imported: Ctrl-C inside an import leaves
        # a file of CPython's own unclosed (hence not COMMAND, with its -W), and one inside eval(),
        # as namedtuple calls it, has CPython end the process by the signal, caught or not.
        np.save(tmp_path / "a.npy", np.zeros(500))
        with subprocess.Popen(
            [sys.executable, "-m", "fastnet.cli", "demo", tmp_path / "a.npy"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()  # the other process runs
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
            _, errors = process.communicate(timeout=LIMIT)
        assert (process.returncode, errors) == (130, "")

    def test_bad_file(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", np.zeros(500))
        os.truncate(tmp_path / "a.npy", 1000)
        assert "is damaged" in one_line(run("demo", tmp_path / "a.npy"))

    def test_large_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.npy"
        np.lib.format.open_memmap(path, "w+", np.uint8, (200 << 20,))  # sparse
        assert "is for fastnet send" in one_line(run("demo", path))


class TestBench:
    def test_table(self) -> None:
        done = run("bench", "arrays", "--sizes", "1K,512K", "--rounds", "2")
        assert (done.returncode, done.stderr) == (0, "")
        small, large = (line.split() for line in done.stdout.splitlines()[-2:])
        assert (small[:2], large[:2]) == (["1", "KiB"], ["512", "KiB"])
        assert len(small) == len(large) == 9
        assert large[6] == "-"  # nothing to gather
        assert all(cell.endswith("x") for cell in (*small[-2:], *large[-2:]))

    def test_json(self) -> None:
        done = run("bench", "arrays", "--sizes", "64K", "--rounds", "2", "--json")
        assert (done.returncode, done.stderr) == (0, "")
        first, size = events(done.stdout)
        assert first["event"] == "bench"
        assert "congestion" in first["transport"]
        assert (size["nbytes"], size["count"]) == (65536, 4096)
        assert sorted(size["gb_per_s"]) == sorted([*ROLES, "items"])
        assert sorted(size["ratios"]) == ["connection", "loop"]

    def test_affinity_is_restored(self) -> None:
        before = os.sched_getaffinity(0)
        with _arena.pinned(min(before)):
            assert os.sched_getaffinity(0) == {min(before)}
        assert os.sched_getaffinity(0) == before
        with _arena.pinned(100_000):  # not ours to use
            assert os.sched_getaffinity(0) == before

    def test_two_cpus(self) -> None:
        here, there = _arena.two_cpus()
        if len(os.sched_getaffinity(0)) < 2:
            assert here is there is None
        else:
            assert here != there

    def test_nobody_serves(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            where = f"127.0.0.1:{server.getsockname()[1]}"
        line = one_line(run("bench", "arrays", "--connect", where))
        assert line == f"fastnet: cannot connect to {where}: Connection refused"

    def test_something_else_serves(self) -> None:
        with Running("recv", "--bind", "127.0.0.1:0") as recv:
            line = one_line(run("bench", "arrays", "--connect", recv.where))
        assert recv.where in line


class TestServe:
    @pytest.fixture
    def server(self) -> Iterator[Running]:
        with Running("bench", "arrays", "--serve", "127.0.0.1:0") as server:
            yield server

    def test_across_machines(self, server: Running) -> None:
        for _ in range(2):  # one after another
            words = ("--sizes", "8K", "--rounds", "1", "--json")
            done = run("bench", "arrays", "--connect", server.where, *words)
            assert (done.returncode, done.stderr) == (0, "")
            assert sorted(events(done.stdout)[1]["gb_per_s"]) == sorted([*ROLES, "items"])
            event = server.event()
            assert (event["event"], event["runs"], event["error"]) == ("session", 10, None)
        assert server.stop() == (130, "")

    def test_once(self) -> None:
        with Running("bench", "arrays", "--serve", "127.0.0.1:0", "--once") as server:
            words = ("--sizes", "8", "--rounds", "1")
            assert run("bench", "arrays", "--connect", server.where, *words).returncode == 0
            assert server.end() == (0, "")

    @pytest.mark.parametrize(
        "data",
        [
            b"GET / HTTP/1.0\r\n\r\n",
            b"fnbench1",
            _arena.header(9),
            _arena.header(_arena.PLAIN["loop"], b"x" * 16),
            _arena.header(_arena.CONTROL, b"wrong"),
            os.urandom(10_000),
        ],
        ids=["http", "no more", "no role", "no session", "a key", "noise"],
    )
    def test_garbage_at_the_door(self, server: Running, data: bytes) -> None:
        with socket.create_connection(server.address) as sock:
            sock.sendall(data)
            client = Client(server.address)
            client.close()
        assert server.event()["error"] is None

    def test_resets_do_not_stop_it(self, server: Running) -> None:
        for data in (b"", b"fn", _arena.header(_arena.CONTROL)):
            for _ in range(10):
                reset(server.address, data)
        client = Client(server.address)
        client.close()
        assert server.stop()[0] == 130

    def test_many_silent_connections(self, server: Running) -> None:
        silent = [socket.create_connection(server.address) for _ in range(50)]
        Client(server.address).close()
        for sock in silent:
            sock.close()

    @pytest.mark.parametrize(
        "line",
        [
            b"hello\n",
            b"[]\n",
            b"{}\n",
            b"[" * 4000 + b"\n",
            b"x" * 10_000,
            b'{"op": "fly"}\n',
            b'{"op": ["open"]}\n',
            b'{"op": "open"}\n',
            b'{"op": "open", "role": ["loop"]}\n',
            b'{"op": "open", "role": "control"}\n',
            b'{"op": "run"}\n',
            b'{"op": "run", "role": "loop", "nbytes": 8, "count": 1}\n',
            b'{"op": "take"}\n',
        ],
    )
    def test_garbage_on_the_control_connection(self, server: Running, line: bytes) -> None:
        with socket.create_connection(server.address) as sock:
            sock.sendall(_arena.header(_arena.CONTROL) + line)
            answers = b""
            sock.settimeout(LIMIT)
            try:
                while more := sock.recv(4096):
                    answers += more
            except ConnectionResetError:
                pass  # it has not read all of the noise
        event = server.event()
        assert event["error"]
        assert "Traceback" not in event["error"]
        Client(server.address).close()

    @pytest.mark.parametrize(
        "fields",
        [
            {"nbytes": 0, "count": 1},
            {"nbytes": 12, "count": 1},
            {"nbytes": -8, "count": 1},
            {"nbytes": 1 << 40, "count": 1},
            {"nbytes": 8, "count": 1 << 30},
            {"nbytes": 8, "count": 0},
            {"nbytes": "8", "count": 1},
            {"nbytes": 8.0, "count": 1},
            {"count": 1},
        ],
    )
    def test_impossible_runs(self, server: Running, fields: dict[str, Any]) -> None:
        client = Client(server.address)
        client.control.send(op="run", role="loop", **fields)
        with pytest.raises(Failure, match="a run that is not possible"):
            client._ask()
        client.close()
        assert server.event()["error"] == "a run that is not possible"
        Client(server.address).close()

    def test_client_gone_in_the_middle(self, server: Running) -> None:
        client = Client(server.address)
        client.control.send(op="run", role="loop", nbytes=1 << 20, count=5, check=False)
        assert client._ask() == {"ready": True}
        client.close()
        assert server.event()["error"]
        Client(server.address).close()

    def test_pickles_that_do_more_are_refused(self, server: Running, tmp_path: Path) -> None:
        class Evil:
            def __reduce__(self) -> Any:
                return os.mkdir, (str(tmp_path / "pwned"),)

        client = Client(server.address)
        client.control.send(op="run", role="connection", nbytes=8, count=1, check=False)
        assert client._ask() == {"ready": True}
        client.links["connection"]._connection.send(Evil())
        with pytest.raises(Failure, match="not the expected array"):
            client._ask()
        client.close()
        assert not (tmp_path / "pwned").exists()

    def test_stopped(self, server: Running) -> None:
        client = Client(server.address)
        assert server.stop(signal.SIGINT) == (130, "")
        client.close()


def test_safe_pickles() -> None:
    safe = SafePickles()
    safe.expect(32)
    array = np.random.default_rng(1).random(4)
    data = pickle.dumps(array)
    assert np.array_equal(safe(data), array)
    for other in (b"", data[:-1], data + b".", pickle.dumps(array[:3]), pickle.dumps([1])):
        with pytest.raises(Broken):
            safe(other)


def test_measurement_of_ones_own_needs_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "00" * 15 + "01")
    with Running("bench", "arrays", "--serve", "127.0.0.1:0", "--once") as server:
        with pytest.raises(Failure, match="closed the connection"):
            Client(server.address)
        Client(server.address, bytes(15) + b"\1").close()
        assert server.end() == (0, "")


def test_other_bytes_than_were_sent_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with Running("bench", "arrays", "--serve", "127.0.0.1:0") as server:
        with closing(Client(server.address)) as client:
            views = client.fill(800, 3)
            client.run("stream", views, check=True)
            client.compare(views[0], "a")
            monkeypatch.setattr(hashlib, "sha256", hashlib.blake2s)
            with pytest.raises(Failure, match="other bytes arrived than were sent"):
                client.run("stream", views, check=True)
            with pytest.raises(Failure, match="another sha256 arrived than was sent"):
                client.compare(views[0], "a")


def test_arrays_of_a_run_are_spread_over_a_block() -> None:
    block = np.arange(12.0)
    views = _arena.split(block, 32, 5)
    assert [view[0] for view in views] == [0, 4, 8, 0, 4]
    assert _arena.block_bytes(1 << 30, 2) == 1 << 30
    assert _arena.block_bytes(64 << 20, 100) == _arena.BLOCK
