from libc.stdint cimport uint32_t

from fastnet._native.core cimport fn_time
from fastnet._native.core_rpc cimport fn_rpc_head
from fastnet._native.rpccodec cimport Codec
from fastnet._native.rpchub cimport Context, Method, Peer


cdef class ServerPeer(Peer):
    # The server's end of a connection: what comes, and what is done with it.
    cdef int on_call(self, fn_rpc_head *h, list blocks) except -1
    cdef int start(self, Method method, uint32_t call, bint notify, Codec codec, tuple args,
                   dict kwargs, fn_time deadline) except -1
    cdef int go(self, Context context, tuple args, dict kwargs) except -1
    cdef int resume(self, Context context, tuple args, dict kwargs) except -1
