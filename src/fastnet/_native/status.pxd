from libc.stdint cimport int64_t


cdef int64_t fail(int64_t status) except -1

# Turns a status of the core into an exception: the one way across the
# boundary.  Costs a comparison when all is well; takes the GIL only to raise.
cdef inline int64_t check(int64_t status) except -1 nogil:
    if status < 0:
        with gil:
            fail(status)
    return status
