from fastnet._native.core_reactor cimport fn_node
from fastnet._native.rpchub cimport Hub, Peer


cdef enum:
    HIGH_WATER = 4 << 20   # bytes of answers that wait: no more calls are read until
    LOW_WATER = 1 << 20    # they have fallen to this
    ARRAYS_OUT = 32        # answers with arrays that wait, likewise


cdef class Keeper(Hub):
    cdef dict options      # of each connection
    cdef object admit      # (descriptor) -> (address, local, TLS or None); may raise
    cdef dict peers        # by their nodes' id
    cdef set listening     # ids of listeners
    cdef set sending       # peers with arrays on their way out
    cdef set paused        # peers that are not read from until they take their answers
    cdef dict strangers    # peers that have not introduced themselves, the oldest first
    cdef int pending_max   # of these; 0 for any number
    cdef dict lingering    # peer: until when

    cdef int make_room(self) except -1
    cdef int accepted(self, fn_node *n) except -1
    cdef int housekeeping(self) except -1
    cdef int drop(self, Peer peer, object reason) except -1
    cdef int refuse(self, Peer peer, object error) except -1
    cdef int linger(self, Peer peer) except -1
    cdef int close_all(self) except -1
