"""Timeouts as the core's waits, and the moments in between for signals."""

import os
import signal
import threading

from cpython.exc cimport PyErr_CheckSignals

from fastnet._native.core cimport FN_MS, FN_NEVER, fn_after, fn_now, fn_time, fn_wait

# How long the core may wait by itself: on the main thread signals are looked
# for, on others only idle memory is.
cdef fn_time SLICE = 50 * FN_MS
cdef fn_time LONG_SLICE = 1000 * FN_MS


cdef fn_time span(object seconds) except -1:
    if seconds is None or <double> seconds > 1e9:
        return FN_NEVER
    return <fn_time> (<double> seconds * 1e9)


cdef int check_timeout(object timeout) except -1:
    if timeout is not None and not <double> timeout >= 0:
        raise ValueError(f"timeout must be None or at least 0 seconds, not {timeout!r}")
    return 0


cdef int wait_init(fn_wait *wait, object timeout, object stall, bint *signals) except -1:
    check_timeout(timeout)
    wait.deadline = FN_NEVER if timeout is None else fn_after(<double> timeout)
    wait.stall = span(stall)
    wait.wake_fd = -1
    # Only the main thread runs signal handlers, so only it has to look.
    signals[0] = threading.current_thread() is threading.main_thread()
    wait.check_at = fn_now() + (SLICE if signals[0] else LONG_SLICE)
    return 0


cdef int wait_again(fn_wait *wait, bint signals) except -1:
    if wait.wake_fd >= 0:
        drain(wait.wake_fd)
    PyErr_CheckSignals()
    wait.check_at = fn_now() + (SLICE if signals and wait.wake_fd < 0 else LONG_SLICE)
    return 0


cdef int drain(int fd) except -1:
    try:
        while os.read(fd, 64):
            pass
    except BlockingIOError:
        pass
    return 0


cdef class Watch:
    """A pipe that the interpreter writes to when a signal comes (signal.set_wakeup_fd)."""

    def __cinit__(self):
        self.read_fd = self.write_fd = -1
        self.read_fd, self.write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def __dealloc__(self):
        if self.read_fd >= 0:
            os.close(self.read_fd)
            os.close(self.write_fd)


cdef Watch watch_signals(fn_wait *wait, bint signals):
    cdef Watch watch
    if not signals:
        return None
    try:
        watch = Watch()
        before = signal.set_wakeup_fd(watch.write_fd, warn_on_full_buffer=False)
    except (OSError, ValueError):
        return None  # no descriptor is left, or a subinterpreter, which has no signals
    if before != -1:  # an event loop's: leave it to its owner
        signal.set_wakeup_fd(before)
        return None
    wait.wake_fd = watch.read_fd
    try:
        wait_again(wait, signals)  # for a signal that came before the pipe was there
    except BaseException:
        unwatch(watch, wait)
        raise
    return watch


cdef int unwatch(Watch watch, fn_wait *wait) except -1:
    if watch is None:
        return 0
    wait.wake_fd = -1
    current = signal.set_wakeup_fd(-1)
    if current != watch.write_fd:  # a signal handler has put another there
        signal.set_wakeup_fd(current)
    return 0


cdef int be_patient(Patience *p, object timeout, object stall) except -1:
    if not p.ready:
        wait_init(&p.wait, timeout, stall, &p.signals)
        p.ready = True
    return 0


cdef object deadline_of(Patience *p):
    return None if p.wait.deadline == FN_NEVER else p.wait.deadline
