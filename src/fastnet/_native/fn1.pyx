"""An fn1 connection of blocking calls (link.h): the receiving half, upon the sending one."""

from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.pythread cimport PyThread_get_thread_ident
from libc.stdint cimport uint64_t

import time

from fastnet import errors
from fastnet._native.status import exception

from fastnet._native.core cimport (
    FN1_ERR_LIMIT,
    FN1_EV_CANCEL,
    FN1_EV_ERROR,
    FN1_EV_MESSAGE,
    FN1_EV_PING,
    FN1_EV_PONG,
    FN1_EV_PREFACE,
    FN_E_CHECK,
    FN_E_EOF,
    FN_E_MORE,
    FN_E_STALL,
    FN_E_TIMEOUT,
    FN_IOV,
    fn_link_at_boundary,
    fn_link_check_owner,
    fn_link_deliver,
    fn_link_flush,
    fn_link_got,
    fn_link_may_receive,
    fn_link_may_send,
    fn_link_next,
    fn_link_step,
    fn_link_want,
    iovec,
)
from fastnet._native.fn1_send cimport Sender
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
        PyBUF_WRITE


cdef class Link(Sender):
    """Both ends of what an fn1 connection does; made as `Sender` is.

    One thread may send while another receives.
    """

    cdef int answer_ping(self) except -1:
        """Sends a due PONG as far as it goes without waiting.

        A peer that pings and does not read must not hold up its receiver; what
        stays behind goes out with whatever is sent next.
        """
        cdef Patience patience
        if self.sending or fn_link_may_send(&self.link) < 0:
            return 0
        patience.ready = False
        self.sending = True
        try:
            if self.transport is None:
                be_patient(&patience, 0.0, None)
                fn_link_flush(&self.link, &patience.wait)
            else:
                self.flush_transport(0.0, &patience)
        except OSError:
            pass  # the receiving side will hear of it
        finally:
            self.end_send()
        return 0

    cdef int idle(self) except -1:
        """Called now and then while waiting for the peer."""
        return 0

    # ----------------------------------------------------------- receiving

    cdef int begin_receive(self) except -1:
        while self.glancing:  # another thread's, which never waits
            time.sleep(0.0001)
        if self.receiving:
            raise RuntimeError("another thread is receiving on this stream: one at a time")
        cdef int st = fn_link_may_receive(&self.link)
        if st < 0:
            self.refuse(st, self.receive_failure)
        self.receiving = True
        return 0

    cdef void end_receive(self) noexcept:
        self.receiving = False
        self.leave()

    cdef bint busy(self) noexcept:
        return self.sending or self.receiving or self.glancing

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
        cdef Watch watch = None
        be_patient(patience, timeout, self.stall)
        if self.link.sink is not NULL and self.link.sink.left >= WATCH_FROM:
            watch = watch_signals(&patience.wait, patience.signals)
        try:
            while True:
                with nogil:
                    event = fn_link_next(&self.link, &patience.wait)
                if event != FN_E_CHECK:
                    return event
                self.idle()
                wait_again(&patience.wait, patience.signals)
        finally:
            unwatch(watch, &patience.wait)

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
        if self.dropping:
            raise errors.Error("the stream was closed by another thread")
        cdef uint64_t total = self.link.assembly.total
        cdef uint64_t got = 0
        if self.link.sink is not NULL:
            got = total - self.link.sink.left
        if st == FN_E_TIMEOUT or st == FN_E_STALL:
            raise exception(st) if got == 0 else exception(st, transferred=got, expected=total)
        if st == FN_E_EOF:
            self.poison_receive("the peer ended the connection")
            if fn_link_at_boundary(&self.link):
                raise errors.IncompleteTransfer(
                    "the peer ended the connection without saying that it was done")
            if self.link.sink is NULL:
                raise errors.IncompleteTransfer("the peer ended the connection inside an array")
            raise errors.IncompleteTransfer(
                f"the peer ended the connection inside an array, after {got} of {total} bytes",
                got, total)
        error = exception(st)
        self.poison_receive(str(error))
        raise error

    cdef int raise_peer_error(self) except -1:
        cdef const char *data = <const char *> self.link.rx.error_text.data
        text = data[:self.link.rx.error_text.len].decode("utf-8", "replace")
        text = "".join([c if c.isprintable() else "?" for c in text])
        self.poison_receive(f"the peer ended it: {text}")
        limit = self.link.rx.error_code == FN1_ERR_LIMIT
        kind = errors.LimitError if limit else errors.ProtocolError
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

    # ------------------------------------------------------------ glancing
    #
    # Looking at what has arrived, without waiting, from a thread that sends:
    # it gives way to a thread that receives, and such a thread waits for it.

    cdef bint begin_glance(self) noexcept:
        if self.receiving or self.glancing or fn_link_may_receive(&self.link) < 0:
            return False
        self.glancing = True
        return True

    cdef void end_glance(self) noexcept:
        self.glancing = False
        self.leave()

    def poll_preface(self):
        """Takes what has arrived of the peer's preface, without waiting.

        True when it is complete.  Raises as receiving does, IncompleteTransfer
        at the end of the connection.
        """
        cdef Patience patience
        cdef int event
        patience.ready = False
        if not self.begin_glance():
            return self.link.peer_fragment != 0
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
            self.end_glance()

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
        patience.ready = False
        if not self.begin_glance():
            return None
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
            self.end_glance()
        return None

    # --------------------------------------------------------------- state

    def read_elsewhere(self):
        """Whether another thread receives, or iterates over what comes."""
        if self.reader != 0:
            return self.reader != <unsigned long> PyThread_get_thread_ident()
        return bool(self.receiving)

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
