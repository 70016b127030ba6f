from libc.stdint cimport uint16_t, uint64_t

from fastnet._native.core cimport fn1_view, fn_body, fn_link, fn_link_options, iovec
from fastnet._native.wait cimport Patience


cdef fn1_view view_of(bytes data) noexcept


cdef class Sender:
    cdef fn_link link
    cdef readonly object sock
    cdef object transport
    cdef object stall
    cdef bytes application
    cdef object keyring
    cdef bint shaking  # the handshake sends, before anything else may
    cdef bint initialised
    cdef bint sending
    cdef str send_failure
    cdef bint leftover
    cdef bint dropping
    cdef bint ponging

    cdef int take_key(self, fn_link_options *options, bytes key, bytes key_id,
                      bytes suites) except -1

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
