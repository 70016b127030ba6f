from fastnet._native.arrayhead cimport Head
from fastnet._native.core cimport fn1_envelope, fn_array_limits, fn_body
from fastnet._native.fn1 cimport Link
from fastnet._native.memory cimport Pool
from fastnet._native.wait cimport Patience


cdef class ArrayLink(Link):
    cdef fn_array_limits limits
    cdef Pool pool
    cdef object ndarray
    cdef object resolve
    cdef object prepare
    cdef size_t coalesce

    # the header sent last, for arrays that look the same
    cdef bytes sent_header
    cdef object sent_dtype
    cdef tuple sent_shape

    # the header received last, likewise
    cdef bytes got_header
    cdef Head got_head
    cdef Head pending

    cdef int send_one(self, bytes header, object array, bint fortran, object timeout,
                      Patience *patience, bint hold) except -1
    cdef bytes plain_header(self, object array)
    cdef int remember(self, bytes header, object item, object array) except -1
    cdef bint is_as_before(self, const fn1_envelope *e) noexcept
    cdef Head wait_head(self, object timeout, Patience *patience)
    cdef Head decode(self)
    cdef object new_array(self, Head head, object timeout, Patience *patience)
    cdef int fill(self, fn_body *body, object timeout, Patience *patience) except -1
