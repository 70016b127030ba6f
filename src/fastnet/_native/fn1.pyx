"""An fn1 connection of blocking calls (link.h).

A Link moves messages over a socket: by the core's own loops on its descriptor,
or, where the socket must be used through its methods (TLS), through a
transport object with

    read(view, deadline) -> int    at least one byte, 0 at the end
    write(view, deadline) -> int   at least one byte

where the deadline is in nanoseconds of time.monotonic_ns(), or None.
"""

from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport int64_t
from libc.string cimport memset

from fastnet import errors
from fastnet._native.status import exception

from fastnet._native.core cimport (
    FN1_CLIENT,
    FN1_ERR_LIMIT,
    FN1_EV_CANCEL,
    FN1_EV_CLOSE,
    FN1_EV_ERROR,
    FN1_EV_MESSAGE,
    FN1_EV_PING,
    FN1_EV_PONG,
    FN1_EV_PREFACE,
    FN1_SERVER,
    FN_CLASS_LIMIT,
    FN_CLASS_PROTOCOL,
    FN_CLASS_SYSTEM,
    FN_E_CHECK,
    FN_E_EOF,
    FN_E_MORE,
    FN_E_STALL,
    FN_E_TIMEOUT,
    FN_IOV,
    FN_LINK_BODY,
    FN_NEVER,
    FN_OK,
    fn1_limits,
    fn1_tx_error,
    fn1_tx_pending,
    fn1_tx_staged,
    fn_link_at_boundary,
    fn_link_check_owner,
    fn_link_close,
    fn_link_deliver,
    fn_link_fini,
    fn_link_flush,
    fn_link_got,
    fn_link_init,
    fn_link_may_receive,
    fn_link_may_send,
    fn_link_message,
    fn_link_next,
    fn_link_options,
    fn_link_out,
    fn_link_send_is_partial,
    fn_link_sent,
    fn_link_step,
    fn_link_unstage,
    fn_link_want,
    fn_status_class,
    iovec,
)
from fastnet._native.status cimport check
from fastnet._native.wait cimport wait_again, wait_init

cdef extern from "Python.h":
    enum:
        PyBUF_READ
        PyBUF_WRITE


cdef int be_patient(Patience *p, object timeout, object stall) except -1:
    if not p.ready:
        wait_init(&p.wait, timeout, stall, &p.signals)
        p.ready = True
    return 0


cdef object deadline_of(Patience *p):
    return None if p.wait.deadline == FN_NEVER else p.wait.deadline


cdef class Link:
    """One end of an fn1 connection.

    Parameters:
        sock: the connected socket; kept, never closed here.
        server: whether this end listened.
        application: what speaks, ASCII; a peer that names another is refused.
        fragment, chunk, ahead, stage: bytes (link.h, stream.h).
        spin: seconds; see sock.default_spin.
        max_envelope, max_message: bytes that this end accepts.
        stall: seconds without progress, or None.
        transport: moves the bytes instead of the core, or None.
    """

    def __cinit__(self):
        self.initialised = False
        self.sending = self.receiving = False

    def __init__(self, sock, *, bint server, bytes application, fragment, chunk, ahead, stage, spin,
                 max_envelope, max_message, stall=None, transport=None):
        cdef fn_link_options options
        if self.initialised:
            raise RuntimeError("a Link is initialised once")
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
        self.initialised = True
        check(fn_link_init(&self.link, sock.fileno(), &options))
        self.link.stream.chunk = chunk
        self.link.stream.spin = <int64_t> (<double> spin * 1e9)

    def __dealloc__(self):
        if self.initialised:
            fn_link_fini(&self.link)

    # ------------------------------------------------------------- sending

    cdef int begin_send(self) except -1:
        if self.sending:
            raise RuntimeError("another thread is sending on this stream: one at a time")
        cdef int st = fn_link_may_send(&self.link)
        if st < 0:
            self.refuse(st, self.send_failure)
        self.sending = True
        return 0

    cdef void end_send(self) noexcept:
        self.sending = False

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
        if self.transport is not None or fn_link_send_is_partial(&self.link, before):
            self.link.send_poisoned = True
            self.send_failure = "an earlier send stopped inside an array"
        fn_link_unstage(&self.link)
        return 0

    cdef int flush_descriptor(self, object timeout, Patience *patience) except -1:
        cdef int st = FN_OK
        be_patient(patience, timeout, self.stall)
        while True:
            with nogil:
                st = fn_link_flush(&self.link, &patience.wait)
            if st == FN_OK:
                return 0
            if st != FN_E_CHECK:
                break
            wait_again(&patience.wait, patience.signals)
        if fn_status_class(st) == FN_CLASS_SYSTEM:
            self.link.send_poisoned = True
            self.send_failure = "sending on it failed earlier"
        raise exception(st)

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

    cdef int write_piece(self, iovec *piece, object deadline) except -1:
        cdef size_t done = 0
        cdef size_t n
        while done < piece.iov_len:
            view = PyMemoryView_FromMemory(<char *> piece.iov_base + done, piece.iov_len - done,
                                           PyBUF_READ)
            n = self.transport.write(view, deadline)
            done += n
            fn_link_sent(&self.link, n)
            self.link.stream.bytes_out += n
        return 0

    def send_preface(self, timeout=None):
        """Sends what is staged from the beginning: the preface."""
        cdef Patience patience
        patience.ready = False
        self.begin_send()
        try:
            self.flush(timeout, &patience)
        finally:
            self.end_send()

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
        """Sends ERROR, where the wire is between frames; True when it went out."""
        cdef Patience patience
        patience.ready = False
        if self.sending or fn_link_may_send(&self.link) < 0:
            return False
        encoded = text.encode("utf-8", "replace")
        self.begin_send()
        try:
            check(fn1_tx_error(&self.link.tx, code, encoded))
            self.link.closed = True
            self.flush(timeout, &patience)
        finally:
            self.end_send()
        return True

    cdef int answer_ping(self) except -1:
        """Sends a due PONG, unless another thread sends and so will take it along."""
        cdef Patience patience
        patience.ready = False
        if self.sending or fn_link_may_send(&self.link) < 0:
            return 0
        self.begin_send()
        try:
            self.flush(None, &patience)
        finally:
            self.end_send()
        return 0

    # ----------------------------------------------------------- receiving

    cdef int begin_receive(self) except -1:
        if self.receiving:
            raise RuntimeError("another thread is receiving on this stream: one at a time")
        cdef int st = fn_link_may_receive(&self.link)
        if st < 0:
            self.refuse(st, self.receive_failure)
        self.receiving = True
        return 0

    cdef void end_receive(self) noexcept:
        self.receiving = False

    cdef int poison_receive(self, str why) except -1:
        self.link.receive_poisoned = True
        self.receive_failure = why
        return 0

    cdef int next(self, object timeout, Patience *patience) except -1:
        """The next event that means something to the owner: MESSAGE, BODY or CLOSE."""
        cdef int event
        while True:
            event = fn_link_step(&self.link)
            if event == FN_E_MORE:
                if self.transport is None:
                    event = self.wait_descriptor(timeout, patience)
                else:
                    event = self.wait_transport(timeout, patience)
            if event == FN_E_CHECK:
                continue  # a transport brought bytes: look at them
            if event == FN1_EV_PREFACE:
                self.check_application()
            elif event == FN1_EV_PING:
                self.answer_ping()
            elif event == FN1_EV_ERROR:
                self.raise_peer_error()
            elif event == FN1_EV_CANCEL:
                raise errors.Error("the sender gave the array up before it was complete")
            elif event < 0:
                self.raise_status(event)
            elif event != FN1_EV_PONG:
                return event

    cdef int wait_descriptor(self, object timeout, Patience *patience) except? -1:
        cdef int event
        be_patient(patience, timeout, self.stall)
        while True:
            with nogil:
                event = fn_link_next(&self.link, &patience.wait)
            if event != FN_E_CHECK:
                return event
            wait_again(&patience.wait, patience.signals)

    cdef int wait_transport(self, object timeout, Patience *patience) except? -1:
        cdef iovec iov[FN_IOV]
        cdef size_t n
        check(fn_link_check_owner(&self.link))
        be_patient(patience, timeout, self.stall)
        check(fn_link_want(&self.link, iov, FN_IOV))
        view = PyMemoryView_FromMemory(<char *> iov[0].iov_base, iov[0].iov_len, PyBUF_WRITE)
        n = self.transport.read(view, deadline_of(patience))
        if n == 0:
            return FN_E_EOF
        self.link.stream.bytes_in += n
        fn_link_got(&self.link, n)
        return FN_E_CHECK

    cdef int raise_status(self, int st) except -1:
        if st == FN_E_TIMEOUT or st == FN_E_STALL:
            raise exception(st)
        if st == FN_E_EOF:
            self.poison_receive("the peer ended the connection")
            if fn_link_at_boundary(&self.link):
                raise errors.IncompleteTransfer(
                    "the peer ended the connection without saying that it was done")
            raise errors.IncompleteTransfer("the peer ended the connection inside an array")
        error = exception(st)
        self.poison_receive(str(error))
        raise error

    cdef int raise_peer_error(self) except -1:
        cdef const char *data = <const char *> self.link.rx.error_text.data
        text = data[:self.link.rx.error_text.len].decode("utf-8", "replace")
        text = "".join([c if c.isprintable() else "?" for c in text])
        self.poison_receive(f"the peer ended it: {text}")
        kind = errors.LimitError if self.link.rx.error_code == FN1_ERR_LIMIT else errors.ProtocolError
        raise kind(f"the peer ended the connection: {text}")

    cdef int check_application(self) except -1:
        name = self.link.application
        if name == self.application:
            return 0
        shown = name.decode("ascii", "replace") or "nothing it names"
        error = errors.ProtocolError(
            f"the peer speaks fn1 for {shown!r}, this end for {self.application.decode()!r}")
        self.poison_receive(str(error))
        raise error

    cdef int receive_body(self, fn_body *body, object timeout, Patience *patience) except -1:
        """Fills body with the open message's bytes.

        A failure before the first of them leaves the message open, so that it
        can be received again.
        """
        cdef uint64_t total = body.left
        cdef bint done = False
        if fn_link_deliver(&self.link, body):
            return 0
        try:
            self.next(timeout, patience)
            done = True
        finally:
            if not done and self.link.assembly.open:
                fn_link_deliver(&self.link, NULL)
                if body.left != total:
                    self.poison_receive("an earlier receive stopped inside an array")
        return 0

    # --------------------------------------------------------------- state

    def poll_preface(self):
        """Takes what has arrived of the peer's preface, without waiting.

        True when it is complete.  Raises as receiving does, IncompleteTransfer
        at the end of the connection.
        """
        cdef Patience patience
        cdef int event
        patience.ready = False
        self.begin_receive()
        try:
            while self.link.peer_fragment == 0:
                event = self.glance(&patience)
                if event == FN_E_TIMEOUT:
                    return False
                if event == FN1_EV_PREFACE:
                    self.check_application()
                elif event == FN1_EV_ERROR:
                    self.raise_peer_error()
                elif event < 0:
                    self.raise_status(event)
            return True
        finally:
            self.end_receive()

    cdef int glance(self, Patience *patience) except? -1:
        """The next event of what is here already; FN_E_TIMEOUT when there is none."""
        cdef int event
        while True:
            event = fn_link_step(&self.link)
            if event == FN_E_MORE:
                event = self.poll_once(patience)
            if event != FN_E_CHECK:
                return event

    cdef int poll_once(self, Patience *patience) except? -1:
        if self.transport is None:
            return self.wait_descriptor(0.0, patience)
        try:
            return self.wait_transport(0.0, patience)
        except TimeoutError:
            return FN_E_TIMEOUT

    @property
    def peer_known(self):
        """Whether the peer's preface has come."""
        return self.link.peer_fragment != 0

    @property
    def peer_closed(self):
        """Whether the peer has said that it sends no more."""
        return bool(self.link.peer_closed)

    def last_words(self):
        """The exception for an ERROR that the peer left behind, or None.

        For after a failed send: the reason has arrived by then, if there is one.
        """
        cdef Patience patience
        cdef int event = 0
        if self.receiving or fn_link_may_receive(&self.link) < 0:
            return None
        patience.ready = False
        self.begin_receive()
        try:
            while event >= 0:
                event = self.glance(&patience)
                if event == FN1_EV_ERROR:
                    self.raise_peer_error()
                if event == FN1_EV_MESSAGE:
                    fn_link_deliver(&self.link, NULL)
        except errors.ProtocolError as error:
            return error
        except OSError:
            return None
        finally:
            self.end_receive()
        return None

    @property
    def receiving_now(self):
        """Whether a thread is in a receiving call."""
        return bool(self.receiving)

    @property
    def has_transport(self):
        """Whether something other than the core moves the bytes."""
        return self.transport is not None

    @property
    def receive_poisoned(self):
        return bool(self.link.receive_poisoned)

    @property
    def send_poisoned(self):
        return bool(self.link.send_poisoned)

    def counters(self):
        """bytes and messages, sent and received, so far; may be asked at any time."""
        return {
            "bytes_sent": self.link.stream.bytes_out,
            "bytes_received": self.link.stream.bytes_in,
            "messages_sent": self.link.messages_out,
            "messages_received": self.link.messages_in,
        }

    @property
    def spin(self):
        """Seconds this end spins before it sleeps."""
        return self.link.stream.spin / 1e9
