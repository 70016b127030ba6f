"""A client of calls, for any number of threads."""

import threading
import time

from fastnet import errors

from fastnet._native.core cimport (
    FN_MS,
    FN_NEVER,
    fn_after,
    fn_earlier,
    fn_now,
    fn_time,
)
from fastnet._native.core_rpc cimport fn_mux_close, fn_tend_end
from fastnet._native.rpcdriver cimport Driver
from fastnet._native.rpclink cimport Call, ClientLink, Items

cdef enum:
    UNSENT_MOST = 16  # calls that wait to be sent together
    WRITE = 1 << 20

cdef fn_time SLICE = 50 * FN_MS


cdef class FutureCall(Call):
    """The compiled half of RPCFuture."""

    cdef int settle(self) except -1:
        Call.settle(self)
        self.driver.count_down()
        if self.watched:
            self.settled()
        return 0

    def await_answer(self, timeout):
        """Waits; TimeoutError when the time is up, which leaves the call open."""
        cdef fn_time before = self.deadline
        cdef fn_time until = FN_NEVER if timeout is None else fn_after(timeout)
        if self.done:
            return
        if before and before <= until:
            self.driver.wait_for(self)
            return
        while not self.done:
            if fn_now() >= until:
                raise TimeoutError
            self.driver.wait_until(self, until)

    def time_out(self, error):
        """Its time is up, which is its answer from here on."""
        if self.done:
            return
        if self.link is not None:
            self.link.abandon(self)
            self.driver.notice()
        self.complete(None, error)

    def give_up(self):
        """Cancels it; False when it is done."""
        if self.done:
            return False
        if self.link is not None:
            self.link.abandon(self)
            self.driver.notice()
        self.driver.count_down()
        return True


cdef class StreamCall(Items):
    """The compiled half of the iterator over a stream."""

    def driven_by(self, Driver driver not None):
        """Who waits for its items."""
        self.driver = driver

    def next_item(self):
        """The next item; StopIteration at the end."""
        while True:
            found = self.take()
            if self.link is not None and self.link.waits_more:
                self.link.waits_more = False
                self.driver.flush()
            if found is not None:
                return found[0]
            self.driver.wait_for(self)

    def stop(self):
        """Wants no more."""
        if self.closed:
            return
        self.closed = True
        self.ready.clear()
        if self.link is not None and self.total < 0:
            self.link.abandon(self)
            self.driver.flush()


cdef class Client(Driver):
    """Parameters: see fastnet.rpc._client, which makes it."""

    # -------------------------------------------------------------------------- calls

    def call(self, Call call not None, bytes name not None, tuple args, kwargs, timeout, again):
        """Sends a call and waits for its answer."""
        cdef ClientLink link = self.linked()
        if timeout is not None:
            call.deadline = fn_after(timeout)
        call.again = again
        link.begin(call)
        link.request(call, False, name, args, kwargs)
        self.tend.open = self.tend.open + 1
        try:
            self.wait_for(call)
        except BaseException:
            if not call.done:
                link = call.link
                if link is not None:
                    link.abandon(call)
                    self.flush()
            raise
        finally:
            self.count_down()
        if call.error is not None:
            raise call.error
        return call.result

    def submit(self, FutureCall call not None, bytes name not None, tuple args, kwargs, timeout,
               again):
        """Sends a call soon; whoever wants the answer waits for it later."""
        cdef ClientLink link = self.linked()
        if timeout is not None:
            call.deadline = fn_after(timeout)
        call.again = again
        call.driver = self
        link.begin(call)
        link.request(call, False, name, args, kwargs)
        self.tend.open = self.tend.open + 1
        if call.deadline:
            self.expires(call)
        self.unsent += 1
        if self.unsent >= UNSENT_MOST or len(link.calls) == 1 or link.leaving:
            self.flush()
        self.notice()

    def notify(self, Call call not None, bytes name not None, tuple args, kwargs):
        """Sends a call that has no answer."""
        cdef ClientLink link = self.linked()
        link.begin(call)
        link.request(call, True, name, args, kwargs)
        self.flush()
        self.see_off(link)

    def send_all(self):
        """Sends what has been staged."""
        self.flush()

    # ---------------------------------------------------------------------------- ends

    def ping(self, timeout):
        """Sends a PING and waits for its PONG; seconds it took."""
        cdef ClientLink link = self.linked()
        cdef Call call = Call.__new__(Call)
        if timeout is not None:
            call.deadline = fn_after(timeout)
        began = time.perf_counter()
        link.send_ping(call)
        self.wait_for(call)
        call.value()
        return time.perf_counter() - began

    def counters(self):
        """Bytes and messages of the present connection, and open calls."""
        cdef ClientLink link = self.link
        if link is None:
            return {"bytes_in": 0, "bytes_out": 0, "messages_in": 0, "messages_out": 0, "open": 0}
        return {**link.counters(), "open": len(link.calls)}

    def close(self, bint owner, double patience):
        """Ends the connection, and every call on it; owner: in the process that made it."""
        cdef ClientLink link = self.link
        self.closed = True
        if not owner:
            self.link = self.tender = None
            self.driving = False
            self.shut_wake()
            return
        fn_tend_end(&self.tend)
        self.rouse()
        if link is not None and link.failure is None:
            self.take_leave(link, fn_after(patience))
            self.fail(link, errors.Error("the client was closed"))
        if self.tender is not None and self.tender is not threading.current_thread():
            self.tender.join()
        self.tender = None
        self.shut_wake()

    def take_leave(self, ClientLink link not None, double _until):
        """What was sent goes out, and CLOSE behind it, where that takes no long time."""
        cdef fn_time until = <fn_time> _until
        try:
            fn_mux_close(link.mux)
            while link.transmit(WRITE, True) and fn_now() < until and not self.driving:
                self.wait.deadline = self.wait.check_at = fn_earlier(until, fn_now() + SLICE)
                self.driving = True
                try:
                    self.step(link)
                finally:
                    self.driving = False
        except (OSError, errors.Error):
            pass

    @property
    def current(self):
        """The connection, or None."""
        return self.link
