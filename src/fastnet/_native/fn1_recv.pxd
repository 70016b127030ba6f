from fastnet._native.core cimport fn_body
from fastnet._native.fn1_send cimport Sender
from fastnet._native.wait cimport Patience


cdef class Receiver(Sender):
    cdef bint receiving
    cdef bint glancing
    cdef bint undecoded  # a message was opened, and its head not yet read
    cdef unsigned long receiver  # the thread in a receiving call
    cdef str receive_failure

    # begin, any number of next and receive_body, end
    cdef int begin_receive(self) except -1
    cdef void end_receive(self) noexcept
    cdef int next(self, object timeout, Patience *patience) except -1
    cdef int receive_body(self, fn_body *body, object timeout, Patience *patience) except -1

    # the steps of the above
    cdef int discard(self, object timeout, Patience *patience) except -1
    cdef int mind_the_clock(self, Patience *patience) except -1
    cdef int idle(self) except -1
    cdef int answer_ping(self) except -1
    cdef int poison_receive(self, str why) except -1
    cdef int wait_descriptor(self, object timeout, Patience *patience) except? -1
    cdef int wait_transport(self, object timeout, Patience *patience) except? -1
    cdef int raise_status(self, int st) except -1
    cdef int raise_handshake(self, int st) except -1
    cdef int raise_peer_error(self) except -1
    cdef int check_application(self) except -1
