from libc.stdint cimport int64_t, uint32_t, uint64_t

from fastnet._native.core cimport fn_time
from fastnet._native.core_rpc cimport fn_rpc_head
from fastnet._native.rpccodec cimport Codec
from fastnet._native.rpcconn cimport Conn


cdef class Call:
    # What a client waits for.
    cdef object __weakref__
    cdef readonly uint32_t number
    cdef bint done
    cdef object result      # when done, and error is None
    cdef object error
    cdef object lock        # a waiter's, which is released when something has happened
    cdef ClientLink link    # that it was sent on
    cdef fn_time deadline   # of whoever waits; 0 for none
    cdef fn_time expiry     # when it is given up though nobody waits; 0 for never
    cdef object again       # (name, args, kwargs) of what may be sent again, or None
    cdef int tries
    cdef readonly bint abandoned

    cdef int complete(self, object result, object error) except -1
    cdef int settle(self) except -1


cdef class Items(Call):
    # A stream of results.
    cdef dict early          # by place: those that came before their turn
    cdef object ready        # deque of (value, size)
    cdef uint32_t next_place
    cdef int64_t total       # how many there are, or -1
    cdef object ending       # what ended it early
    cdef int64_t used        # bytes taken since MORE was last sent
    cdef bint closed

    cdef int arrived(self, uint32_t place, object value, int64_t size) except -1
    cdef int ended(self, int64_t total, object error) except -1
    cdef object take(self)
    cpdef int look(self) except -1


cdef class ClientLink(Conn):
    cdef dict calls          # by number: Call
    cdef uint32_t next_number
    cdef Codec codec
    cdef list codecs         # by number, of what answers may be in
    cdef object revive       # an error's payload -> exception
    cdef bint ended          # the peer has said CLOSE
    cdef dict pings          # by token: Call
    cdef uint64_t next_ping
    cdef int owned           # the descriptor, which is closed with this object
    cdef bint waits_more     # MORE was staged
    cdef object make_items   # () -> Items

    cdef Call begin(self, Call call)
    cdef tuple open(self, fn_rpc_head *h, list blocks)
    cdef int end_of(self, Items items, int64_t total, object error) except -1
    cdef Items items_of(self, Call call)
    cdef int request(self, Call call, bint notify, bytes name, tuple args, dict kwargs) except -1
    cdef int abandon(self, Call call) except -1
    cdef list take_calls(self)
    cdef int more(self, Items items) except -1
