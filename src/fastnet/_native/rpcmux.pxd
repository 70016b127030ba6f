from libc.stdint cimport uint64_t

from fastnet._native.core_rpc cimport fn_mux
from fastnet._native.memory cimport Pool


cdef class Mux:
    cdef fn_mux *mux         # on the heap: it is large, and others hold its address
    cdef bint ready          # it is made
    cdef readonly int fd     # -1 once it is closed
    cdef Pool pool
    cdef object tls          # moves the bytes in place of the core, or None
    cdef bytes plain         # what TLS has opened
    cdef uint64_t in_flight_max

    cdef object keyring      # key id -> key or None, or None
    cdef int look_up_key(self) except? -1
    cdef int feed(self) except -1
