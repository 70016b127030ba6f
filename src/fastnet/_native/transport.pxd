from cpython.buffer cimport Py_buffer

from fastnet._native.core_reactor cimport fn_event, fn_node
from fastnet._native.streamwriter cimport StreamWriter


cdef class StreamTransport(StreamWriter):
    cdef list held         # what came while reading was paused
    cdef bint held_eof
    cdef bint buffered     # the protocol is a BufferedProtocol
    cdef Py_ssize_t guess  # bytes of the next large read; 0 where the reactor reads
    cdef bint feeds        # it is one that feeds() knows

    cdef int use(self, object protocol) except -1
    cdef int feed_stream(self, const void *data, Py_ssize_t size) except -1
    cdef int deliver(self, bytes data) except -1
    cdef int hand_over(self, bytes data) except -1
    cdef int read_into(self) except -1
    cdef bint take_buffer(self, Py_buffer *view) except -1
    cdef int read_large(self) except -1
    cdef void guess_by(self, ssize_t got) noexcept
    cdef int read_nothing(self, ssize_t got, int error) except -1
    cdef void count(self, ssize_t got) noexcept
    cdef int peer_ended(self) except -1
    cdef int peer_failed(self, int status) except -1
    cdef int start_reading(self) except -1
