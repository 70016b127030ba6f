"""Pickles over a connection of multiprocessing, their large buffers without a copy (picklescan.h).

What is sent is one ordinary pickle, as pickle.Pickler writes it to a file: the pickler hands over
large buffers as they are, and they go to the socket from where they lie.
"""

import io
import pickle

from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memmove
from multiprocessing.reduction import ForkingPickler

from fastnet import errors

from fastnet._native.core cimport FN_E_MORE, iovec
from fastnet._native.core_mp cimport (
    FN_MPFRAME_MAX,
    fn_buf,
    fn_buf_append,
    fn_buf_commit,
    fn_buf_fini,
    fn_buf_init,
    fn_buf_reserve,
    fn_buf_tail,
    fn_picklescan,
    fn_picklescan_cut,
    fn_picklescan_init,
    fn_picklescan_t,
)
from fastnet._native.mpconn cimport Channel, Incoming, incoming_init
from fastnet._native.mpend cimport End
from fastnet._native.pin cimport Pin, pin_flat
from fastnet._native.status cimport check
from fastnet._native.status import exception

cdef enum:
    PROTOCOL = 5            # what writes arrays as buffers; readable from Python 3.8 on
    SMALL = 8 * 1024        # bytes; such a pickle comes with its header
    WHOLE = 256 * 1024      # bytes; up to here one copy costs less than looking for buffers
    PIECE = 128 * 1024      # bytes that are read at once where buffers are looked for

# What needs no dispatch table of ForkingPickler's, which is copied for each pickle.
cdef frozenset PLAIN = frozenset({bool, float, int, str, type(None)})


# ------------------------------------------------------------------------- sending

cdef class Pieces:
    """A pickle as a list of buffers: what a pickler writes to."""

    cdef list items

    def __cinit__(self):
        self.items = []

    def write(self, data):
        """Takes one piece; a large buffer comes as the object that holds it."""
        if isinstance(data, pickle.PickleBuffer):
            data = data.raw()  # flat, also where the array is in F order
        elif isinstance(data, memoryview):
            data = bytes(data)  # a text's, which only the pickler keeps alive
        self.items.append(data)


def pieces(obj):
    """The pickle of obj in pieces, and the pickler, which keeps them alive."""
    kind = type(obj)
    if kind in PLAIN or kind is bytes and len(obj) < SMALL:
        return [pickle.dumps(obj, PROTOCOL)], None
    cdef Pieces target = Pieces()
    pickler = ForkingPickler(target, PROTOCOL)
    pickler.dump(obj)
    return target.items, pickler


def send(End end not None, obj):
    """Sends the pickle of obj as one message."""
    cdef list items
    end._check_closed()
    end._check_writable()
    items, alive = pieces(obj)
    cdef size_t n = len(items), i
    cdef list pins = [pin_flat(item, False) for item in items]
    cdef iovec *iov = <iovec *> malloc(n * sizeof(iovec))
    if iov is NULL:
        raise MemoryError
    try:
        for i in range(n):
            iov[i].iov_base = (<Pin> pins[i]).view.buf
            iov[i].iov_len = (<Pin> pins[i]).view.len
        end.transmit(iov, n)
    finally:
        free(iov)
    del alive


# ----------------------------------------------------------------------- unpickling

class AllowedUnpickler(pickle.Unpickler):
    """An unpickler that finds what a list names, and nothing else."""

    def __init__(self, file, allowed, buffers):
        super().__init__(file, buffers=buffers)
        self._allowed = allowed

    def find_class(self, module, name):
        """What the pickle asks for; UnpicklingError when it is not in the list."""
        if (module, name) not in self._allowed:
            raise pickle.UnpicklingError(
                f"a pickle asks for {name!r} of {module!r}, which allowed= does not name"
            )
        return super().find_class(module, name)


cdef object load(object data, frozenset allowed, object buffers):
    if allowed is None:
        return pickle.loads(data, buffers=buffers)
    return AllowedUnpickler(io.BytesIO(data), allowed, buffers).load()


cdef int scan_error(int st) except -1:
    error = exception(st)
    raise pickle.UnpicklingError(str(error))


def loads(data, frozenset allowed=None):
    """The object of a whole pickle.

    Parameters:
        data: the pickle, bytes-like.
        allowed: pairs of module and name that it may ask for; None for anything.

    Raises:
        pickle.UnpicklingError: it asks for something else, or is malformed.
    """
    cdef Body body
    if allowed is None:
        return pickle.loads(data)
    body = Body(len(data), True)
    body.append(data)
    body.look()
    return load(body, allowed, None)


cdef class Body:
    """A pickle while it arrives; large buffers are taken out of it."""

    cdef fn_buf buf
    cdef fn_picklescan_t scan
    cdef list buffers

    def __cinit__(self, uint64_t size, bint strict):
        fn_buf_init(&self.buf, max(size, <uint64_t> 1))
        fn_picklescan_init(&self.scan, strict)
        self.buffers = []

    def __dealloc__(self):
        fn_buf_fini(&self.buf)

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.buf.data, self.buf.write, 1, flags)

    def __releasebuffer__(self, Py_buffer *view):
        pass

    cdef int append(self, object data) except -1:
        cdef Pin p = pin_flat(data, False)
        check(fn_buf_append(&self.buf, p.view.buf, p.view.len))
        return 0

    cdef int next(self) except -1:
        """1 for a large buffer, or 0 when all that is there was looked at."""
        cdef int st = 0
        if self.buf.data is NULL:
            return 0
        st = fn_picklescan(&self.scan, self.buf.data, self.buf.write)
        if st == FN_E_MORE:
            return 0
        return st if st >= 0 else scan_error(st)

    cdef int look(self) except -1:
        """Looks at everything that came, leaving buffers where they are."""
        while self.next():
            self.scan.skip = self.scan.size
        return 0

    cdef int read(self, Channel channel, Incoming *inn, uint64_t n) except -1:
        check(fn_buf_reserve(&self.buf, n))
        channel.fill(inn, fn_buf_tail(&self.buf), n)
        fn_buf_commit(&self.buf, n)
        return 0

    cdef int take_out(self, Channel channel, Incoming *inn) except -1:
        """Receives the buffer at hand into its own memory."""
        cdef size_t there = min(self.buf.write - self.scan.at, self.scan.size)
        cdef size_t after = self.scan.at + there, rest = self.buf.write - after, end
        cdef uint64_t left = inn.message.frame.length - inn.message.got
        if self.scan.size - there > left:
            self.scan.blind = True  # it claims more than there is: the unpickler says so
            return 0
        self.buffers.append(channel.land(inn, self.scan.size, self.scan.writable,
                                         self.buf.data + self.scan.at, there))
        end = fn_picklescan_cut(&self.scan, self.buf.data)
        memmove(self.buf.data + end, self.buf.data + after, rest)
        self.buf.write = end + rest
        return 0


cdef Body collect(Channel channel, Incoming *inn, bint strict):
    cdef uint64_t length = inn.message.frame.length
    cdef Body body = Body(length, strict)
    refused = None
    while True:
        try:
            while refused is None and body.next():
                body.take_out(channel, inn)
        except pickle.UnpicklingError as error:
            refused = error  # the message is read to its end, and the connection of use
        if refused is not None:
            body.buf.write = 0
        if inn.message.got == length:
            break
        body.read(channel, inn, min(length - inn.message.got, <uint64_t> PIECE))
    if refused is not None:
        raise refused
    return body


def receive(Channel channel not None, frozenset allowed=None):
    """The object of the next message; allowed and what is raised as for loads and recv_bytes."""
    cdef Incoming inn
    cdef Body body = None
    cdef uint8_t small[SMALL]
    channel._check_closed()
    channel._check_readable()
    incoming_init(&inn, FN_MPFRAME_MAX)
    channel.enter()
    try:
        channel.begin(&inn, small, SMALL, None)
        if inn.message.frame.length <= SMALL:
            data = (<char *> small)[:inn.message.frame.length]
        elif inn.message.frame.length <= WHOLE:
            data = channel.land(&inn, inn.message.frame.length, False, NULL, 0)
        else:
            data = body = collect(channel, &inn, allowed is not None)
    except errors.ProtocolError:
        channel.refuse()
        raise
    except BaseException:
        channel.lose(&inn)
        raise
    finally:
        channel.leave()
    if type(data) is bytes:
        return loads(data, allowed)
    return load(data, allowed, body.buffers)
