"""A client's connection, moved by the threads that wait for it (muxio.h, tend.h)."""

import os
import threading
from collections import deque

from cpython.exc cimport PyErr_CheckSignals

from fastnet import errors

from fastnet._native.core cimport (
    FN_E_CHECK,
    FN_E_EOF,
    FN_E_TIMEOUT,
    FN_MS,
    FN_NEVER,
    fn_after,
    fn_earlier,
    fn_now,
    fn_time,
)
from fastnet._native.core_rpc cimport (
    fn_mux_await,
    fn_mux_wait,
    fn_tend_fini,
    fn_tend_init,
    fn_tend_notice,
    fn_tend_wait,
)
from fastnet._native.rpclink cimport Call, ClientLink
from fastnet._native.status import exception
from fastnet._native.status cimport check

cdef enum:
    WRITE = 1 << 20

cdef fn_time SLICE = 50 * FN_MS
cdef fn_time BEHIND = 10 * FN_MS


cdef class Driver:
    """Whoever waits for an answer drives the connection.  Parameters: see Client."""

    def __cinit__(self, *args, **kwargs):
        self.wake_fd = -1

    def __init__(self, *, double spin, connect, lost, late, start_tender, double patience):
        self.connect, self.lost, self.late = connect, lost, late
        self.start_tender = start_tender
        self.soonest = FN_NEVER
        self.waiting = deque()
        self.patience = patience
        self.wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.wait.spin = <fn_time> (spin * 1e9)
        self.wait.wake_fd = self.wake_fd
        check(fn_tend_init(&self.tend))
        self.tend_ready = True

    def __dealloc__(self):
        if self.wake_fd != -1:
            os.close(self.wake_fd)
        if self.tend_ready:
            fn_tend_fini(&self.tend)

    cdef ClientLink linked(self):
        """The connection, made anew where there is none."""
        cdef ClientLink link = self.link
        if link is not None and link.failure is None and not link.ended:
            return link
        if self.closed:
            raise ValueError("the client is closed")
        if link is not None and link.failure is None:  # the server has said goodbye
            self.fail(link, errors.IncompleteTransfer("the server has closed the connection"))
        link = self.connect()
        self.shake_hands(link)
        if self.link is not None and self.link.failure is None:
            return self.link  # another thread has connected meanwhile
        self.link = link
        return link

    def shake_hands(self, ClientLink link not None):
        """With a key or TLS nothing can be sent before the server has answered."""
        cdef fn_mux_wait wait = self.wait
        cdef fn_time until = fn_after(self.patience)
        cdef int st
        if link.tls is None and not link.mux.session.keyed:
            return
        try:
            while not link.mux.peer_known:
                wait.deadline = until
                wait.check_at = fn_now() + SLICE
                if link.tls is not None:
                    st = link.tls.wait(link, -1, fn_earlier(until, wait.check_at))
                else:
                    with nogil:
                        st = fn_mux_await(link.mux, link.fd, &wait)
                if st == FN_E_CHECK:
                    PyErr_CheckSignals()
                elif st == FN_E_EOF and link.mux.session.keyed:
                    raise errors.AuthenticationError(
                        "the server ended the connection before it showed that it has the key")
                elif check(st):
                    link.pump()
                if fn_now() >= until and not link.mux.peer_known:
                    raise errors.TransferTimeout("the handshake took too long")
        except BaseException as error:
            link.fail(error)
            raise

    def connect_now(self):
        """Connects, unless it is connected; sends this end's preface."""
        self.linked()
        self.flush()

    # ------------------------------------------------------------------------ sending

    cdef int flush(self) except -1:
        cdef ClientLink link = self.link
        self.unsent = 0
        if link is None or link.failure is not None:
            return 0
        if self.driving and link.tls is not None:
            return self.rouse()
        try:
            if link.transmit(WRITE, False) and self.driving:
                self.rouse()  # whoever drives is to wait for room
        except (OSError, errors.Error) as error:
            self.fail(link, error)
        return 0

    def rouse(self):
        """Whoever drives looks again."""
        if self.wake_fd != -1:
            os.eventfd_write(self.wake_fd, 1)
        return 0

    def notice(self):
        """There is a thread behind, and it knows that there are calls."""
        if self.tender is None:
            self.tender = self.start_tender(self)
        fn_tend_notice(&self.tend)

    def count_down(self):
        """A call is no longer open."""
        if self.tend.open:
            self.tend.open = self.tend.open - 1

    # ------------------------------------------------------------------------ waiting

    def wait_until(self, Call call not None, fn_time until):
        """Waits for a call, but no longer than until then (on the core's clock)."""
        cdef fn_time before = call.deadline
        call.deadline = until
        try:
            self.wait_for(call)
        except TimeoutError:
            if call.done or call.abandoned:
                raise
        finally:
            call.deadline = before

    cdef int wait_for(self, Call call) except -1:
        """Until it is done."""
        while not call.done:
            if self.driving:
                self.sleep(call)
                continue
            self.driving = True
            self.tend.driven = True
            try:
                self.drive(call, False)
            finally:
                self.driving = False
                self.tend.driven = False
                self.tend.turns = self.tend.turns + 1
                self.hand_over()
                if self.closed:
                    self.shut_wake()
        return 0

    cdef int shut_wake(self) except -1:
        """Nobody drives any more, nor will."""
        if self.wake_fd != -1 and not self.driving:
            os.close(self.wake_fd)
            self.wake_fd = self.wait.wake_fd = -1
        return 0

    cdef int hand_over(self) except -1:
        """Another of those who wait drives from now on."""
        cdef Call other
        while self.waiting:
            other = self.waiting.popleft()
            if other.lock is not None:
                other.settle()
                return 0
        return 0

    cdef int sleep(self, Call call) except -1:
        """Another thread drives: waits until it has the answer, or leaves the driving to us."""
        cdef double span
        self.flush()  # who drives may be asleep
        if call.done or not self.driving:
            return 0
        lock = threading.Lock()
        lock.acquire()
        call.lock = lock
        self.waiting.append(call)
        span = -1
        if call.deadline:
            span = max(0.0, (call.deadline - fn_now()) / 1e9)
        try:
            lock.acquire(True, span) if span < 1e6 else lock.acquire()
            call.lock = None
            self.check_time(call)
        except BaseException:
            if not self.driving:
                self.hand_over()  # it may have been woken to drive, and does not want to
            raise
        finally:
            call.lock = None
            try:
                self.waiting.remove(call)
            except ValueError:
                pass
        return 0

    cdef int check_time(self, Call call) except -1:
        if not call.done and call.deadline and fn_now() >= call.deadline:
            raise errors.TransferTimeout("no answer came in time")
        return 0

    cdef int expires(self, Call call) except -1:
        """The call is given up at its deadline, whether somebody waits for it or not."""
        call.expiry = call.deadline
        if call.expiry < self.soonest:
            self.soonest = call.expiry
            if self.driving and self.soonest < self.wait.check_at:
                self.rouse()
        return 0

    cdef int expire(self, ClientLink link, fn_time now) except -1:
        """Ends the calls whose time is up."""
        cdef Call call
        self.soonest = FN_NEVER
        for call in list(link.calls.values()):
            if call.expiry == 0 or call.done:
                continue
            if call.expiry > now:
                self.soonest = fn_earlier(self.soonest, call.expiry)
                continue
            link.abandon(call)
            call.complete(None, self.late())
        return 0

    def see_off(self, ClientLink link not None):
        """Waits until what no answer will come to has been sent."""
        while (link.leaving or link.pending) and link.failure is None and not self.driving:
            self.driving = True
            self.tend.driven = True
            try:
                self.wait.deadline = FN_NEVER
                self.wait.check_at = fn_now() + FN_MS
                if self.step(link) == FN_E_CHECK:
                    self.looked(link)
            finally:
                self.driving = False
                self.tend.driven = False
                self.hand_over()

    cdef int drive(self, Call call, bint behind) except -1:
        """Moves bytes until a call is done, or (behind) until somebody else wants to."""
        cdef ClientLink link = self.linked() if not behind else self.link
        cdef int st
        cdef fn_time now
        cdef bint main = threading.current_thread() is threading.main_thread()
        self.unsent = 0
        while (behind and not self.waiting) or (call is not None and not call.done):
            link = self.link if call is None or call.link is None else call.link
            if link is None or link.failure is not None:
                if call is None or call.done:
                    return 0
                self.again(call)
                continue
            now = fn_now()
            if self.soonest <= now:
                self.expire(link, now)
                continue
            self.wait.deadline = FN_NEVER
            if call is not None and call.deadline:
                self.wait.deadline = call.deadline
            self.wait.check_at = now + (BEHIND if behind else SLICE)
            if not main and not behind:
                self.wait.check_at = now + 20 * SLICE
            self.wait.check_at = fn_earlier(self.wait.check_at, self.soonest)
            st = self.step(link)
            if st == FN_E_TIMEOUT:
                raise errors.TransferTimeout("no answer came in time")
            if st == FN_E_CHECK:
                self.looked(link)
                if behind and not self.tend.open and not link.pending:
                    return 0
        return 0

    def step(self, ClientLink link not None):
        """One wait, and what it brings; a status."""
        cdef int st
        try:
            if link.tls is not None:
                st = link.tls.wait(link, self.wake_fd,
                                   fn_earlier(self.wait.deadline, self.wait.check_at))
                if st == FN_E_CHECK and fn_now() >= self.wait.deadline:
                    st = FN_E_TIMEOUT
            else:
                with nogil:
                    st = fn_mux_await(link.mux, link.fd, &self.wait)
            if link.leaving:
                link.collect()
            if st == FN_E_TIMEOUT or st == FN_E_CHECK:
                return st
            check(st)
            link.pump()
            if link.ended and link.failure is None:
                raise errors.IncompleteTransfer("the server has closed the connection")
        except (OSError, errors.Error, MemoryError) as error:
            self.fail(link, error)
        return 0

    def looked(self, ClientLink link not None):
        """A moment between two waits: signals, and whether the server still lives."""
        if self.wake_fd != -1:
            try:
                os.eventfd_read(self.wake_fd)
            except BlockingIOError:
                pass
        PyErr_CheckSignals()

    def again(self, Call call not None):
        """The connection of a call that may be sent again has failed."""
        cdef ClientLink link
        name, args, kwargs = call.again
        call.tries += 1
        try:
            link = self.linked()
            link.begin(call)
            link.request(call, False, name, args, kwargs)
        except (OSError, errors.Error) as error:
            call.complete(None, error)

    cdef int fail(self, ClientLink link, object error) except -1:
        """A connection is of no more use: its calls fail, or are sent again."""
        cdef Call call
        if link.failure is not None:
            return 0
        link.fail(error)
        if self.link is link:
            self.link = None
        link.shut()
        reason = self.lost(error)
        for call in link.take_calls():
            if call.again is not None and call.tries < 2 and not self.closed:
                self.again(call)
            else:
                call.complete(None, reason(call.again is not None))
        return 0

    def behind(self):
        """What the thread behind does, until close()."""
        cdef ClientLink link
        cdef int st
        while not self.closed:
            link = self.link
            if link is None or link.failure is not None or link.tls is not None:
                with nogil:
                    st = fn_tend_wait(&self.tend, NULL, -1)
            else:
                with nogil:
                    st = fn_tend_wait(&self.tend, link.mux, link.fd)
            if st == 0 or self.closed:
                return
            if st < 0:
                if link.failure is None:
                    self.fail(link, exception(st))
                continue
            if self.driving or self.link is None:
                continue
            self.driving = True
            self.tend.driven = True
            try:
                self.drive(None, True)
            finally:
                self.driving = False
                self.tend.driven = False
                self.hand_over()
