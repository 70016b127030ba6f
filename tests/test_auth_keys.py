"""Keys as bytes and as files."""

from __future__ import annotations

import base64
import os

import pytest

from fastnet import auth
from fastnet.auth._credentials import Credentials


def test_a_key_is_32_random_bytes():
    assert len(auth.generate_key()) == 32
    assert auth.generate_key() != auth.generate_key()


def test_what_was_saved_is_loaded(tmp_path):
    for size in (16, 32, 33, 4096):
        path = tmp_path / f"key{size}"
        key = os.urandom(size)
        auth.save_key(path, key)
        assert path.stat().st_mode & 0o777 == 0o600
        assert auth.load_key(path) == key
        assert auth.load_key(str(path)) == key
        assert path.read_text().count("\n") == 1
        assert path.read_text() == auth.format_key(key) + "\n"


def test_a_key_is_never_overwritten(tmp_path):
    auth.save_key(tmp_path / "k", bytes(16))
    with pytest.raises(FileExistsError):
        auth.save_key(tmp_path / "k", bytes(range(16)))
    assert auth.load_key(tmp_path / "k") == bytes(16)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610, 0o601, 0o620])
def test_a_file_that_others_can_use_is_refused(tmp_path, mode):
    path = tmp_path / "k"
    auth.save_key(path, bytes(range(16)))
    path.chmod(mode)
    with pytest.raises(PermissionError, match="chmod 600") as caught:
        auth.load_key(path)
    assert str(path) in str(caught.value)
    path.chmod(0o400)
    assert auth.load_key(path) == bytes(range(16))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else_is_refused(tmp_path):
    path = tmp_path / "k"
    auth.save_key(path, bytes(16))
    os.chown(path, 12345, -1)
    with pytest.raises(PermissionError, match="another user"):
        auth.load_key(path)


GOOD = base64.b64encode(bytes(range(32))).decode()
BAD = {
    "empty": "",
    "no prefix": GOOD,
    "another prefix": f"fastnet-key-2:{GOOD}\n",
    "no base64": "fastnet-key-1:not a key at all\n",
    "a character between": f"fastnet-key-1:{GOOD[:10]}!{GOOD[10:]}\n",
    "cut": f"fastnet-key-1:{GOOD[:-1]}\n",
    "two lines": f"fastnet-key-1:{GOOD}\nfastnet-key-1:{GOOD}\n",
    "too short": f"fastnet-key-1:{base64.b64encode(bytes(15)).decode()}\n",
    "too long": f"fastnet-key-1:{base64.b64encode(bytes(4097)).decode()}\n",
    "huge": "fastnet-key-1:" + "A" * 100_000,
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_is_no_key_is_refused_without_showing_it(tmp_path, text):
    path = tmp_path / "k"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ValueError, match=str(path)) as caught:
        auth.load_key(path)
    assert GOOD[:8] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_no_line_end_is_fine(tmp_path):
    path = tmp_path / "k"
    path.write_text(f"fastnet-key-1:{GOOD}")
    path.chmod(0o600)
    assert auth.load_key(path) == bytes(range(32))


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        auth.load_key(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path, tmp_path / "pipe"):
        path.chmod(0o600 if path.is_fifo() else 0o700)
        with pytest.raises(ValueError, match="no file that could hold"):
            auth.load_key(path)


def test_half_a_key_does_not_stay(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        auth.save_key(tmp_path / "k", bytes(16))
    assert not (tmp_path / "k").exists()


@pytest.mark.parametrize("key", [b"", bytes(15), bytes(4097)])
def test_length(key):
    with pytest.raises(ValueError, match="16 to 4096"):
        auth.format_key(key)


@pytest.mark.parametrize("key", ["a text of more than sixteen characters", 17, None])
def test_type(key):
    with pytest.raises(TypeError):
        auth.format_key(key)


def test_credentials_say_nothing():
    key = bytes(range(100, 132))
    shown = repr(Credentials.of_client(key, "me")) + repr(Credentials.of_server(key))
    assert repr(key) not in shown
    assert key.hex() not in shown


def test_credentials_are_checked():
    assert Credentials.of_client(None) is None
    assert Credentials.of_server(None) is None
    key = bytearray(range(16))
    found = Credentials.of_client(key, b"id", ["hmac-sha256"])
    assert (found.key, found.key_id, found.suites) == (bytes(key), b"id", b"\x01")
    for options in ({"key_id": b"x"}, {"suites": ["hmac-sha256"]}):
        with pytest.raises(ValueError, match="of no use"):
            Credentials.of_client(None, **options)
    with pytest.raises(ValueError, match="of no use"):
        Credentials.of_server(None, ["hmac-sha256"])
    with pytest.raises(ValueError, match="at most 64"):
        Credentials.of_client(key, b"x" * 65)
    with pytest.raises(TypeError, match="listener"):
        Credentials.of_client(lambda key_id: None)
    for suites in (["md5"], []):
        with pytest.raises(ValueError, match="suite"):
            Credentials.of_server(key, suites)


def test_a_look_up_that_fails_finds_nothing(caplog):
    def find(key_id):
        return {b"good": bytes(16), b"short": bytes(3), b"text": "x" * 20}[key_id]

    look_up = Credentials.of_server(find).keyring
    assert look_up(b"good") == bytes(16)
    for key_id in (b"short", b"text", b"unknown"):
        assert look_up(key_id) is None
    assert len(caplog.records) == 3
