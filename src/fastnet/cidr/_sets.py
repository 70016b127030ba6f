"""Sets of addresses as sorted boundaries: membership is one binary search."""

from __future__ import annotations

import ipaddress
import itertools
import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from socket import AF_INET, inet_pton
from typing import TYPE_CHECKING, Any

from fastnet.cidr._addresses import WORDS
from fastnet.cidr._parse import (
    END,
    MAPPED,
    MAPPED_END,
    AddressLike,
    Network,
    NetworkLike,
    number_of,
    span_of,
)

if TYPE_CHECKING:
    import numpy as np

_SHOWN = 8  # networks in a repr


class NetworkSet:
    """A set of IP addresses, made of networks, single addresses and ranges of both families.

    The set does not change; ``|``, ``&`` and ``-`` make new ones.  Two sets
    are equal, and hash the same, when they hold the same addresses, however
    they were written.  Iterating gives the fewest networks that make up the
    set, IPv4 first, and `len` counts those; `num_addresses` counts addresses.

    An IPv4 address inside IPv6, ``::ffff:192.0.2.7``, is the IPv4 address
    (a server that listens to both families sees its IPv4 peers so).
    For the same reason an IPv6 network around that block, such as ``::/0``,
    stands for IPv6 alone: everything is ``["0.0.0.0/0", "::/0"]``.  The scope of
    an address (``fe80::1%eth0``) is ignored.

    Parameters:
        networks: networks in every form that `addresses` takes; ranges, as
            ``"192.0.2.10-192.0.2.20"`` or as a pair of `ipaddress` addresses;
            other sets.  One of these alone will do as well as many.  Numbers
            are refused, being easily a prefix length gone astray.
        strict: refuse networks that are written with bits of a host in them.

    Raises:
        ValueError: a text names no network; it is named, with the right form.
        TypeError: something is of no type that can.
    """

    __slots__ = ("_bounds", "_four", "_networks", "_six")

    # Where the set begins and where it no longer holds, in turn: rising numbers, an even count,
    # both families in one space.  A number is inside when an odd count of them is at or below it.
    _bounds: tuple[int, ...]

    def __init__(
        self,
        networks: NetworkSet | NetworkLike | Iterable[NetworkSet | NetworkLike | Any] = (),
        *,
        strict: bool = False,
    ) -> None:
        single = (str, bytes, bytearray, ipaddress.IPv4Address, ipaddress.IPv6Address)
        single_network = (ipaddress.IPv4Network, ipaddress.IPv6Network, NetworkSet)
        items: Any = [networks] if isinstance(networks, (*single, *single_network)) else networks
        spans: list[tuple[int, int]] = []
        for item in items:
            if isinstance(item, NetworkSet):
                spans.extend(item._spans())
            else:
                spans.extend(_without_hole(*span_of(item, strict)))
        self._bounds = _joined(spans)
        self._four: Any = None
        self._six: Any = None
        self._networks: int | None = None

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, strict: bool = False) -> NetworkSet:
        """Reads a file with one network, address or range per line; ``#`` begins a comment.

        Raises:
            ValueError: a line names no network; the text says which line.
            OSError: the file cannot be read.
        """
        spans: list[tuple[int, int]] = []
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                text = line.partition("#")[0].strip()
                if not text:
                    continue
                try:
                    spans.extend(_without_hole(*span_of(text, strict)))
                except ValueError as error:
                    raise ValueError(f"{os.fspath(path)}, line {number}: {error}") from None
        return cls._of(_joined(spans))

    @classmethod
    def _of(cls, bounds: tuple[int, ...]) -> NetworkSet:
        made = cls()
        made._bounds = bounds
        return made

    # ------------------------------------------------------------------ membership

    def __contains__(self, address: AddressLike) -> bool:
        """Whether an address is in the set.

        It may be text, 4 or 16 packed bytes, an object of `ipaddress`, an
        element of an array that `addresses` returned, or a number for IPv4.
        ValueError for text that is no address, TypeError for other types.
        """
        if type(address) is str and ":" not in address:
            try:
                number = int.from_bytes(inet_pton(AF_INET, address), "big") + MAPPED
            except (OSError, ValueError):
                number = number_of(address)  # says what is wrong
        else:
            number = number_of(address)
        return bisect_right(self._bounds, number) & 1 == 1

    def contains(self, addresses: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which of many addresses are in the set.

        Parameters:
            addresses: an array of integers (IPv4), of the elements that
                `fastnet.cidr.addresses` gives for IPv6, or of text; or any
                iterable of what ``in`` takes.

        Returns:
            An array of bool, of the same shape.

        Raises:
            ValueError: a text is no address, or a number is beyond IPv4.
            TypeError: the elements are of no type that can be an address.
        """
        import numpy as np

        if not isinstance(addresses, np.ndarray):
            found = [address in self for address in addresses]
            return np.array(found, dtype=bool)
        if addresses.dtype.names == ("high", "low"):
            return self._contains_six(addresses)
        if addresses.dtype.kind in "ui":
            return self._contains_four(addresses)
        if addresses.dtype.kind not in "UO":
            raise TypeError(f"an array of {addresses.dtype} holds no addresses")
        flat = np.fromiter(map(self.__contains__, addresses.ravel().tolist()), bool)
        return flat.reshape(addresses.shape)

    def _contains_four(self, addresses: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        import numpy as np

        if addresses.dtype != np.uint32:
            if addresses.size and not (addresses.min() >= 0 and addresses.max() < 1 << 32):
                raise ValueError("numbers stand for IPv4 addresses, 0 to 4294967295")
            addresses = addresses.astype(np.uint32)
        if self._four is None:
            inner = [bound - MAPPED for bound in self._bounds if MAPPED < bound < MAPPED_END]
            if bisect_right(self._bounds, MAPPED) & 1:
                inner.insert(0, 0)
            self._four = np.array(inner, dtype=np.uint32)
        odd = np.searchsorted(self._four, addresses, side="right") & 1
        return odd.astype(bool)

    def _contains_six(self, addresses: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        import numpy as np

        # Sixteen bytes in network order sort as the numbers do.
        if self._six is None:
            bounds = b"".join(bound.to_bytes(16, "big") for bound in self._bounds if bound < END)
            self._six = np.frombuffer(bounds, dtype="S16")
        big = addresses.astype([(name, ">u8") for name, _ in WORDS])
        odd = np.searchsorted(self._six, big.view("S16"), side="right") & 1
        return odd.astype(bool)

    # ------------------------------------------------------------------ as a set

    def __or__(self, other: NetworkSet) -> NetworkSet:
        made: NetworkSet = self._combined(other, lambda here, there: here or there)
        return made

    def __and__(self, other: NetworkSet) -> NetworkSet:
        made: NetworkSet = self._combined(other, lambda here, there: here and there)
        return made

    def __sub__(self, other: NetworkSet) -> NetworkSet:
        made: NetworkSet = self._combined(other, lambda here, there: here and not there)
        return made

    def _combined(self, other: object, rule: Callable[[bool, bool], bool]) -> Any:
        if not isinstance(other, NetworkSet):
            return NotImplemented
        bounds: list[int] = []
        here = there = inside = False
        ours, theirs = set(self._bounds), set(other._bounds)
        for bound in sorted(ours | theirs):
            here ^= bound in ours
            there ^= bound in theirs
            if rule(here, there) != inside:
                inside = not inside
                bounds.append(bound)
        return self._of(tuple(bounds))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NetworkSet):
            return NotImplemented
        return self._bounds == other._bounds

    def __hash__(self) -> int:
        return hash(self._bounds)

    def __bool__(self) -> bool:
        return bool(self._bounds)

    def __iter__(self) -> Iterator[Network]:
        for version, first, end in self._parts():
            kind: Any = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
            yield from ipaddress.summarize_address_range(kind(first), kind(end - 1))

    def __len__(self) -> int:
        if self._networks is None:
            self._networks = sum(_blocks(first, end) for _, first, end in self._parts())
        return self._networks

    @property
    def num_addresses(self) -> int:
        """How many addresses the set holds, of both families together."""
        return sum(end - first for first, end in self._spans())

    def packed(self) -> bytes:
        """The ranges as sorted, disjoint records of 32 bytes, to search in from C.

        Each is the first address and the last, of 16 bytes in network order,
        IPv4 addresses in the form ``::ffff:192.0.2.7``.
        """
        return b"".join(
            first.to_bytes(16, "big") + (end - 1).to_bytes(16, "big")
            for first, end in self._spans()
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._of, (self._bounds,)

    def __repr__(self) -> str:
        shown = [str(network) for network in itertools.islice(self, _SHOWN + 1)]
        if len(shown) <= _SHOWN:
            return f"NetworkSet({shown!r})"
        return f"<NetworkSet of {len(self)} networks, {', '.join(shown[:_SHOWN])} …>"

    def _spans(self) -> Iterator[tuple[int, int]]:
        return zip(self._bounds[::2], self._bounds[1::2], strict=True)

    def _parts(self) -> Iterator[tuple[int, int, int]]:
        """(family, first, end) of each range, IPv4 first, in its own family's numbers."""
        six: list[tuple[int, int]] = []
        for first, end in self._spans():
            low, high = max(first, MAPPED), min(end, MAPPED_END)
            if low < high:
                yield 4, low - MAPPED, high - MAPPED
            six.extend(_without_hole(first, end, always=True))
        # Both sides of the IPv4 block: as one, so that ::/0 comes out as it went in.
        for at in range(len(six) - 1):
            if six[at][1] == MAPPED and six[at + 1][0] == MAPPED_END:
                six[at : at + 2] = [(six[at][0], six[at + 1][1])]
                break
        for first, end in six:
            yield 6, first, end


def _without_hole(first: int, end: int, always: bool = False) -> list[tuple[int, int]]:
    """A span without the IPv4 block, unless it lies in it altogether."""
    if not always and first >= MAPPED and end <= MAPPED_END:
        return [(first, end)]
    parts = [(first, min(end, MAPPED)), (max(first, MAPPED_END), end)]
    return [(low, high) for low, high in parts if low < high]


def _joined(spans: list[tuple[int, int]]) -> tuple[int, ...]:
    bounds: list[int] = []
    for first, end in sorted(spans):
        if not bounds or first > bounds[-1]:
            bounds += (first, end)
        elif end > bounds[-1]:
            bounds[-1] = end
    return tuple(bounds)


def _blocks(first: int, end: int) -> int:
    """How many networks make up a range: each as large as its start and the rest allow."""
    count = 0
    while first < end:
        room = (end - first).bit_length() - 1
        first += 1 << (room if not first else min((first & -first).bit_length() - 1, room))
        count += 1
    return count
