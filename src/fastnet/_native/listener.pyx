"""Listening sockets of an asyncio server (accept.h)."""

from cpython.contextvars cimport PyContext_Copy, PyContext_CopyCurrent
from cpython.ref cimport PyObject
from libc.string cimport memcmp, memcpy, memset

from fastnet._native.core_reactor cimport (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    FN_CODEC_RAW,
    FN_EVENT_OPENED,
    fn_conn_close,
    fn_conn_ready,
    fn_event,
    fn_listener_add,
    fn_listener_close,
    fn_node,
    getpeername,
    getsockname,
    htons,
    sockaddr,
    sockaddr_in,
    sockaddr_in6,
    sockaddr_storage,
    socklen_t,
)
from fastnet._native.gate cimport Gate
from fastnet._native.handles cimport LoopCore
from fastnet._native.reactor cimport Reactor
from fastnet._native.sockaddr cimport SHORT_NAME, to_python
from fastnet._native.status cimport check
from fastnet._native.transport cimport StreamTransport

cdef extern from "Python.h":
    int PyContext_Enter(PyObject *context)
    int PyContext_Exit(PyObject *context)


cdef class Listener(Target):
    """Accepts connections for a server, each with a protocol and a StreamTransport.

    Parameters:
        loop: a fastnet event loop.
        sock: a listening, non-blocking socket, which stays the caller's.
        factory: makes a connection's protocol.
        wrap: None, or what makes of it the protocol that the transport talks to.
        server: the ``asyncio.Server``.
        gate: whom it admits, or None for everybody.
        shared: whether other processes or threads accept from the same socket.
    """

    def __init__(self, LoopCore loop not None, sock, factory, wrap, server, Gate gate=None,
                 bint shared=False):
        cdef Reactor reactor = loop._selector
        cdef int st = 0
        cdef fn_node *n
        if self.reactor is not None:
            raise RuntimeError("__init__ called twice")
        self.loop = loop
        self.factory = factory
        self.wrap = wrap
        self.server = server
        self.context = PyContext_CopyCurrent()
        self.family = sock.family
        self.learn_own(sock)
        reactor.enter_if_needed()
        n = fn_listener_add(reactor.r, sock.fileno(), FN_CODEC_RAW,
                            NULL if gate is None else gate.gate, shared, NULL, &st)
        check(st)
        reactor.attach(self, n)

    cdef int learn_own(self, object sock) except -1:
        """Its own name is that of its connections, unless it listens on all addresses."""
        cdef socklen_t size = SHORT_NAME
        cdef unsigned char zero[16]
        cdef unsigned char *address = self.own.data + (4 if self.family == AF_INET else 8)
        memset(zero, 0, 16)
        if self.family == AF_UNIX:
            self.path = sock.getsockname()
        if self.family != AF_INET and self.family != AF_INET6:
            return 0
        if getsockname(sock.fileno(), <sockaddr *> self.own.data, &size) == 0:
            if memcmp(address, zero, 4 if self.family == AF_INET else 16) != 0:
                self.own.size = size
        return 0

    cdef int on_event(self, fn_node *n, const fn_event *e) except -1:
        if e.kind == FN_EVENT_OPENED:
            if self.closed or self.loop._closed:
                fn_conn_close(self.reactor.r, n, False)
            else:
                self.open_one(n)
        return 0

    cdef int open_one(self, fn_node *n) except -1:
        """A connection: its protocol is made and told in a context of its own."""
        cdef object context = PyContext_Copy(self.context)
        cdef StreamTransport t
        if PyContext_Enter(<PyObject *> context) < 0:
            return -1
        try:
            t = self.make(n)
            if t is None:
                return 0
            t.start_reading()  # unless connection_made() thinks otherwise
            try:
                t._protocol.connection_made(t)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                t.tell(self.loop, "Exception in protocol.connection_made()", error)
        finally:
            PyContext_Exit(<PyObject *> context)
        return 0

    cdef StreamTransport make(self, fn_node *n):
        """None where the protocol cannot be made, and the connection is closed then."""
        cdef StreamTransport t = StreamTransport.__new__(StreamTransport)
        protocol = None
        self.reactor.attach(t, n)
        t.fd = n.fd
        try:
            t.begin(self.reactor, self.loop, None, None, self.server)
            self.learn_names(t, n)
            protocol = self.factory()
            t.use(protocol if self.wrap is None else self.wrap(protocol))
            t.register()
            if self.wrap is None:
                fn_conn_ready(n)  # no handshake
            return t
        except (SystemExit, KeyboardInterrupt):
            self.give_up(t)
            raise
        except BaseException as error:
            self.give_up(t)
            if self.loop._debug:
                self.loop.call_exception_handler({
                    "message": "Error on transport creation for incoming connection",
                    "exception": error,
                    "protocol": protocol,
                })
        return None

    cdef int give_up(self, StreamTransport t) except -1:
        t.part()
        t.close_descriptor()
        t._closing = True
        t._conn_lost = 1
        return 0

    cdef int learn_names(self, StreamTransport t, fn_node *n) except -1:
        cdef socklen_t size = SHORT_NAME
        if self.own.size:
            memcpy(&t.own, &self.own, sizeof(t.own))
        elif self.family == AF_INET or self.family == AF_INET6:
            if getsockname(t.fd, <sockaddr *> t.own.data, &size) == 0:
                t.own.size = size
        if self.family == AF_INET and n.has_peer:
            four(&t.peer, n)
        elif self.family == AF_INET6 and n.has_peer:
            six(&t.peer, n)
        elif self.family == AF_UNIX:
            t.own_name = self.path
            t.peer_name = unix_peer(t.fd)
        return 0

    def close(self):
        """Accepts no more; those that wait to be told of are closed.  May be called twice."""
        if self.closed:
            return
        self.closed = True
        if self.node is not NULL:
            self.reactor.permit()
            fn_listener_close(self.reactor.r, self.node)
            self.reactor.leaving.append(self)
            self.reactor.detach(self)

    cdef void orphan(self) noexcept:
        fn_listener_close(self.reactor.r, self.node)


cdef void four(short_name *name, const fn_node *n) noexcept:
    cdef sockaddr_in *sa = <sockaddr_in *> name.data
    sa.sin_family = AF_INET
    sa.sin_port = htons(n.port)
    memcpy(&sa.sin_addr, n.peer.addr + 12, 4)
    name.size = sizeof(sockaddr_in)


cdef void six(short_name *name, const fn_node *n) noexcept:
    cdef sockaddr_in6 *sa = <sockaddr_in6 *> name.data
    cdef socklen_t size = SHORT_NAME
    # A link-local address means nothing without its interface.
    if n.peer.addr[0] == 0xfe and getpeername(n.fd, <sockaddr *> sa, &size) == 0:
        name.size = size
        return
    sa.sin6_family = AF_INET6
    sa.sin6_port = htons(n.port)
    memcpy(&sa.sin6_addr, n.peer.addr, 16)
    name.size = sizeof(sockaddr_in6)


cdef object unix_peer(int fd):
    cdef sockaddr_storage sa
    cdef socklen_t size = sizeof(sa)
    if getpeername(fd, <sockaddr *> &sa, &size) < 0:
        return None
    return to_python(<const sockaddr *> &sa, size)
