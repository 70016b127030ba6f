from libc.stdint cimport int64_t, uint32_t, uint64_t

from fastnet._native.core cimport fn_time
from fastnet._native.core_reactor cimport fn_reactor
from fastnet._native.core_rpc cimport fn_lead, fn_mux_node, fn_mux_queue
from fastnet._native.rpccodec cimport Codec
from fastnet._native.rpcconn cimport Conn


cdef enum:
    PLAIN
    GENERATOR
    COROUTINE
    ASYNC_GENERATOR


cdef class Method:
    cdef readonly str name
    cdef readonly object function
    cdef int kind


cdef class Worker:
    # A thread that runs handlers, and what it runs now.
    cdef unsigned long ident
    cdef Peer peer
    cdef uint32_t call
    cdef fn_time deadline  # 0 for none
    cdef Method method
    cdef Context context   # made when somebody asks


cdef class Peer(Conn):
    # What a hub knows of one of its connections.
    cdef fn_mux_node node
    cdef Hub hub
    cdef dict calls             # by number: Context of those that are not answered yet
    cdef readonly object address
    cdef readonly bint local    # a Unix socket whose other end has our uid
    cdef bint closing           # CLOSE was sent
    cdef bint paused
    cdef object doomed          # an exception: the leader is to end it

    cdef int answer(self, uint32_t call, int kind, Codec codec, uint32_t value,
                    object result) except -1
    cdef int answer_error(self, uint32_t call, Codec codec, object error,
                          uint32_t value) except -1
    cdef int wrote(self) except -1
    cdef int job(self, Method method, uint32_t call, bint notify, Codec codec, tuple args,
                 dict kwargs, fn_time deadline) except -1


cdef Context context_of(Worker worker)


cdef class Context:
    cdef readonly Peer peer
    cdef readonly uint32_t call
    cdef Method method
    cdef Codec codec
    cdef fn_time until
    cdef readonly bint cancelled
    cdef bint done
    cdef object on_cancel   # called once, or None
    cdef object on_more     # called when credit came, or None
    cdef public object iterator  # of a stream
    cdef int64_t credit
    cdef uint32_t index
    cdef bint running       # a thread is in the iterator
    cdef bint queued        # in the hub's list of streams to go on with
    cdef readonly bint notify

    cdef int give_up(self) except -1
    cdef int more(self, uint32_t used) except -1
    cdef int put(self, object value) except -1
    cdef int advance(self) except -1


cdef class Hub:
    cdef fn_reactor *r
    cdef fn_mux_queue queue
    cdef fn_lead lead
    cdef bint lead_ready
    cdef Worker leader
    cdef Peer current    # whose events the leader handles
    cdef dict methods           # by name, as bytes
    cdef list codecs            # by number; None where it is not allowed
    cdef object describe        # an exception as what can be encoded
    cdef object tasks           # runs coroutines
    cdef object backlog         # jobs, while all threads are busy
    cdef bint crowded           # nobody would take over: handlers run elsewhere
    cdef bint draining
    cdef object later           # peers that others than the leader have written to
    cdef object streams         # Context whose streams can go on
    cdef uint32_t calls_max
    cdef fn_time flushed
    cdef uint64_t calls, errors_sent, cancelled, refused, takeovers

    cdef Worker here(self)
    cdef int acquainted(self, Peer peer) except -1
    cdef int wake(self) except -1
