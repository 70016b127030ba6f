"""``fastnet recv`` and ``fastnet send`` fed garbage, or cut off in the middle."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet
from cli_command import (
    COMMAND,
    LIMIT,
    half_sent,
    on_the_wire,
    one_line,
    receiver,
    reset,
    run,
    unfinished,
    wait_for,
)
from fastnet import arrays

BIG = np.arange(1 << 20, dtype=np.float64)  # 8 MiB: received through a mapped file
FEW = np.arange(1000, dtype=np.float64)  # received in memory


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "received"


def send(address: tuple[str, int], array: Any, name: str | None) -> None:
    with arrays.connect(address) as stream:
        stream.send(array, name=name)


class TestReceiver:
    @pytest.mark.parametrize(
        "name",
        ["../escaped", "/etc/escaped", "a/../../escaped", ".bashrc", "a\\b", "n" * 300, "a\x1b[2J"],
    )
    def test_hostile_names(self, out: Path, name: str) -> None:
        before = set(out.parent.iterdir())
        with receiver("--out", out) as recv:
            with pytest.raises(OSError, match="the name"):
                send(recv.address, FEW, name)
            event = recv.event()
            assert event["event"] == "refused"
            send(recv.address, FEW, "good")  # others are served on
            assert recv.event()["file"] == str(out / "good.npy")
            status, errors = recv.stop()
        assert status == 130
        assert errors.count("\n") == 1
        assert errors.isascii()
        assert errors.rstrip("\n").isprintable()
        assert set(out.parent.iterdir()) - before == {out}
        assert [path.name for path in out.iterdir()] == ["good.npy"]

    def test_links_are_not_followed(self, tmp_path: Path, out: Path) -> None:
        out.mkdir()
        outside = tmp_path / "outside"
        outside.mkdir()
        (out / "link").symlink_to(outside)
        (out / "file.npy").symlink_to(outside / "file.npy")
        with receiver("--out", out) as recv:
            with pytest.raises(OSError, match="link"):
                send(recv.address, FEW, "link/a")
            assert recv.event()["event"] == "refused"
            send(recv.address, FEW, "file")
            assert recv.event()["name"] == "file"
            recv.stop()
        assert list(outside.iterdir()) == []
        assert not (out / "file.npy").is_symlink()  # the link was replaced

    def test_names_that_are_taken_by_folders(self, out: Path) -> None:
        (out / "a.npy").mkdir(parents=True)
        (out / "b").write_text("")
        with receiver("--out", out) as recv:
            for name in ("a", "b/c"):
                with pytest.raises(OSError, match=name):
                    send(recv.address, FEW, name)
                assert recv.event()["event"] == "refused"
            status, errors = recv.stop()
        assert (status, errors.count("\n")) == (130, 2)
        assert unfinished(out) == []

    def test_dtypes_that_npy_cannot_hold(self, out: Path) -> None:
        ml_dtypes = pytest.importorskip("ml_dtypes")
        with receiver("--out", out) as recv:
            for dtype in (ml_dtypes.bfloat16, [("a", ml_dtypes.bfloat16)]):
                with pytest.raises(OSError, match="cannot hold"):
                    send(recv.address, np.zeros(3, dtype), "a")
                assert ".npy files cannot hold the dtype" in recv.event()["error"]
            recv.stop()
        assert list(out.iterdir()) == []

    def test_dtypes_are_all_counted_without_out(self) -> None:
        ml_dtypes = pytest.importorskip("ml_dtypes")
        with receiver("--count", 1) as recv:
            send(recv.address, np.zeros(3, ml_dtypes.bfloat16), "a")
            assert recv.event()["dtype"] == "bfloat16"
            assert recv.end() == (0, "")

    @pytest.mark.parametrize("array", [BIG, FEW], ids=["mapped", "in memory"])
    def test_sender_gone_in_the_middle(self, out: Path, array: Any) -> None:
        with receiver("--out", out) as recv:
            send(recv.address, array, "whole")
            assert recv.event()["name"] == "whole"
            with half_sent(recv.address, array, "whole"):
                wait_for(lambda: unfinished(out))
            assert recv.event()["event"] == "refused"
            send(recv.address, array[:5], "next")
            assert recv.event()["name"] == "next"
            assert unfinished(out) == []
            status, errors = recv.stop()
        assert (status, errors.count("\n")) == (130, 1)
        assert np.array_equal(np.load(out / "whole.npy"), array)  # still the old one, all of it

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_stopped_in_the_middle(self, out: Path, number: int) -> None:
        with receiver("--out", out) as recv:
            send(recv.address, BIG, "whole")
            assert recv.event()["name"] == "whole"
            with half_sent(recv.address, BIG, "half"), half_sent(recv.address, BIG, "other"):
                wait_for(lambda: len(unfinished(out)) == 2)
                assert recv.stop(number) == (128 + number, "")
        assert [path.name for path in out.iterdir()] == ["whole.npy"]

    @pytest.mark.parametrize(
        "data",
        [b"", b"GET / HTTP/1.0\r\n\r\n", b"\x93FN1", bytes(100), os.urandom(5000)],
        ids=["nothing", "http", "half a preface", "zeros", "noise"],
    )
    def test_garbage_does_not_stop_it(self, out: Path, data: bytes) -> None:
        with receiver("--out", out, "--count", 1) as recv:
            with socket.create_connection(recv.address) as sock, suppress(ConnectionError):
                sock.sendall(data)
                send(recv.address, FEW, "a")
            assert recv.end() == (0, "")
        assert np.array_equal(np.load(out / "a.npy"), FEW)

    def test_resets_do_not_stop_it(self, out: Path) -> None:
        data = on_the_wire(FEW, "a")
        with receiver("--out", out) as recv:
            for length in (0, 20, 32, 100, 1000, len(data)):
                for _ in range(5):
                    reset(recv.address, data[:length])
            send(recv.address, FEW, "good")
            while recv.event().get("name") != "good":
                pass
            assert recv.stop()[0] == 130
        assert unfinished(out) == []

    def test_count_is_not_reached_in_time(self, out: Path) -> None:
        with receiver("--out", out, "--count", 2, "--timeout", "0.4") as recv:
            send(recv.address, FEW, "a")
            status, errors = recv.end()
        assert status == 1
        assert errors == "fastnet: nothing has arrived for 0.4 s; arrays received: 1 of 2\n"

    def test_stalled_sender_is_out_of_time(self, out: Path) -> None:
        with receiver("--out", out, "--timeout", "0.4") as recv:
            with half_sent(recv.address, BIG, "half"):
                status, errors = recv.end()
        assert (status, errors.count("\n")) == (1, 1)
        assert list(out.iterdir()) == []

    def test_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        line = one_line(run("recv", "--bind", "127.0.0.1:0", "--out", tmp_path / "file" / "x"))
        assert "cannot write to" in line


class TestSender:
    def _path(self, tmp_path: Path, data: bytes, name: str = "a.npy") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    def _npy(self, tmp_path: Path, array: Any) -> bytes:
        np.save(tmp_path / "whole.npy", array)
        return (tmp_path / "whole.npy").read_bytes()

    @pytest.mark.parametrize("array", [BIG, FEW], ids=["mapped", "read"])
    def test_truncated_npy(self, tmp_path: Path, array: Any) -> None:
        path = self._path(tmp_path, self._npy(tmp_path, array)[:-100])
        line = one_line(run("send", path, "127.0.0.1:1"))
        assert line == f"fastnet: {path} is damaged: the file is shorter than its header says"

    @pytest.mark.parametrize("length", [0, 3, 6, 8, 9, 10, 40, 127])
    def test_truncated_header(self, tmp_path: Path, length: int) -> None:
        path = self._path(tmp_path, self._npy(tmp_path, FEW)[:length])
        one_line(run("send", path, "127.0.0.1:1"))

    @pytest.mark.parametrize(
        "header",
        [
            b"{'descr': '<f8', 'fortran_order': False, 'shape': (-5,), }",
            b"{'descr': '<f8', 'fortran_order': False, 'shape': (1<<70,), }",
            b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,), }",
            b"{'descr': 'spam', 'fortran_order': False, 'shape': (5,), }",
            b"{'descr': [('a',)], 'fortran_order': False, 'shape': (5,), }",
            b"((((((" + b"(" * 300,
            b"\xff\xfe",
            b"{}",
        ],
    )
    def test_header_that_makes_no_sense(self, tmp_path: Path, header: bytes) -> None:
        body = header.ljust(118) + b"\n"
        data = b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body + bytes(100)
        line = one_line(run("send", self._path(tmp_path, data), "127.0.0.1:1"))
        assert "is damaged: " in line or "memory" in line

    def test_objects(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", np.array([None, 1]), allow_pickle=True)
        np.savez(tmp_path / "b.npz", x=np.array([None, 1]))
        line = one_line(run("send", tmp_path / "a.npy", "127.0.0.1:1"))
        assert line.endswith("a.npy holds Python objects, which are not sent")
        with receiver() as recv:
            line = one_line(run("send", tmp_path / "b.npz", recv.where))
        assert line.endswith("b.npz, x.npy holds Python objects, which are not sent")

    def test_not_an_array_file(self, tmp_path: Path) -> None:
        line = one_line(run("send", self._path(tmp_path, b"hello"), "127.0.0.1:1"))
        assert line.endswith("is neither a .npy nor a .npz file")

    def test_missing_file_and_folder(self, tmp_path: Path) -> None:
        line = one_line(run("send", "missing.npy", "127.0.0.1:1", cwd=tmp_path))
        assert line == "fastnet: cannot read missing.npy: No such file or directory"
        assert "Is a directory" in one_line(run("send", tmp_path, "127.0.0.1:1"))

    def test_two_files_with_one_name(self, tmp_path: Path) -> None:
        (tmp_path / "x").mkdir()
        for path in (tmp_path / "a.npy", tmp_path / "x" / "a.npy"):
            np.save(path, FEW)
        files = [tmp_path / "a.npy", tmp_path / "x" / "a.npy"]
        assert "would both arrive as 'a'" in one_line(run("send", *files, "127.0.0.1:1"))

    def test_zip_that_holds_something_else(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("readme.txt", "hello")
        assert "'readme.txt'" in one_line(run("send", tmp_path / "a.npz", "127.0.0.1:1"))

    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    @pytest.mark.parametrize("where", [0.1, 0.5, 0.8])
    def test_corrupt_npz(self, tmp_path: Path, save: Any, where: float) -> None:
        save(tmp_path / "a.npz", x=np.random.default_rng(1).random(5000))
        data = bytearray((tmp_path / "a.npz").read_bytes())
        middle = int(len(data) * where)
        data[middle : middle + 20] = bytes(20)
        (tmp_path / "a.npz").write_bytes(data)
        with receiver() as recv:
            line = one_line(run("send", tmp_path / "a.npz", recv.where))
        assert "a.npz, x.npy is damaged: " in line

    @pytest.mark.parametrize("keep", [0.3, 0.99])
    def test_truncated_npz(self, tmp_path: Path, keep: float) -> None:
        np.savez_compressed(tmp_path / "a.npz", x=BIG)
        data = (tmp_path / "a.npz").read_bytes()
        path = self._path(tmp_path, data[: int(len(data) * keep)], "a.npz")
        assert "a.npz is damaged: " in one_line(run("send", path, "127.0.0.1:1"))

    def test_file_that_shrinks(self, tmp_path: Path) -> None:
        path = tmp_path / "a.npy"
        np.save(path, np.zeros(8 << 20))  # 64 MiB: far more than the sockets hold
        with arrays.listen(("127.0.0.1", 0)) as listener:
            where = f"127.0.0.1:{listener.address[1]}"
            with subprocess.Popen(
                [*COMMAND, "send", path, where], stderr=subprocess.PIPE, text=True
            ) as process:
                stream = listener.accept(timeout=LIMIT)
                stream.peek()
                os.truncate(path, 1 << 20)
                with pytest.raises((OSError, EOFError)):
                    stream.recv()
                stream.abort()
                _, errors = process.communicate(timeout=LIMIT)
        assert process.returncode == 1
        assert errors == f"fastnet: {path} shrank while it was being sent\n"

    def test_receiver_gone_in_the_middle(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", np.zeros(8 << 20))
        with arrays.listen(("127.0.0.1", 0)) as listener:

            def leave() -> None:
                stream = listener.accept(timeout=LIMIT)
                stream.peek()
                stream.abort()

            thread = threading.Thread(target=leave)
            thread.start()
            where = f"127.0.0.1:{listener.address[1]}"
            line = one_line(run("send", tmp_path / "a.npy", where))
            thread.join()
        assert line.startswith(f"fastnet: {where}, while {tmp_path / 'a.npy'} was being sent: ")

    def test_receiver_says_why(self, tmp_path: Path, out: Path) -> None:
        np.save(tmp_path / ".hidden.npy", np.zeros(8 << 20))
        with receiver("--out", out) as recv:
            line = one_line(run("send", tmp_path / ".hidden.npy", recv.where))
        assert "the name '.hidden' has a part that begins with a dot" in line

    def test_success_means_stored(self, tmp_path: Path, out: Path) -> None:
        (out / "a.npy").mkdir(parents=True)  # found out only when all has been received
        np.save(tmp_path / "a.npy", FEW)
        with receiver("--out", out) as recv:
            done = run("send", "--json", tmp_path / "a.npy", recv.where)
        assert "Is a directory" in one_line(done)
        assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == ["sent"]

    def test_receiver_that_takes_nothing_is_out_of_time(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", np.zeros(8 << 20))
        np.save(tmp_path / "b.npy", FEW)
        with arrays.listen(("127.0.0.1", 0)) as listener:
            where = f"127.0.0.1:{listener.address[1]}"
            line = one_line(run("send", "--timeout", "0.4", tmp_path / "a.npy", where))
            assert "while" in line
            line = one_line(run("send", "--timeout", "0.4", tmp_path / "b.npy", where))
            assert line == f"fastnet: {where} has not taken everything after 0.4 s"

    def test_nobody_there_who_speaks_arrays(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", FEW)
        with socket.create_server(("127.0.0.1", 0)) as server:
            where = f"127.0.0.1:{server.getsockname()[1]}"

            def answer() -> None:
                sock, _ = server.accept()
                with sock:
                    sock.sendall(b"SSH-2.0-OpenSSH_9.6\r\n" + bytes(100))
                    while sock.recv(1 << 16):
                        pass

            thread = threading.Thread(target=answer)
            thread.start()
            one_line(run("send", tmp_path / "a.npy", where))
            thread.join()

    def test_stopped_in_the_middle(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", np.zeros(8 << 20))
        with arrays.listen(("127.0.0.1", 0)) as listener:
            where = f"127.0.0.1:{listener.address[1]}"
            with subprocess.Popen(
                [*COMMAND, "send", tmp_path / "a.npy", where], stderr=subprocess.PIPE, text=True
            ) as process:
                stream = listener.accept(timeout=LIMIT)
                stream.peek()
                process.send_signal(signal.SIGINT)  # while it waits for us to take more
                _, errors = process.communicate(timeout=LIMIT)
            with pytest.raises((fastnet.Error, OSError)):
                stream.recv()
            stream.abort()
        assert (process.returncode, errors) == (130, "")
