from libc.stdint cimport uint16_t, uint64_t

from fastnet._native.core cimport fn1_view, fn_body, fn_link, fn_wait, iovec


# How long one call may take.  The clock is read only when it first has to
# wait, so that a call which finds everything at hand never pays for it.
cdef struct Patience:
    fn_wait wait
    bint signals
    bint ready


cdef class Link:
    cdef fn_link link
    cdef readonly object sock
    cdef object transport
    cdef object stall
    cdef bytes application
    cdef bint initialised
    cdef bint sending
    cdef bint receiving
    cdef str send_failure
    cdef str receive_failure

    # sending: begin, any number of stage and flush, end
    cdef int begin_send(self) except -1
    cdef void end_send(self) noexcept
    cdef int stage(self, uint16_t kind, uint64_t *sizes, uint16_t segments, fn1_view *meta,
                   size_t meta_parts, fn_body *body) except -1
    cdef int flush(self, object timeout, Patience *patience) except -1

    # receiving: begin, any number of next and deliver, end
    cdef int begin_receive(self) except -1
    cdef void end_receive(self) noexcept
    cdef int next(self, object timeout, Patience *patience) except -1
    cdef int receive_body(self, fn_body *body, object timeout, Patience *patience) except -1

    # the steps of the above
    cdef int refuse(self, int st, str failure) except -1
    cdef int send_stopped(self, uint64_t before) except -1
    cdef int flush_descriptor(self, object timeout, Patience *patience) except -1
    cdef int flush_transport(self, object timeout, Patience *patience) except -1
    cdef int write_piece(self, iovec *piece, object deadline) except -1
    cdef int answer_ping(self) except -1
    cdef int poison_receive(self, str why) except -1
    cdef int wait_descriptor(self, object timeout, Patience *patience) except? -1
    cdef int wait_transport(self, object timeout, Patience *patience) except? -1
    cdef int raise_status(self, int st) except -1
    cdef int raise_peer_error(self) except -1
    cdef int check_application(self) except -1
    cdef int poll_once(self, Patience *patience) except? -1
    cdef int glance(self, Patience *patience) except? -1
