"""Networks in CIDR form: all their addresses, and sets of them with fast membership.

    for address in cidr.addresses("123.45.67.89/27", as_strings=True):
        print(address)

    trusted = cidr.NetworkSet(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"])
    "10.1.2.3" in trusted
    trusted.contains(numbers)          # a NumPy array of addresses, all at once

NumPy loads with the first array; a set that is only asked about single
addresses works without it.

Sources: RFC 4632 (CIDR), RFC 4291 (IPv6 addresses, section 2.5.5.2 for IPv4
addresses inside them), RFC 5952 (how IPv6 addresses are written).
"""

from __future__ import annotations

from fastnet.cidr._addresses import AddressRange, addresses
from fastnet.cidr._parse import AddressLike, NetworkLike
from fastnet.cidr._sets import NetworkSet

__all__ = ["AddressLike", "AddressRange", "NetworkLike", "NetworkSet", "addresses"]
