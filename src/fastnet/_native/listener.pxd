from fastnet._native.core_reactor cimport fn_node
from fastnet._native.handles cimport LoopCore
from fastnet._native.reactor cimport Target
from fastnet._native.sockaddr cimport short_name
from fastnet._native.transport cimport StreamTransport


cdef class Listener(Target):
    cdef LoopCore loop
    cdef object factory
    cdef object wrap        # makes the protocol that lies between, for TLS; or None
    cdef object server
    cdef object context     # a copy is each connection's
    cdef object path        # the name of a Unix socket
    cdef int family
    cdef short_name own     # of no length where connections must ask for theirs
    cdef bint closed

    cdef int learn_own(self, object sock) except -1
    cdef int give_up(self, StreamTransport t) except -1
    cdef int open_one(self, fn_node *n) except -1
    cdef StreamTransport make(self, fn_node *n)
    cdef int learn_names(self, StreamTransport t, fn_node *n) except -1
