from libc.stdint cimport uint32_t, uint64_t

from fastnet._native.core cimport fn_body, fn_walk
from fastnet._native.core_rpc cimport fn_mux_out
from fastnet._native.memory cimport Pool


cdef class Outgoing:
    # A message on its way, with all the memory that it is sent from.
    cdef fn_mux_out out
    cdef fn_body body
    cdef fn_walk *walks
    cdef uint64_t *sizes
    cdef Py_ssize_t count
    cdef list pins
    cdef bytes meta
    cdef bint sent       # the core has it
    cdef uint32_t call

    cdef int gather(self, list segments) except -1


cdef class Incoming:
    # A message whose body is on its way.
    cdef uint32_t at
    cdef bytes meta
    cdef list sizes
    cdef uint64_t total
    cdef list blocks
    cdef fn_walk *walks
    cdef fn_body body

    cdef int place(self, Pool pool) except -1
