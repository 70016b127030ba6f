"""Sets of addresses, against `ipaddress`."""

from __future__ import annotations

import ipaddress
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet.cidr import NetworkSet, addresses

MAPPED = ipaddress.ip_network("::ffff:0:0/96")
BITS = {4: 32, 6: 128}


@st.composite
def networks(draw):
    """Networks that often touch, overlap and contain one another."""
    version = draw(st.sampled_from([4, 6]))
    bits = BITS[version]
    prefix = draw(st.sampled_from([0, 1, bits - 5, bits - 2, bits - 1, bits]))
    base = draw(st.sampled_from([0, 2**bits - 64, 0xC0000200, 0xFFFF << 32, 0x10000 << 32]))
    number = (base + draw(st.integers(0, 63))) % 2**bits
    kind = ipaddress.IPv4Network if version == 4 else ipaddress.IPv6Network
    return kind((number, prefix), strict=False)


@st.composite
def single(draw):
    net = draw(networks())
    number = int(net[draw(st.sampled_from([0, -1]))]) + draw(st.integers(-2, 2))
    kind = ipaddress.IPv4Address if net.version == 4 else ipaddress.IPv6Address
    return kind(number % 2 ** BITS[net.version])


def inside(address, nets):
    """The oracle: the same rules, one network after the other."""
    address = getattr(address, "ipv4_mapped", None) or address
    for net in nets:
        if net.version == 6 and net.subnet_of(MAPPED):
            net = ipaddress.IPv4Network((int(net[0]) & 0xFFFFFFFF, net.prefixlen - 96))
        if address in net:
            return True
    return False


lists = st.lists(networks(), max_size=6)


@given(lists, st.lists(single(), min_size=1, max_size=20))
def test_membership(nets, asked):
    found = NetworkSet(map(str, nets))
    expected = [inside(address, nets) for address in asked]
    for form in (str, lambda a: a, lambda a: a.packed):
        assert [form(address) in found for address in asked] == expected
    assert found.contains([str(address) for address in asked]).tolist() == expected
    assert found.contains(np.array([str(address) for address in asked])).tolist() == expected
    for version in (4, 6):
        some = [address for address in asked if address.version == version]
        if version == 4:
            array = np.array([int(address) for address in some], dtype=np.uint32)
        else:
            pairs = [(int(a) >> 64, int(a) & (2**64 - 1)) for a in some]
            array = np.array(pairs, dtype=[("high", "u8"), ("low", "u8")])
        expected = [inside(address, nets) for address in some]
        assert found.contains(array).tolist() == expected
        assert [element in found for element in array] == expected


@given(lists, lists, st.lists(single(), min_size=1, max_size=20))
def test_operators(one, other, asked):
    left, right = NetworkSet(one), NetworkSet(other)
    for address in asked:
        here, there = inside(address, one), inside(address, other)
        assert (address in left | right) == (here or there)
        assert (address in left & right) == (here and there)
        assert (address in left - right) == (here and not there)
    assert left | right == NetworkSet([*one, *other]) == NetworkSet([left, right])
    assert hash(left | right) == hash(NetworkSet([*one, *other]))
    assert (left - right) | (left & right) == left
    assert not (left - left)


@given(lists)
def test_iteration_gives_the_fewest_networks(nets):
    found = NetworkSet(nets)
    plain = [net for net in nets if net.version == 6 and not net.subnet_of(MAPPED)]
    if not any(net.overlaps(MAPPED) for net in nets if net.version == 6):
        four = [net for net in nets if net.version == 4]
        expected = [
            *ipaddress.collapse_addresses(four),
            *ipaddress.collapse_addresses(plain),
        ]
        assert list(found) == expected
    assert len(found) == len(list(found))
    assert NetworkSet(found) == found
    assert bool(found) == bool(nets)


@given(lists)
def test_packed_records(nets):
    found = NetworkSet(nets)
    packed = found.packed()
    records = [packed[at : at + 16] for at in range(0, len(packed), 16)]
    assert records == sorted(records)
    ends = list(zip(records[::2], records[1::2], strict=True))
    for (_, last), (first, _) in itertools.pairwise(ends):
        assert int.from_bytes(last, "big") + 1 < int.from_bytes(first, "big")
    total = sum(int.from_bytes(b, "big") - int.from_bytes(a, "big") + 1 for a, b in ends)
    assert total == found.num_addresses
    again = NetworkSet((ipaddress.ip_address(a), ipaddress.ip_address(b)) for a, b in ends)
    assert again.num_addresses <= total  # a range over the IPv4 block stands for IPv6 alone


def test_packed_puts_ipv4_into_ipv6():
    first, last = NetworkSet("10.0.0.0/8").packed()[:16], NetworkSet("10.0.0.0/8").packed()[16:]
    assert first == bytes(10) + b"\xff\xff\x0a\0\0\0"
    assert last == bytes(10) + b"\xff\xff\x0a\xff\xff\xff"
    assert NetworkSet().packed() == b""
    assert NetworkSet(["::/0", "0.0.0.0/0"]).packed() == bytes(16) + b"\xff" * 16


def test_ipv4_inside_ipv6_is_ipv4():
    found = NetworkSet("192.0.2.0/24")
    assert "::ffff:192.0.2.7" in found
    assert NetworkSet("::ffff:192.0.2.0/120") == found
    assert "::192.0.2.7" not in found
    assert "192.0.2.7" not in NetworkSet("::/0")
    assert "::ffff:192.0.2.7" not in NetworkSet("::/0")
    assert list(NetworkSet("::/0")) == [ipaddress.ip_network("::/0")]
    assert list(NetworkSet(["::/0", "0.0.0.0/0"])) == [
        ipaddress.ip_network("0.0.0.0/0"),
        ipaddress.ip_network("::/0"),
    ]


def test_scopes_are_ignored():
    found = NetworkSet(["fe80::/64", "fe80:0:0:1::1%eth0"])
    assert "fe80::1%eth0" in found
    assert "fe80::1%anything" in found
    assert "fe80:0:0:1::1" in found


def test_ranges():
    texts = NetworkSet(["192.0.2.10-192.0.2.20", "::1 - ::5"])
    pair = ipaddress.ip_address("192.0.2.10"), ipaddress.ip_address("192.0.2.20")
    assert texts == NetworkSet([pair, "::1-::5"])
    assert texts.num_addresses == 16
    assert ("192.0.2.9" in texts, "192.0.2.20" in texts) == (False, True)
    for wrong in ("192.0.2.9-192.0.2.1", "192.0.2.1-::ffff:ffff:0:1", "1.2.3.4-", "-", "a-b-c"):
        with pytest.raises(ValueError, match="is not a"):
            NetworkSet([wrong])


def test_one_thing_alone():
    for thing in ("10.0.0.0/8", ipaddress.ip_network("10.0.0.0/8"), NetworkSet("10.0.0.0/8")):
        assert NetworkSet(thing) == NetworkSet(["10.1.2.3/8"])
    assert NetworkSet(b"\x7f\0\0\1") == NetworkSet(ipaddress.ip_address("127.0.0.1"))
    with pytest.raises(ValueError, match="host bits"):
        NetworkSet("10.1.2.3/8", strict=True)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("10.0.0.256", ValueError),
        ("10.0.0.0/8", ValueError),
        ("", ValueError),
        ("nobody", ValueError),
        ("01.2.3.4", ValueError),
        ("1.2.3.4\0", ValueError),
        ("fe80::1%", ValueError),
        ("12345::", ValueError),
        (b"10.0.0.1", ValueError),
        (2**32, ValueError),
        (-1, ValueError),
        (True, TypeError),
        (None, TypeError),
        (("10.0.0.1", 80), TypeError),
        (1.5, TypeError),
    ],
)
def test_what_is_no_address(wrong, error):
    with pytest.raises(error, match="is not an address"):
        _ = wrong in NetworkSet("10.0.0.0/8")


@given(st.text(alphabet="0123456789abcf.:", max_size=20))
def test_addresses_are_read_as_ipaddress_reads_them(text):
    try:
        expected = ipaddress.ip_address(text) in ipaddress.ip_network("::/1")
    except ValueError:
        with pytest.raises(ValueError, match="is not an address"):
            _ = text in NetworkSet("::/1")
    else:
        assert (text in NetworkSet("::/1")) == expected or "." in text or "ffff" in text


@pytest.mark.parametrize("wrong", [[10], [("10.0.0.0", "::1", 3)], [None], 10, [1.5], [(1, 2)]])
def test_what_makes_no_set(wrong):
    with pytest.raises(TypeError):
        NetworkSet(wrong)


def test_a_prefix_length_gone_astray_is_noticed():
    with pytest.raises(TypeError, match="8 is not a network"):
        NetworkSet(("10.0.0.0", 8))


def test_arrays_of_other_kinds():
    found = NetworkSet(["10.0.0.0/8", "240.0.0.0/4"])
    numbers = np.array([[10 << 24, 11 << 24], [2**32 - 1, 0]])
    assert found.contains(numbers).tolist() == [[True, False], [True, False]]
    assert found.contains(np.array([], dtype=np.int8)).shape == (0,)
    assert found.contains(addresses("10.0.0.0/24")).all()
    assert found.contains(addresses("10.0.0.0/24")[::-2]).all()
    mapped = addresses("::ffff:10.0.0.0/120")
    assert found.contains(mapped).all()
    assert found.contains(mapped.reshape(16, 16)[:, ::2]).shape == (16, 8)
    assert found.contains([10 << 24, "11.0.0.1", b"\xff" * 4]).tolist() == [True, False, True]
    assert NetworkSet().contains(numbers).any() == np.False_
    for wrong in ([2**32], [-1]):
        with pytest.raises(ValueError, match="0 to 4294967295"):
            found.contains(np.array(wrong))
    with pytest.raises(TypeError, match="float64 holds no addresses"):
        found.contains(np.array([1.5]))


def test_a_file(tmp_path):
    path = tmp_path / "trusted"
    path.write_text("# ours\n10.0.0.0/8   # the office\n\n2001:db8::/32\n192.0.2.1-192.0.2.9\n")
    found = NetworkSet.from_file(path)
    assert found == NetworkSet(["10.0.0.0/8", "2001:db8::/32", "192.0.2.1-192.0.2.9"])
    path.write_text("10.0.0.0/8\n10.0.0.0/88\n")
    with pytest.raises(ValueError, match=r"trusted, line 2: '10\.0\.0\.0/88' is not"):
        NetworkSet.from_file(path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        NetworkSet.from_file(tmp_path / "nowhere")


def test_as_an_object():
    found = NetworkSet(["10.0.0.0/9", "10.128.0.0/9", "::1"])
    assert repr(found) == "NetworkSet(['10.0.0.0/8', '::1/128'])"
    many = NetworkSet(f"10.{n}.0.0/24" for n in range(50))
    assert repr(many).startswith("<NetworkSet of 50 networks, 10.0.0.0/24, ")
    assert pickle.loads(pickle.dumps(many)) == many
    assert found != "10.0.0.0/8"
    assert len({found, NetworkSet(list(found))}) == 1
    for wrong in (lambda: found | "::1", lambda: found & 1, lambda: found - None):
        with pytest.raises(TypeError, match="unsupported operand"):
            wrong()
