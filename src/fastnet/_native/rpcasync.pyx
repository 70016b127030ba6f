"""A client's connection on an event loop, which need not be ours."""

from fastnet import errors

from fastnet._native.core cimport fn_after
from fastnet._native.core_rpc cimport fn_mux_close
from fastnet._native.rpclink cimport Call, ClientLink, Items

cdef enum:
    READ = 1 << 20
    WRITE = 1 << 20


cdef class AsyncCall(Call):
    """One call; `future` has its answer."""

    cdef int settle(self) except -1:
        future = self.future
        if future.done():
            return 0
        if self.error is not None:
            future.set_exception(self.error)
        else:
            future.set_result(self.result)
        return 0


cdef class AsyncStream(Items):
    """The compiled half of the iterator over a stream."""

    cdef int settle(self) except -1:
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        return 0

    def driven_by(self, AsyncDriver driver not None):
        """Whose loop waits for its items."""
        self.driver = driver

    def next_item(self):
        """(item,), or a future to wait for before asking again; StopIteration at the end."""
        found = self.take()
        if self.link is not None and self.link.waits_more:
            self.link.waits_more = False
            self.driver.soon()
        if found is not None:
            return found
        self.waiter = self.driver.loop.create_future()
        return self.waiter

    def stop(self):
        """Wants no more."""
        if self.closed:
            return
        self.closed = True
        self.ready.clear()
        if self.link is not None and self.total < 0:
            self.link.abandon(self)
            self.driver.soon()


cdef class AsyncDriver:
    """One connection at a time; a new one is attached after it was lost."""

    def __init__(self, loop, lost):
        self.loop, self.lost = loop, lost

    @property
    def connected(self):
        """Whether calls can be sent."""
        return self.link is not None and self.link.failure is None and not self.link.ended

    def attach(self, ClientLink link not None):
        """Takes a connection."""
        self.link = link
        self.full = False
        self.loop.add_reader(link.fd, self.readable)
        self.soon()

    cdef ClientLink linked(self):
        """The connection, which may have been lost while a task came round to use it."""
        if self.link is None:
            raise self.reason(False)
        return self.link

    def call(self, bytes name not None, tuple args, kwargs, double timeout):
        """Stages a call; its AsyncCall.  timeout: seconds, negative for none."""
        cdef ClientLink link = self.linked()
        cdef AsyncCall call = AsyncCall.__new__(AsyncCall)
        call.future = self.loop.create_future()
        if timeout >= 0:
            call.deadline = fn_after(timeout)
        link.begin(call)
        link.request(call, False, name, args, kwargs)
        self.soon()
        return call

    def notify(self, bytes name not None, tuple args, kwargs):
        """Stages a call that has no answer."""
        cdef ClientLink link = self.linked()
        cdef Call call = Call.__new__(Call)
        link.begin(call)
        link.request(call, True, name, args, kwargs)
        self.soon()

    def ping(self):
        """Stages a PING; its AsyncCall."""
        cdef ClientLink link = self.linked()
        cdef AsyncCall call = AsyncCall.__new__(AsyncCall)
        call.future = self.loop.create_future()
        link.send_ping(call)
        self.soon()
        return call

    def abandon(self, AsyncCall call not None):
        """Nobody waits for it any more."""
        if call.link is not None:
            call.link.abandon(call)
            self.soon()

    cdef int soon(self) except -1:
        """What was staged goes out when the loop comes round."""
        if not self.flushing:
            self.flushing = True
            self.loop.call_soon(self.flush)
        return 0

    def flush(self):
        """Sends what can be sent."""
        cdef ClientLink link = self.link
        cdef int st
        self.flushing = False
        if link is None or link.failure is not None:
            return
        try:
            st = link.transmit(WRITE, False)
        except (OSError, errors.Error) as error:
            self.fail(error)
            return
        if st == 2:
            self.soon()
        elif st == 1 and not self.full:
            self.full = True
            self.loop.add_writer(link.fd, self.writable)

    def writable(self):
        """There is room again."""
        if self.full and self.link is not None:
            self.full = False
            self.loop.remove_writer(self.link.fd)
        self.flush()

    def readable(self):
        """Takes what has come."""
        cdef ClientLink link = self.link
        if link is None or link.failure is not None:
            return
        try:
            if link.receive(READ):
                link.pump()
            if link.leaving:
                link.collect()
            if link.ended:
                raise errors.IncompleteTransfer("the server has closed the connection")
        except (OSError, errors.Error, MemoryError) as error:
            self.fail(error)
            return
        if link.pending:
            self.soon()

    cdef int fail(self, object error) except -1:
        """The connection is of no more use."""
        cdef ClientLink link = self.link
        cdef Call call
        if link is None or link.failure is not None:
            return 0
        self.link = None
        if not self.loop.is_closed():
            self.loop.remove_reader(link.fd)
            if self.full:
                self.loop.remove_writer(link.fd)
        self.full = False
        link.fail(error)
        link.shut()
        self.reason = self.lost(error)
        for call in link.take_calls():
            call.complete(None, self.reason(False))
        return 0

    def close(self, error, bint say):
        """Ends the connection; say: tells the server."""
        cdef ClientLink link = self.link
        if link is None:
            self.reason = self.lost(error)
            return
        if say:
            fn_mux_close(link.mux)
            try:
                link.transmit(WRITE, False)
            except (OSError, errors.Error):
                pass
        self.fail(error)

    def counters(self):
        """Bytes and messages of the present connection, and open calls."""
        cdef ClientLink link = self.link
        if link is None:
            return {"bytes_in": 0, "bytes_out": 0, "messages_in": 0, "messages_out": 0, "open": 0}
        return {**link.counters(), "open": len(link.calls)}
