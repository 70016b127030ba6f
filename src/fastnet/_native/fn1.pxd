from fastnet._native.fn1_recv cimport Receiver
from fastnet._native.wait cimport Patience


cdef class Link(Receiver):
    cdef unsigned long reader  # the thread that iterates, or 0
    cdef bint begin_glance(self) noexcept
    cdef void end_glance(self) noexcept
    cdef int poll_once(self, Patience *patience) except? -1
    cdef int shake(self, int event) except? -1
    cdef int look_up_key(self) except? -1
    cdef int glance(self, Patience *patience) except? -1
