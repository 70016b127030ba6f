from fastnet._native.rpcdriver cimport Driver
from fastnet._native.rpclink cimport Call, Items


cdef class FutureCall(Call):
    # A call that a concurrent.futures.Future stands for.
    cdef Driver driver
    cdef public bint watched  # somebody is to be told in the ways of a Future


cdef class StreamCall(Items):
    cdef Driver driver


cdef class Client(Driver):
    # What calls are made with.
    pass
