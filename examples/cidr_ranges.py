"""Recipe 11.4: all the addresses of a network in CIDR form.

    python cidr_ranges.py                            the recipe's networks
    python cidr_ranges.py 192.0.2.0/28 10.0.0.0/8    others

The recipe uses the ipaddress module.  Here the addresses of a network are an
array, or a list of strings, and a set of networks answers for many at once.
"""

import sys

import numpy

from fastnet import cidr


def show(network):
    net = cidr.addresses(network, as_strings=True)
    size = getattr(net, "num_addresses", None) or len(net)
    print(network, "has", size, "addresses")
    for a in net[:4]:
        print("   ", a)
    if size > 4:
        print("    ...", net[-1])


def membership(network):
    net = cidr.NetworkSet(network)
    for a in ("123.45.67.69", "123.45.67.123"):
        print(a, "in", network, "is", a in net)
    numbers = numpy.random.default_rng(1).integers(0, 2**32, 1_000_000, dtype=numpy.uint32)
    print(net.contains(numbers).sum(), "of a million random addresses are in it")


if __name__ == "__main__":
    # The recipe's own literals: the first has bits of a host in it, which the recipe's
    # ipaddress.ip_network() refuses.
    networks = sys.argv[1:] or ["123.45.67.89/27", "12:3456:78:90ab:cd:ef01:23:30/125"]
    for text in networks:
        show(text)
    membership(networks[0])
