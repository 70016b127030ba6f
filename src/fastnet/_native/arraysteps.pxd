from libc.stdint cimport uint64_t

from fastnet._native.arrayhead cimport Head
from fastnet._native.arraymsg cimport ArrayLink
from fastnet._native.core cimport fn_body, fn_walk
from fastnet._native.pin cimport Pin


cdef class Load:
    cdef object array
    cdef Pin pin
    cdef fn_walk walk
    cdef fn_body body
    cdef uint64_t total

    cdef void release(self) noexcept


cdef class StepLink(ArrayLink):
    cdef Load incoming
    cdef bint discarding
    cdef Load outgoing
    cdef uint64_t sent_before

    cdef bint await_body(self) except -1
    cdef int begin_outgoing(self) except -1
