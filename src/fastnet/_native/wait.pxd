from fastnet._native.core cimport fn_wait


# A wait for one call: timeout in seconds or None.  With `signals`, the core
# comes back often enough for Ctrl-C (stream.h).
cdef int wait_init(fn_wait *wait, object timeout, object stall, bint *signals) except -1

# The core came back with FN_E_CHECK: lets signal handlers run, which may raise.
cdef int wait_again(fn_wait *wait, bint signals) except -1
