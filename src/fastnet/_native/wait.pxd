from fastnet._native.core cimport fn_wait


# ValueError for what is no timeout.
cdef int check_timeout(object timeout) except -1

# A wait for one call: timeout in seconds or None.  With `signals`, the core
# comes back often enough for Ctrl-C (stream.h).
cdef int wait_init(fn_wait *wait, object timeout, object stall, bint *signals) except -1

# The core came back with FN_E_CHECK: lets signal handlers run, which may raise.
cdef int wait_again(fn_wait *wait, bint signals) except -1

# From here on signals wake the core, which need not come back to look for
# them; None where that cannot be had.  unwatch ends it, also for None.
cdef Watch watch_signals(fn_wait *wait, bint signals)
cdef int unwatch(Watch watch, fn_wait *wait) except -1

# Empties a watch's pipe.
cdef int drain(int fd) except -1

cdef enum:
    WATCH_FROM = 64 * 1024 * 1024  # bytes; so much takes longer than a slice


cdef class Watch:
    cdef int read_fd
    cdef int write_fd


# How long one call may take.  The clock is read only when it first has to
# wait, so that a call which finds everything at hand never pays for it.
cdef struct Patience:
    fn_wait wait
    bint signals
    bint ready

cdef int be_patient(Patience *p, object timeout, object stall) except -1

# The deadline as a transport takes it: nanoseconds, or None.
cdef object deadline_of(Patience *p)
