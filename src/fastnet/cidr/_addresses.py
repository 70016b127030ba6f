"""All addresses of a network: an array where it fits, a sequence of the same otherwise."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator, Sequence
from socket import AF_INET6, inet_ntoa, inet_ntop
from typing import TYPE_CHECKING, Any

from fastnet.cidr._parse import MAPPED, NetworkLike, network_of, number_of, version_of

if TYPE_CHECKING:
    import numpy as np

WORDS = [("high", "u8"), ("low", "u8")]
_LOW = (1 << 64) - 1

# How many addresses come at once, by what one takes: 4 bytes, 16, or about 64 as a text.
# 64 MiB each: what nobody notices, and what no mistyped prefix can exceed.
_AT_ONCE = {(4, False): 1 << 24, (6, False): 1 << 22, (4, True): 1 << 20, (6, True): 1 << 20}


def addresses(network: NetworkLike, *, strict: bool = False, as_strings: bool = False) -> Any:
    """All addresses of a network, the first and the last included.

    Up to 64 MiB come at once, as an array (as a list with `as_strings`): 2**24
    IPv4 addresses, which is a /8; 2**22 IPv6 addresses, a /106; 2**20 strings.
    A larger network comes as an `AddressRange`, which makes its elements when
    it is asked for them, and slices of which follow the same rule.

    IPv4 addresses are uint32, in the machine's byte order, so that differences,
    shifts and masks mean what they say.  NumPy has no integer of 128 bits; IPv6
    addresses are one-dimensional all the same, with the dtype
    ``[("high", "u8"), ("low", "u8")]``: one element is one address, `len`,
    sorting, comparison and `numpy.unique` work, and ``array["high"]`` are the
    network halves as plain uint64.

    Parameters:
        network: ``"123.45.67.89/27"``, also with a netmask, one address, a
            network or interface of `ipaddress`, 4 or 16 packed bytes (one
            address), or a pair (address, prefix length).
        strict: refuse a network that is written with bits of a host in it.
        as_strings: the text that `ipaddress` gives each address, for example
            ``"2001:db8::1"``.

    Raises:
        ValueError: what is given names no network, or has host bits and `strict`.
        TypeError: it is not of a type that can.
    """
    found = network_of(network, strict)
    first = int(found.network_address)
    return _elements(range(first, first + found.num_addresses), found.version, as_strings)


def _elements(numbers: range, version: int, text: bool) -> Any:
    lazy = AddressRange(numbers, version, text)
    return lazy if lazy.num_addresses > _AT_ONCE[version, text] else lazy._now()


class AddressRange(Sequence[Any]):
    """The addresses of a network too large to hold, made as they are asked for.

    Iterating, indexing and slicing give what an array (or list of strings)
    would give; a slice of up to 64 MiB is one.  ``address in it`` takes
    addresses in every form that `NetworkSet` does, and looks nothing through.
    NumPy is refused a conversion of the whole; use slices or `chunks`.

    `addresses` makes these; there is no reason to call the class.
    """

    __slots__ = ("_numbers", "_text", "_version")

    def __init__(self, numbers: range, version: int, text: bool) -> None:
        self._numbers = numbers
        self._version = version
        self._text = text

    @property
    def num_addresses(self) -> int:
        """How many addresses; `len` cannot say more than `sys.maxsize`, about 2**63."""
        numbers = self._numbers
        return max(
            0, (numbers.stop - numbers.start + numbers.step - _sign(numbers)) // numbers.step
        )

    def __len__(self) -> int:
        if self.num_addresses > sys.maxsize:
            raise OverflowError("more addresses than len() can say: see num_addresses")
        return self.num_addresses

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return _elements(self._numbers[index], self._version, self._text)
        try:
            number = self._numbers[index]
        except IndexError:
            raise IndexError(f"the network has {self.num_addresses} addresses") from None
        return AddressRange(range(number, number + 1), self._version, self._text)._now()[0]

    def __iter__(self) -> Iterator[Any]:
        for chunk in self.chunks(1 << 12):
            yield from chunk

    def __reversed__(self) -> Iterator[Any]:
        return iter(AddressRange(self._numbers[::-1], self._version, self._text))

    def __contains__(self, address: object) -> bool:
        number = number_of(address)
        if version_of(address) == 4 or self._version == 4:
            number -= MAPPED  # what is no IPv4 address falls outside
            if self._version == 6:
                return False
        return number in self._numbers

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """The position of an address; ValueError where it is not in the range."""
        if value in self:
            number = number_of(value) - (MAPPED if self._version == 4 else 0)
            position = self._numbers.index(number)
            size = self.num_addresses
            if position in range(*slice(start, stop).indices(size)):
                return position
        raise ValueError(f"{value!r} is not in the range")

    def count(self, value: Any) -> int:
        """1 for an address of the range, 0 for any other."""
        return int(value in self)

    def chunks(self, size: int = 1 << 20) -> Iterator[Any]:
        """Goes through the addresses in arrays (or lists of strings) of `size`, the last shorter.

        Memory stays bounded by one chunk.

        Raises:
            ValueError: `size` is below 1 or above what comes at once (see `addresses`).
        """
        most = _AT_ONCE[self._version, self._text]
        if not 1 <= size <= most:
            raise ValueError(f"a chunk has between 1 and {most} addresses, not {size!r}")
        return self._chunks(size)

    def _chunks(self, size: int) -> Iterator[Any]:
        for start in range(0, self.num_addresses, size):
            yield self[start : start + size]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        raise ValueError(
            f"{self.num_addresses} addresses are too many for one array: take slices or chunks()"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AddressRange):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        numbers = self._numbers  # comparing ranges themselves fails beyond sys.maxsize
        return numbers.start, numbers.stop, numbers.step, self._version, self._text

    def __repr__(self) -> str:
        first, last = (_text(self._numbers[at], self._version) for at in (0, -1))
        step = f" in steps of {self._numbers.step}" if abs(self._numbers.step) != 1 else ""
        return f"<AddressRange {first} to {last}{step}>"

    def _now(self) -> Any:
        """All of them at once."""
        if self._text:
            return [_text(number, self._version) for number in self._numbers]
        return _four(self._numbers) if self._version == 4 else _six(self._numbers)


def _sign(numbers: range) -> int:
    return 1 if numbers.step > 0 else -1


def _text(number: int, version: int) -> str:
    if version == 4:
        return inet_ntoa(number.to_bytes(4, "big"))
    if number < 1 << 48:  # where the C library writes dotted numbers and `ipaddress` does not
        return str(ipaddress.IPv6Address(number))
    return inet_ntop(AF_INET6, number.to_bytes(16, "big"))


def _four(numbers: range) -> np.ndarray[Any, Any]:
    import numpy as np

    found = np.arange(len(numbers), dtype=np.uint32)
    found *= np.uint32(numbers.step % (1 << 32))  # wraps as it should for negative steps
    found += np.uint32(numbers.start % (1 << 32))
    return found


def _six(numbers: range) -> np.ndarray[Any, Any]:
    import numpy as np

    count = len(numbers)
    found = np.empty(count, WORDS)
    if numbers.step < 0:
        found[:] = _six(numbers[::-1])[::-1]
    elif max(count, 1) * numbers.step > _LOW:  # a step so wide that the low halves say nothing
        found["high"] = [number >> 64 for number in numbers]
        found["low"] = [number & _LOW for number in numbers]
    else:
        start = np.uint64(numbers.start & _LOW)
        low = np.arange(count, dtype=np.uint64)
        low *= np.uint64(numbers.step)
        low += start
        found["low"] = low
        found["high"] = np.uint64((numbers.start >> 64) & _LOW)
        found["high"] += low < start  # the carry
    return found
