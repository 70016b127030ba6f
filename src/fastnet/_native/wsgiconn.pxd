"""The server's side of one HTTP connection (wsgiconn.pyx)."""

from libc.stdint cimport uint64_t

from fastnet._native.core cimport fn_time
from fastnet._native.streamwriter cimport StreamWriter
from fastnet._native.wsgiexchange cimport Exchange
from fastnet._native.wsgirequests cimport Requests


cdef class Connection(Requests):
    cdef uint64_t confirmed    # bytes that had reached the peer when that was last looked at
    cdef fn_time moved         # when there had been more of them than before
    cdef StreamWriter writer   # the transport, unless it is TLS's
    cdef StreamWriter beneath  # what carries its bytes
    cdef bint unpaced          # its congestion control was looked at
    cdef bint consuming, reading_paused, ended_reading

    cdef size_t eat(self, const void *data, size_t size) except? <size_t> -1
    cdef int watch_peer(self) except -1
    cdef bint moves(self) except -1
    cdef bint takes_the_rest(self) except -1
    cdef int pump(self) except -1
    cdef int cut_short(self) except -1
    cdef bint closing(self) except -1
    cdef int write(self, const void *data, size_t size, object owner) except -1
    cdef int put_from_thread(self, Exchange x, object data, bint last) except -1
    cdef int done(self, Exchange x) except -1
    cdef int done_early(self, Exchange x) except -1
    cdef int rearm(self) except -1
    cdef int leave(self) except -1
    cdef int linger(self) except -1
