"""``fastnet recv`` and ``fastnet send``: what is sent arrives."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli_command import COMMAND, LIMIT, Running, receiver, run, unfinished
from fastnet import arrays

RNG = np.random.default_rng(1)
PRICES = np.array(
    [("2026-01-02", 1.5, b"ab"), ("2026-01-05", np.nan, b"c")],
    dtype=[("date", "M8[D]"), ("price", "<f8"), ("kind", "S3")],
)
ARRAYS = {
    "large": RNG.random((300, 700)),
    "small": np.arange(10),
    "fortran": np.asfortranarray(RNG.random((7, 5))),
    "fortran-large": np.asfortranarray(RNG.random((700, 400))),
    "scalar": np.float32(3.5),
    "empty": np.empty((0, 4), np.int16),
    "prices": PRICES,
    "times": np.array(["2026-01-01T00:00:01", "NaT"], "M8[s]"),
    "spans": np.array([1, -5], "m8[ms]"),
    "text": np.array(["größer", ""]),
    "complex": RNG.random(4) + 1j,
    "big-endian": np.arange(5, dtype=">i4"),
    "padded": np.zeros(3, {"names": ["a", "b"], "formats": ["u1", "f8"], "offsets": [0, 16]}),
    "nested": np.ones(2, [("a", [("b", "i2", (2, 3))]), ("c", "?")]),
    "long-names": np.zeros(2, [(f"field-{i:04}", "u1") for i in range(900)]),
    "ελληνικά": np.zeros(1, [("ψ", "f4")]),
}


def same(found: Any, sent: Any) -> None:
    """Equal in dtype, shape, order and every byte."""
    assert found.dtype == sent.dtype
    assert found.shape == sent.shape
    assert np.isfortran(found) == np.isfortran(np.asarray(sent))
    assert found.tobytes() == np.asarray(sent).tobytes()


def load(path: Path) -> Any:
    return np.load(path, allow_pickle=False, max_header_size=1 << 20)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "received"


@pytest.mark.filterwarnings("ignore:Stored array in format")
def test_npy_round_trip(tmp_path: Path, out: Path) -> None:
    for name, array in ARRAYS.items():
        np.save(tmp_path / f"{name}.npy", array)
    files = [tmp_path / f"{name}.npy" for name in ARRAYS]
    with receiver("--out", out, "--count", len(ARRAYS)) as recv:
        sent = run("send", *files, recv.where)
        assert (sent.returncode, sent.stderr) == (0, "")
        assert recv.end() == (0, "")
    for name, array in ARRAYS.items():
        same(load(out / f"{name}.npy"), array)
        assert (out / f"{name}.npy").read_bytes() == (tmp_path / f"{name}.npy").read_bytes()
    assert sorted(path.stem for path in out.iterdir()) == sorted(ARRAYS)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_round_trip(tmp_path: Path, out: Path, save: Any) -> None:
    wanted = {name: ARRAYS[name] for name in ("large", "fortran", "scalar", "empty", "prices")}
    save(tmp_path / "run.npz", **wanted)
    with receiver("--out", out, "--count", len(wanted)) as recv:
        sent = run("send", tmp_path / "run.npz", recv.where)
        assert (sent.returncode, sent.stderr) == (0, "")
        assert recv.end() == (0, "")
    for name, array in wanted.items():
        same(load(out / "run" / f"{name}.npy"), array)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_npz_of_another_compression(tmp_path: Path, out: Path, method: int) -> None:
    raw = io.BytesIO()
    np.save(raw, ARRAYS["large"])
    with zipfile.ZipFile(tmp_path / "run.npz", "w", method) as archive:
        archive.writestr("deep/large.npy", raw.getvalue())
    with receiver("--out", out, "--count", 1) as recv:
        assert run("send", tmp_path / "run.npz", recv.where).returncode == 0
        assert recv.end() == (0, "")
    same(load(out / "run" / "deep" / "large.npy"), ARRAYS["large"])


def test_files_are_told_by_content_not_name(tmp_path: Path, out: Path) -> None:
    (tmp_path / "data.bin").write_bytes(_npy(np.arange(5)))
    with receiver("--out", out, "--count", 1) as recv:
        assert run("send", tmp_path / "data.bin", recv.where).returncode == 0
        recv.end()
    same(load(out / "data.bin.npy"), np.arange(5))


def _npy(array: Any) -> bytes:
    raw = io.BytesIO()
    np.save(raw, array)
    return raw.getvalue()


def test_json_of_both_ends(tmp_path: Path, out: Path) -> None:
    np.save(tmp_path / "f.npy", ARRAYS["fortran"])
    with receiver("--out", out, "--count", 1) as recv:
        sent = run("send", "--json", tmp_path / "f.npy", recv.where)
        event = recv.event()
        assert recv.end() == (0, "")
    peer = event.pop("peer")
    assert peer.startswith("127.0.0.1:")
    assert event.pop("seconds") >= 0
    assert event == {
        "event": "array",
        "name": "f",
        "dtype": "float64",
        "shape": [7, 5],
        "order": "F",
        "nbytes": 280,
        "file": str(out / "f.npy"),
    }
    first, last = (json.loads(line) for line in sent.stdout.splitlines())
    assert (first["event"], first["name"], first["nbytes"]) == ("sent", "f", 280)
    assert (last["event"], last["arrays"], last["nbytes"]) == ("done", 1, 280)


def test_plain_lines(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((1000, 125)))
    with subprocess.Popen(
        [*COMMAND, "recv", "--bind", "127.0.0.1:0", "--count", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as recv:
        assert recv.stderr is not None
        banner = recv.stderr.readline()
        assert "counting only" in banner
        where = banner.split()[2].rstrip(",")
        sent = run("send", tmp_path / "a.npy", where)
        printed, errors = recv.communicate(timeout=LIMIT)
    assert errors == ""
    for text in (sent.stdout, printed):
        assert text.split()[:5] == ["a", "float64", "(1000,125)", "1.0", "MB"]
        assert text.count("\n") == 1


def test_count_over_several_senders(tmp_path: Path, out: Path) -> None:
    for name in "abc":
        np.save(tmp_path / f"{name}.npy", np.arange(3))
    with receiver("--out", out, "--count", 3) as recv:
        for name in "abc":
            assert run("send", tmp_path / f"{name}.npy", recv.where).returncode == 0
        assert recv.end() == (0, "")
    assert sorted(path.name for path in out.iterdir()) == ["a.npy", "b.npy", "c.npy"]


def test_no_more_than_count(out: Path) -> None:
    with receiver("--out", out, "--count", 2) as recv:
        with arrays.connect(recv.address) as first, arrays.connect(recv.address) as second:
            first.send(np.arange(3), name="a")
            second.send(np.arange(3), name="b")
            for stream in (first, second):
                stream.close()
        assert recv.end() == (0, "")
    assert {path.name for path in out.iterdir()} == {"a.npy", "b.npy"}


def test_idle_senders_do_not_keep_it_from_ending(out: Path) -> None:
    with receiver("--out", out, "--count", 1) as recv:
        idle = arrays.connect(recv.address)
        time.sleep(0.3)
        with arrays.connect(recv.address) as stream:
            stream.send(np.arange(3), name="a")
        began = time.monotonic()
        assert recv.end() == (0, "")
        assert time.monotonic() - began < 2.0
        idle.abort()


def test_senders_are_served_side_by_side(out: Path) -> None:
    with receiver("--out", out) as recv:
        streams = [arrays.connect(recv.address) for _ in range(5)]
        for index, stream in enumerate(reversed(streams)):
            stream.send(np.arange(index), name=f"a{index}")
            assert recv.event()["name"] == f"a{index}"
        for stream in streams:
            stream.close()
        assert recv.stop() == (130, "")


def test_arrays_without_a_name_are_counted(out: Path) -> None:
    with receiver("--out", out, "--count", 3) as recv:
        with arrays.connect(recv.address) as stream:
            stream.send_items([np.arange(1), np.arange(2), np.arange(3)])
        assert recv.end() == (0, "")
    assert [load(out / f"array-{n}.npy").size for n in (1, 2, 3)] == [1, 2, 3]


def test_a_file_that_is_there_is_replaced(out: Path) -> None:
    out.mkdir()
    np.save(out / "a.npy", np.zeros(100))
    os.link(out / "a.npy", out / "kept.npy")  # replaced, not written over
    with receiver("--out", out, "--count", 1, "--sync") as recv:
        with arrays.connect(recv.address) as stream:
            stream.send(np.ones(5), name="a")
        assert recv.end() == (0, "")
    same(load(out / "a.npy"), np.ones(5))
    same(load(out / "kept.npy"), np.zeros(100))


def test_timeout_without_count_is_the_end_not_a_failure(out: Path) -> None:
    with receiver("--out", out, "--timeout", "0.5") as recv:
        with arrays.connect(recv.address) as stream:
            stream.send(np.ones(5), name="a")
        assert recv.event()["name"] == "a"
        assert recv.end() == (0, "")


def test_retry_for_waits_for_the_receiver(tmp_path: Path, out: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(3))
    path = tmp_path / "socket"
    with subprocess.Popen(
        [*COMMAND, "send", "--retry-for", "20", tmp_path / "a.npy", path]
    ) as send:
        time.sleep(0.5)
        done = run("recv", "--bind", f"unix:{path}", "--out", out, "--count", "1")
        assert (done.returncode, send.wait(LIMIT)) == (0, 0)
    same(load(out / "a.npy"), np.arange(3))


def test_ipv6(tmp_path: Path, out: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(3))
    try:
        recv = Running("recv", "--bind", "[::1]:0", "--out", out, "--count", 1)
    except AssertionError:
        pytest.skip("no IPv6 here")
    with recv:
        assert run("send", tmp_path / "a.npy", f"[::1]:{recv.address[1]}").returncode == 0
        assert recv.end() == (0, "")
    same(load(out / "a.npy"), np.arange(3))


@pytest.mark.parametrize("rich", [True, False])
def test_progress_on_a_terminal(tmp_path: Path, rich: bool) -> None:
    if rich:
        pytest.importorskip("rich")
    else:
        (tmp_path / "rich").mkdir()
        (tmp_path / "rich" / "__init__.py").write_text("raise ImportError('as if missing')\n")
    np.save(tmp_path / "photo.npy", np.zeros(1 << 20))
    with arrays.listen(("127.0.0.1", 0)) as listener:
        ours, theirs = pty.openpty()
        env = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "PYTHONPATH": str(tmp_path)}
        where = f"127.0.0.1:{listener.address[1]}"
        with subprocess.Popen(
            [*COMMAND, "send", tmp_path / "photo.npy", where],
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
            env=env,
        ) as send:
            os.close(theirs)
            with listener.accept(timeout=LIMIT) as stream:
                assert stream.peek().nbytes == 8 << 20
                shown = _terminal(ours, "MB")  # while nothing is taken, the bar is on the screen
                stream.recv()
            printed, _ = send.communicate(timeout=LIMIT)
        os.close(ours)
    assert "photo" in shown
    assert ("ETA" in shown) != rich
    assert printed.startswith("photo ")
    assert send.returncode == 0


def _terminal(fd: int, text: str) -> str:
    shown = b""
    deadline = time.monotonic() + LIMIT
    while text.encode() not in shown and time.monotonic() < deadline:
        if select.select([fd], [], [], 0.1)[0]:
            shown += os.read(fd, 4096)
    return shown.decode(errors="replace")


def test_no_temporary_files_stay(tmp_path: Path, out: Path) -> None:
    np.save(tmp_path / "a.npy", ARRAYS["large"])
    with receiver("--out", out, "--count", 1) as recv:
        run("send", tmp_path / "a.npy", recv.where)
        recv.end()
    assert unfinished(out) == []
