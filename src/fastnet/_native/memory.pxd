from fastnet._native.core cimport fn_block, fn_pool


cdef class Pool:
    cdef fn_pool *pool


cdef class Block:
    # Exports its memory through the buffer protocol; gives it back to its
    # pool when the last array on it is collected.
    cdef fn_block block
    cdef Py_ssize_t shape[1]
    cdef Py_ssize_t strides[1]


cdef Block take(Pool pool, size_t size)
