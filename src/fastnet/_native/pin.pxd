from cpython.buffer cimport Py_buffer

from fastnet._native.core cimport fn_walk


cdef class Pin:
    # Owns one Py_buffer, so the memory behind it stays where it is for as
    # long as this object lives.  Make it before any pointer is taken.
    cdef Py_buffer view
    cdef bint held

    cdef int walk(self, fn_walk *w, bint fortran) except -1
    cdef void release(self) noexcept


cdef Pin pin(object obj, bint writable)

# For memory in one piece, in C order: BufferError or ValueError for what is not.
cdef Pin pin_flat(object obj, bint writable)
