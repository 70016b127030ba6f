"""The one parser for every form of address."""

from __future__ import annotations

import pathlib

import pytest

from fastnet import address
from fastnet.address import Address, parse

GOOD = [
    (("127.0.0.1", 9000), Address(False, "127.0.0.1", 9000)),
    (("", 0), Address(False, "", 0)),
    ((None, 5), Address(False, "", 5)),
    (("localhost", "80"), Address(False, "localhost", 80)),
    (("::1", 9000), Address(False, "::1", 9000)),
    (("fe80::1", 9000, 0, 2), Address(False, "fe80::1", 9000, extra=(0, 2))),
    (("::1", 9000, 0), Address(False, "::1", 9000, extra=(0,))),
    ("tcp://node7:9000", Address(False, "node7", 9000)),
    ("tcp://127.0.0.1:65535", Address(False, "127.0.0.1", 65535)),
    ("tcp://:9000", Address(False, "", 9000)),
    ("tcp://[::1]:9000", Address(False, "::1", 9000)),
    ("tcp://[fe80::1%eth0]:1", Address(False, "fe80::1%eth0", 1)),
    ("unix:/run/x.sock", Address(True, path="/run/x.sock")),
    ("unix:x.sock", Address(True, path="x.sock")),
    ("unix:\0name", Address(True, path="\0name")),
    ("/run/x.sock", Address(True, path="/run/x.sock")),
    ("./x.sock", Address(True, path="./x.sock")),
    ("run/x.sock", Address(True, path="run/x.sock")),
    ("\0name", Address(True, path="\0name")),
    (b"\0name", Address(True, path="\0name")),
    (b"/run/x", Address(True, path="/run/x")),
    (pathlib.Path("x.sock"), Address(True, path="x.sock")),
]


@pytest.mark.parametrize(("given", "expected"), GOOD, ids=lambda value: repr(value)[:40])
def test_good(given, expected):
    assert parse(given) == expected
    assert parse(parse(given)) == expected


BAD = [
    ("localhost:9000", 'write "tcp://localhost:9000"'),
    ("localhost", "tcp://"),
    ("9000", "tcp://"),
    ("", "tcp://"),
    ("tcp://", "tcp://"),
    ("tcp://host", "tcp://"),
    ("tcp://host:", "port"),
    ("tcp://host:port", "port"),
    ("tcp://host:-1", "port"),
    ("tcp://host:65536", "65535"),
    ("tcp://host:1.5", "port"),
    ("tcp://host:\uff19\uff10", "port"),
    ("tcp://::1", 'write "tcp://[::1]:PORT"'),
    ("tcp://::1:9000", "[::1:9000]:PORT"),
    ("tcp://[::1]", "tcp://[::1]:9000"),
    ("tcp://[::1:9000", "tcp://[::1]:9000"),
    ("tcp://[::1]x:9000", "tcp://"),
    ("udp://host:9000", "stream"),
    ("http://host:80", "scheme"),
    ("unix:", "path"),
    (("host",), "tcp://"),
    (("host", 1, 2, 3, 4), "tcp://"),
    (("host", None), "port"),
    (("host", 70000), "65535"),
    (("host", -1), "65535"),
    (("host", True), "port"),
    (("host", 1.5), "port"),
    ((1, 2), "tcp://"),
    (9000, "tcp://"),
    (None, "tcp://"),
    ([], "tcp://"),
]


@pytest.mark.parametrize(("given", "hint"), BAD, ids=lambda value: repr(value)[:40])
def test_bad_with_the_form_that_was_meant(given, hint):
    with pytest.raises(ValueError) as caught:
        parse(given)
    assert hint in str(caught.value)
    assert repr(given) in str(caught.value)


@pytest.mark.parametrize(("given", "_expected"), GOOD, ids=lambda value: repr(value)[:40])
def test_text_of_an_address_can_be_parsed_again(given, _expected):
    parsed = parse(given)
    if parsed.extra or "\0" in parsed.path:
        return  # there is no text form of these
    assert parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("127.0.0.1", 1), True), (("127.3.2.1", 1), True), (("::1", 1), True),
        ("unix:/x", True), (("localhost", 1), True), (("0.0.0.0", 1), False), (("", 1), False),
        (("::", 1), False), (("192.0.2.7", 1), False), (("2001:db8::1", 1), False),
    ],
)  # fmt: skip
def test_what_only_this_machine_can_reach(given, expected):
    assert address.is_loopback(parse(given)) is expected
