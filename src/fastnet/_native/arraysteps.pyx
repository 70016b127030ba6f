"""Arrays over a link in steps that never wait, for event loops.

A step moves what can be moved now, for a bounded time.  It gives None where
the rest must wait for the socket; the same step is then called again.  What
an operation was begun with stays alive in the link between its steps, and
`fill_over` or `send_over` end it, complete or not: an array that has stopped
halfway makes its direction unusable, as everywhere in fn1.

Where a transport moves the bytes, its calls raise TransferTimeout instead of
waiting.
"""

from libc.stdint cimport uint8_t, uint64_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from fastnet import errors

from fastnet._native.arrayhead cimport Head
from fastnet._native.arraymsg cimport ArrayLink
from fastnet._native.core cimport (
    FN1_EV_MESSAGE,
    FN1_KIND_ARRAY,
    FN_LINK_BODY,
    FN_MS,
    FN_NEVER,
    fn1_view,
    fn_body_init,
    fn_link_close,
    fn_link_deliver,
    fn_link_forget,
    fn_now,
    fn_walk_fini,
    fn_walk_init_flat,
    fn_walk_settle,
)
from fastnet._native.memory cimport Block, take
from fastnet._native.pin cimport pin
from fastnet._native.status cimport check
from fastnet._native.wait cimport Patience


cdef enum:
    BUDGET = 2  # milliseconds of one step, in which everybody else on the loop waits


cdef void ready_only(Patience *patience) noexcept:
    """A patience for what is ready: not a moment of standing still."""
    patience.ready = True
    patience.signals = False
    patience.wait.deadline = fn_now() + BUDGET * FN_MS
    patience.wait.check_at = FN_NEVER
    patience.wait.stall = 0
    patience.wait.wake_fd = -1


cdef class Load:
    """An array's memory on its way, and how far it has come."""

    cdef void release(self) noexcept:
        fn_walk_fini(&self.walk)
        if self.pin is not None:
            self.pin.release()

    def __dealloc__(self):
        self.release()


cdef class StepLink(ArrayLink):
    """An ArrayLink whose calls are steps.  One operation at a time in each direction."""

    def bytes_sent(self):
        """Bytes sent so far."""
        return self.link.stream.bytes_out

    def bytes_received(self):
        """Bytes received so far."""
        return self.link.stream.bytes_in

    # ----------------------------------------------------------- receiving

    def head_step(self):
        """The Head of the next array, which stays the next; EOFError when there is none."""
        cdef Patience patience
        ready_only(&patience)
        self.begin_receive()
        try:
            return self.wait_head(None, &patience)
        except errors.TransferTimeout:
            return None
        finally:
            self.end_receive()

    def fill_new(self, Head head not None):
        """Begins to receive the array of head_step() into memory of the pool."""
        cdef Load load = Load.__new__(Load)
        cdef Block block
        if head.problem is not None:
            raise head.problem
        block = take(self.pool, head.nbytes)
        if head.order == "C":
            load.array = self.ndarray(head.shape, head.dtype, block)
        else:
            load.array = self.ndarray(head.shape, head.dtype, block, 0, None, "F")
        fn_walk_init_flat(&load.walk, block.block.data, head.nbytes)
        check(fn_body_init(&load.body, &load.walk, 1))
        load.total = head.nbytes
        self.incoming = load
        fn_link_deliver(&self.link, &load.body)

    def fill_into(self, array, bint fortran, out):
        """Begins to receive it into a writable array that it fits; out is what that is of."""
        cdef Load load = Load.__new__(Load)
        if self.pending is None:
            raise RuntimeError("fill_into without head_step()")
        load.pin = pin(array, True)
        load.array = out
        load.pin.walk(&load.walk, fortran)
        check(fn_body_init(&load.body, &load.walk, 1))
        if load.body.left != self.pending.nbytes:
            raise ValueError("the array to fill is not of the size that comes")
        load.total = load.body.left
        self.incoming = load
        fn_link_deliver(&self.link, &load.body)

    cdef bint await_body(self) except -1:
        """Whether the open message is complete by now."""
        cdef Patience patience
        if not self.link.assembly.open:
            return True
        ready_only(&patience)
        self.begin_receive()
        try:
            if self.next(None, &patience) != FN_LINK_BODY:
                self.poison_receive("an array ended before its bytes did")
                raise errors.ProtocolError("an array ended before its bytes did")
        except errors.TransferTimeout:
            return False
        finally:
            self.end_receive()
        return True

    def fill_step(self):
        """The array, once it is complete; fill_over ends it."""
        return self.incoming.array if self.await_body() else None

    def fill_over(self, bint taken):
        """Nothing points to the array's memory any more.

        taken: somebody has the array.  A complete one that nobody has, since
        its task was cancelled meanwhile, must not be missing without a word.
        """
        cdef Load load = self.incoming
        cdef bint begun
        if load is None:
            return
        self.incoming = None
        begun = load.body.left != load.total  # with a key, what came is wiped next
        fn_link_forget(&self.link)
        if self.link.assembly.open and begun:
            self.poison_receive("an earlier receive stopped inside an array")
        if not self.link.assembly.open and not taken and not self.link.receive_poisoned:
            self.poison_receive("an earlier receive stopped inside an array")
        if not self.link.assembly.open or self.link.receive_poisoned:
            self.pending = None
        fn_walk_settle(&load.walk)
        load.release()

    def discard_next(self):
        """Begins to throw away the array of head_step()."""
        self.pending = None
        self.discarding = True
        fn_link_deliver(&self.link, NULL)

    def discard_step(self):
        """True, once it has gone."""
        return True if self.await_body() else None

    def discard_over(self, bint taken):
        """Ends it; one that stopped in between, or of which nobody was told, was the last."""
        if self.discarding and (self.link.assembly.open or not taken):
            self.poison_receive("an earlier receive stopped inside an array")
        self.discarding = False

    def drain_step(self):
        """Throws away whatever comes; True, once the peer has closed."""
        cdef Patience patience
        ready_only(&patience)
        self.pending = None
        self.undecoded = False
        self.begin_receive()
        try:
            if self.link.assembly.open:
                fn_link_deliver(&self.link, NULL)
            while not self.link.peer_closed:
                if self.next(None, &patience) == FN1_EV_MESSAGE:
                    fn_link_deliver(&self.link, NULL)
            return True
        except errors.TransferTimeout:
            return None
        finally:
            self.end_receive()

    # ------------------------------------------------------------- sending

    cdef int begin_outgoing(self) except -1:
        self.begin_send()
        self.sent_before = self.link.stream.bytes_out
        return 0

    def send_begin(self, item, bytes header not None, array, bint fortran, bint plain):
        """Begins to send an array; arguments as for ArrayLink.send."""
        cdef Load load = Load.__new__(Load)
        cdef fn1_view meta
        cdef uint64_t size
        cdef bint done = False
        if plain:
            self.remember(header, item, array)
        load.pin = pin(array, False)
        load.pin.walk(&load.walk, fortran)
        check(fn_body_init(&load.body, &load.walk, 1))
        size = load.body.left
        meta.data = <const uint8_t *> PyBytes_AS_STRING(header)
        meta.len = PyBytes_GET_SIZE(header)
        self.begin_outgoing()
        self.outgoing = load
        try:
            self.stage(FN1_KIND_ARRAY, &size, 1, &meta, 1, &load.body)
            done = True
        finally:
            if not done:
                self.send_over()

    def send_begin_like_before(self, array):
        """Begins to send an array that looks like the last plain one; False if it does not."""
        cdef bytes header = self.plain_header(array)
        if header is None:
            return False
        self.send_begin(array, header, array, False, False)
        return True

    def close_begin(self):
        """Begins to send CLOSE; False where it cannot be sent, or was."""
        if self.link.closed or self.link.send_poisoned:
            return False
        self.begin_outgoing()
        check(fn_link_close(&self.link))
        return True

    def send_step(self):
        """True, once all is with the system."""
        cdef Patience patience
        ready_only(&patience)
        try:
            if self.transport is None:
                self.flush_descriptor(None, &patience)
            else:
                self.flush_transport(None, &patience)
        except errors.TransferTimeout:
            return None
        if self.outgoing is not None:
            self.outgoing.release()
            self.outgoing = None
        self.end_send()
        return True

    def send_over(self):
        """Nothing points to the array's memory any more; after a failed or abandoned send."""
        if not self.sending:
            return
        try:
            self.send_stopped(self.sent_before)
        finally:
            if self.outgoing is not None:
                self.outgoing.release()
                self.outgoing = None
            self.end_send()
