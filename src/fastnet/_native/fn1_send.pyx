"""The sending half of an fn1 connection (link.h), and what both halves share.

A link moves messages over a socket: by the core's own loops on its descriptor,
or, where the socket must be used through its methods (TLS), through a
transport object with

    read(view, deadline) -> int    at least one byte, 0 at the end
    write(view, deadline) -> int   at least one byte

where the deadline is in nanoseconds of time.monotonic_ns(), or None; both
raise TransferTimeout.  Its attribute `reading` is true when an exception from
read may have lost bytes.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memset

import socket
import time

from fastnet import errors
from fastnet._native.status import exception

from fastnet._native.core cimport (
    FN1_CLIENT,
    FN1_SERVER,
    FN_CLASS_SYSTEM,
    FN_E_CHECK,
    FN_E_FN1_EARLY,
    FN_E_TIMEOUT,
    FN_IOV,
    FN_OK,
    fn1_tx_staged,
    fn_link_check_owner,
    fn_link_close,
    fn_link_error,
    fn_link_fini,
    fn_link_flush,
    fn_link_init,
    fn_link_may_send,
    fn_link_message,
    fn_link_options,
    fn_link_out,
    fn_link_send_is_partial,
    fn_link_sent,
    fn_link_unstage,
    fn_status_class,
    fn_suite_find,
    fn_wait_over,
    iovec,
)
from fastnet._native.status cimport check
from fastnet._native.wait cimport (
    WATCH_FROM,
    Patience,
    Watch,
    be_patient,
    deadline_of,
    unwatch,
    wait_again,
    watch_signals,
)

cdef extern from "Python.h":
    enum:
        PyBUF_READ


def suite_codes(names):
    """The numbers of suites, one byte each, from an iterable of names (mac.h)."""
    codes = bytearray()
    for name in names:
        code = fn_suite_find(name.encode())
        if code < 0:
            raise ValueError(f"there is no suite {name!r}; there are hmac-sha256 and aes-256-gmac")
        codes.append(code)
    if not codes:
        raise ValueError("at least one suite must be allowed")
    return bytes(codes)


cdef fn1_view view_of(bytes data) noexcept:
    """The bytes of an object that outlives the view."""
    cdef fn1_view view
    view.data = <const uint8_t *> PyBytes_AS_STRING(data)
    view.len = PyBytes_GET_SIZE(data)
    return view


cdef class Sender:
    """One end of an fn1 connection, of which this class uses the sending half.

    Parameters:
        sock: the connected socket; kept, never closed here.
        server: whether this end listened.
        application: what speaks, ASCII; a peer that names another is refused.
        fragment, chunk, ahead, stage: bytes (link.h, stream.h).
        spin: seconds; see sock.default_spin.
        max_envelope, max_message: bytes that this end accepts.
        stall: seconds without progress, or None.
        transport: moves the bytes instead of the core, or None.
        key: bytes that both ends have, at least 16; None without a key.
        key_id: which key it is; of a client, at most 64 bytes.
        keyring(key_id) -> bytes | None: of a server, instead of a key; must not raise.
        suites: one byte each (mac.h), the best first; empty for the default.
    """

    def __cinit__(self):
        self.initialised = False
        self.sending = False

    def __init__(self, sock, *, bint server, bytes application, fragment, chunk, ahead, stage, spin,
                 max_envelope, max_message, stall=None, transport=None, bytes key=None,
                 bytes key_id=b"", keyring=None, bytes suites=b""):
        cdef fn_link_options options
        if self.initialised:
            raise RuntimeError("a link is initialised once")
        self.sock = sock
        self.transport = transport
        self.stall = stall
        self.application = application
        memset(&options, 0, sizeof(options))
        options.role = FN1_SERVER if server else FN1_CLIENT
        options.limits.fragment = 0xFFFFFFFF
        options.limits.envelope = max_envelope
        options.limits.segments = 1024
        options.limits.message = max_message
        options.fragment = fragment
        options.ahead_max = ahead
        options.stage_max = stage
        options.application = self.application
        self.keyring = keyring
        self.take_key(&options, key, key_id, suites)
        self.initialised = True
        check(fn_link_init(&self.link, sock.fileno(), &options))
        self.link.stream.chunk = chunk
        self.link.stream.spin = <int64_t> (<double> spin * 1e9)

    cdef int take_key(self, fn_link_options *options, bytes key, bytes key_id,
                      bytes suites) except -1:
        options.keyed = key is not None or self.keyring is not None
        if key is not None:
            options.key = view_of(key)
        options.key_id = view_of(key_id)
        options.suites = view_of(suites)
        return 0

    def __dealloc__(self):
        if self.initialised:
            fn_link_fini(&self.link)

    # ---------------------------------------------------------- descriptor

    cdef bint busy(self) noexcept:
        return self.sending

    cdef void leave(self) noexcept:
        if self.dropping and not self.busy():
            self.link.stream.fd = -1
            self.sock.close()

    def drop(self):
        """Closes the socket, but not under a call that is inside.

        The number of a closed descriptor may be another connection's at once.
        So a call of another thread is woken by a shutdown, and the last one to
        leave closes the socket.
        """
        self.dropping = True
        if not self.busy() or fn_link_check_owner(&self.link) < 0:
            self.link.stream.fd = -1
            self.sock.close()  # after a fork only this copy: the connection is the parent's
            return
        try:
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        except OSError:
            pass  # the peer was quicker

    # ------------------------------------------------------------- sending

    cdef int begin_send(self) except -1:
        while self.ponging:  # another thread's answer to a PING, which never waits
            time.sleep(0.0001)
        if self.dropping:
            raise errors.Error("the stream is closed")
        if self.sending:
            raise RuntimeError("another thread is sending on this stream: one at a time")
        cdef int st = fn_link_may_send(&self.link)
        if st < 0 and not (st == FN_E_FN1_EARLY and self.shaking):
            self.refuse(st, self.send_failure)
        self.sending = True
        self.link.stream.send_waits = 0
        self.leftover = fn1_tx_staged(&self.link.tx) > 0  # a PONG, or the preface, cut in two
        return 0

    cdef void end_send(self) noexcept:
        self.sending = False
        self.leave()

    cdef int refuse(self, int st, str failure) except -1:
        if failure is not None:
            raise errors.Error(f"this stream cannot be used any more: {failure}")
        raise exception(st)

    cdef int stage(self, uint16_t kind, uint64_t *sizes, uint16_t segments, fn1_view *meta,
                   size_t meta_parts, fn_body *body) except -1:
        return check(fn_link_message(&self.link, kind, sizes, segments, meta, meta_parts, body))

    cdef int flush(self, object timeout, Patience *patience) except -1:
        """Sends all that is staged; on failure says what that leaves behind."""
        cdef uint64_t before = self.link.stream.bytes_out
        cdef bint done = False
        try:
            if self.transport is None:
                self.flush_descriptor(timeout, patience)
            else:
                self.flush_transport(timeout, patience)
            done = True
        finally:
            if not done:
                self.send_stopped(before)
        return 0

    cdef int send_stopped(self, uint64_t before) except -1:
        if (self.transport is not None or self.leftover
                or fn_link_send_is_partial(&self.link, before)):
            self.link.send_poisoned = True
            self.send_failure = "an earlier send stopped inside an array"
        fn_link_unstage(&self.link)
        if self.link.send_poisoned and self.send_failure is None:
            self.send_failure = "an earlier send was given up after its tag was made"
        return 0

    cdef int flush_descriptor(self, object timeout, Patience *patience) except -1:
        cdef int st = FN_OK
        cdef Watch watch = None
        be_patient(patience, timeout, self.stall)
        if self.link.body is not NULL and self.link.body.left >= WATCH_FROM:
            watch = watch_signals(&patience.wait, patience.signals)
        try:
            while True:
                with nogil:
                    st = fn_link_flush(&self.link, &patience.wait)
                if st != FN_E_CHECK:
                    break
                wait_again(&patience.wait, patience.signals)
        finally:
            unwatch(watch, &patience.wait)
        if st == FN_OK:
            return 0
        if self.dropping:
            raise errors.Error("the stream was closed by another thread")
        if fn_status_class(st) == FN_CLASS_SYSTEM:
            self.link.send_poisoned = True
            self.send_failure = "sending on it failed earlier"
        if self.link.body is NULL:
            raise exception(st)
        total = self.link.body_total
        raise exception(st, transferred=total - self.link.body.left, expected=total)

    cdef int flush_transport(self, object timeout, Patience *patience) except -1:
        cdef iovec iov[FN_IOV]
        cdef int n, i
        check(fn_link_check_owner(&self.link))
        be_patient(patience, timeout, self.stall)
        while True:
            n = <int> check(fn_link_out(&self.link, iov, FN_IOV))
            if n == 0:
                return 0
            for i in range(n):
                self.write_piece(&iov[i], deadline_of(patience))
            if self.link.body is not NULL and fn_wait_over(&patience.wait) == FN_E_TIMEOUT:
                raise exception(FN_E_TIMEOUT)

    cdef int write_piece(self, iovec *piece, object deadline) except -1:
        cdef size_t done = 0
        cdef size_t n
        while done < piece.iov_len:
            view = PyMemoryView_FromMemory(<char *> piece.iov_base + done, piece.iov_len - done,
                                           PyBUF_READ)
            try:
                n = self.transport.write(view, deadline)
            finally:
                view.release()
            done += n
            fn_link_sent(&self.link, n)
            self.link.stream.bytes_out += n
        return 0

    def send_preface(self, timeout=None):
        """Sends what is staged from the beginning: the preface, or a part of the handshake."""
        cdef Patience patience
        patience.ready = False
        self.shaking = True
        try:
            self.begin_send()
            try:
                self.flush(timeout, &patience)
            finally:
                self.end_send()
        finally:
            self.shaking = False

    def send_close(self, timeout=None):
        """Sends CLOSE, once; nothing can be sent after it."""
        cdef Patience patience
        patience.ready = False
        if self.link.closed or self.link.send_poisoned:
            return
        self.begin_send()
        try:
            check(fn_link_close(&self.link))
            self.flush(timeout, &patience)
        finally:
            self.end_send()

    def send_error(self, int code, str text, timeout=None):
        """Sends ERROR, where the wire is between frames; True when it went out.

        To a peer that has not shown that it has the key, only the code goes.
        """
        cdef Patience patience
        patience.ready = False
        cdef int st = fn_link_may_send(&self.link)
        if self.sending or self.dropping or (st < 0 and st != FN_E_FN1_EARLY):
            return False
        encoded = text.encode("utf-8", "replace")
        self.shaking = True
        try:
            self.begin_send()
            try:
                check(fn_link_error(&self.link, code, encoded))
                self.flush(timeout, &patience)
            finally:
                self.end_send()
        finally:
            self.shaking = False
        return True
