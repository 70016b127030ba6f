from fastnet._native.core cimport fn_stream, iovec
from fastnet._native.wait cimport Patience


cdef class End:
    # One descriptor that speaks multiprocessing's frames.
    cdef fn_stream stream
    cdef int fd  # -1 once it is closed
    cdef bint may_read
    cdef bint may_write
    cdef bint tuned
    cdef bint sent_part      # a send stopped inside a message
    cdef bint received_part  # and a receive
    cdef int calls  # under way in this process
    cdef int process
    cdef int doomed  # closed, and still in use by a call

    cdef int enter(self) except -1
    cdef int leave(self) except -1
    cdef int pause(self, Patience *p, object timeout) except -1
    cdef int transmit(self, const iovec *pieces, size_t count) except -1
    cdef int tune(self) except -1


cdef void patience_init(Patience *p) noexcept
