from fastnet._native.core_reactor cimport fn_node
from fastnet._native.handles cimport LoopCore
from fastnet._native.reactor cimport Reactor, Target
from fastnet._native.sockaddr cimport short_name


cdef class Endpoint(Target):
    # What stream and datagram transports have in common.  Attributes with an
    # underscore are asyncio's own, which its code looks at.
    cdef dict __dict__
    cdef readonly LoopCore _loop      # None once connection_lost() was called
    cdef readonly object _protocol    # likewise
    cdef readonly object _server
    cdef object context               # of all callbacks
    cdef object sock                  # a socket.socket; made when asked for
    cdef object face                  # its asyncio.trsock.TransportSocket
    cdef object extra                 # what else get_extra_info() knows, or None
    cdef object own_name, peer_name   # as Python has them, once asked for
    cdef short_name own, peer
    cdef size_t high, low
    cdef int fd
    cdef readonly int _conn_lost      # connection_lost() is due or was called
    cdef readonly bint _closing
    cdef readonly bint _paused
    cdef readonly bint _protocol_paused
    cdef bint is_open                 # the descriptor is still ours

    cdef int begin(self, Reactor reactor, LoopCore loop, object sock, object extra,
                   object server) except -1
    cdef int register(self) except -1
    cdef int learn_names(self) except -1
    cdef object name_of(self, bint own)

    cdef size_t waiting(self) noexcept
    cdef void notify(self, size_t low_water) noexcept
    cdef int pause_protocol(self) except -1
    cdef int resume_protocol(self) except -1

    cdef int tell(self, LoopCore loop, object message, object error) except -1
    cdef int failed(self, object message) except -1
    cdef int fatal(self, object error, object message) except -1
    cdef int part(self) except -1
    cdef int lose(self, object error) except -1
    cdef int leave(self, object server) except -1
    cdef int close_descriptor(self) except -1


cdef object error_of(int status)
