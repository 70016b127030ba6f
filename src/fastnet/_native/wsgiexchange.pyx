"""A request and its reply: an application's side of PEP 3333.

The same for an application on the loop and on a thread: where its bytes go, and who waits for a
slow peer, is the sink's to know.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint64_t

from fastnet._native.core_http cimport (
    FN_HTTP_CONNECTION,
    FN_HTTP_CONTENT_LENGTH,
    FN_HTTP_DATE,
    FN_HTTP_KEEP_ALIVE,
    FN_HTTP_OTHER,
    FN_HTTP_PROXY_CONNECTION,
    FN_HTTP_SERVER,
    FN_HTTP_TE,
    FN_HTTP_TRAILER,
    FN_HTTP_TRANSFER_ENCODING,
    FN_HTTP_UPGRADE,
    fn_http_lookup,
)

from fastnet._native.httpout cimport length_of

cdef extern from "Python.h":
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    void *PyUnicode_DATA(object text)

cdef enum:
    UNDECIDED
    EMPTY     # a reply that has no body, whatever the application gives
    LENGTH
    CHUNKED
    TO_END

# Bodies up to this are copied behind their head, larger ones go as they are.
cdef size_t SMALL = 4 * 1024
cdef size_t SMALL_OF_THREADS = 16 * 1024  # where each piece is handed over

# On the loop, so much of a body is made before others have their turn.
cdef uint64_t TURN_BYTES = 512 * 1024
cdef int TURN_PIECES = 256


cdef class Sink(Taker):
    cdef int put(self, Exchange x, bytes piece) except -1:
        return 0

    cdef int put_out(self, Exchange x, bint last) except -1:
        return 0

    cdef int announce(self, uint64_t size) except -1:
        return 0

    cdef int hurry(self) except -1:
        return 0

    cdef bint full(self, Exchange x) except -1:
        return False


@cython.freelist(16)
cdef class Exchange:
    def __init__(self):
        raise TypeError("requests make these")

    # ------------------------------------------------------------------ for applications

    def start_response(self, status, headers, exc_info=None):
        """PEP 3333's: the status line and header fields of the reply, as str.

        Raises TypeError and ValueError for what may not be sent, RuntimeError for
        a second call without exc_info; with exc_info, that exception where the
        reply has begun already.
        """
        if self.ended or self.out is None:
            raise RuntimeError("start_response() was called after the reply's end")
        if exc_info is not None:
            try:
                if self.head_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.started:
            raise RuntimeError("start_response() was called before; exc_info makes that possible")
        self.begin(status, headers)
        return self.write

    def write(self, data):
        """PEP 3333's write(): sends a piece of the body."""
        if self.gone or self.out is None:
            raise BrokenPipeError("the client has gone")
        if self.ended:
            raise RuntimeError("write() was called after the reply's end")
        self.emit(data)
        self.flush(False)
        if self.threaded:
            self.sink.full(self)
        else:
            self.sink.hurry()

    def serve(self, app):
        """Runs the application, on a thread."""
        self.run(app)

    def go_on(self):
        """Others have had their turn."""
        if not self.ended:
            self.step()

    def begin_file(self, int64_t size):
        """The head of a reply whose body is `size` bytes of a file; how many are to be sent.

        None where the body must be given piece by piece.
        """
        if self.head_sent or not self.started:
            return None
        if self.has_length and self.length > <uint64_t> size:
            return None
        self.send_head(size)
        self.sink.announce(size)
        self.flush(False)
        return self.length if self.framing == LENGTH else 0

    def end_file(self, uint64_t sent, error):
        """So many bytes of the file were sent, and what has gone wrong, or None."""
        self.sent += sent
        if error is None:
            self.finish()
        else:
            self.fail(error)

    cdef int caught_up(self) except -1:
        """A thread need not wait any more for the loop, or for the peer."""
        self.unacked = 0
        if self.room is not None:
            self.room.set()
        return 0

    # ---------------------------------------------------------------------- the head

    cdef int begin(self, object status, object headers) except -1:
        cdef const unsigned char *digits
        self.started = False
        self.out.size = 0
        self.has_length = self.has_date = self.has_server = self.closing = False
        if type(status) is not str:
            raise TypeError(f"a status must be a str, not {type(status).__name__}")
        if type(headers) is not list:
            raise TypeError(f"headers must be a list, not {type(headers).__name__}")
        self.out.add(b"HTTP/1.1 ", 9)
        self.out.add_text(status, False)
        digits = <const unsigned char *> PyUnicode_DATA(status)
        if (PyUnicode_GET_LENGTH(status) < 4 or digits[3] != 32 or digits[0] < 49
                or digits[0] > 57 or digits[1] < 48 or digits[1] > 57
                or digits[2] < 48 or digits[2] > 57):
            raise ValueError(f"a status is three digits, a space and a reason: {status!r}")
        self.status = (digits[0] - 48) * 100 + (digits[1] - 48) * 10 + digits[2] - 48
        if self.status < 200:
            raise ValueError(f"a reply's status begins at 200: {status!r}")
        self.out.add(b"\r\n", 2)
        for name, value in headers:
            self.add_field(name, value)
        self.started = True
        return 0

    cdef int add_field(self, object name, object value) except -1:
        cdef size_t at = self.out.size
        cdef uint64_t length
        cdef int known
        self.out.add_text(name, True)
        known = fn_http_lookup(self.out.data + at, self.out.size - at)
        self.out.add(b": ", 2)
        self.out.add_text(value, False)
        self.out.add(b"\r\n", 2)
        if known == FN_HTTP_OTHER:
            return 0
        if known == FN_HTTP_CONTENT_LENGTH:
            length = length_of(value)
            if self.has_length and self.length != length:
                raise ValueError("two different Content-Lengths")
            if self.has_length or self.status == 204:  # RFC 9110 8.6: not in a 204
                self.out.size = at
            self.has_length = True
            self.length = length
        elif known == FN_HTTP_DATE:
            self.has_date = True
        elif known == FN_HTTP_SERVER:
            self.has_server = True
        elif known == FN_HTTP_CONNECTION and value.lower() in ("close", "keep-alive"):
            self.closing = self.closing or value.lower() == "close"
            self.out.size = at  # said in our own words, if it is to be said
        elif known in (FN_HTTP_CONNECTION, FN_HTTP_KEEP_ALIVE, FN_HTTP_PROXY_CONNECTION,
                       FN_HTTP_TE, FN_HTTP_TRAILER, FN_HTTP_TRANSFER_ENCODING, FN_HTTP_UPGRADE):
            raise ValueError(f"{name} is between client and server, not an application's to say")
        return 0

    cdef int send_head(self, int64_t known) except -1:
        """Decides the framing; `known` is the body's length where it is known, or -1."""
        if not self.started:
            raise RuntimeError("the application gave a body before it called start_response()")
        if self.status == 204 or self.status == 304:
            self.framing = EMPTY
        elif self.has_length:
            self.framing = LENGTH
        elif self.to_head and known <= 0:
            self.framing = EMPTY  # nobody knows how long the body would be
        elif known >= 0:
            self.framing = LENGTH
            self.length = known
            self.out.add(b"Content-Length: ", 16)
            self.out.add_number(known)
            self.out.add(b"\r\n", 2)
        elif self.http11:
            self.framing = CHUNKED
            self.out.add(b"Transfer-Encoding: chunked\r\n", 28)
        else:
            self.framing = TO_END
            self.keep_alive = False
        if self.to_head:
            self.framing = EMPTY
        if self.closing or self.site.draining:
            self.keep_alive = False
        if not self.has_server:
            self.out.add(b"Server: fastnet\r\n", 17)
        if not self.has_date:
            self.out.add_date()
        if not self.keep_alive:
            self.out.add(b"Connection: close\r\n", 19)
        elif not self.http11:
            self.out.add(b"Connection: keep-alive\r\n", 24)
        self.out.add(b"\r\n", 2)
        self.head_sent = True
        return 0

    # ---------------------------------------------------------------------- the body

    cdef int emit(self, object data) except -1:
        """A piece of the body; the head before the first that is not empty."""
        if type(data) is not bytes:
            if not isinstance(data, bytes):
                raise TypeError(f"a piece of a body must be bytes, not {type(data).__name__}")
            data = bytes(data)
        if not self.started:
            raise RuntimeError("the application gave a body before it called start_response()")
        if PyBytes_GET_SIZE(data) == 0:
            return 0
        if not self.head_sent:
            self.send_head(-1)
        return self.emit_piece(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), data)

    cdef int emit_piece(self, const char *data, size_t size, object owner) except -1:
        cdef bint over = False
        if self.framing == EMPTY:
            return 0
        if self.framing == LENGTH and self.sent + size > self.length:
            size = self.length - self.sent
            over = True
        if self.framing == CHUNKED:
            self.out.add_chunk_head(size)
        if size <= (SMALL_OF_THREADS if self.threaded else SMALL):
            self.out.add(data, size)
        else:
            self.flush(False)
            self.sink.put(self, owner if size == <size_t> PyBytes_GET_SIZE(owner)
                          else owner[:size])
        self.sent += size
        if self.framing == CHUNKED:
            self.out.add(b"\r\n", 2)
        if over:
            self.keep_alive = False
            raise ValueError(f"the body is longer than its Content-Length, {self.length}")
        return 0

    cdef int flush(self, bint last) except -1:
        if not self.head_sent:  # until then it may be taken back
            if not last:
                return 0
            self.out.size = 0
        return self.sink.put_out(self, last) if self.out.size or last else 0

    # ------------------------------------------------------------------------ its life

    cdef int run(self, object app) except -1:
        cdef object result
        try:
            result = app(self.environ, self.start_response)
            self.result = result
            if (type(result) is list or type(result) is tuple) and len(result) == 1:
                if self.head_sent or not self.started or type(result[0]) is not bytes:
                    self.emit(result[0])
                else:
                    self.send_head(PyBytes_GET_SIZE(result[0]))
                    self.emit_piece(PyBytes_AS_STRING(result[0]), PyBytes_GET_SIZE(result[0]),
                                    result[0])
                self.result = None
                return self.finish()
            if self.site.is_file(self, result):
                return 0
            self.iterator = iter(result)
        except KeyboardInterrupt:
            self.fail(None)
            raise
        except BaseException as error:
            return self.fail(error)
        return self.step()

    cdef int step(self) except -1:
        """Goes on with the body for as long as there is room for it."""
        cdef uint64_t before = self.sent
        cdef bint made = type(self.result) is list or type(self.result) is tuple
        cdef int pieces = 0
        try:
            while True:
                if self.gone:
                    return self.finish()
                if self.sink.full(self):
                    return 0
                if not self.threaded:
                    if pieces == TURN_PIECES or self.sent - before >= TURN_BYTES:
                        return self.site.later(self)
                    if pieces and not made:  # PEP 3333: no block waits until the next is made
                        self.sink.hurry()
                pieces += 1
                try:
                    data = next(self.iterator)
                except StopIteration:
                    return self.finish()
                self.emit(data)
                self.flush(False)
                if self.head_sent and self.framing == EMPTY:
                    return self.finish()
        except KeyboardInterrupt:
            self.fail(None)
            raise
        except BaseException as error:
            return self.fail(error)

    cdef int close_result(self) except -1:
        """Calls close() of what the application returned, once."""
        cdef object result = self.result
        self.result = None
        self.iterator = None
        if result is not None:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        return 0

    cdef int finish(self) except -1:
        """The body has ended."""
        if self.ended:
            return 0
        if not self.gone:
            if not self.head_sent:
                self.send_head(0)
            if self.framing == CHUNKED:
                self.out.add(b"0\r\n\r\n", 5)
            elif self.framing == LENGTH and self.sent < self.length:
                self.keep_alive = False
                self.site.complain(self, None, f"the body is {self.sent} bytes long, its "
                                               f"Content-Length says {self.length}")
        self.ended = True
        try:
            self.close_result()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.site.complain(self, error, "close() of the body failed")
        finally:
            self.flush(True)
        return 0

    cdef int fail(self, object error) except -1:
        """The application raised: a 500 where nothing was sent, an early end otherwise."""
        if self.ended:
            return 0
        self.ended = True
        try:
            if error is not None and not self.gone:
                self.site.complain(self, error, "the application failed")
            self.close_result()
        except KeyboardInterrupt:
            raise
        except BaseException as second:
            self.site.complain(self, second, "close() of the body failed")
        finally:
            if not self.gone and not self.head_sent:
                self.begin("500 Internal Server Error", [("Content-Type", "text/plain")])
                self.send_head(22)
                if not self.to_head:
                    self.out.add(b"Internal Server Error\n", 22)
            elif self.framing != EMPTY:
                self.keep_alive = False  # the end of the connection says that it is not whole
            self.flush(True)
        return 0
