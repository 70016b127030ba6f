"""recv, recv_into, send and sendall of a socket class: one system call where one will do.

The functions are methods of fastnet.sockets.Socket, written where C is near.
Each first asks for what is ready, for small sizes without letting go of the
GIL: handing that over costs more than the call.  Only a call that has to wait
looks at the clock, the timeout and the thread.

Whatever is unusual (flags, empty buffers, sizes below zero, options that
change what a wait means) goes to socket.socket's own method.
"""

import _socket
import os
from fcntl import ioctl
from termios import FIONREAD

from cpython.buffer cimport (
    PyBUF_SIMPLE,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t

from fastnet._native.core cimport (
    FN_E_CHECK,
    FN_E_EOF,
    FN_E_TIMEOUT,
    MSG_DONTWAIT,
    fn_earlier,
    fn_now,
    fn_stream,
    fn_stream_init,
    fn_stream_recv,
    fn_stream_send_all,
    fn_system_recv,
    fn_system_send,
    fn_time,
    fn_wait,
    fn_wait_forever,
    fn_walk,
    fn_walk_fini,
    fn_walk_init_flat,
    iovec,
)
from fastnet._native.sockstate cimport State
from fastnet._native.wait cimport (
    WATCH_FROM,
    Watch,
    unwatch,
    wait_again,
    wait_init,
    watch_signals,
)


cdef extern from "Python.h":
    ctypedef struct PyObject
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *v, Py_ssize_t n) except NULL
    char *PyBytes_AS_STRING(PyObject *b)
    int _PyBytes_Resize(PyObject **b, Py_ssize_t n) except -1
    void Py_XDECREF(PyObject *o)


cdef enum:
    PAYS = 3            # a spin pays that ends within this part of its span
    STACK = 16 * 1024   # bytes: copying so few costs less than shrinking a block
    HELD = 64 * 1024    # bytes that may be copied while the GIL is held
    FIRST = 256 * 1024  # bytes that recv() takes memory for before they are there

cdef object own_fileno = _socket.socket.fileno
cdef object own_gettimeout = _socket.socket.gettimeout
cdef object own_type = _socket.socket.type.__get__
cdef object own_recv = _socket.socket.recv
cdef object own_recv_into = _socket.socket.recv_into
cdef object own_send = _socket.socket.send
cdef object own_sendall = _socket.socket.sendall
cdef int STREAM = _socket.SOCK_STREAM


cdef int fail(int64_t status) except -1:
    if status == FN_E_TIMEOUT:
        raise TimeoutError("timed out")
    raise OSError(-status, os.strerror(-status))


cdef inline void point(fn_stream *s, fn_wait *wait, iovec *iov, int fd, const void *data,
                       size_t n) noexcept nogil:
    """A transfer that does not wait: it comes back with FN_E_CHECK instead."""
    fn_stream_init(s, fd)
    wait[0] = fn_wait_forever()
    wait.check_at = 0
    iov.iov_base = <void *> data
    iov.iov_len = n


# ------------------------------------------------------------------------- receiving


cdef int64_t spin_and_wait(fn_stream *s, iovec *iov, fn_wait *wait, fn_time span, bint block,
                           int *missed) noexcept nogil:
    """Looks again for `span`, then waits: in the system, or as `wait` says."""
    cdef int64_t got
    cdef fn_time check_at = wait.check_at, start
    if span:
        s.spin = span
        start = fn_now()
        wait.check_at = fn_earlier(check_at, start + span)
        got = fn_stream_recv(s, iov, 1, wait)
        missed[0] = got == FN_E_CHECK or fn_now() - start > span // PAYS
        if got != FN_E_CHECK:
            return got
        s.spin = 0
        wait.check_at = check_at
    if not block:
        return fn_stream_recv(s, iov, 1, wait)
    got = fn_system_recv(s.fd, iov.iov_base, iov.iov_len, 0)
    if got < 0:
        return -errno
    return got if got else FN_E_EOF


cdef int64_t receive_later(object sock, State state, fn_stream *s, iovec *iov,
                           fn_wait *now) except? -1:
    """Nothing was there, or nobody has looked: as long as the socket's timeout allows."""
    cdef int64_t got
    cdef fn_wait wait = fn_wait_forever()
    cdef bint signals = False
    cdef int missed = 0
    cdef fn_time span
    timeout = own_gettimeout(sock)
    cdef bint block = timeout is None
    if not block:
        if timeout == 0:
            got = fn_stream_recv(s, iov, 1, now)
            return -EAGAIN if got == FN_E_CHECK else got
        wait_init(&wait, timeout, None, &signals)
    state.enter()
    try:
        span = state.may_spin()
        with nogil:
            got = spin_and_wait(s, iov, &wait, span, block, &missed)
        if span:
            state.spun(missed)
        while got == FN_E_CHECK:
            wait_again(&wait, signals)
            with nogil:
                got = fn_stream_recv(s, iov, 1, &wait)
        while got == -EINTR:
            PyErr_CheckSignals()
            s.fd = own_fileno(sock)  # a handler may have closed it
            with nogil:
                got = spin_and_wait(s, iov, &wait, 0, True, &missed)
        return got
    finally:
        state.leave()


cdef Py_ssize_t receive(object sock, State state, void *data, size_t n) except -1:
    cdef fn_stream s
    cdef fn_wait wait
    cdef iovec iov
    cdef int64_t got
    point(&s, &wait, &iov, own_fileno(sock), data, n)
    if state.is_dry():
        got = FN_E_CHECK
    elif n <= HELD:
        got = fn_stream_recv(&s, &iov, 1, &wait)
    else:
        with nogil:
            got = fn_stream_recv(&s, &iov, 1, &wait)
    if got == FN_E_CHECK:
        state.dry += 1
        got = receive_later(sock, state, &s, &iov, &wait)
    else:
        state.dry = 0
    if got == FN_E_EOF:
        return 0
    if got < 0:
        fail(got)
    return got


cdef Py_ssize_t receive_more(object sock, PyObject **out, Py_ssize_t got,
                             Py_ssize_t n) except -1:
    """The first block is full: takes as much again as has arrived by now."""
    cdef fn_stream s
    cdef fn_wait wait
    cdef iovec iov
    cdef int64_t more
    cdef int fd = own_fileno(sock)
    there = ioctl(fd, FIONREAD, bytes(sizeof(int)))
    more = min(n - got, int.from_bytes(there, "little" if little_endian else "big"))
    if more <= 0:
        return got
    _PyBytes_Resize(out, got + more)
    point(&s, &wait, &iov, fd, PyBytes_AS_STRING(out[0]) + got, more)
    with nogil:
        more = fn_stream_recv(&s, &iov, 1, &wait)
    return got + max(more, 0)


cdef bint little_endian = __import__("sys").byteorder == "little"


cdef object receive_large(object sock, State state, Py_ssize_t n):
    cdef Py_ssize_t room = min(n, FIRST), got
    if n > FIRST and own_type(sock) != STREAM:
        return own_recv(sock, n)  # a datagram is taken whole or cut off
    cdef PyObject *out = new_bytes(NULL, room)
    try:
        got = receive(sock, state, PyBytes_AS_STRING(out), room)
        if got == room and n > room:
            got = receive_more(sock, &out, got, n)
        _PyBytes_Resize(&out, got)
        return <object> out
    finally:
        Py_XDECREF(out)


def recv(self, Py_ssize_t bufsize, int flags=0, /):
    """Receives up to bufsize bytes; b"" at the end.  See socket.socket.recv."""
    cdef State state = self._state
    cdef char small[STACK]
    cdef Py_ssize_t got
    if flags or bufsize <= 0 or state.plain:
        return own_recv(self, bufsize, flags)
    if bufsize > STACK:
        return receive_large(self, state, bufsize)
    got = receive(self, state, small, bufsize)
    return PyBytes_FromStringAndSize(small, got)


def recv_into(self, buffer, Py_ssize_t nbytes=0, int flags=0):
    """Receives into a buffer; returns the number of bytes.  See socket.socket.recv_into."""
    cdef State state = self._state
    cdef Py_buffer view
    if flags or nbytes < 0 or state.plain:
        return own_recv_into(self, buffer, nbytes, flags)
    try:
        PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
    except (BufferError, TypeError):
        return own_recv_into(self, buffer, nbytes, flags)  # which words it its own way
    try:
        if nbytes == 0:
            nbytes = view.len
        if view.len and nbytes <= view.len:
            return receive(self, state, view.buf, nbytes)
    finally:
        PyBuffer_Release(&view)
    return own_recv_into(self, buffer, nbytes, flags)


# --------------------------------------------------------------------------- sending


cdef int64_t send_at_once(object sock, const void *data, size_t n) except? -1:
    """What the socket takes without waiting, or -errno.

    The GIL is let go even for little: on this machine's own addresses the
    sender does the receiver's work as well, which takes longer than that.
    """
    cdef int64_t sent
    cdef int fd = own_fileno(sock)
    with nogil:
        sent = send_now(fd, data, n)
    return sent


cdef inline int64_t send_now(int fd, const void *data, size_t n) noexcept nogil:
    cdef int64_t sent = fn_system_send(fd, data, n, MSG_DONTWAIT)
    return -errno if sent < 0 else sent


cdef int send_rest(object sock, State state, const char *data, size_t n,
                   object timeout) except -1:
    cdef fn_stream s
    cdef fn_walk w
    cdef fn_wait wait
    cdef bint signals = False
    cdef Watch watch = None
    cdef int st = FN_E_CHECK
    wait_init(&wait, timeout, None, &signals)
    fn_stream_init(&s, own_fileno(sock))
    fn_walk_init_flat(&w, <void *> data, n)
    state.enter()
    try:
        if n >= WATCH_FROM:
            watch = watch_signals(&wait, signals)
        while True:
            with nogil:
                st = fn_stream_send_all(&s, &w, &wait)
            if st != FN_E_CHECK:
                break
            wait_again(&wait, signals)
        if st < 0:
            fail(st)
        return 0
    finally:
        unwatch(watch, &wait)
        state.leave()
        fn_walk_fini(&w)


def sendall(self, data, int flags=0, /):
    """Sends all of data, within the socket's timeout as a whole.  See socket.socket.sendall."""
    cdef State state = self._state
    cdef Py_buffer view
    cdef int64_t sent
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        if flags or state.plain or view.len == 0 or (
                view.len > HELD and own_type(self) != STREAM):
            return own_sendall(self, data, flags)
        sent = send_at_once(self, view.buf, view.len)
        if sent == view.len:
            return None
        if sent == -EAGAIN:
            sent = 0
        if sent < 0:
            fail(sent)
        timeout = own_gettimeout(self)
        if timeout is not None and timeout == 0:
            fail(-EAGAIN)
        send_rest(self, state, <const char *> view.buf + sent, view.len - sent, timeout)
    finally:
        PyBuffer_Release(&view)


def send(self, data, int flags=0, /):
    """Sends some of data; returns the number of bytes.  See socket.socket.send."""
    cdef State state = self._state
    cdef Py_buffer view
    cdef int64_t sent = -EAGAIN
    cdef Py_ssize_t n
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        n = view.len
        if flags or state.plain or n == 0 or n > HELD:
            return own_send(self, data, flags)
        sent = send_at_once(self, view.buf, n)
    finally:
        PyBuffer_Release(&view)
    if sent == n:
        return n
    if sent == -EAGAIN:
        return own_send(self, data)
    if sent < 0:
        fail(sent)
    if own_gettimeout(self) is not None:
        return sent
    # A blocking socket's send() ends early only where something ends the connection.
    try:
        return sent + own_send(self, memoryview(data).cast("B")[sent:])
    except OSError:
        return sent
