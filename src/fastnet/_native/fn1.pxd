from fastnet._native.core cimport fn_body
from fastnet._native.fn1_send cimport Sender
from fastnet._native.wait cimport Patience


cdef class Link(Sender):
    cdef bint receiving
    cdef bint glancing
    cdef unsigned long reader  # the thread that iterates, or 0
    cdef str receive_failure

    # begin, any number of next and receive_body, end
    cdef int begin_receive(self) except -1
    cdef void end_receive(self) noexcept
    cdef int next(self, object timeout, Patience *patience) except -1
    cdef int receive_body(self, fn_body *body, object timeout, Patience *patience) except -1

    # the steps of the above
    cdef int idle(self) except -1
    cdef int answer_ping(self) except -1
    cdef int poison_receive(self, str why) except -1
    cdef int wait_descriptor(self, object timeout, Patience *patience) except? -1
    cdef int wait_transport(self, object timeout, Patience *patience) except? -1
    cdef int raise_status(self, int st) except -1
    cdef int raise_peer_error(self) except -1
    cdef int check_application(self) except -1
    cdef bint begin_glance(self) noexcept
    cdef void end_glance(self) noexcept
    cdef int poll_once(self, Patience *patience) except? -1
    cdef int glance(self, Patience *patience) except? -1
