"""What an application is told of a request (wsgienv.pyx)."""

from libc.stdint cimport uint8_t

from fastnet._native.core_http cimport fn_http_head


cdef class Environs:
    cdef dict names       # field name as it came -> its key
    cdef dict methods     # method as it came -> str

    cdef dict make(self, dict base, const fn_http_head *h, const uint8_t *data)
