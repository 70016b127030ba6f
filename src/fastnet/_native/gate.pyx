"""Whom a server admits (csrc/include/fastnet/gate.h)."""

from libc.stdint cimport uint8_t
from libc.string cimport memset

from fastnet._native.core cimport fn_time
from fastnet._native.core_reactor cimport (
    fn_gate_limits,
    fn_gate_new,
    fn_gate_release,
    fn_networks,
    fn_networks_valid,
)


cdef int check_networks(bytes packed) except -1:
    cdef fn_networks given
    if len(packed) % 32:
        raise ValueError("packed networks are 32 bytes each")
    given.ranges = <const uint8_t *> <char *> packed
    given.count = len(packed) // 32
    if not fn_networks_valid(&given):
        raise ValueError("packed networks must be sorted and disjoint")
    return 0


cdef class Gate:
    """One for all listeners of a server; 0 is no limit, spans are in seconds."""

    def __cinit__(self, *, connections=0, per_address=0, idle=0.0, handshake=0.0, min_rate=0,
                  rate_window=5.0, write_buffer=0, nodelay=True, bytes allow=None,
                  bytes deny=None):
        cdef fn_gate_limits limits
        cdef const uint8_t *allowed = NULL
        cdef const uint8_t *denied = NULL
        memset(&limits, 0, sizeof(limits))
        limits.connections = connections
        limits.per_address = per_address
        limits.idle = <fn_time> (<double> idle * 1e9)
        limits.handshake = <fn_time> (<double> handshake * 1e9)
        limits.min_rate = min_rate
        limits.rate_window = <fn_time> (<double> rate_window * 1e9)
        limits.write_buffer = write_buffer
        limits.nodelay = nodelay
        if allow is not None:
            check_networks(allow)
            allowed = <const uint8_t *> <char *> allow
        if deny is not None:
            check_networks(deny)
            denied = <const uint8_t *> <char *> deny
        self.gate = fn_gate_new(&limits, allowed, len(allow or b"") // 32, denied,
                                len(deny or b"") // 32)
        if self.gate == NULL:
            raise MemoryError("no memory for a gate")

    def __dealloc__(self):
        fn_gate_release(self.gate)

    def counts(self):
        """Connections open, accepted, denied by address, refused by a limit."""
        return {
            "open": self.gate.open,
            "accepted": self.gate.accepted,
            "denied": self.gate.denied,
            "refused": self.gate.refused,
        }
