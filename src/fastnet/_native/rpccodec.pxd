from libc.stdint cimport uint8_t


cdef class Codec:
    # How values become bytes and arrays beside them, and back.
    cdef readonly int number
    cdef readonly str name
    cdef object quick_encode  # value -> bytes, or raises `special`
    cdef object quick_decode  # bytes -> value
    cdef object full_encode   # value -> (bytes, list of (memory, whether in F order))
    cdef object full_decode   # (bytes, list of blocks) -> value
    cdef object special

    cdef object encode(self, object value)
    cdef object encode_call(self, tuple args, dict kwargs)
    cdef object decode(self, const uint8_t *data, size_t length, object outside, list blocks)
