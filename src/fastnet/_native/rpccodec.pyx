"""Values as payloads: the part of a codec that every call passes through."""

from libc.stdint cimport uint8_t

cdef enum:
    LARGE = 64 * 1024  # bytes objects of so much travel beside the payload


cdef inline bint is_large(object value) noexcept:
    cdef object kind = type(value)
    if kind is bytes or kind is bytearray:
        return len(value) >= LARGE
    return kind is memoryview


cdef class Codec:
    """Two pairs of functions.

    The quick ones are for what has no arrays in it: quick_encode raises `special` for a value
    that needs the other.  The full ones take and give segments as well.
    """

    def __init__(self, int number, str name, quick_encode, quick_decode, full_encode, full_decode,
                 special):
        self.number = number
        self.name = name
        self.quick_encode = quick_encode
        self.quick_decode = quick_decode
        self.full_encode = full_encode
        self.full_decode = full_decode
        self.special = special

    cdef object encode(self, object value):
        """bytes, or (bytes, segments)."""
        if not is_large(value):
            try:
                return self.quick_encode(value)
            except self.special:
                pass
        return self.full_encode(value)

    cdef object encode_call(self, tuple args, dict kwargs):
        """The same for arguments; with kwargs they are [args, kwargs]."""
        cdef bint large = False
        value = [args, kwargs] if kwargs else args
        for one in args:
            large = large or is_large(one)
        if kwargs:
            for one in kwargs.values():
                large = large or is_large(one)
        if not large:
            try:
                return self.quick_encode(value)
            except self.special:
                pass
        return self.full_encode(value)

    cdef object decode(self, const uint8_t *data, size_t length, object outside, list blocks):
        """outside: the block that the payload is, where it came as a segment."""
        if outside is None:
            outside = (<const char *> data)[:length]
        if blocks:
            return self.full_decode(outside, blocks)
        return self.quick_decode(outside)

    def pack(self, value):
        """(bytes, segments or None), for those who are not in a hurry."""
        found = self.encode(value)
        return found if type(found) is tuple else (found, None)

    def unpack(self, payload, blocks):
        """The value of a payload and its segments."""
        return self.full_decode(payload, list(blocks)) if blocks else self.quick_decode(payload)
