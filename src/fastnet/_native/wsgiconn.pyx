"""The server's side of one HTTP connection: an asyncio protocol.

What comes behind a request that is not answered at once waits in `kept`, and reading stops when
that is much.  Replies are written as they are made; a peer that does not take them stops their
making, and ends the connection in time.
"""

from threading import Event

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t

from fastnet._native.core cimport FN_MS, fn_now, fn_time
from fastnet._native.streamwriter cimport StreamWriter
from fastnet._native.wsgiexchange cimport Exchange
from fastnet._native.wsgirequests cimport BODY, BUSY, CLOSED, HEAD, IDLE, LINGER, Requests

cdef size_t AHEAD = 64 * 1024         # bytes behind a request under way, before reading stops
cdef uint64_t SWALLOW = 256 * 1024    # bytes of a body that nobody wants are read, to go on
cdef Py_ssize_t UNACKED = 256 * 1024  # bytes that a thread may be ahead of the loop
cdef size_t UNPACED = 8 * 1024        # bytes from which bbr's pacing is felt
cdef fn_time LINGER_FOR = 2000 * FN_MS

REASONS = {
    400: "Bad Request", 408: "Request Timeout", 413: "Content Too Large", 414: "URI Too Long",
    417: "Expectation Failed", 431: "Request Header Fields Too Large",
    500: "Internal Server Error", 501: "Not Implemented",
    503: "Service Unavailable", 505: "HTTP Version Not Supported",
}


cdef class Connection(Requests):
    """Parameters:
        site: whose it is: application, limits, and the rest in common.
    """

    # -------------------------------------------------------------------- from the loop

    def connection_made(self, transport):
        self.transport = transport
        self.writer = transport if isinstance(transport, StreamWriter) else None
        self.beneath = self.writer
        if self.writer is None:
            below = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
            self.beneath = below if isinstance(below, StreamWriter) else None
        self.base = self.site.base_of(transport)
        self.site.connections.add(self)
        self.await_until(self.site.keep_alive_timeout)

    def data_received(self, bytes data not None):
        self.take(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))

    cdef int take(self, const void *data, size_t size) except -1:
        cdef const char *bytes_ = <const char *> data
        cdef size_t used
        if self.kept is not None:
            if self.state == LINGER or self.state == CLOSED:
                return 0
            self.kept += PyBytes_FromStringAndSize(bytes_, size)
            return self.pump()
        used = self.eat(data, size)
        if used < size:
            self.kept = PyByteArray_FromStringAndSize(bytes_ + used, size - used)
            self.hold_back()
        elif self.ended_reading and self.state == IDLE:
            self.transport.close()
        return 0

    cdef size_t eat(self, const void *data, size_t size) except? <size_t> -1:
        self.consuming = True
        try:
            return self.consume(<const uint8_t *> data, size)
        except BaseException:  # Ctrl-C in an application: nothing here is answered twice
            self.transport.abort()
            raise
        finally:
            self.consuming = False

    cdef int pump(self) except -1:
        """Goes on with what was kept."""
        cdef bytearray kept = self.kept
        cdef size_t used
        if self.consuming:
            return 0
        if kept is not None:
            used = self.eat(PyByteArray_AS_STRING(kept), len(kept))
            if used == <size_t> len(kept):
                self.kept = None
            else:
                del kept[:used]
            self.hold_back()
        if self.ended_reading and not (self.paused and self.kept is not None):
            self.cut_short()
        return 0

    cdef int cut_short(self) except -1:
        """Nothing more comes: what has not come whole never will."""
        cdef Exchange x = self.exchange
        if self.state == BODY and x is not None and x.body is not None:
            x.body.fail(ConnectionResetError("the client ended inside its request's body"))
        elif self.state <= BODY:
            self.transport.close()
        return 0

    cdef int hold_back(self) except -1:
        """Reads no more while much waits behind a request, or its body's reader is behind."""
        cdef bint much = self.kept is not None and <size_t> len(self.kept) > AHEAD
        cdef object body = None if self.exchange is None else self.exchange.body
        cdef bint ahead = body is not None and body.much
        much = (much and (self.state == BUSY or self.paused)) or ahead
        if much == self.reading_paused or self.state == CLOSED:
            return 0
        self.reading_paused = much
        if much:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()
        if self.state == BODY and not self.paused:  # nobody waits for what is not read
            self.await_until(-1 if much else self.site.request_timeout)
        return 0

    def resume_body(self):
        """The reader of a body has caught up."""
        self.hold_back()

    def eof_received(self):
        cdef Exchange x = self.exchange
        self.ended_reading = True
        if self.state == BODY and x is not None and x.body is not None:
            x.body.fail(ConnectionResetError("the client ended inside its request's body"))
        # A request that has come whole is answered; TLS has no half of a connection.
        return self.transport.can_write_eof() and (
            self.state == BUSY or (self.state == BODY and x is not None and x.body is not None)
            or (self.kept is not None and self.paused and self.state <= HEAD))

    def pause_writing(self):
        self.paused = True
        self.watch_peer()
        self.await_until(self.site.send_timeout)

    def resume_writing(self):
        cdef Exchange x = self.exchange
        self.paused = False
        self.rearm()
        if x is None:
            if not self.consuming and self.state <= HEAD and self.kept is not None:
                self.pump()
            return
        if x.threaded:
            x.caught_up()
        elif x.iterator is not None:
            x.step()

    def connection_lost(self, error):
        cdef Exchange x = self.exchange
        self.state = CLOSED
        self.deadline = 0
        self.kept = None
        self.forget_body()
        self.site.connections.discard(self)
        if x is None:
            return
        x.gone = True
        if x.body is not None:
            x.body.fail(ConnectionResetError("the client has gone"))
        if x.threaded:
            x.caught_up()
        elif x.iterator is not None:
            x.finish()

    # ------------------------------------------------------------------------- replies

    cdef int put(self, Exchange x, bytes piece) except -1:
        if x.threaded:
            return self.put_from_thread(x, piece, False)
        if self.closing():
            return 0
        return self.write(PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece), piece)

    cdef int put_out(self, Exchange x, bint last) except -1:
        if x.threaded:
            return self.put_from_thread(x, x.out.take() if x.out.size else None, last)
        try:
            if x.out.size and (last or not self.closing()):
                self.write(x.out.data, x.out.size, None)
        except BaseException:  # this reply will never be complete
            self.transport.abort()
            raise
        finally:
            x.out.clear()
        return self.done(x) if last else 0

    cdef int announce(self, uint64_t size) except -1:
        if size >= UNPACED and not self.unpaced and self.writer is not None:
            self.unpaced = True
            self.writer.unpace()
        return 0

    cdef bint closing(self) except -1:
        return self.transport.is_closing() if self.writer is None else self.writer._closing

    cdef int write(self, const void *data, size_t size, object owner) except -1:
        if self.state == CLOSED:
            return 0
        if self.writer is None:  # TLS, and what else is no socket
            self.transport.write(PyBytes_FromStringAndSize(<const char *> data, size)
                                 if owner is None else owner)
            return 0
        self.announce(size)
        return self.writer.write_from(<const char *> data, size, owner)

    cdef int put_from_thread(self, Exchange x, object data, bint last) except -1:
        if data is not None:
            x.unacked += len(data)
        self.site.hand_over(self, x, data, last)
        return 0

    cdef bint full(self, Exchange x) except -1:
        if not x.threaded:
            return (self.paused or self.closing()) and not x.gone
        while x.unacked > UNACKED and not x.gone:
            if x.room is None:
                x.room = Event()  # the loop may have caught up before it could know
                continue
            x.room.wait()
            x.room.clear()
        return False

    def take_from_thread(self, Exchange x not None, bytes data, bint last):
        """What a thread has made; called on the loop."""
        if data is not None and not x.gone and not self.closing():
            x.seen = True
            self.write(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), data)
        if not self.paused:
            x.caught_up()
        if last:
            self.done(x)

    cdef int hurry(self) except -1:
        return 0 if self.beneath is None else self.beneath.flush()

    cdef int done(self, Exchange x) except -1:
        """The reply is complete."""
        if x.spooled is not None:
            x.spooled.close()
        if x.body is not None:  # somebody may read it still
            x.body.fail(ConnectionResetError("the request has been answered"))
        if x is not self.exchange:  # refused meanwhile
            return 0
        self.exchange = None
        if self.site.log is not None:
            self.site.note(x, self.base)
        if self.state == CLOSED:
            return 0
        if self.state == BODY:
            return self.done_early(x)
        if not x.keep_alive or (self.ended_reading and self.kept is None):
            return self.linger()
        return self.next_one()

    cdef int done_early(self, Exchange x) except -1:
        """Answered before the request has come whole: it is read to its end, if that is near."""
        self.answered = True
        if (x.keep_alive and not self.chunked and self.left <= SWALLOW
                and not self.ended_reading):
            self.rearm()
            if self.reading_paused:
                self.hold_back()
            return 0
        return self.linger()

    cdef int next_one(self) except -1:
        self.state = IDLE
        if (self.site.draining and not self.site.patient and self.kept is None
                and not self.consuming):
            return self.linger()
        self.rearm()
        if self.reading_paused:
            self.hold_back()
        if not self.consuming and (self.kept is not None or self.ended_reading):
            self.pump()
        return 0

    cdef int rearm(self) except -1:
        """What is waited for in the present state."""
        if self.paused:
            self.await_until(self.site.send_timeout)
        elif self.state == IDLE:
            self.await_until(self.site.keep_alive_timeout)
        elif self.state == BUSY or (self.state == BODY and self.reading_paused):
            self.deadline = 0
        elif self.state == BODY or self.state == HEAD:
            self.await_until(self.site.request_timeout)
        return 0

    cdef int refuse(self, int status, str reason) except -1:
        """Answers what cannot be served, and ends the connection."""
        cdef Exchange x = self.exchange
        self.exchange = None
        self.forget_body()
        if x is not None and x.threaded:
            x.gone = True
            x.caught_up()
            if x.body is not None:
                x.body.fail(ValueError(reason))
        if not self.answered and (x is None or not x.seen):
            text = f"{status} {REASONS.get(status, 'Bad Request')}"
            body = f"{text}: {reason}\n" if reason else f"{text}\n"
            self.transport.write((
                f"HTTP/1.1 {text}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
                f"Server: fastnet\r\nConnection: close\r\n\r\n{body}").encode("latin-1"))
        self.site.refused(self, status, reason)
        return self.linger()

    cdef int linger(self) except -1:
        """Ends our side only, for a while: a reset would destroy what the peer has not read."""
        self.state = LINGER
        self.kept = None
        self.watch_peer()
        self.await_until(LINGER_FOR)
        if self.reading_paused:
            self.reading_paused = False
            self.transport.resume_reading()
        if self.ended_reading or not self.transport.can_write_eof():
            self.transport.close()
        else:
            self.transport.write_eof()
        return 0

    cdef int watch_peer(self) except -1:
        """From now on it must take something now and then."""
        self.confirmed = 0 if self.beneath is None else self.beneath.confirmed()
        self.moved = fn_now()
        return 0

    cdef bint moves(self) except -1:
        """Whether the peer has taken something since that was last looked at."""
        cdef uint64_t before = self.confirmed
        cdef fn_time moved = self.moved
        self.watch_peer()
        if self.confirmed != before:
            return True
        self.moved = moved
        return False

    cdef bint takes_the_rest(self) except -1:
        """Whether a peer that has not read its last reply to the end may still do so."""
        if self.moves():
            return True
        if self.beneath is None or not self.beneath.unconfirmed():
            return False
        return self.site.send_timeout < 0 or fn_now() - self.moved < self.site.send_timeout

    cdef int expire(self) except -1:
        """The deadline has passed."""
        if self.paused and self.state != LINGER:
            if self.moves():
                self.await_until(self.site.send_timeout)
            else:
                self.transport.abort()
        elif self.state == BODY and not self.transport.is_reading():
            self.await_until(self.site.request_timeout)  # a file is sent meanwhile
        elif self.state == HEAD or self.state == BODY:
            self.refuse(408, "the request did not come in time")
        elif self.state == LINGER and self.takes_the_rest():
            self.await_until(LINGER_FOR)
        elif self.state == IDLE:
            self.leave()
        else:
            self.transport.abort()
        return 0

    cdef int leave(self) except -1:
        """Ends a connection on which nothing is expected; what was written is sent."""
        self.state = LINGER
        self.watch_peer()
        self.await_until(LINGER_FOR)
        self.transport.close()
        return 0

    def close_if_idle(self):
        """For a server that ends: nothing more is answered here than what has come."""
        if self.state == IDLE and self.kept is None and not self.consuming:
            self.leave()
