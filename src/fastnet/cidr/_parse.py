"""From what a caller writes to numbers, by way of `ipaddress`."""

from __future__ import annotations

import ipaddress
import operator
from socket import AF_INET, AF_INET6, inet_pton
from typing import Any, TypeAlias

IPv4 = (ipaddress.IPv4Address, ipaddress.IPv4Network)
Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"
Interface: TypeAlias = "ipaddress.IPv4Interface | ipaddress.IPv6Interface"
# An address: text, 4 or 16 packed bytes, an object of `ipaddress`, a number (IPv4), or an
# element of the arrays that `addresses` returns.
AddressLike: TypeAlias = "str | bytes | int | ipaddress.IPv4Address | ipaddress.IPv6Address | Any"
# A network: text, an object of `ipaddress`, packed bytes (one address), (address, prefix length).
NetworkLike: TypeAlias = (
    "str | bytes | tuple[Any, Any] | Network | ipaddress.IPv4Address | ipaddress.IPv6Address"
)

# Both families in one space of 128 bits: IPv4 lies at ::ffff:0:0/96, where RFC 4291 puts it.
MAPPED = 0xFFFF << 32
MAPPED_END = MAPPED + (1 << 32)
END = 1 << 128

_NETWORKS = 'write "10.0.0.0/8", "10.0.0.0/255.0.0.0", "2001:db8::/32" or an address, "192.0.2.7"'
_ADDRESSES = 'write "192.0.2.7" or "2001:db8::1"'
_TEXT = "packed addresses have 4 or 16 bytes; write text as str"


def network_of(given: object, strict: bool) -> Network:
    """The network that something names; ValueError or TypeError with the right form if none."""
    if isinstance(given, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
        return given
    if isinstance(given, (ipaddress.IPv4Interface, ipaddress.IPv6Interface)):
        given = given.with_prefixlen
    if isinstance(given, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
        return ipaddress.ip_network(given.packed)
    if isinstance(given, (bytes, bytearray)):
        if len(given) not in (4, 16):
            raise ValueError(f"{given!r} is not a network: {_TEXT}")
        return ipaddress.ip_network(bytes(given))
    if isinstance(given, tuple):
        return _from_pair(given, strict)
    if not isinstance(given, str):
        raise TypeError(f"{given!r} is not a network: {_NETWORKS}")
    return _from_text(given, given, strict)


def _from_text(text: str, given: object, strict: bool) -> Network:
    # A scope names an interface of this machine, which no address of a peer depends on.
    scope = text.find("%")
    if scope >= 0 and ":" in text:
        slash = text.find("/", scope)
        text = text[:scope] + (text[slash:] if slash >= 0 else "")
    kind = ipaddress.IPv6Network if ":" in text else ipaddress.IPv4Network
    try:
        network = kind(text, strict=False)
        if strict and network.network_address != ipaddress.ip_address(text.partition("/")[0]):
            raise ValueError(f"{given!r} has host bits set: write {str(network)!r}")
    except (ipaddress.AddressValueError, ipaddress.NetmaskValueError) as error:
        raise ValueError(f"{given!r} is not a network ({error}): {_NETWORKS}") from None
    return network


def _from_pair(given: tuple[Any, ...], strict: bool) -> Network:
    if len(given) != 2 or not isinstance(given[1], (str, int)) or isinstance(given[1], bool):
        raise TypeError(f"{given!r} is not a network: write (address, prefix length)")
    first = given[0]
    if isinstance(first, (bytes, bytearray)) and len(first) in (4, 16):
        first = ipaddress.ip_address(bytes(first))
    if not isinstance(first, (str, ipaddress.IPv4Address, ipaddress.IPv6Address)):
        raise TypeError(f"{given!r} is not a network: write (address, prefix length)")
    return _from_text(f"{first}/{given[1]}", given, strict)


def span_of(given: object, strict: bool) -> tuple[int, int]:
    """First number and the one after the last of a network, address or range."""
    if isinstance(given, tuple) and len(given) == 2 and not isinstance(given[1], (str, int)):
        return _from_ends(given[0], given[1], given)
    if isinstance(given, str) and "-" in given and "%" not in given:
        ends = [part.strip() for part in given.split("-")]
        if len(ends) != 2:
            raise ValueError(f'{given!r} is not a range: write "192.0.2.10-192.0.2.20"')
        return _from_ends(ends[0], ends[1], given)
    network = network_of(given, strict)
    first = int(network.network_address)
    size = network.num_addresses
    if network.version == 4:
        first += MAPPED
    return first, first + size


def _from_ends(first: object, last: object, given: object) -> tuple[int, int]:
    for end in (first, last):
        if isinstance(end, int) or not _is_address(end):
            raise TypeError(f"{given!r} is not a range: a range is two addresses")
    low, high = number_of(first), number_of(last)
    mixed = (MAPPED <= low < MAPPED_END) != (MAPPED <= high < MAPPED_END)
    if low > high or (mixed and any(version_of(end) == 4 for end in (first, last))):
        raise ValueError(f"{given!r} is not a range: the first address, then the last, of one kind")
    return low, high + 1


def _is_address(given: object) -> bool:
    kinds = (str, bytes, bytearray, ipaddress.IPv4Address, ipaddress.IPv6Address)
    return isinstance(given, kinds) or hasattr(given, "dtype")


def version_of(given: Any) -> int:
    """4 or 6, for what `number_of` takes."""
    if isinstance(given, str):
        return 6 if ":" in given else 4
    if isinstance(given, (bytes, bytearray)):
        return 4 if len(given) == 4 else 6
    names = getattr(getattr(given, "dtype", None), "names", None)
    return int(getattr(given, "version", 6 if names else 4))


def number_of(given: Any) -> int:
    """The number of one address, in the space of both families."""
    if isinstance(given, str):
        return _from_address_text(given)
    if isinstance(given, ipaddress.IPv4Address):
        return int(given) + MAPPED
    if isinstance(given, ipaddress.IPv6Address):
        return int(given)
    if isinstance(given, (bytes, bytearray)):
        if len(given) == 4:
            return int.from_bytes(given, "big") + MAPPED
        if len(given) == 16:
            return int.from_bytes(given, "big")
        raise ValueError(f"{given!r} is not an address: {_TEXT}")
    kind = getattr(given, "dtype", None)
    if kind is not None and kind.names == ("high", "low"):
        return int(given["high"]) << 64 | int(given["low"])
    if isinstance(given, bool) or not hasattr(given, "__index__"):
        raise TypeError(f"{given!r} is not an address: {_ADDRESSES}")
    number = operator.index(given)
    if not 0 <= number < 1 << 32:
        raise ValueError(f"{given!r} is not an address: numbers stand for IPv4, 0 to 4294967295")
    return number + MAPPED


def _from_address_text(text: str) -> int:
    bare = text
    if ":" in text:
        bare, percent, scope = text.partition("%")
        if percent and (not scope or "%" in scope):
            raise ValueError(f"{text!r} is not an address (its scope is malformed): {_ADDRESSES}")
    try:
        # A tenth of the time that `ipaddress` takes, and the same answers.
        packed = inet_pton(AF_INET6 if ":" in bare else AF_INET, bare)
    except (OSError, ValueError):
        hint = " (it is a network)" if "/" in text else ""
        raise ValueError(f"{text!r} is not an address{hint}: {_ADDRESSES}") from None
    return int.from_bytes(packed, "big") + (MAPPED if len(packed) == 4 else 0)
