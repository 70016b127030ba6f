from fastnet._native.core_reactor cimport fn_gate


cdef class Gate:
    cdef fn_gate *gate
