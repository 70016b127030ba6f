"""One blocking client connection, and how its bytes go out and come in.

A plain socket is written and read by the core, the body straight into the caller's memory.
A TLS socket is used through its own methods, for its bytes are OpenSSL's.
"""

import select
import socket
import time

from libc.errno cimport EAGAIN, ECONNRESET, EPIPE, errno
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memset

from cpython.memoryview cimport PyMemoryView_FromMemory

from fastnet import errors

from fastnet._native.core cimport (
    FN_E_CHECK,
    FN_E_EOF,
    FN_E_STALL,
    FN_E_TIMEOUT,
    MSG_DONTWAIT,
    fn_stream_init,
    fn_stream_recv,
    fn_system_recv,
    fn_tune_congestion,
    fn_tune_spin,
    fn_tuned,
    fn_wait,
    iovec,
)
from fastnet._native.core_httpclient cimport MSG_PEEK, fn_stream_send
from fastnet._native.httpreply cimport Reply
from fastnet._native.wait cimport wait_again, wait_init


cdef extern from "Python.h":
    int PyBUF_WRITE


cdef enum:
    TUNE_FROM = 256 * 1024  # bytes; below it better congestion control is not worth the look
    ONCE = 1 << 20          # bytes asked of one system call


cdef class Wire(Reply):
    """The socket under a `Connection`, which it owns.

    sock: connected and blocking.
    line, fields, head: as for `Reply`.
    """

    def __init__(self, sock, bint tls=False, line=8192, fields=100, head=65536):
        self.bound(line, fields, head)
        self.sock = sock
        self.tls = tls
        self.set_timeout = sock.gettimeout()
        fn_stream_init(&self.stream, sock.fileno())
        self.stream.spin = fn_tune_spin()
        self.since = time.monotonic()

    # ------------------------------------------------------------------------ one at a time

    cdef int enter(self) except -1:
        if self.sock is None:
            raise ValueError("the connection is closed")
        if self.busy:
            raise RuntimeError("another thread is using this response or connection")
        self.busy = True
        return 0

    cdef int leave(self) except -1:
        self.busy = False
        if self.doomed:
            self.close()
        return 0

    def close(self):
        """Closes it; a call in another thread ends with an error."""
        sock = self.sock
        if sock is None:
            return
        self.keep = False
        if not self.busy:
            self.sock = None
            sock.close()
            return
        self.doomed = True
        try:
            # Its number must not become another connection's under that call.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        except OSError:
            pass

    @property
    def idle(self):
        """Whether it is open, has nothing to read and can take a request.

        A server that closes a connection it kept, or says more than it was asked, has made
        it useless.
        """
        cdef char byte = 0
        if self.sock is None or self.end != self.start:
            return False
        try:
            if self.tls:
                return self.idle_tls() == 1
        except OSError:
            return False
        return fn_system_recv(self.stream.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 and (
            errno == EAGAIN)

    cdef int idle_tls(self) except -1:
        # What can be read may be a session ticket, which OpenSSL takes for itself.
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        if not self.sock.pending() and not poll.poll(0):
            return True
        self.sock.settimeout(0)
        self.set_timeout = 0
        try:
            self.sock.recv(1)
        except OSError as error:
            return error.errno == 2  # SSL_ERROR_WANT_READ
        return False

    # -------------------------------------------------------------------------- out and in

    cdef int64_t push(self, iovec *iov, int n, fn_wait *wait) noexcept nogil:
        """All of iov, which moves on as it is sent; 0 or a status."""
        cdef int64_t sent
        cdef int i = 0
        while True:
            while i < n and iov[i].iov_len == 0:
                i += 1
            if i == n:
                return 0
            sent = fn_stream_send(&self.stream, iov + i, n - i, wait)
            if sent < 0:
                return sent
            self.sent = True
            while sent:
                if <size_t> sent < iov[i].iov_len:
                    iov[i].iov_base = <uint8_t *> iov[i].iov_base + sent
                    iov[i].iov_len -= sent
                    break
                sent -= iov[i].iov_len
                iov[i].iov_len = 0
                i += 1

    cdef int64_t pull_head(self, fn_wait *wait) noexcept nogil:
        cdef iovec iov
        cdef int64_t got
        while True:
            got = self.room(&iov)
            if got < 0:
                return got
            got = fn_stream_recv(&self.stream, &iov, 1, wait)
            if got < 0:
                return got
            self.came(got)
            got = self.parse()
            if got:
                return got

    cdef int64_t pull(self, uint8_t *p, size_t n, fn_wait *wait) noexcept nogil:
        """Some bytes of the body, 0 at its end, or a status."""
        cdef iovec iov
        cdef int64_t got
        cdef size_t most
        while True:
            got = self.take(p, n)
            if got or self.ended or not n:
                return got
            most = min(self.direct(), n)
            if most:
                iov.iov_base = p
                iov.iov_len = min(most, <size_t> ONCE)
            else:
                got = self.room(&iov)
                if got < 0:
                    return got
            got = fn_stream_recv(&self.stream, &iov, 1, wait)
            if got == FN_E_EOF:
                got = self.finish()
                return got
            if got < 0:
                return got
            if most:
                return self.passed(p, got)
            self.came(got)

    cdef int64_t fill_all(self, uint8_t *p, size_t n, size_t *got,
                          fn_wait *wait) noexcept nogil:
        cdef int64_t more
        while got[0] < n and not self.ended:
            more = self.pull(p + got[0], n - got[0], wait)
            if more < 0:
                return more
            got[0] += more
        return 0

    cdef int failed(self, int64_t status) except -1:
        self.keep = False
        if status == FN_E_TIMEOUT or status == FN_E_STALL:
            what = "the response" if self.sent else "sending the request"
            raise errors.TransferTimeout(f"the time for {what} is up", self.count)
        return self.refuse(status)

    cdef int transmit(self, iovec *iov, int n, object timeout) except -1:
        cdef fn_wait wait
        cdef fn_tuned now
        cdef bint signals = False
        cdef int64_t st = 0
        cdef size_t total = 0
        cdef int i
        for i in range(n):
            total += iov[i].iov_len
        if total >= TUNE_FROM and not self.tuned:
            self.tuned = True
            memset(&now, 0, sizeof(now))
            fn_tune_congestion(self.stream.fd, b"auto", &now)
        wait_init(&wait, None, timeout, &signals)
        while True:
            with nogil:
                st = self.push(iov, n, &wait)
            if st != FN_E_CHECK:
                break
            wait_again(&wait, signals)
        # A server may answer and close before it has read everything: its answer counts.
        if st == -EPIPE or st == -ECONNRESET:
            if not self.sent:
                self.failed(st)
            self.broken = True
            return 0
        if st < 0:
            self.failed(st)
        return 0

    cdef object transmit_tls(self, object pieces, object timeout):
        self.limit(timeout)
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        view = memoryview(data).cast("B")
        try:
            while len(view):
                view = view[self.sock.send(view[:ONCE]):]
                self.sent = True
        except TimeoutError:
            self.failed(FN_E_TIMEOUT)
        except (BrokenPipeError, ConnectionResetError):
            if not self.sent:
                raise
            self.broken = True

    cdef object limit(self, object timeout):
        if timeout != self.set_timeout:
            self.sock.settimeout(timeout)
            self.set_timeout = timeout

    cdef int await_head(self, object timeout) except -1:
        cdef fn_wait wait
        cdef bint signals = False
        cdef int64_t st = 0
        wait_init(&wait, timeout, None, &signals)
        while True:
            with nogil:
                st = self.pull_head(&wait)
            if st != FN_E_CHECK:
                break
            wait_again(&wait, signals)
        if st < 0:
            self.failed(st)
        return self.complete()

    cdef object await_head_tls(self, object timeout):
        cdef iovec iov
        cdef int64_t st
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.headed:
            st = self.room(&iov)
            if st < 0:
                self.refuse(st)
            st = self.tls_recv(<uint8_t *> iov.iov_base, iov.iov_len, deadline)
            if st == 0:
                self.refuse(FN_E_EOF)
            self.came(st)
            self.look()

    cdef size_t tls_recv(self, uint8_t *p, size_t n, object deadline) except? 0:
        if deadline is None:
            self.limit(None)
        else:
            # In steps, so that the timeout is not set anew for each receive.
            left = deadline - time.monotonic()
            if left <= 0:
                self.failed(FN_E_TIMEOUT)
            self.limit(left)
        try:
            return self.sock.recv_into(
                PyMemoryView_FromMemory(<char *> p, min(n, <size_t> ONCE), PyBUF_WRITE))
        except TimeoutError:
            self.failed(FN_E_TIMEOUT)
        except OSError as error:
            if type(error).__name__ == "SSLZeroReturnError":
                return 0
            if type(error).__name__ == "SSLEOFError":
                self.cut_off()  # an end without TLS's goodbye may be an attacker's
            raise

    cdef size_t receive_tls(self, uint8_t *p, size_t n, bint whole, object timeout) except? 0:
        cdef iovec iov
        cdef size_t got = 0, most
        cdef int64_t st
        while got < n and not self.ended:
            st = self.take(p + got, n - got)
            if st < 0:
                self.failed(st)
            got += st
            if st or self.ended:
                if whole:
                    continue
                break
            most = min(self.direct(), n - got)
            if not most:
                self.room(&iov)
            deadline = None if timeout is None else time.monotonic() + timeout
            st = self.tls_recv(p + got if most else <uint8_t *> iov.iov_base,
                               most if most else iov.iov_len, deadline)
            if st == 0:
                st = self.finish()
                if st < 0:
                    self.failed(st)
                break
            if not most:
                self.came(st)
                continue
            st = self.passed(p + got, st)
            if st < 0:
                self.failed(st)
            got += st
            if not whole:
                break
        return got
