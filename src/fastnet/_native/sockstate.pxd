from fastnet._native.core cimport fn_time


cdef class State:
    cdef fn_time span        # how long a spin may last; 0 for none
    cdef unsigned int skip   # waits left that do not spin
    cdef unsigned int misses
    cdef int inside          # calls that wait on the descriptor
    cdef int orphan          # descriptor to be closed by the last of them
    cdef long process        # whose calls they are
    cdef unsigned int dry    # calls in a row that found nothing at once
    cdef public bint plain   # has an option that only the system's own wait honours

    # Around every wait on the descriptor.
    cdef void enter(self) noexcept
    cdef int leave(self) except -1

    cdef bint is_dry(self) noexcept
    # How long the next wait may spin, and what came of it.
    cdef fn_time may_spin(self) noexcept
    cdef void spun(self, bint missed) noexcept
