"""Between two network namespaces joined by a veth pair: two machines in one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap

import pytest

import links

pytestmark = pytest.mark.privileged

SERVER = """
    import hashlib, fastnet.arrays
    with fastnet.arrays.listen(("{address}", 9000)) as listener:
        print("listening", flush=True)
        with listener.accept(20) as stream:
            for item in stream.items():
                digest = hashlib.sha256(item.array.tobytes()).hexdigest()
                print(item.name, item.array.dtype, item.array.shape, digest, flush=True)
"""
CLIENT = """
    import hashlib, numpy as np, fastnet.arrays
    rng = np.random.default_rng(15)
    arrays = {{
        "large": rng.standard_normal((3000, 1000)),
        "slice": rng.standard_normal((1000, 1000))[::2, ::3],
        "small": np.arange(5, dtype=">i2"),
    }}
    with fastnet.arrays.connect(("{address}", 9000), retry_for=10) as stream:
        stream.send_items(arrays)
        for name, array in arrays.items():
            print(name, array.dtype, array.shape, hashlib.sha256(array.tobytes()).hexdigest())
    print(stream.stats()["transport"])
"""


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def inside(space, source):
    return ["ip", "netns", "exec", space, sys.executable, "-c", textwrap.dedent(source)]


@pytest.fixture
def spaces():
    """Two namespaces whose ends of a veth pair have addresses 1 and 2."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if shutil.which("ip") is None:
        pytest.skip("there is no ip command (iproute2)")
    names = [f"fastnet-{os.getpid()}-{i}" for i in (1, 2)]
    devices = [f"fn{os.getpid() % 100_000}-{i}" for i in (1, 2)]
    try:
        try:
            for name in names:
                ip("netns", "add", name)
            ip("link", "add", devices[0], "netns", names[0], "type", "veth",
               "peer", "name", devices[1], "netns", names[1])  # fmt: skip
        except OSError as error:
            pytest.skip(f"this machine gives no network namespaces: {error}")
        for i, (name, device) in enumerate(zip(names, devices, strict=True), 1):
            ip("-n", name, "addr", "add", f"10.77.0.{i}/24", "dev", device)
            ip("-n", name, "addr", "add", f"fd77::{i}/64", "dev", device, "nodad")
            ip("-n", name, "link", "set", device, "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


@pytest.mark.parametrize("address", ["10.77.0.1", "fd77::1"])
def test_arrays_across(spaces, address):
    if ":" in address and not links.has_ipv6():
        pytest.skip("this machine has no IPv6")
    with subprocess.Popen(
        inside(spaces[0], SERVER.format(address=address)), stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout.readline() == "listening\n"
            done = subprocess.run(
                inside(spaces[1], CLIENT.format(address=address)),
                capture_output=True,
                text=True,
                timeout=30,
            )
            assert done.returncode == 0, done.stderr
            received = server.communicate(timeout=links.SOON)[0].splitlines()
        finally:
            server.kill()
    *sent, transport = done.stdout.splitlines()
    assert received == sent
    assert len(sent) == 3
    print(transport)
