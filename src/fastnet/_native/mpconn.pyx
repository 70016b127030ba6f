"""A connection of multiprocessing: receiving (mpio.h)."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

import multiprocessing

from fastnet import errors

from fastnet._native.core cimport FN_CLASS_SYSTEM, FN_E_CHECK, FN_E_EOF, fn_status_class
from fastnet._native.core_mp cimport (
    FN_E_MP_SIZE,
    FN_MPFRAME_MAX,
    fn_mp_at_unit,
    fn_mp_in_init,
    fn_mp_recv,
    fn_mp_recv_body,
    fn_mp_whole,
    fn_pool_advise,
)
from fastnet._native.mpend cimport End, patience_init
from fastnet._native.pin cimport Pin, pin_flat
from fastnet._native.status import exception

cdef extern from "Python.h":
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *v, Py_ssize_t n) except NULL
    PyObject *new_bytearray "PyByteArray_FromStringAndSize"(const char *v,
                                                            Py_ssize_t n) except NULL
    int _PyBytes_Resize(PyObject **op, Py_ssize_t n) except -1
    int resize_bytearray "PyByteArray_Resize"(PyObject *op, Py_ssize_t n) except -1
    char *bytes_memory "PyBytes_AS_STRING"(PyObject *op) noexcept
    char *bytearray_memory "PyByteArray_AS_STRING"(PyObject *op) noexcept

cdef enum:
    SMALL = 8 * 1024         # bytes; such a body comes with its header
    STEP = 64 * 1024 * 1024  # bytes of address space for a length that is only claimed
    GROWTH = 4               # and as many times what has come, later


cdef void incoming_init(Incoming *inn, uint64_t most) noexcept:
    inn.over = False
    patience_init(&inn.patience)
    fn_mp_in_init(&inn.message, most)


cdef class Channel(End):
    """Both directions of one descriptor; End says how it is made."""

    cdef int begin(self, Incoming *inn, uint8_t *room, size_t size, object timeout) except -1:
        cdef int st = 0
        while True:
            with nogil:
                st = fn_mp_recv(&self.stream, &inn.message, room, size, &inn.patience.wait)
            if st != FN_E_CHECK:
                break
            self.pause(&inn.patience, timeout)
        if st < 0:
            self.fail(inn, st)
        return 0

    cdef int fill(self, Incoming *inn, uint8_t *at, uint64_t n) except -1:
        cdef uint64_t start = inn.message.got
        cdef int st = 0
        while True:
            with nogil:
                st = fn_mp_recv_body(&self.stream, &inn.message, at + (inn.message.got - start),
                                     start + n, &inn.patience.wait)
            if st != FN_E_CHECK:
                break
            self.pause(&inn.patience, None)
        if st < 0:
            self.fail(inn, st)
        return 0

    cdef object land(self, Incoming *inn, uint64_t size, bint writable, const uint8_t *ahead,
                     size_t ahead_size):
        cdef PyObject *made
        cdef uint64_t there = ahead_size, room = min(size, <uint64_t> STEP)
        room = max(room, there)
        made = new_bytearray(NULL, room) if writable else new_bytes(NULL, room)
        try:
            while True:
                memory = <uint8_t *> (bytearray_memory(made) if writable else bytes_memory(made))
                fn_pool_advise(memory + there, room - there)
                if ahead_size:
                    memcpy(memory, ahead, ahead_size)
                    ahead_size = 0
                self.fill(inn, memory + there, room - there)
                if room == size:
                    return <object> made
                there = room
                room = size if size / GROWTH <= room else room * GROWTH
                if writable:
                    resize_bytearray(made, room)
                else:
                    _PyBytes_Resize(&made, room)
        finally:
            if made is not NULL:
                Py_DECREF(<object> made)

    cdef int fail(self, Incoming *inn, int64_t st) except -1:
        inn.over = st == FN_E_EOF or fn_status_class(st) == FN_CLASS_SYSTEM
        if st == FN_E_EOF:
            if fn_mp_at_unit(&inn.message):
                raise EOFError
            raise OSError("got end of file during message")
        if st == FN_E_MP_SIZE:
            raise errors.LimitError(
                f"bad message length: {inn.message.frame.length} bytes are announced, "
                f"{inn.message.frame.max} are accepted"
            )
        raise exception(st)

    cdef int lose(self, Incoming *inn) except -1:
        if not inn.over and not fn_mp_whole(&inn.message):
            self.received_part = True
        return 0

    cdef int refuse(self) except -1:
        # As the standard library does after a length that it does not accept.
        if self.may_write:
            self.may_read = False
        else:
            self.close()
        return 0

    cdef object take(self, uint64_t most, object timeout):
        cdef Incoming inn
        cdef uint8_t small[SMALL]
        incoming_init(&inn, most)
        self.enter()
        try:
            self.begin(&inn, small, SMALL, timeout)
            if inn.message.frame.length <= SMALL:
                return PyBytes_FromStringAndSize(<char *> small, inn.message.frame.length)
            return self.land(&inn, inn.message.frame.length, False, NULL, 0)
        except errors.ProtocolError:
            self.refuse()
            raise
        except BaseException:
            self.lose(&inn)
            raise
        finally:
            self.leave()

    def recv_bytes(self, maxlength=None):
        """The next message as bytes.

        Parameters:
            maxlength: bytes that are accepted; a longer message ends this direction.

        Raises:
            EOFError: the peer closed the connection and nothing is left.
            OSError: "bad message length" beyond maxlength; the connection is closed,
                write-only, or broke inside a message.
        """
        self._check_closed()
        self._check_readable()
        if maxlength is None:
            return self.take(FN_MPFRAME_MAX, None)
        if maxlength < 0:
            raise ValueError("negative maxlength")
        return self.take(min(maxlength, FN_MPFRAME_MAX), None)

    def recv_bytes_into(self, buf, offset=0):
        """The next message into writable memory, at `offset` bytes; returns its size.

        Raises:
            ValueError: offset is negative or beyond the memory.
            multiprocessing.BufferTooShort: the message does not fit; it is the
                exception's argument.
            EOFError, OSError: as recv_bytes.
        """
        cdef Incoming inn
        cdef Pin p
        self._check_closed()
        self._check_readable()
        try:
            p = pin_flat(buf, True)
        except (BufferError, ValueError) as error:
            text = f"recv_bytes_into() needs writable memory in one piece: {error}"
            raise TypeError(text) from None
        cdef Py_ssize_t start = offset, room = p.view.len, item = p.view.itemsize, size
        if start < 0:
            raise ValueError("negative offset")
        if start > room:
            raise ValueError("offset too large")
        cdef uint8_t *memory = <uint8_t *> p.view.buf
        message = None
        incoming_init(&inn, FN_MPFRAME_MAX)
        self.enter()
        try:
            # Whether whole items came is known only with the header.
            self.begin(&inn, memory + start, room - start if item == 1 else 0, None)
            size = inn.message.frame.length
            if size <= room - start and start % item == 0 and size % item == 0:
                self.fill(&inn, memory + start + inn.message.got, size - inn.message.got)
            else:
                message = self.land(&inn, size, False, NULL, 0)
        except errors.ProtocolError:
            self.refuse()
            raise
        except BaseException:
            self.lose(&inn)
            raise
        finally:
            self.leave()
        if size > room - start:
            raise multiprocessing.BufferTooShort(message)
        if message is not None:
            put_items(memory, message, start // item * item, (start + size) // item * item)
        return size


cdef int put_items(uint8_t *memory, bytes message, Py_ssize_t start, Py_ssize_t end) except -1:
    # What is no whole number of items goes where the standard library puts it:
    # from the beginning of the item at offset, and without the last, broken one.
    memcpy(memory + start, <const char *> message, min(end - start, len(message)))
    return 0
