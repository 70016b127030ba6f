from libc.stdint cimport uint8_t

from fastnet._native.httpwire cimport Wire


cdef class Connection(Wire):
    # One request, then its response, then the next.
    cdef size_t receive(self, uint8_t *p, size_t n, bint whole, object timeout) except? 0
