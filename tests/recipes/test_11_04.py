"""Recipe 11.4, the addresses of a CIDR network: examples/cidr_ranges.py."""

from __future__ import annotations

import ipaddress
import pathlib
import subprocess
import sys

import pytest

from fastnet import cidr

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "cidr_ranges.py"


def run(*words):
    done = subprocess.run(
        [sys.executable, EXAMPLE, *words], capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_recipes_networks():
    lines = run()
    assert lines[:2] == ["123.45.67.89/27 has 32 addresses", "    123.45.67.64"]
    assert "    ... 123.45.67.95" in lines
    assert "    12:3456:78:90ab:cd:ef01:23:30" in lines
    assert "123.45.67.69 in 123.45.67.89/27 is True" in lines
    assert "123.45.67.123 in 123.45.67.89/27 is False" in lines


def test_other_networks():
    lines = run("::/0", "192.0.2.7")
    assert lines[0] == f"::/0 has {2**128} addresses"
    assert lines[1:3] == ["    ::", "    ::1"]
    assert "192.0.2.7 has 1 addresses" in lines


def test_the_recipes_own_steps():
    """What the recipe does with an ipaddress network works with ours."""
    literal = "123.45.67.89/27"
    net = cidr.addresses(literal)
    with pytest.raises(ValueError, match="host bits set"):
        cidr.addresses(literal, strict=True)
    listed = [str(ipaddress.ip_address(int(a))) for a in net]
    assert listed == [str(a) for a in ipaddress.ip_network("123.45.67.64/27")]
    assert len(net) == 32
    assert int(net[0]) == int(ipaddress.ip_address("123.45.67.64"))
    assert ipaddress.ip_address("123.45.67.69") in cidr.NetworkSet(literal)
