"""What everybody who owns a reactor does with it (reactor.h): making it, and looking at it."""

import socket

from libc.stdlib cimport calloc, free

from fastnet._native.core cimport fn_tune_spin
from fastnet._native.core_reactor cimport (
    FN_POLLER_DEFAULT,
    FN_POLLER_EPOLL,
    FN_POLLER_SELECT,
    fn_counters,
    fn_peer_info,
    fn_reactor,
    fn_reactor_new,
    fn_slab_each,
    fn_time,
)
from fastnet._native.status cimport check

cdef dict KINDS = {
    None: FN_POLLER_DEFAULT,
    "epoll": FN_POLLER_EPOLL,
    "select": FN_POLLER_SELECT,
}


cdef fn_reactor *new_reactor(kind, double spin) except NULL:
    cdef int st = 0
    cdef fn_reactor *r
    if kind not in KINDS:
        raise ValueError(f"the poller must be 'epoll', 'select' or None, not {kind!r}")
    r = fn_reactor_new(KINDS[kind], fn_tune_spin() if spin < 0 else <fn_time> (spin * 1e9), &st)
    check(st)
    return r


cdef dict counters_of(fn_reactor *r):
    cdef fn_counters *c = &r.counters
    return {
        "turns": c.turns,
        "events": c.events,
        "reads": c.reads,
        "writes": c.writes,
        "bytes_in": c.bytes_in,
        "bytes_out": c.bytes_out,
        "accepted": c.accepted,
        "closed": c.closed,
        "shed": c.shed,
        "failed": c.failed,
        "datagrams_in": c.datagrams_in,
        "datagrams_out": c.datagrams_out,
        "datagrams_lost": c.datagrams_lost,
        "open": c.open,
        "spins_paid": c.spins_paid,
        "spins_idle": c.spins_idle,
    }


cdef tuple peer_of(const fn_peer_info *info):
    cdef bytes raw = (<const char *> info.peer.addr)[:16]
    host = None
    if info.has_peer:
        mapped = raw[:12] == b"\0" * 10 + b"\xff\xff"
        host = (socket.inet_ntop(socket.AF_INET, raw[12:]) if mapped
                else socket.inet_ntop(socket.AF_INET6, raw))
    return info.id, info.fd, host, info.port, info.bytes_in, info.bytes_out


cdef list peers_of(fn_reactor *r, size_t most):
    cdef fn_peer_info *infos = <fn_peer_info *> calloc(most or 1, sizeof(fn_peer_info))
    cdef size_t count, i
    cdef list found = []
    if infos is NULL:
        raise MemoryError("no memory for a list of peers")
    try:
        count = fn_slab_each(&r.slab, infos, most)
        for i in range(count):
            found.append(peer_of(&infos[i]))
        return found
    finally:
        free(infos)
