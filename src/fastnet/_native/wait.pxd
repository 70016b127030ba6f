from fastnet._native.core cimport fn_wait


# A wait for one call: timeout in seconds or None.  With `signals`, the core
# comes back often enough for Ctrl-C (stream.h).
cdef int wait_init(fn_wait *wait, object timeout, object stall, bint *signals) except -1

# The core came back with FN_E_CHECK: lets signal handlers run, which may raise.
cdef int wait_again(fn_wait *wait, bint signals) except -1


# How long one call may take.  The clock is read only when it first has to
# wait, so that a call which finds everything at hand never pays for it.
cdef struct Patience:
    fn_wait wait
    bint signals
    bint ready

cdef int be_patient(Patience *p, object timeout, object stall) except -1

# The deadline as a transport takes it: nanoseconds, or None.
cdef object deadline_of(Patience *p)
