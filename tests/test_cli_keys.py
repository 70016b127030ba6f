"""``fastnet keygen``, and ``--key`` of the commands that move arrays."""

from __future__ import annotations

import numpy as np
import pytest

from cli_command import Running, one_line, run
from fastnet import arrays, auth


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key"
    done = run("keygen", path)
    assert done.returncode == 0
    assert str(path) in done.stderr
    return path


def test_a_key_in_a_file(key):
    assert len(auth.load_key(key)) == 32
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_bytes()
    assert "never overwritten" in one_line(run("keygen", key))
    assert key.read_bytes() == before
    assert "Not a directory" in one_line(run("keygen", key / "below"))


def test_a_key_on_stdout(tmp_path):
    done = run("keygen")
    assert done.returncode == 0
    path = tmp_path / "k"
    path.write_text(done.stdout)
    path.chmod(0o600)
    assert len(auth.load_key(path)) == 32


def test_files_with_a_key(key, tmp_path):
    value = np.arange(50_000.0)
    np.save(tmp_path / "a.npy", value)
    receiver = Running("recv", "--bind", "127.0.0.1:0", "--out", tmp_path / "in", "--key", key)
    other = tmp_path / "other"
    run("keygen", other)
    file = tmp_path / "a.npy"
    assert "does not accept" in one_line(run("send", file, receiver.where, "--key", other))
    assert "the peer has a key" in one_line(run("send", file, receiver.where))
    done = run("send", file, receiver.where, "--key", key, "--key-id", "anything")
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(tmp_path / "in" / "a.npy"), value)
    receiver.stop()


def test_a_key_opens_the_door_to_other_machines(key):
    assert "--key FILE" in one_line(run("recv", "--bind", "0.0.0.0:0"))
    receiver = Running("recv", "--bind", "0.0.0.0:0", "--key", key, "--count", 1)
    with arrays.connect(("127.0.0.1", receiver.address[1]), authkey=auth.load_key(key)) as stream:
        stream.send(np.arange(3))
    assert receiver.end()[0] == 0


def test_keys_that_cannot_be_used(key, tmp_path):
    file = tmp_path / "a.npy"
    np.save(file, np.arange(3))
    key.chmod(0o644)
    for command in (("send", file, "127.0.0.1:1"), ("recv", "--bind", "127.0.0.1:0")):
        line = one_line(run(*command, "--key", key))
        assert "chmod 600" in line
        assert "No such file" in one_line(run(*command, "--key", tmp_path / "nothing"))
    key.chmod(0o600)
    key.write_text("nothing of the kind")
    assert "holds no key" in one_line(run("recv", "--key", key))
    assert "--key-id" in one_line(run("send", file, "127.0.0.1:1", "--key-id", "x"), 2)
