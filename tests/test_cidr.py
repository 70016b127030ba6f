"""All addresses of a network, against `ipaddress`."""

from __future__ import annotations

import ipaddress
import itertools
import re
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import links
from fastnet import cidr

FULL = {4: 32, 6: 128}
NUMBERS = {4: st.integers(0, 2**32 - 1), 6: st.integers(0, 2**128 - 1)}
KIND = {4: ipaddress.IPv4Address, 6: ipaddress.IPv6Address}


def network(version, number, prefix):
    kind = ipaddress.IPv4Network if version == 4 else ipaddress.IPv6Network
    return kind((number, prefix), strict=False)


@st.composite
def small_networks(draw):
    version = draw(st.sampled_from([4, 6]))
    return network(version, draw(NUMBERS[version]), FULL[version] - draw(st.integers(0, 9)))


def as_int(element):
    """An element of any of our arrays as a number."""
    if element.dtype.names:
        return int(element["high"]) << 64 | int(element["low"])
    return int(element)


@given(small_networks())
def test_every_address_in_order(net):
    expected = list(net)
    found = cidr.addresses(str(net))
    assert [as_int(element) for element in found] == [int(address) for address in expected]
    assert found.dtype == (np.uint32 if net.version == 4 else [("high", "u8"), ("low", "u8")])
    assert cidr.addresses(net, as_strings=True) == [str(address) for address in expected]


def test_the_recipes_own_network():
    net = cidr.addresses("123.45.67.89/27")
    assert len(net) == 32
    assert net[0] == int(ipaddress.ip_address("123.45.67.64"))
    assert int(ipaddress.ip_address("123.45.67.69")) in net
    assert int(ipaddress.ip_address("123.45.67.123")) not in net
    text = cidr.addresses("12:3456:78:90ab:cd:ef01:23:30/125", as_strings=True)
    assert text[0] == "12:3456:78:90ab:cd:ef01:23:30"
    assert text[-1] == "12:3456:78:90ab:cd:ef01:23:37"
    with pytest.raises(ValueError, match=r"host bits set: write '123\.45\.67\.64/27'"):
        cidr.addresses("123.45.67.89/27", strict=True)


@pytest.mark.parametrize(
    "form",
    [
        "10.1.2.0/30",
        "10.1.2.0/255.255.255.252",
        "10.1.2.0/0.0.0.3",
        ("10.1.2.0", 30),
        ("10.1.2.3", "255.255.255.252"),
        (b"\x0a\x01\x02\x00", 30),
        ipaddress.ip_network("10.1.2.0/30"),
        ipaddress.ip_interface("10.1.2.1/30"),
    ],
)
def test_forms_of_a_network(form):
    assert cidr.addresses(form, as_strings=True) == [f"10.1.2.{n}" for n in range(4)]


@pytest.mark.parametrize("form", ["::7", b"\0" * 15 + b"\7", ipaddress.ip_address("::7")])
def test_one_address_is_a_network(form):
    assert cidr.addresses(form, as_strings=True) == ["::7"]


def test_a_scope_is_left_out():
    assert cidr.addresses("fe80::1%eth0/127", as_strings=True) == ["fe80::", "fe80::1"]


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ("10.0.0.0/33", ValueError, "'10.0.0.0/33' is not a network .*write \"10.0.0.0/8\""),
        ("10.0.0", ValueError, "'10.0.0' is not a network"),
        ("10.0.0.0.0/8", ValueError, "is not a network"),
        ("::/129", ValueError, "is not a network"),
        ("::g/12", ValueError, "is not a network"),
        ("", ValueError, "'' is not a network"),
        ("localhost", ValueError, "is not a network"),
        ("10.0.0.0/8/9", ValueError, "is not a network"),
        (b"10.0.0.0/8", ValueError, "write text as str"),
        (167772160, TypeError, "167772160 is not a network"),
        (None, TypeError, "None is not a network"),
        (("10.0.0.0", None), TypeError, "prefix length"),
        ((10, 8), TypeError, "prefix length"),
    ],
)
def test_what_is_no_network(wrong, error, words):
    with pytest.raises(error, match=words):
        cidr.addresses(wrong)


@given(st.text(alphabet="0123456789abcdefg.:/", max_size=24))
def test_any_text_is_a_network_or_a_value_error(text):
    try:
        expected = ipaddress.ip_network(text, strict=False)
    except ValueError:
        with pytest.raises(ValueError, match=re.escape(f"{text!r} is not a network")):
            cidr.addresses(text)
    else:
        assert cidr.addresses(text, as_strings=True)[0] == str(expected[0])


# ------------------------------------------------------------------------ the large ones


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("large", ["0.0.0.0/0", "10.0.0.0/4", "::/0", "2001:db8::/32"])
def test_huge_networks_are_lazy(large, text):
    net = ipaddress.ip_network(large, strict=False)
    found = cidr.addresses(large, as_strings=text)
    assert isinstance(found, cidr.AddressRange)
    assert found.num_addresses == net.num_addresses
    if net.num_addresses <= sys.maxsize:
        assert len(found) == net.num_addresses
    else:
        with pytest.raises(OverflowError, match="num_addresses"):
            len(found)
    for index in (0, 1, 12345, -1, -70000):
        element = found[index]
        assert str(net[index]) == (element if text else str(KIND[net.version](as_int(element))))
    assert str(net[7]) in found
    assert net[9] in found
    assert "fe80::1" not in found or net.version == 6
    for end in (net.num_addresses, -net.num_addresses - 1):
        with pytest.raises(IndexError):
            found[end]
    assert list(itertools.islice(found, 3)) == [found[0], found[1], found[2]]
    assert next(reversed(found)) == found[-1]
    assert found == cidr.addresses(net, as_strings=text)
    assert hash(found) == hash(cidr.addresses(net, as_strings=text))
    assert found.index(str(net[5])) == 5
    assert found.count("1.2.3.4" if net.version == 6 else "::1") == 0
    assert bool(found)
    assert str(net[0]) in repr(found)


@given(st.data(), st.sampled_from([4, 6]))
def test_slices_follow_ranges(data, version):
    net = network(version, data.draw(NUMBERS[version]), 3)
    found = cidr.addresses(net)
    numbers = range(int(net[0]), int(net[0]) + net.num_addresses)
    start, stop = (data.draw(st.integers(-(2**30), 2**30)) for _ in range(2))
    step = data.draw(st.sampled_from([1, -1, 2**21, -(2**22) - 3, 2**65, -(2**66)]))
    part = numbers[start:stop:step]
    got = found[start:stop:step]
    if isinstance(got, cidr.AddressRange):
        assert (as_int(got[0]), as_int(got[-1])) == (part[0], part[-1])
        assert got.num_addresses == (part[-1] - part[0]) // part.step + 1
    else:
        assert got.size == (0 if not part else (part[-1] - part[0]) // part.step + 1)
        for at in (0, got.size // 2, -1) if got.size else ():
            assert as_int(got[at]) == part[at]


def test_steps_carry_between_the_halves():
    found = cidr.addresses("2001:db8::/32")
    across = found[2**64 - 2 : 2**64 + 2]
    assert across["low"].tolist() == [2**64 - 2, 2**64 - 1, 0, 1]
    assert np.diff(across["high"].astype(np.int64)).tolist() == [0, 1, 0]
    assert found[:: 2**90]["high"].tolist() == [(0x20010DB8 << 32) + (n << 26) for n in range(64)]
    assert found[2**64 + 1 : 2**64 - 3 : -1].tolist() == across[::-1].tolist()


def test_chunks_cover_everything_and_stay_small():
    found = cidr.addresses("10.0.0.0/7")
    sizes, total = set(), 0
    for chunk in found.chunks(1 << 22):
        sizes.add(chunk.size)
        total += int(chunk.astype(np.uint64).sum())
    first, size = 10 << 24, 2**25
    assert sizes == {1 << 22}
    assert total == size * first + size * (size - 1) // 2
    last = list(cidr.addresses("10.0.0.0/7")[: 2**24 + 5].chunks(1 << 23))
    assert [chunk.size for chunk in last] == [1 << 23, 1 << 23, 5]
    for size in (0, -1, 2**24 + 1):
        with pytest.raises(ValueError, match="a chunk has between 1 and 16777216 addresses"):
            found.chunks(size)


def test_no_whole_array_by_accident():
    before = links.resident()
    for large in ("0.0.0.0/0", "::/0"):
        with pytest.raises(ValueError, match="too many for one array"):
            np.asarray(cidr.addresses(large))
    assert links.growth(before) < 64 << 20


@pytest.mark.parametrize(
    ("border", "beyond", "options"),
    [
        ("10.0.0.0/8", "10.0.0.0/7", {}),
        ("::/106", "::/105", {}),
        ("10.0.0.0/12", "10.0.0.0/11", {"as_strings": True}),
    ],
)
def test_where_the_border_lies(border, beyond, options):
    assert isinstance(cidr.addresses(border, **options), (np.ndarray, list))
    assert isinstance(cidr.addresses(beyond, **options), cidr.AddressRange)


def test_membership_by_a_set_goes_without_numpy():
    source = "from fastnet import cidr; print('10.1.2.3' in cidr.NetworkSet('10.0.0.0/8'), "
    assert links.run(source + "'numpy' in __import__('sys').modules)") == "True False\n"
