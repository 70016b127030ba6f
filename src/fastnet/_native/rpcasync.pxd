from fastnet._native.rpclink cimport Call, ClientLink, Items


cdef class AsyncCall(Call):
    # A call that an asyncio future stands for.
    cdef readonly object future


cdef class AsyncStream(Items):
    cdef AsyncDriver driver
    cdef object waiter  # a future, while somebody waits for the next item


cdef class AsyncDriver:
    # A connection that an event loop reads and writes.
    cdef readonly ClientLink link  # or None
    cdef object loop
    cdef object lost        # (error) -> (retried) -> what open calls fail with
    cdef object reason      # (retried) -> why there is no connection any more
    cdef bint flushing      # a flush is on its way
    cdef bint full          # the loop watches for room

    cdef ClientLink linked(self)
    cdef int soon(self) except -1
    cdef int fail(self, object error) except -1
