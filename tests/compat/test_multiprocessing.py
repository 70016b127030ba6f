"""CPython's own tests of multiprocessing's connections, on fastnet.connection."""

from __future__ import annotations

import importlib.util
import pathlib
import re
import subprocess
import sys

import pytest


def has_the_tests():
    try:
        return importlib.util.find_spec("test._test_multiprocessing") is not None
    except ModuleNotFoundError:
        return False


pytestmark = pytest.mark.skipif(
    not has_the_tests(), reason="this Python was installed without its test package"
)

CLASSES = [
    "WithProcessesTestConnection",
    "WithThreadsTestConnection",
    "WithProcessesTestListener",
    "WithProcessesTestListenerClient",
    "WithThreadsTestListenerClient",
    "WithProcessesTestPoll",
    "WithThreadsTestPoll",
    "WithProcessesTestPicklingConnections",
    "OtherTest",
    "ChallengeResponseTest",  # since 3.12
    "TestWait",
    "TestInvalidFamily",
    "TestInvalidHandle",
    "TestIgnoreEINTR",
    "TestTimeouts",
    "WithManagerTestRemoteManager",
]
# They live on connections too: queues on pipes, pools on queues, managers on listeners.
TENANTS = [
    "WithProcessesTestQueue",
    "TestSimpleQueue",
    "WithProcessesTestPool",
    "WithManagerTestManagerRestart",
    "WithManagerTestContainers",
    "WithManagerTestQueue",
    "TestSyncManagerTypes",
    "WithProcessesTestMyManager",
]


def run(method, classes, least, tmp_path, timeout):
    program = pathlib.Path(__file__).with_name("as_multiprocessing.py")
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", program, method, *classes],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    ran = re.search(r"Ran (\d+) tests", done.stderr)
    assert ran is not None
    assert int(ran[1]) >= least


@pytest.mark.timeout(300)
def test_connections(tmp_path):
    run("fork", CLASSES, 45, tmp_path, 280)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_connections_with_other_start_methods(method, tmp_path):
    run(method, CLASSES, 45, tmp_path, 580)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_lives_on_connections(tmp_path):
    run("fork", TENANTS, 50, tmp_path, 580)
