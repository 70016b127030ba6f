"""CPython's own tests of the modules that fastnet stands in for."""

from __future__ import annotations

import importlib.util
import pathlib
import re
import subprocess
import sys

import pytest


def has_the_tests(name):
    try:
        return importlib.util.find_spec(f"test.{name}") is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.skipif(
    not has_the_tests("test_socketserver"),
    reason="this Python was installed without its test package",
)
def test_socketserver(tmp_path):
    program = pathlib.Path(__file__).with_name("as_socketserver.py")
    done = subprocess.run(
        [sys.executable, program, "-v"], cwd=tmp_path, capture_output=True, text=True, timeout=55
    )
    assert done.returncode == 0, done.stderr
    ran = re.search(r"Ran (\d+) tests", done.stderr)
    assert ran is not None
    assert int(ran[1]) >= 25
