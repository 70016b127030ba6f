"""Pins Python's memory for as long as C can see its address."""

from cpython.buffer cimport (
    PyBUF_ND,
    PyBUF_STRIDES,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)

from fastnet._native.core cimport fn_walk, fn_walk_init
from fastnet._native.status cimport check


cdef class Pin:
    """One buffer of an object, held until this one goes.

    No format is asked for: NumPy exports datetime64 and the types of
    ml_dtypes only that way, and bytes are all that C needs.
    """

    def __cinit__(self):
        self.held = False

    def __dealloc__(self):
        self.release()

    cdef void release(self) noexcept:
        if self.held:
            self.held = False
            PyBuffer_Release(&self.view)

    cdef int walk(self, fn_walk *w, bint fortran) except -1:
        """The walk of this memory, in C or F order of its items."""
        check(fn_walk_init(w, self.view.buf, self.view.itemsize, self.view.ndim,
                           self.view.shape, self.view.strides, fortran))
        return 0


cdef Pin hold(object obj, int flags, bint writable):
    cdef Pin p = Pin.__new__(Pin)
    PyObject_GetBuffer(obj, &p.view, flags | (PyBUF_WRITABLE if writable else 0))
    p.held = True
    return p


cdef Pin pin(object obj, bint writable):
    return hold(obj, PyBUF_STRIDES, writable)


cdef Pin pin_flat(object obj, bint writable):
    return hold(obj, PyBUF_ND, writable)
