from libc.stdint cimport uint16_t, uint64_t

from fastnet._native.core cimport fn1_view, fn_body, fn_link, iovec
from fastnet._native.wait cimport Patience


cdef class Sender:
    cdef fn_link link
    cdef readonly object sock
    cdef object transport
    cdef object stall
    cdef bytes application
    cdef bint initialised
    cdef bint sending
    cdef str send_failure
    cdef bint leftover
    cdef bint dropping
    cdef bint ponging

    # begin, any number of stage and flush, end
    cdef int begin_send(self) except -1
    cdef void end_send(self) noexcept
    cdef int stage(self, uint16_t kind, uint64_t *sizes, uint16_t segments, fn1_view *meta,
                   size_t meta_parts, fn_body *body) except -1
    cdef int flush(self, object timeout, Patience *patience) except -1

    # whether a call is inside; what each does on its way out
    cdef bint busy(self) noexcept
    cdef void leave(self) noexcept

    # the steps of the above
    cdef int refuse(self, int st, str failure) except -1
    cdef int send_stopped(self, uint64_t before) except -1
    cdef int flush_descriptor(self, object timeout, Patience *patience) except -1
    cdef int flush_transport(self, object timeout, Patience *patience) except -1
    cdef int write_piece(self, iovec *piece, object deadline) except -1
