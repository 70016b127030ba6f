"""What an application is told of a request (wsgienv.pyx)."""

from libc.stdint cimport uint8_t

from fastnet._native.core_http cimport fn_http_head, fn_http_span


cdef class Shared:
    """What all connections have in common that replies must know of."""

    cdef public bint draining  # replies say that their connection ends


cdef class Known:
    """The header lines of a connection's last request, which clients mostly repeat."""

    cdef bytes lines
    cdef bint http11
    cdef dict environ     # with all that they say

    cdef bint holds(self, const uint8_t *lines, size_t size, bint http11) noexcept


cdef class Environs:
    cdef dict names       # field name as it came -> its key
    cdef dict methods     # method as it came -> str

    cdef str name_of(self, bytes raw)
    cdef str method_of(self, const uint8_t *data, fn_http_span s)
    cdef dict make(self, Known known, dict base, const fn_http_head *h, const uint8_t *data)
    cdef dict with_fields(self, dict base, const fn_http_head *h, const uint8_t *data)
