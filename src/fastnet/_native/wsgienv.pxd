"""What an application is told of a request (wsgienv.pyx)."""

from libc.stdint cimport uint8_t

from fastnet._native.core_http cimport fn_http_head, fn_http_span


cdef class Environs:
    cdef dict names       # field name as it came -> its key
    cdef dict methods     # method as it came -> str

    cdef str name_of(self, bytes raw)
    cdef str method_of(self, const uint8_t *data, fn_http_span s)
    cdef dict make(self, dict base, const fn_http_head *h, const uint8_t *data)
