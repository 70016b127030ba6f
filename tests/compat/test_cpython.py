"""CPython's own tests of the modules that fastnet stands in for."""

from __future__ import annotations

import importlib.util
import os
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
SUITES = {
    "socketserver": ("as_socketserver.py", 25),
    "httpservers": ("as_http_server.py", 60),
    "wsgiref": ("as_wsgiref.py", 1),
}


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
    ran = re.search(r"Ran (\d+) tests?", done.stderr)
    assert ran is not None
    assert int(ran[1]) >= least


def run_xmlrpc(tests, least, tmp_path, *options, timeout=55):
    if not has_the_tests(tests):
        pytest.skip("this Python was installed without its test package")
    program = pathlib.Path(__file__).with_name("as_xmlrpc.py")
    done = subprocess.run(
        [sys.executable, program, tests, "-v", *options],
        cwd=tmp_path,
        env=dict(os.environ),  # the standard CGI handler leaves its own in C's environ
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    ran = re.search(r"Ran (\d+) tests?", done.stderr)
    assert ran is not None
    assert int(ran[1]) >= least


# Nine of its tests wait three seconds each for requests that nobody makes.
QUICK = """
    HelperTestCase XMLRPCTestCase DateTimeTestCase BinaryTestCase FaultTestCase
    SimpleServerTestCase KeepaliveServerTestCase1 KeepaliveServerTestCase2 GzipServerTestCase
    GzipUtilTestCase HeadersServerTestCase FailingServerTestCase CGIHandlerTestCase
    SimpleXMLRPCDispatcherTestCase UseBuiltinTypesTestCase SimpleServerEncodingTestCase
    ServerProxyTestCase MultiPathServerTestCase.test_path1 MultiPathServerTestCase.test_path2
"""


def test_xmlrpc(tmp_path):
    run_xmlrpc("test_xmlrpc", 80, tmp_path, *QUICK.split())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_xmlrpc_whole(tmp_path):
    run_xmlrpc("test_xmlrpc", 90, tmp_path, timeout=280)


def test_docxmlrpc(tmp_path):
    run_xmlrpc("test_docxmlrpc", 8, tmp_path)
