"""Timeouts as the core's waits, and the moments in between for signals."""

import threading

from cpython.exc cimport PyErr_CheckSignals

from fastnet._native.core cimport FN_MS, FN_NEVER, fn_after, fn_now, fn_time, fn_wait

# How long the core may wait by itself: on the main thread signals are looked
# for, on others only idle memory is.
cdef fn_time SLICE = 50 * FN_MS
cdef fn_time LONG_SLICE = 1000 * FN_MS


cdef fn_time span(object seconds) except -1:
    if seconds is None:
        return FN_NEVER
    return <fn_time> (<double> seconds * 1e9)


cdef int wait_init(fn_wait *wait, object timeout, object stall, bint *signals) except -1:
    if timeout is None:
        wait.deadline = FN_NEVER
    else:
        seconds = <double> timeout
        if not seconds >= 0:
            raise ValueError(f"timeout must be None or at least 0 seconds, not {timeout!r}")
        wait.deadline = fn_after(seconds)
    wait.stall = span(stall)
    # Only the main thread runs signal handlers, so only it has to look.
    signals[0] = threading.current_thread() is threading.main_thread()
    wait.check_at = fn_now() + (SLICE if signals[0] else LONG_SLICE)
    return 0


cdef int wait_again(fn_wait *wait, bint signals) except -1:
    PyErr_CheckSignals()
    wait.check_at = fn_now() + (SLICE if signals else LONG_SLICE)
    return 0


cdef int be_patient(Patience *p, object timeout, object stall) except -1:
    if not p.ready:
        wait_init(&p.wait, timeout, stall, &p.signals)
        p.ready = True
    return 0


cdef object deadline_of(Patience *p):
    return None if p.wait.deadline == FN_NEVER else p.wait.deadline
