"""``fastnet serve rpc`` and ``fastnet call``."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fastnet import auth

pytest.importorskip("msgspec")

SHOP = '''
import numpy as np

class Stock:
    def price(self, name, amount=1):
        """What so many cost."""
        return {"name": name, "total": 2 * amount}
    def count(self, n):
        yield from range(n)
    def array(self):
        return np.arange(3)
    def fail(self):
        raise ValueError("out of stock")

def double(x):
    return 2 * x
'''


def command(*words, **options):
    return [sys.executable, "-m", "fastnet.cli", *map(str, words)]


def call(*words):
    done = subprocess.run(
        command("call", *words), capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def served(tmp_path):
    """served(object, *words): the address of a server in a process of its own."""
    (tmp_path / "shop.py").write_text(SHOP)
    key = tmp_path / "key"
    auth.save_key(key, auth.generate_key())
    children = []

    def served(what, *words):
        child = subprocess.Popen(
            command("serve", "rpc", what, "--bind", "127.0.0.1:0", *words),
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        line = child.stderr.readline()
        return next(word for word in line.split() if word.startswith("127.")).rstrip(";"), key

    yield served
    for child in children:
        child.terminate()
        child.communicate(timeout=30)


def test_calls(served, tmp_path):
    address, key = served("shop:Stock", "--key", tmp_path / "key")
    secret = ("--key", key)
    assert call(address, "price", '"apple"', "amount=3", *secret) == (
        0,
        '{"name": "apple", "total": 6}\n',
        "",
    )
    assert call(address, "price", "apple", *secret)[1] == '{"name": "apple", "total": 2}\n'
    assert call(address, "count", "3", *secret)[1] == "0\n1\n2\n"
    assert call(address, "array", *secret)[1] == "[0, 1, 2]\n"
    status, out, err = call(address, "fail", *secret)
    assert (status, out) == (1, "")
    assert "ValueError: out of stock" in err
    assert err.count("\n") == 1
    listed = call(address, *secret)[1]
    assert "price(name, amount=1)" in listed
    status, _, err = call(address, "count", "3")
    assert status == 1
    assert err.count("\n") == 1


def test_a_function_without_a_key(served):
    address, _ = served("shop:double")
    assert call(address, "double", "21")[1] == "42\n"


def test_wrong_usage(tmp_path):
    for words in (("rpc",), ("rpc", "nothing"), ("rpc", "no_such_module:x"), ("echo", "a:b")):
        done = subprocess.run(
            command("serve", *words), capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode in (1, 2)
        assert done.stderr.count("\n") == 1
