"""The receiving half of an fn1 connection (link.h)."""

import time

from fastnet import errors
from fastnet._native.status import exception

from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.pythread cimport PyThread_get_thread_ident
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

from fastnet._native.core cimport (
    FN1_ERR_AUTHENTICATION,
    FN1_ERR_BUSY,
    FN1_ERR_LIMIT,
    FN1_ERR_SHUTDOWN,
    FN1_ERR_TIMEOUT,
    FN1_EV_CANCEL,
    FN1_EV_ERROR,
    FN1_EV_PING,
    FN1_EV_PONG,
    FN1_EV_PREFACE,
    FN_E_CHECK,
    FN_E_EOF,
    FN_E_FN1_REFUSED,
    FN_E_MORE,
    FN_E_STALL,
    FN_E_TIMEOUT,
    FN_IOV,
    FN_LINK_BODY,
    fn_link_at_boundary,
    fn_link_check_owner,
    fn_link_deliver,
    fn_link_flush,
    fn_link_forget,
    fn_link_got,
    fn_link_may_receive,
    fn_link_may_send,
    fn_link_next,
    fn_link_step,
    fn_link_want,
    fn_wait_over,
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


cdef str refusal_of(uint32_t code):
    """What a server's refusal says before anybody has shown a key, where it is not about that."""
    if code == FN1_ERR_BUSY:
        return "it has too many already"
    if code == FN1_ERR_TIMEOUT:
        return "the handshake took too long"
    return "it is closing" if code == FN1_ERR_SHUTDOWN else None


cdef class Receiver(Sender):
    """The receiving half, upon the sending one: its PINGs are answered there."""

    cdef int answer_ping(self) except -1:
        """Sends a due PONG as far as it goes without waiting.

        A peer that pings and does not read must not hold up its receiver; what
        stays behind goes out with whatever is sent next.
        """
        cdef Patience patience
        if self.sending or self.ponging or self.dropping or fn_link_may_send(&self.link) < 0:
            return 0
        patience.ready = False
        self.ponging = True
        try:
            be_patient(&patience, 0.0, None)
            if self.transport is None:
                fn_link_flush(&self.link, &patience.wait)
            else:
                self.flush_transport(0.0, &patience)
        except TimeoutError:
            pass
        except BaseException as error:
            self.link.send_poisoned = True  # how much of it went is not known
            self.send_failure = "sending on it failed earlier"
            if not isinstance(error, OSError):
                raise
        finally:
            self.ponging = False
            self.leave()
        return 0

    cdef int idle(self) except -1:
        """Called now and then while waiting for the peer."""
        return 0

    # ----------------------------------------------------------- receiving

    cdef int begin_receive(self) except -1:
        while self.glancing:  # another thread's, which never waits
            time.sleep(0.0001)
        if self.dropping:
            raise errors.Error("the stream is closed")
        if self.receiving:
            raise RuntimeError("another thread is receiving on this stream: one at a time")
        cdef int st = fn_link_may_receive(&self.link)
        if st < 0:
            self.refuse(st, self.receive_failure)
        self.receiving = True
        self.receiver = <unsigned long> PyThread_get_thread_ident()
        self.link.stream.receive_waits = 0
        return 0

    cdef void end_receive(self) noexcept:
        self.receiving = False
        self.leave()

    cdef bint busy(self) noexcept:
        return self.sending or self.ponging or self.receiving or self.glancing

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
                self.mind_the_clock(patience)
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

    cdef int mind_the_clock(self, Patience *patience) except -1:
        """Ends a call whose time is up, though bytes keep coming; lets signals in."""
        cdef int st = fn_wait_over(&patience.wait) if patience.ready else 0
        if st == FN_E_TIMEOUT:
            self.raise_status(st)
        if st == FN_E_CHECK:
            self.idle()
            wait_again(&patience.wait, patience.signals)
        return 0

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
        try:
            n = self.transport.read(view, deadline_of(patience))
        except BaseException as error:
            if self.transport.reading:  # not while it waited
                self.poison_receive(f"a receive stopped inside TLS: {error!r}")
                if self.link.session.keyed:  # what it may have brought was not verified
                    memset(iov[0].iov_base, 0, iov[0].iov_len)
            raise
        finally:
            view.release()
        if n == 0:
            return FN_E_EOF
        self.link.stream.bytes_in += n
        fn_link_got(&self.link, n)
        return FN_E_CHECK

    cdef int raise_status(self, int st) except -1:
        if self.dropping:
            raise errors.Error("the stream was closed by another thread")
        if self.link.session.keyed and not self.link.peer_fragment:
            self.raise_handshake(st)
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

    cdef int raise_handshake(self, int st) except -1:
        """A status from before the peer has shown that it has the key."""
        error = exception(st)
        words = refusal_of(self.link.session.refusal) if st == FN_E_FN1_REFUSED else None
        if st == FN_E_EOF:
            error = errors.AuthenticationError(
                "the peer ended the connection before it showed that it has the key")
        elif words is not None:
            error = errors.ProtocolError(f"the peer refuses the connection: {words}")
        if st != FN_E_TIMEOUT and st != FN_E_STALL:
            self.poison_receive(str(error))
        raise error

    cdef int raise_peer_error(self) except -1:
        cdef const char *data = <const char *> self.link.rx.error_text.data
        text = data[:self.link.rx.error_text.len].decode("utf-8", "replace")
        text = "".join([c if c.isprintable() else "?" for c in text])
        self.poison_receive(f"the peer ended it: {text}")
        kind = errors.ProtocolError
        if self.link.rx.error_code == FN1_ERR_LIMIT:
            kind = errors.LimitError
        elif self.link.rx.error_code == FN1_ERR_AUTHENTICATION:
            kind = errors.AuthenticationError
        raise kind(f"the peer ended the connection: {text}")

    cdef int check_application(self) except -1:
        name = self.link.session.application
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
        cdef bint begun
        if fn_link_deliver(&self.link, body):
            return 0
        try:
            if self.next(timeout, patience) != FN_LINK_BODY:
                self.poison_receive("an array ended before its bytes did")
                raise errors.ProtocolError("an array ended before its bytes did")
            done = True
        finally:
            if not done:
                begun = body.left != total  # before forgetting, which may wipe it
                fn_link_forget(&self.link)
                if self.link.assembly.open and begun:
                    self.poison_receive("an earlier receive stopped inside an array")
        return 0

    cdef int discard(self, object timeout, Patience *patience) except -1:
        """Throws the open message's bytes away; stopped in between, that was the last."""
        cdef bint done = False
        if fn_link_deliver(&self.link, NULL):
            return 0
        try:
            self.next(timeout, patience)
            done = True
        finally:
            if not done and self.link.assembly.open:
                self.poison_receive("an earlier receive stopped inside an array")
        return 0
