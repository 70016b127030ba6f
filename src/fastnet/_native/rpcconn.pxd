from libc.stdint cimport uint32_t, uint64_t

from fastnet._native.core_rpc cimport fn_rpc_head
from fastnet._native.rpcmux cimport Mux


cdef class Conn(Mux):
    cdef object outside      # a message's payload, where that is a segment
    cdef uint64_t in_flight  # bytes of bodies that have a place
    cdef object waiting      # Incoming that have none yet
    cdef dict filling        # by stream: Incoming
    cdef set leaving         # Outgoing that the core has
    cdef readonly object failure  # what ended it, or None

    cdef int on_message(self, fn_rpc_head *h, list blocks) except -1
    cdef int on_preface(self) except -1
    cdef int on_pong(self) except -1
    cdef int on_close(self) except -1
    cdef int pump(self) except -1
    cdef int receive(self, size_t budget) except -1
    cdef int transmit(self, size_t budget, bint large) except -1
    cdef int send(self, int kind, int codec, int flags, uint32_t call, uint32_t value,
                  bytes name, bytes payload, list segments) except -1
    cdef int collect(self) except -1
    cdef int give_back(self, uint64_t bytes) except -1
    cdef int cancel_sends(self, uint32_t call) except -1
    cdef int opened(self) except -1
    cdef int body_here(self) except -1
    cdef int body_gone(self) except -1
    cdef int place_waiting(self) except -1
    cdef list empty(self, int segments)
    cdef int deliver(self, const unsigned char *meta, size_t length, list blocks) except -1
