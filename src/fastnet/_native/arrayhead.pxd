from fastnet._native.core cimport fn_array_head, fn_array_limits


cdef class Head:
    # What a message says of its array; never changed once made.
    cdef readonly bytes description
    cdef readonly tuple shape
    cdef readonly str order
    cdef readonly object name
    cdef readonly object meta
    cdef readonly size_t nbytes
    cdef readonly size_t itemsize
    cdef readonly object dtype
    cdef readonly object problem


cdef fn_array_limits make_limits(tuple limits) except *
cdef Head make_head(const fn_array_head *c)
