"""One connection that carries calls, as a mux in the core (mux.h)."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from fastnet._native.core cimport (
    FN1_CLIENT,
    FN1_SERVER,
    fn1_view,
    iovec,
)
from fastnet._native.core_rpc cimport (
    FN1_SEGMENTS_MAX,
    fn_mux,
    fn_mux_backlog,
    fn_mux_check_owner,
    fn_mux_error,
    fn_mux_fini,
    fn_mux_got,
    fn_mux_init,
    fn_mux_key,
    fn_mux_lock,
    fn_mux_options,
    fn_mux_out_pieces,
    fn_mux_pending,
    fn_mux_ping,
    fn_mux_sent,
    fn_mux_unlock,
    fn_mux_want,
)
from fastnet._native.memory cimport Pool
from fastnet._native.status cimport check


cdef enum:
    ENVELOPE = 128 * 1024      # of what a peer may send as one envelope
    FRAGMENT_OUT = 512 * 1024
    FRAGMENT_IN = 4 << 20
    WINDOW = 2 << 20           # of one large body under way: small calls wait behind it
    AHEAD = 64 * 1024
    STAGE = 512 * 1024

cdef fn1_view view_of(bytes data) noexcept:
    cdef fn1_view view
    view.data = NULL
    view.len = 0
    if data is not None:
        view.data = <const uint8_t *> PyBytes_AS_STRING(data)
        view.len = PyBytes_GET_SIZE(data)
    return view


cdef class Mux:
    """A connection that carries many messages at once.

    Parameters:
        fd: a connected, non-blocking socket's descriptor, which stays its owner's.
        server: whether this end listens.
        pool: where bodies are put.
        message: bytes of body of one message that this end accepts.
        in_flight: bytes of bodies that may be on their way here at a time.
        waiting: bytes of small messages that may wait to be sent.
        tls: what moves the bytes in place of the core (see fastnet.rpc), or None.
        key, key_id, keyring, suites: as of fastnet.auth's Credentials.
    """

    def __cinit__(self, *args, **kwargs):
        self.fd = -1
        self.mux = <fn_mux *> malloc(sizeof(fn_mux))
        if self.mux is NULL:
            raise MemoryError

    def __init__(self, int fd, *, bint server, Pool pool not None, uint64_t message,
                 uint64_t in_flight, size_t waiting, tls=None, bytes key=None,
                 bytes key_id=b"", keyring=None, bytes suites=b""):
        cdef fn_mux_options o
        self.keyring = keyring
        o.keyed = key is not None or keyring is not None
        o.key = view_of(key)
        o.key_id = view_of(key_id)
        o.suites = view_of(suites)
        self.pool = pool
        self.tls = tls
        self.in_flight_max = in_flight
        o.role = FN1_SERVER if server else FN1_CLIENT
        o.limits.fragment = FRAGMENT_IN
        o.limits.envelope = ENVELOPE
        o.limits.segments = FN1_SEGMENTS_MAX
        o.limits.message = message
        o.fragment = FRAGMENT_OUT
        o.window = WINDOW
        o.ahead_max = AHEAD
        o.stage_max = STAGE
        o.waiting_max = waiting
        o.application = b"rpc"
        cdef int st = fn_mux_init(self.mux, &o)
        check(st)
        self.ready = True
        self.fd = fd

    def __dealloc__(self):
        if self.ready:
            fn_mux_fini(self.mux)
        free(self.mux)

    cdef int look_up_key(self) except? -1:
        """The key for a client's key id; what comes of it is an event, or 0."""
        cdef bytes key = self.keyring(
            (<const char *> self.mux.session.key_id)[:self.mux.session.key_id_len])
        return fn_mux_key(self.mux, view_of(key))

    # ---------------------------------------------------------------------- under TLS

    cdef int feed(self) except -1:
        """Takes bytes that TLS has opened; 0 when there are none."""
        cdef iovec iov[8]
        cdef Py_ssize_t length = len(self.plain), taken = 0
        cdef size_t n
        cdef int i, count
        if not length:
            self.plain = None
            return 0
        cdef const uint8_t *data = <const uint8_t *> PyBytes_AS_STRING(self.plain)
        count = <int> check(fn_mux_want(self.mux, iov, 8))
        for i in range(count):
            n = min(iov[i].iov_len, <size_t> (length - taken))
            memcpy(iov[i].iov_base, data + taken, n)
            taken += n
        fn_mux_got(self.mux, taken)
        self.plain = self.plain[taken:]
        return 1

    def opened_by_tls(self, bytes data):
        """Bytes of the peer's, for pump()."""
        self.plain = data if self.plain is None else self.plain + data

    def for_tls(self, size_t most):
        """The next bytes to send, which count as sent; b"" when there are none."""
        cdef iovec iov[16]
        cdef size_t total = 0, room
        cdef int i, n = 0
        cdef list parts = []
        fn_mux_lock(self.mux)
        try:
            while total < most:
                n = fn_mux_out_pieces(self.mux, iov, 16)
                if n <= 0:
                    break
                room = 0
                for i in range(n):
                    parts.append((<const char *> iov[i].iov_base)[:iov[i].iov_len])
                    room += iov[i].iov_len
                fn_mux_sent(self.mux, room)
                total += room
        finally:
            fn_mux_unlock(self.mux)
        check(n)
        return b"".join(parts)

    # -------------------------------------------------------------------------- state

    def ping(self, uint64_t token):
        """Stages a PING."""
        check(fn_mux_ping(self.mux, token))

    @property
    def pending(self):
        """Whether something could be sent now."""
        return fn_mux_pending(self.mux)

    @property
    def backlog(self):
        """Bytes of small messages that wait to be sent."""
        return fn_mux_backlog(self.mux)

    @property
    def peer_known(self):
        """Whether the peer has introduced itself."""
        return self.mux.peer_known

    def check_owner(self):
        """Raises Error in a process that did not open the connection."""
        check(fn_mux_check_owner(self.mux))

    def counters(self):
        """Bytes and messages so far."""
        return {"bytes_in": self.mux.bytes_in, "bytes_out": self.mux.bytes_out,
                "messages_in": self.mux.messages_in, "messages_out": self.mux.messages_out}

    def say_error(self, int code, str words):
        """Stages an ERROR, after which nothing is sent."""
        fn_mux_error(self.mux, code, words.encode()[:512])
