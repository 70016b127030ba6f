"""The connections of a server of calls."""

import socket
import time

from fastnet import errors

from fastnet._native.core cimport FN1_ERR_AUTHENTICATION, FN1_ERR_LIMIT, FN1_ERR_PROTOCOL
from fastnet._native.core_reactor cimport (
    fn_conn_close,
    fn_conn_pause,
    fn_conn_ready,
    fn_conn_resume,
    fn_conn_want_room,
    fn_node,
    fn_node_id,
    fn_slab_find,
)
from fastnet._native.core_rpc cimport (
    fn_mux_backlog,
    fn_mux_queue_add,
    fn_mux_queue_remove,
)
from fastnet._native.rpchub cimport Context, Hub, Peer
from fastnet._native.rpcpeer cimport ServerPeer

cdef enum:
    LINGER = 2  # seconds that a peer has to read the last words


cdef class Keeper(Hub):
    """A hub's connections: how they begin, wait and end."""

    cdef int housekeeping(self) except -1:
        """What is not a matter of every turn."""
        cdef Peer peer
        cdef fn_node *n
        while self.later:
            peer = self.later.popleft()
            if peer.tls is not None:
                peer.node.queued = False
            if peer.fd == -1:
                continue
            if peer.doomed is not None:
                self.drop(peer, peer.doomed)
            elif peer.tls is None:
                fn_mux_queue_add(&self.queue, &peer.node)
            else:
                self.transmit_tls(peer)
        for peer in list(self.sending):
            peer.collect()
            if not peer.leaving:
                self.sending.discard(peer)
        for peer in list(self.paused):
            if fn_mux_backlog(peer.mux) < LOW_WATER and len(peer.leaving) < ARRAYS_OUT:
                self.paused.discard(peer)
                n = fn_slab_find(&self.r.slab, peer.node.id)
                if n is not NULL:
                    fn_conn_resume(self.r, n)
        if self.lingering:
            now = time.monotonic()
            for peer, until in list(self.lingering.items()):
                if now >= until:
                    self.drop(peer, None)
        return 0

    cdef int acquainted(self, Peer peer) except -1:
        cdef fn_node *n = fn_slab_find(&self.r.slab, peer.node.id)
        self.strangers.pop(peer, None)
        if n is not NULL:
            fn_conn_ready(n)
        return 0

    cdef int make_room(self) except -1:
        """Of those who have not introduced themselves the oldest goes: who is honest is quick."""
        while self.pending_max and len(self.strangers) >= self.pending_max:
            self.refused += 1
            self.drop(next(iter(self.strangers)), None)
        return 0

    cdef int accepted(self, fn_node *n) except -1:
        cdef ServerPeer peer
        self.make_room()
        try:
            address, local, tls = self.admit(n.fd)
            peer = ServerPeer(n.fd, hub=self, address=address, local=local, tls=tls,
                              **self.options)
        except (OSError, errors.Error, MemoryError):
            fn_conn_close(self.r, n, False)
            return 0
        peer.node.mux = peer.mux
        peer.node.fd = n.fd
        peer.node.id = fn_node_id(n)
        peer.node.external = tls is not None
        n.user = <void *> &peer.node
        self.peers[peer.node.id] = peer
        self.strangers[peer] = None
        fn_conn_resume(self.r, n)
        if tls is None:
            fn_mux_queue_add(&self.queue, &peer.node)
        return 0

    def hold(self, Peer peer not None):
        """Reads nothing from a peer that does not take its answers."""
        cdef fn_node *n = fn_slab_find(&self.r.slab, peer.node.id)
        if n is not NULL and peer not in self.paused:
            fn_conn_pause(self.r, n)
            self.paused.add(peer)

    def transmit_tls(self, Peer peer not None):
        """What a TLS connection has to send."""
        cdef fn_node *n = fn_slab_find(&self.r.slab, peer.node.id)
        try:
            if peer.transmit(0, False) and n is not NULL:
                fn_conn_want_room(self.r, n)
        except (OSError, errors.Error) as error:
            self.drop(peer, error)

    cdef int drop(self, Peer peer, object reason) except -1:
        """A connection has ended: its calls are cancelled."""
        cdef fn_node *n
        cdef Context context
        if peer.fd == -1:
            return 0
        peer.fd = -1
        peer.fail(reason)
        fn_mux_queue_remove(&self.queue, &peer.node)
        self.peers.pop(peer.node.id, None)
        self.sending.discard(peer)
        self.paused.discard(peer)
        self.lingering.pop(peer, None)
        self.strangers.pop(peer, None)
        n = fn_slab_find(&self.r.slab, peer.node.id)
        if n is not NULL:
            fn_conn_close(self.r, n, False)
        for context in list(peer.calls.values()):
            context.give_up()
        return 0

    cdef int refuse(self, Peer peer, object error) except -1:
        """Tells a peer that broke the protocol what was wrong, and ends with it."""
        code = FN1_ERR_PROTOCOL
        if isinstance(error, errors.LimitError):
            code = FN1_ERR_LIMIT
        elif isinstance(error, errors.AuthenticationError):
            code = FN1_ERR_AUTHENTICATION
        peer.say_error(code, str(error))
        return self.linger(peer)

    cdef int linger(self, Peer peer) except -1:
        """No more is sent; what comes is thrown away until the peer's end, for a while."""
        try:
            st = peer.transmit(HIGH_WATER, False)
            if not st and peer.tls is None:
                with socket.socket(fileno=socket.dup(peer.fd)) as copy:
                    copy.shutdown(socket.SHUT_WR)
        except (OSError, errors.Error):
            self.drop(peer, None)
            return 0
        self.lingering[peer] = time.monotonic() + LINGER
        return 0

    def read_out(self, Peer peer not None):
        """Throws away what a peer sends that is told goodbye."""
        try:
            with socket.socket(fileno=socket.dup(peer.fd)) as copy:
                while copy.recv(1 << 16, socket.MSG_DONTWAIT):
                    pass
        except BlockingIOError:
            return
        except OSError:
            pass
        self.drop(peer, None)

    cdef int close_all(self) except -1:
        cdef Peer peer
        for peer in list(self.peers.values()):
            self.drop(peer, None)
        return 0
