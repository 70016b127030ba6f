"""Arrays as fn1 messages: the loops over them.

NumPy is reached through the buffer protocol and through two callables that
the owner passes in: `resolve` turns a dtype's description into a dtype, and
`prepare` turns anything sendable into (header, array, fortran).
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcmp

from fastnet import errors

from fastnet._native.arrayhead cimport Head, make_head, make_limits
from fastnet._native.core cimport (
    FN1_EV_CLOSE,
    FN1_EV_MESSAGE,
    FN1_KIND_ARRAY,
    FN_E_TIMEOUT,
    fn1_envelope,
    fn1_tx_staged,
    fn1_view,
    fn_array_decode,
    fn_array_head,
    fn_body,
    fn_body_init,
    fn_now,
    fn_pool_trim,
    fn_wait_over,
    fn_walk,
    fn_walk_fini,
    fn_walk_init_flat,
    fn_walk_settle,
)
from fastnet._native.fn1 cimport Link
from fastnet._native.memory cimport Block, Pool, take
from fastnet._native.pin cimport Pin, pin
from fastnet._native.status cimport check
from fastnet._native.wait cimport Patience, be_patient, check_timeout


cdef enum:
    SIGNALS_EVERY = 1024  # small arrays; some 500 us
    CLOCK_EVERY = 64


cdef class ArrayLink(Link):
    """A Link whose messages are arrays.

    Parameters, beyond Link's:
        limits: bytes, meta, name, fields, depth (arraymsg.h).
        pool: where arrays that are received without a place are put.
        ndarray: the class numpy.ndarray.
        resolve(description, itemsize, name, meta) -> dtype; may raise.
        prepare(item) -> (header, array, fortran); may raise.
        coalesce: bytes staged before they are sent.
    """

    def setup(self, *, tuple limits, Pool pool not None, ndarray, resolve, prepare,
              size_t coalesce):
        self.limits = make_limits(limits)
        self.pool = pool
        self.ndarray = ndarray
        self.resolve = resolve
        self.prepare = prepare
        self.coalesce = coalesce

    # ------------------------------------------------------------- sending

    cdef int send_one(self, bytes header, object array, bint fortran, object timeout,
                      Patience *patience, bint hold) except -1:
        """Stages an array and, unless it may be held back, sends it."""
        cdef Pin p = pin(array, False)
        cdef fn_walk walk
        cdef fn_body body
        cdef fn1_view meta
        cdef uint64_t size
        p.walk(&walk, fortran)
        try:
            check(fn_body_init(&body, &walk, 1))
            size = walk.total
            meta.data = <const uint8_t *> PyBytes_AS_STRING(header)
            meta.len = PyBytes_GET_SIZE(header)
            if fn1_tx_staged(&self.link.tx) + meta.len > self.coalesce:
                self.flush(timeout, patience)
            self.stage(FN1_KIND_ARRAY, &size, 1, &meta, 1, &body)
            if not hold or body.left or fn1_tx_staged(&self.link.tx) >= self.coalesce:
                self.flush(timeout, patience)
        finally:
            fn_walk_fini(&walk)
            p.release()
        return 0

    def send(self, item, bytes header not None, array, bint fortran, bint plain, timeout):
        """Sends one array, of which header was made by encode_header.

        item is what the array was made from; plain, that it has no name or meta.
        """
        cdef Patience patience
        check_timeout(timeout)
        patience.ready = False
        if plain:
            self.remember(header, item, array)
        self.begin_send()
        try:
            self.send_one(header, array, fortran, timeout, &patience, False)
        finally:
            self.end_send()

    def send_like_before(self, array, timeout):
        """Sends an array that has no name or meta and looks like the last such one.

        False, with nothing sent, when it does not.
        """
        cdef Patience patience
        cdef bytes header = self.plain_header(array)
        if header is None:
            return False
        check_timeout(timeout)
        patience.ready = False
        self.begin_send()
        try:
            self.send_one(header, array, False, timeout, &patience, False)
        finally:
            self.end_send()
        return True

    cdef int remember(self, bytes header, object item, object array) except -1:
        """Keeps the header of a plain C array for the next that looks the same."""
        if array is not item or type(item) is not self.ndarray:
            return 0
        # field names can be changed in place, under the same dtype object
        if item.dtype.names is None and item.flags.c_contiguous:
            self.sent_header = header
            self.sent_dtype = item.dtype
            self.sent_shape = item.shape
        return 0

    cdef bytes plain_header(self, object array):
        """The last header again, where it fits this array as well; else None."""
        if type(array) is not self.ndarray or self.sent_header is None:
            return None
        if array.dtype is not self.sent_dtype or array.shape != self.sent_shape:
            return None
        return self.sent_header if array.flags.c_contiguous else None

    def send_many(self, iterable, bint hold, timeout):
        """Sends the arrays of an iterable; returns how many.

        With hold, small ones are gathered until `coalesce` bytes are staged;
        otherwise each goes out before the next is asked for.
        """
        cdef Patience patience
        cdef size_t count = 0
        cdef bytes header
        cdef bint done = False
        check_timeout(timeout)
        patience.ready = False
        self.begin_send()
        try:
            if timeout is not None:
                be_patient(&patience, timeout, self.stall)
            for item in iterable:
                header = self.plain_header(item)
                if header is not None:
                    self.send_one(header, item, False, timeout, &patience, hold)
                else:
                    header, array, fortran = self.prepare(item)
                    self.remember(header, item, array)
                    self.send_one(header, array, fortran, timeout, &patience, hold)
                count += 1
                if count % SIGNALS_EVERY == 0:
                    PyErr_CheckSignals()
                if patience.ready and (not hold or count % CLOCK_EVERY == 0):
                    if fn_wait_over(&patience.wait) == FN_E_TIMEOUT:
                        check(FN_E_TIMEOUT)
            done = True
            return count
        finally:
            try:
                if done or not self.link.send_poisoned:
                    self.flush(timeout, &patience)
            finally:
                self.end_send()

    # ----------------------------------------------------------- receiving

    cdef int idle(self) except -1:
        fn_pool_trim(self.pool.pool, fn_now())
        return 0

    cdef bint is_as_before(self, const fn1_envelope *e) noexcept:
        """Whether an envelope says just what the last one said."""
        if self.got_header is None or e.segments != 1 or e.body != self.got_head.nbytes:
            return False
        if <size_t> PyBytes_GET_SIZE(self.got_header) != e.meta.len:
            return False
        return memcmp(PyBytes_AS_STRING(self.got_header), e.meta.data, e.meta.len) == 0

    cdef Head decode(self):
        """The Head of the envelope just received."""
        cdef fn1_envelope *e = &self.link.rx.envelope
        cdef fn_array_head c
        cdef Head head
        if self.is_as_before(e):
            return self.got_head
        if e.kind != FN1_KIND_ARRAY or e.segments != 1:
            raise errors.ProtocolError("a message that is not one array")
        check(fn_array_decode(e.meta.data, e.meta.len, &self.limits, &c))
        if c.nbytes != e.body:
            raise errors.ProtocolError(
                f"an array's header says {c.nbytes} bytes, its message {e.body}")
        head = make_head(&c)
        try:
            head.dtype = self.resolve(head.description, head.itemsize, head.name, head.meta)
        except TypeError as error:  # a type that this machine does not have
            head.problem = error
        if head.dtype is not None and head.dtype.names is None:
            # with field names it could not be given out twice: they can be changed in place
            self.got_header = (<const char *> e.meta.data)[:e.meta.len]
            self.got_head = head
        return head

    cdef Head wait_head(self, object timeout, Patience *patience):
        """The Head of the next array; EOFError when the peer has closed."""
        cdef int event
        if self.pending is not None:
            return self.pending
        if self.link.peer_closed and not self.undecoded:
            raise EOFError("the peer has closed the stream")
        if not self.undecoded:
            event = self.next(timeout, patience)
            if event == FN1_EV_CLOSE:
                raise EOFError("the peer has closed the stream")
            if event != FN1_EV_MESSAGE:
                self.poison_receive("an event that no array explains")
                raise errors.ProtocolError("an event that no array explains")
            self.undecoded = True
        try:
            self.pending = self.decode()
            self.undecoded = False
        except errors.ProtocolError as error:
            self.poison_receive(str(error))
            raise
        return self.pending

    cdef object new_array(self, Head head, object timeout, Patience *patience):
        """Receives the pending array into memory of the pool."""
        cdef Block block
        cdef fn_walk walk
        cdef fn_body body
        if head.problem is not None:
            raise head.problem
        block = take(self.pool, head.nbytes)
        if head.order == "C":
            array = self.ndarray(head.shape, head.dtype, block)
        else:
            array = self.ndarray(head.shape, head.dtype, block, 0, None, "F")
        fn_walk_init_flat(&walk, block.block.data, head.nbytes)
        fn_body_init(&body, &walk, 1)
        self.fill(&body, timeout, patience)
        return array

    cdef int fill(self, fn_body *body, object timeout, Patience *patience) except -1:
        """Receives the pending array's bytes; it is pending no more unless none came."""
        try:
            self.receive_body(body, timeout, patience)
        finally:
            if not self.link.assembly.open or self.link.receive_poisoned:
                self.pending = None
        return 0

    def head(self, timeout):
        """The Head of the next array, which stays the next."""
        cdef Patience patience
        patience.ready = False
        self.begin_receive()
        try:
            return self.wait_head(timeout, &patience)
        finally:
            self.end_receive()

    def receive(self, timeout):
        """The next array and its Head, as a tuple (Head, array)."""
        cdef Patience patience
        cdef Head head
        patience.ready = False
        self.begin_receive()
        try:
            head = self.wait_head(timeout, &patience)
            return head, self.new_array(head, timeout, &patience)
        finally:
            self.end_receive()

    def receive_into(self, array, bint fortran, timeout):
        """Fills a writable array, that head() said fits, with the next one's items."""
        cdef Patience patience
        cdef Pin p = pin(array, True)
        cdef fn_walk walk
        cdef fn_body body
        patience.ready = False
        self.begin_receive()
        try:
            if self.pending is None:
                raise RuntimeError("receive_into without head()")
            p.walk(&walk, fortran)
            try:
                check(fn_body_init(&body, &walk, 1))
                if body.left != self.pending.nbytes:
                    raise ValueError("the array to fill is not of the size that comes")
                self.fill(&body, timeout, &patience)
            finally:
                fn_walk_settle(&walk)
                fn_walk_fini(&walk)
        finally:
            self.end_receive()
            p.release()

    def skip_one(self, timeout):
        """Receives the next array and throws it away; its Head."""
        cdef Patience patience
        cdef Head head
        patience.ready = False
        self.begin_receive()
        try:
            head = self.wait_head(timeout, &patience)
            self.pending = None
            self.discard(timeout, &patience)
            return head
        finally:
            self.end_receive()

    def skip(self, timeout):
        """Receives and throws away whatever comes until the peer closes."""
        cdef Patience patience
        cdef int event
        patience.ready = False
        self.begin_receive()
        try:
            self.pending = None
            self.undecoded = False
            if self.link.assembly.open:
                self.discard(timeout, &patience)
            while not self.link.peer_closed:
                event = self.next(timeout, &patience)
                if event == FN1_EV_MESSAGE:
                    self.discard(timeout, &patience)
        finally:
            self.end_receive()
