"""CPython's own asyncio suite, the running interpreter's unmodified files, on the loop.

The files make their loops through asyncio.SelectorEventLoop, asyncio.new_event_loop or the
default policy. A child process points all three at the loop under test, loads the classes named
here and runs them; nothing of the files is changed or copied.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest

import fastnet

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("test") is None
    or importlib.util.find_spec("test.test_asyncio") is None,
    reason="this Python came without its test package",
)

SLOW = pytest.mark.slow

# Classes of CPython's files; a Python that does not have one of them passes it over. Where a file
# has a class for each selector, its name chooses the poller.
PARTS = {
    "test_events epoll": ["EPollEventLoopTests"],
    "test_events select": ["SelectEventLoopTests"],
    "test_server": ["SelectorStartServerTests", "TestServer2", "UnixServerCleanupTests"],
    "test_streams": ["StreamTests"],
    "test_sslproto": ["SslProtoHandshakeTests", "SelectorStartTLSTests"],
    "test_ssl": ["TestSSL"],
    "test_sendfile": ["EPollEventLoopTests", "SelectEventLoopTests"],
    "test_sock_lowlevel": ["EPollEventLoopTests", "SelectEventLoopTests"],
    "test_buffered_proto": ["BufferedProtocolSelectorTests"],
    "test_unix_events": [
        "SelectorEventLoopSignalTests",
        "SelectorEventLoopUnixSocketTests",
        "SelectorEventLoopUnixSockSendfileTests",
        "TestFunctional",
        "TestFork",
    ],
    "test_subprocess": [
        "SubprocessThreadedWatcherTests",
        "SubprocessPidfdWatcherTests",
        "SubprocessSafeWatcherTests",
    ],
    "test_context": ["DecimalContextTest"],
    "test_timeouts": ["TimeoutTests"],
}
LONG = {"test_ssl", "test_subprocess"}
PER_POLLER = {"test_events epoll", "test_events select", "test_sendfile", "test_sock_lowlevel"}

# Not run at all: test_selector_events and test_base_events build asyncio's private classes over
# mocks; the pipe classes of test_unix_events, test_futures, test_tasks, test_locks, test_queues
# and the like run on a loop of the suite's own or on none that does I/O.

# Tests that only asyncio's own transports can pass, "Class.test": why. Left out on our loop.
PRIVATE: dict[str, str] = {}

CHILD = """
import importlib, json, sys, unittest

def main(kind, module, wanted, left_out):
    import asyncio
    import asyncio.unix_events
    stock = asyncio.SelectorEventLoop
    if kind == "asyncio":
        factory = stock
    else:
        from fastnet import new_event_loop  # before SelectorEventLoop, its base, is replaced
        def factory(selector=None):
            asked = type(selector).__name__ if selector is not None else ""
            if selector is not None:
                selector.close()
            if "select" in kind or asked == "SelectSelector":
                return new_event_loop(poller="select")
            return new_event_loop()
    made = []

    def counted(selector=None):
        made.append(True)
        return factory(selector)

    asyncio.SelectorEventLoop = counted
    asyncio.unix_events._UnixDefaultEventLoopPolicy._loop_factory = staticmethod(counted)
    unittest.IsolatedAsyncioTestCase.loop_factory = staticmethod(counted)  # from 3.13 on
    loaded = importlib.import_module("test.test_asyncio." + module)
    suite = unittest.TestSuite()
    for name in wanted:
        found = getattr(loaded, name, None)
        if found is None:
            continue
        for test in unittest.defaultTestLoader.loadTestsFromTestCase(found):
            if ".".join(test.id().split(".")[-2:]) not in left_out:
                suite.addTest(test)

    result = unittest.TextTestRunner(sys.stderr, verbosity=2).run(suite)
    bad = [(test.id(), text) for test, text in result.failures + result.errors]
    bad += [(test.id(), "passed, though expected to fail") for test in result.unexpectedSuccesses]
    print(json.dumps({
        "run": result.testsRun,
        "bad": bad,
        "skipped": len(result.skipped),
        "loops": len(made),
    }))

main(sys.argv[1], sys.argv[2], sys.argv[3].split(","), sys.argv[4].split(","))
"""


def cases():
    """Every part on our loop. asyncio's own, which checks this file, and the second poller are
    slow: the parts that matter most are there for both pollers anyway.
    """
    for part in PARTS:
        yield pytest.param("fastnet", part, marks=[SLOW] if part in LONG else [])
        if part not in PER_POLLER:
            yield pytest.param("fastnet-select", part, marks=SLOW)
        quick = part in ("test_buffered_proto", "test_server")
        yield pytest.param("asyncio", part, marks=[] if quick else [SLOW])


@pytest.mark.parametrize(("kind", "part"), list(cases()))
def test_cpythons_own_tests(kind, part):
    if kind != "asyncio" and not hasattr(fastnet, "new_event_loop"):
        pytest.skip("this fastnet has no event loop")
    left_out = "" if kind == "asyncio" else ",".join(PRIVATE)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, kind, part.split()[0], ",".join(PARTS[part]), left_out],
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.stdout, done.stderr[-4000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["run"] > said["skipped"], "nothing was run"
    assert said["loops"] > 0, "it ran on other loops than the one under test"
    names = "\n".join(name for name, _ in said["bad"])
    details = "\n".join(text for _, text in said["bad"])
    assert not said["bad"], f"{names}\n\n{details}"
