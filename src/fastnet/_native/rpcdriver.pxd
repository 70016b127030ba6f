from fastnet._native.core cimport fn_time
from fastnet._native.core_rpc cimport fn_mux_wait, fn_tend
from fastnet._native.rpclink cimport Call, ClientLink


cdef class Driver:
    # Whoever waits for an answer drives the connection.
    cdef ClientLink link      # or None
    cdef bint driving
    cdef object waiting       # deque of Calls whose threads sleep
    cdef fn_mux_wait wait
    cdef int wake_fd          # an eventfd
    cdef object connect       # () -> ClientLink; may raise
    cdef object lost          # (error) -> (retried) -> what open calls fail with
    cdef object late          # () -> what a call fails with whose time is up
    cdef fn_time soonest      # no call expires before
    cdef fn_tend tend
    cdef bint tend_ready
    cdef object tender        # the thread behind, or None
    cdef object start_tender
    cdef bint closed
    cdef double patience      # seconds for a handshake
    cdef int unsent           # calls staged and not sent

    cdef ClientLink linked(self)
    cdef int wait_for(self, Call call) except -1
    cdef int sleep(self, Call call) except -1
    cdef int drive(self, Call call, bint behind) except -1
    cdef int hand_over(self) except -1
    cdef int check_time(self, Call call) except -1
    cdef int expires(self, Call call) except -1
    cdef int expire(self, ClientLink link, fn_time now) except -1
    cdef int fail(self, ClientLink link, object error) except -1
    cdef int flush(self) except -1
    cdef int shut_wake(self) except -1
