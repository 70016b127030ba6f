"""``fastnet recv`` on a disk that is full: what is whole stays, what is not goes."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli_command import is_root, receiver, unfinished
from fastnet import arrays
from fastnet.cli._store import Folder, allocate


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "received"


def send(address: tuple[str, int], array: Any, name: str | None) -> None:
    with arrays.connect(address) as stream:
        stream.send(array, name=name)


class TestFullDisk:
    @pytest.fixture
    def disk(self, tmp_path: Path) -> Iterator[Path]:
        """A file system of 4 MiB."""
        if not is_root():
            pytest.skip("only root can mount a small file system")
        path = tmp_path / "disk"
        path.mkdir()
        options = ["-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)]
        if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
            pytest.skip("mounting is not permitted here")
        yield path
        subprocess.run(["umount", str(path)], check=True)

    @pytest.mark.parametrize("size", [1 << 17, 1 << 19], ids=["in memory", "mapped"])
    def test_no_space(self, disk: Path, size: int) -> None:
        array = np.arange(size, dtype=np.float64)
        with receiver("--out", disk) as recv:
            told = self._send_until_refused(recv.address, array)
            status, errors = recv.end()
        assert "No space left on device" in told
        self._check(disk, array, status, errors, "No space left on device")

    @pytest.mark.parametrize("size", [1 << 17, 1 << 19], ids=["in memory", "mapped"])
    def test_file_size_limit(self, out: Path, size: int) -> None:
        small = np.arange(10.0)
        limit = size * 8

        def restrict() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        with receiver("--out", out, preexec_fn=restrict) as recv:
            send(recv.address, small, "a0")
            with pytest.raises(OSError, match="File too large"):
                send(recv.address, np.zeros(size), "a1")
            status, errors = recv.end()
        self._check(out, small, status, errors, "File too large")

    def _send_until_refused(self, address: tuple[str, int], array: Any) -> str:
        for index in range(5):
            try:
                send(address, array, f"a{index}")
            except OSError as error:
                return str(error)
        raise AssertionError("5 arrays of 1 or 4 MiB found room on 4 MiB")

    def _check(self, folder: Path, array: Any, status: int, errors: str, text: str) -> None:
        assert status == 1
        assert errors.count("\n") == 1
        assert errors.startswith("fastnet: cannot write ")
        assert text in errors
        assert unfinished(folder) == []
        for path in folder.iterdir():
            assert np.array_equal(np.load(path), array)

    def test_space_is_allocated_or_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unsupported(*args: object) -> None:
            raise OSError(95, "not supported")

        with open(tmp_path / "x", "w+b") as file:
            allocate(file.fileno(), 5000)
            assert os.fstat(file.fileno()).st_size == 5000
            monkeypatch.setattr(os, "posix_fallocate", unsupported)
            allocate(file.fileno(), (3 << 20) + 5)
            assert os.fstat(file.fileno()).st_size == (3 << 20) + 5
            assert os.fstat(file.fileno()).st_blocks * 512 >= 3 << 20

    def test_closing_removes_what_is_unfinished(self, tmp_path: Path) -> None:
        like = arrays.ArrayInfo("a", np.dtype("f8"), (4,), "C", 32, None)
        with Folder(str(tmp_path)) as folder:
            folder.create("a", like)
            folder.create("b/a", like)
            assert len(unfinished(tmp_path)) == 2
        assert unfinished(tmp_path) == []
