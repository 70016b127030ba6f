"""A server of calls: a reactor whose handlers run inline, and who takes it over (lead.h)."""

import socket
import threading
from collections import deque

from libc.errno cimport EINTR

from fastnet import errors

from fastnet._native.core cimport (
    FN_MS,
    FN_NEVER,
    fn_now,
    fn_time,
)
from fastnet._native.core_reactor cimport (
    FN_CODEC_READABLE,
    FN_EVENT_DRAINED,
    FN_EVENT_FAILED,
    FN_EVENT_OPENED,
    FN_EVENT_READABLE,
    FN_POLLER_DEFAULT,
    FN_POLLER_EPOLL,
    FN_POLLER_SELECT,
    fn_counters,
    fn_event,
    fn_listener_add,
    fn_listener_close,
    fn_node,
    fn_node_id,
    fn_reactor_drop,
    fn_reactor_enter,
    fn_reactor_free,
    fn_reactor_leave,
    fn_reactor_new,
    fn_reactor_next,
    fn_reactor_poll,
    fn_slab_find,
)
from fastnet._native.core_rpc cimport (
    fn_lead_call,
    fn_lead_end,
    fn_lead_fini,
    fn_lead_finish,
    fn_lead_init,
    fn_lead_waiting,
    fn_lead_watch,
    fn_mux_backlog,
    fn_mux_close,
    fn_mux_pending,
    fn_mux_queue_add,
    fn_mux_turn,
)
from fastnet._native.gate cimport Gate
from fastnet._native.rpchub cimport Context, Peer, Worker, context_of
from fastnet._native.rpckeeper cimport ARRAYS_OUT, HIGH_WATER, Keeper
from fastnet._native.rpcpeer cimport ServerPeer
from fastnet._native.status import exception
from fastnet._native.status cimport check

cdef dict POLLERS = {None: FN_POLLER_DEFAULT, "epoll": FN_POLLER_EPOLL, "select": FN_POLLER_SELECT}
cdef fn_time TICK = 20 * FN_MS


cdef class Server(Keeper):
    """Parameters: see fastnet.rpc._side, which makes it."""

    def __init__(self, *, poller, double spin, Gate gate not None, dict methods, list codecs,
                 describe, tasks, admit, spawn, drained, int threads, int calls, int pending,
                 dict options):
        cdef int st = 0
        self.gate = gate
        self.methods, self.codecs = methods, codecs
        self.describe, self.tasks, self.admit = describe, tasks, admit
        self.spawn, self.drained = spawn, drained
        self.threads_max = threads + 1
        self.calls_max = calls
        self.options = options
        self.strangers, self.pending_max = {}, pending
        self.backlog, self.later, self.streams = deque(), deque(), deque()
        self.peers, self.listening = {}, set()
        self.sending, self.paused, self.lingering = set(), set(), {}
        self.done = threading.Event()
        check(fn_lead_init(&self.lead))
        self.lead_ready = True
        self.r = fn_reactor_new(POLLERS[poller], <fn_time> (spin * 1e9), &st)
        check(st)

    def __dealloc__(self):
        if self.r is not NULL:
            fn_reactor_drop(self.r)
            fn_reactor_free(self.r)
        if self.lead_ready:
            fn_lead_fini(&self.lead)

    def listen(self, int fd, bint shared):
        """Serves the connections of a listening socket."""
        cdef int st = 0
        cdef fn_node *n
        check(fn_reactor_enter(self.r))
        n = fn_listener_add(self.r, fd, FN_CODEC_READABLE, self.gate.gate, shared, NULL, &st)
        if n is not NULL:
            self.listening.add(fn_node_id(n))
        fn_reactor_leave(self.r)
        check(st)

    # ------------------------------------------------------------------------ threads

    def serve(self, bint first):
        """What each thread does: leads, or waits until it has to."""
        cdef Worker worker = self.here()
        cdef unsigned int seen
        if not first:
            self.coming -= 1
        try:
            if first:
                check(fn_reactor_enter(self.r))
                self.leader = worker
                self.hire()
                self.lead_on(worker)
                if self.leader is worker:
                    return
            while not self.over:
                self.run_backlog()
                with nogil:
                    seen = fn_lead_watch(&self.lead)
                if seen:
                    self.take_over(worker, seen)
                if self.leader is worker:
                    break
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self.threads -= 1
            if self.leader is worker:  # it is all over; whoever is in a handler ends by himself
                self.stopping = self.over = True
                self.leader = None
                fn_lead_finish(&self.lead)
                self.close_all()
                fn_reactor_leave(self.r)
                self.done.set()

    cdef int hire(self) except -1:
        """Sees to it that somebody watches; when nobody is to be had, handlers wait."""
        if self.coming or fn_lead_waiting(&self.lead):
            self.crowded = False
        elif self.threads < self.threads_max:
            self.threads += 1
            self.coming += 1
            try:
                self.spawn(self)
                self.crowded = False
            except RuntimeError:  # no thread is to be had
                self.threads -= 1
                self.coming -= 1
                self.crowded = True
        else:
            self.crowded = True
        return 0

    cdef int take_over(self, Worker worker, unsigned int seen) except -1:
        """The leader is in the same handler still: this thread leads from now on."""
        cdef Worker before = self.leader
        if before is None or self.lead.at != seen:
            return 0
        fn_lead_end(&self.lead)
        self.takeovers += 1
        if before.peer is not None:
            context_of(before)  # so that its cancellation finds it
        self.leader = worker
        fn_reactor_leave(self.r)
        check(fn_reactor_enter(self.r))
        self.hire()
        if self.events(worker):  # what the other had not come to
            return 0
        return self.lead_on(worker)

    cdef int run_backlog(self) except -1:
        """Calls that wait for a thread; then this one is free to watch."""
        cdef ServerPeer peer
        cdef Context context
        while self.backlog and not self.stopping:
            context, args, kwargs = self.backlog.popleft()
            peer = <ServerPeer> context.peer
            peer.resume(context, args, kwargs)
        self.crowded = False
        return 0

    # ---------------------------------------------------------------------- the leader

    cdef int lead_on(self, Worker worker) except -1:
        """Turns, until another leads or all ends."""
        cdef int n
        cdef fn_time timeout
        while not self.stopping:
            if self.later or self.sending or self.paused or self.lingering or self.drain_asked:
                self.housekeeping()
                if self.drain_asked:
                    self.drain_on()
                if self.stopping:
                    return 0
            timeout = FN_NEVER
            if self.backlog:
                fn_lead_call(&self.lead)  # whoever has nothing to do sees to it
            if self.streams:
                timeout = 0
            elif self.backlog or self.sending or self.paused or self.lingering or self.drain_asked:
                timeout = TICK
            with nogil:
                n = fn_mux_turn(self.r, &self.queue, timeout)
            self.flushed = fn_now()
            if n < 0 and n != -EINTR:
                raise exception(n)
            if self.events(worker):
                return 0
        return 0

    cdef int events(self, Worker worker) except -1:
        """1 when this thread no longer leads."""
        cdef const fn_event *e
        cdef fn_node *n = NULL
        cdef Context context
        cdef Py_ssize_t left
        if self.current is not None and self.serve_peer(self.current):
            return 1
        while True:
            e = fn_reactor_next(self.r, &n)
            if e is NULL:
                break
            if self.on_event(n, e):
                return 1
        left = len(self.streams)
        while left and self.streams:
            left -= 1
            context = self.streams.popleft()
            if context.advance() and self.leader is not worker:
                return 1
        return 0

    cdef int on_event(self, fn_node *n, const fn_event *e) except -1:
        cdef Peer peer
        cdef int kind = e.kind, status = e.status
        if kind == FN_EVENT_OPENED:
            return self.accepted(n)
        peer = self.peers.get(fn_node_id(n))
        if peer is None:
            return 0
        if kind == FN_EVENT_READABLE:
            if peer in self.lingering:
                self.read_out(peer)
            elif peer.tls is not None or status > 0:
                return self.serve_peer(peer)
            elif status < 0:
                self.drop(peer, exception(status))
        elif kind == FN_EVENT_FAILED:
            self.drop(peer, exception(status))
        elif kind == FN_EVENT_DRAINED and peer.tls is not None:
            peer.node.stuck = False
            self.later.append(peer)
        return 0

    cdef int serve_peer(self, Peer peer) except -1:
        """Handles what has come from one; 1 when this thread no longer leads."""
        self.current = peer
        try:
            if peer.tls is not None:
                peer.receive(0)
            if peer.pump():
                return 1
        except errors.IncompleteTransfer as error:
            self.drop(peer, error)
        except OSError as error:
            if isinstance(error, errors.Error):
                self.refuse(peer, error)
            else:
                self.drop(peer, error)
        except (errors.Error, MemoryError) as error:
            self.refuse(peer, error)
        self.current = None
        if peer.fd == -1:
            return 0
        if peer.leaving:
            self.sending.add(peer)
        if fn_mux_backlog(peer.mux) > HIGH_WATER or len(peer.leaving) > ARRAYS_OUT:
            self.hold(peer)
        if fn_mux_pending(peer.mux):
            if peer.tls is None:
                fn_mux_queue_add(&self.queue, &peer.node)
            else:
                self.later.append(peer)
        return 0

    # --------------------------------------------------------------------------- ends

    cdef int drain_on(self) except -1:
        """Goes on with a graceful end: nobody new, then each as soon as it is idle."""
        cdef fn_node *n
        cdef Peer peer
        if not self.told:
            self.told = True
            fn_reactor_poll(self.r, 0)  # who is connected already is taken in
            self.events(self.leader)
            for ident in self.listening:
                n = fn_slab_find(&self.r.slab, ident)
                if n is not NULL:
                    fn_listener_close(self.r, n)
            self.drained()
            return 0
        self.draining = True
        for peer in list(self.peers.values()):
            if peer.calls or peer in self.lingering or fn_mux_backlog(peer.mux) or peer.leaving:
                continue
            fn_mux_close(peer.mux)
            peer.closing = True
            self.linger(peer)
        if not self.peers and not self.backlog:
            self.stopping = True
        return 0

    def drain(self):
        """Ends when what has come is answered; any thread."""
        self.drain_asked = True
        self.wake()

    def stop(self):
        """Ends at once; any thread."""
        self.stopping = True
        self.wake()

    def close(self):
        """Frees the reactor; only after serve() has ended in all threads."""
        if self.r is not NULL:
            fn_reactor_drop(self.r)
            fn_reactor_free(self.r)
            self.r = NULL

    def begin(self):
        """The first thread is started."""
        self.threads += 1
        self.spawn(self, True)

    def ended(self, timeout):
        """Waits until no thread serves any more; whether that is so."""
        return self.done.wait(timeout)

    # ------------------------------------------------------------------------- figures

    def counts(self):
        """The counters, at this moment; any thread."""
        cdef fn_counters *c
        found = {"calls": self.calls, "errors": self.errors_sent, "cancelled": self.cancelled,
                 "refused_calls": self.refused, "takeovers": self.takeovers,
                 "threads": self.threads}
        if self.r is NULL:
            return found
        c = &self.r.counters
        for peer in list(self.peers.values()):
            found.update({name: found.get(name, 0) + value
                          for name, value in peer.counters().items()})
        found.update({"turns": c.turns, "accepted": c.accepted, "closed": c.closed, "open": c.open,
                      "shed": c.shed, "failed": c.failed, "spins_paid": c.spins_paid,
                      "spins_idle": c.spins_idle})
        return found

    def each(self):
        """Who is connected: address as 16 bytes or None, port, bytes in and out."""
        found = []
        for peer in list(self.peers.values()):
            counters = peer.counters()
            found.append((packed(peer.address), port_of(peer.address), counters["bytes_in"],
                          counters["bytes_out"]))
        return found

    def descriptors(self):
        """The numbers of all connections' descriptors."""
        return [peer.fd for peer in list(self.peers.values())]


def packed(address):
    """An IP address as 16 bytes; None where there is none."""
    if not isinstance(address, tuple):
        return None
    if len(address) == 2:
        return b"\0" * 10 + b"\xff\xff" + socket.inet_pton(socket.AF_INET, address[0])
    return socket.inet_pton(socket.AF_INET6, address[0].partition("%")[0])


def port_of(address):
    """The port of an IP address, or 0."""
    return address[1] if isinstance(address, tuple) else 0
