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


# The module, the program that runs its tests, and how many there are at least.
SUITES = {"socketserver": ("as_socketserver.py", 25), "httpservers": ("as_http_server.py", 60)}


@pytest.mark.parametrize("name", list(SUITES))
def test_the_standard_suite(name, tmp_path):
    if not has_the_tests(f"test_{name}"):
        pytest.skip("this Python was installed without its test package")
    script, least = SUITES[name]
    program = pathlib.Path(__file__).with_name(script)
    done = subprocess.run(
        [sys.executable, program, "-v"], cwd=tmp_path, capture_output=True, text=True, timeout=55
    )
    assert done.returncode == 0, done.stderr
    ran = re.search(r"Ran (\d+) tests", done.stderr)
    assert ran is not None
    assert int(ran[1]) >= least
