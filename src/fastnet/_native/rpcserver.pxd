from fastnet._native.core_reactor cimport fn_event, fn_node
from fastnet._native.gate cimport Gate
from fastnet._native.rpchub cimport Peer, Worker
from fastnet._native.rpckeeper cimport Keeper


cdef class Server(Keeper):
    cdef Gate gate
    cdef object spawn      # starts a thread in serve()
    cdef object drained    # called once, when nobody is accepted any more
    cdef bint stopping, over, drain_asked, told
    cdef readonly object failure
    cdef int threads, threads_max
    cdef int coming        # threads that have been started and do not watch yet
    cdef object done       # set when nobody leads any more

    cdef int lead_on(self, Worker worker) except -1
    cdef int events(self, Worker worker) except -1
    cdef int on_event(self, fn_node *n, const fn_event *e) except -1
    cdef int serve_peer(self, Peer peer) except -1
    cdef int drain_on(self) except -1
    cdef int take_over(self, Worker worker, unsigned int seen) except -1
    cdef int hire(self) except -1
    cdef int run_backlog(self) except -1
