from fastnet._native.core_reactor cimport fn_event, fn_node, fn_time, fn_timer, fn_timers
from fastnet._native.reactor cimport Reactor, Target


# A timer that knows whose it is; the timer comes first, so that one is the other.
ctypedef struct Alarm:
    fn_timer timer
    void *owner


cdef class Waiter(Target):
    cdef Hub hub

    cdef int ring(self, Alarm *alarm) except -1


cdef class Sleeper(Waiter):
    cdef Alarm alarm
    cdef object task


cdef class Hub:
    # Runs the reactor in one greenlet, and everybody who waits in others.
    cdef Reactor reactor
    cdef fn_timers timers
    cdef object switch      # to the hub's own greenlet; None while it does not run
    cdef object home        # that greenlet
    cdef object getcurrent
    cdef list later         # (greenlet, value): whom to switch to before the next wait
    cdef bint stopping

    cdef object wait(self)
    cdef int set_alarm(self, Alarm *alarm, Waiter owner, fn_time when) except -1
    cdef int fire(self) except -1
    cdef int run_later(self) except -1


cdef class Acceptor(Target):
    cdef Hub hub
    cdef object make
    cdef object opened
