"""The server's side of one HTTP connection (wsgiconn.pyx)."""

from fastnet._native.streamwriter cimport StreamWriter
from fastnet._native.wsgiexchange cimport Exchange
from fastnet._native.wsgirequests cimport Requests


cdef class Connection(Requests):
    cdef size_t waiting        # bytes that waited to be written when that was last looked at
    cdef StreamWriter writer   # the transport, unless it is TLS's
    cdef bint unpaced          # its congestion control was looked at
    cdef bint consuming, reading_paused, ended_reading

    cdef int pump(self) except -1
    cdef int cut_short(self) except -1
    cdef bint closing(self) except -1
    cdef int write(self, const void *data, size_t size, object owner) except -1
    cdef int put_from_thread(self, Exchange x, object data, bint last) except -1
    cdef int done(self, Exchange x) except -1
    cdef int done_early(self, Exchange x) except -1
    cdef int rearm(self) except -1
    cdef int linger(self) except -1
