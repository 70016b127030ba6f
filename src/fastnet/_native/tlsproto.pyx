"""TLS between a transport and a user's protocol: asyncio's, with the data path in C.

Handshake, shutdown, timeouts and the rules of a truncated end are asyncio's own code, in
``asyncio.sslproto.SSLProtocol``. ``TlsCore`` comes before it and takes over what runs for every
message, where four things cost most: an exception at the end of each read (here it is known
beforehand that nothing more can come), memory of 256 KiB for each record, the copy of the rest
of a large message for each record written, and a buffer of 256 KiB for each connection (here one
serves all of a loop, since it is filled and emptied within one event).
"""

import ssl
from asyncio import protocols, sslproto

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject

from fastnet._native.handles cimport LoopCore
from fastnet._native.streamfeed cimport feed, feeds

cdef extern from "Python.h":
    const int PyBUF_WRITE
    object PyMemoryView_FromMemory(char *memory, Py_ssize_t size, int flags)
    PyObject *PyBytes_FromStringAndSize(const char *bytes, Py_ssize_t size) except NULL
    int _PyBytes_Resize(PyObject **bytes, Py_ssize_t size) except -1
    void Py_XDECREF(PyObject *thing)

cdef object BufferedProtocol = protocols.BufferedProtocol
cdef object Original = sslproto.SSLProtocol
cdef object SSLObject = ssl.SSLObject
cdef object Again = sslproto.SSLAgainErrors
cdef object DO_HANDSHAKE = sslproto.SSLProtocolState.DO_HANDSHAKE
cdef object WRAPPED = sslproto.SSLProtocolState.WRAPPED
cdef object FLUSHING = sslproto.SSLProtocolState.FLUSHING
cdef object SHUTDOWN = sslproto.SSLProtocolState.SHUTDOWN

cdef Py_ssize_t RECORD = 16384        # plaintext of a record at most (RFC 8446, 5.1)
cdef Py_ssize_t SMALL = 4096          # what comes in one read of OpenSSL, as a rule
cdef Py_ssize_t LARGEST = 256 * 1024  # bytes of one read of the transport
cdef Py_ssize_t PIECE = 128 * 1024    # ciphertext goes on while it is in the cache


cdef class TlsCore:
    """The data path; the next base is ``asyncio.sslproto.SSLProtocol``."""

    @property
    def _sslobj(self):
        return self.ssl

    @_sslobj.setter
    def _sslobj(self, value):
        self.ssl = value
        # The methods of an SSLObject are Python functions that only pass on. A subclass may
        # have its own, and is read as asyncio reads it.
        self.engine = value._sslobj if type(value) is SSLObject else value

    @property
    def max_size(self):
        """What one read asks for. While __init__ runs asyncio makes a buffer of this size."""
        return 1 if self.ssl is None else LARGEST

    @property
    def _app_protocol(self):
        return self.app

    @_app_protocol.setter
    def _app_protocol(self, value):
        self.app = value

    def _set_app_protocol(self, app_protocol):
        super()._set_app_protocol(app_protocol)
        self.app_buffered = isinstance(app_protocol, BufferedProtocol)
        self.app_feeds = not self.app_buffered and feeds(app_protocol)

    def _get_app_transport(self):
        if self._app_transport is None:
            if self._app_transport_created:
                raise RuntimeError("Creating _SSLProtocolTransport twice")
            self._app_transport = SSLTransport(self._loop, self)
            self._app_transport_created = True
        return self._app_transport

    # -------------------------------------------------------------------- incoming

    def get_buffer(self, sizehint):
        """Where the transport puts ciphertext; good until buffer_updated()."""
        cdef LoopCore loop
        if self.view is None:
            if isinstance(self._loop, LoopCore):
                loop = self._loop
                if loop._scratch is None:
                    loop._scratch = memoryview(bytearray(LARGEST))
                self.view = loop._scratch
            else:
                self.view = memoryview(bytearray(LARGEST))
        return self.view

    def buffer_updated(self, nbytes):
        """So much ciphertext has come."""
        if self.view is None:
            self.get_buffer(-1)
        self._incoming.write(self.view[:nbytes])
        if self._state is WRAPPED:
            self.read()
        elif self._state is DO_HANDSHAKE:
            self._do_handshake()
        elif self._state is FLUSHING:
            self._do_flush()
        elif self._state is SHUTDOWN:
            self._do_shutdown()

    def _do_read(self):
        if self._state is WRAPPED or self._state is FLUSHING:
            self.read()

    cdef int read(self) except -1:
        if self.engine is self.ssl:
            Original._do_read(self)
            return 0
        try:
            if not self._app_reading_paused:
                if self.app_buffered:
                    self.read_buffered()
                else:
                    self.read_bytes()
                if self._write_backlog:
                    self.write_backlog()
                self.send()
            self.control_reading()
        except Exception as error:
            self._fatal_error(error, "Fatal error on SSL protocol")
        return 0

    cdef Py_ssize_t waiting(self) except -1:
        """Bytes that OpenSSL has not looked at or not handed out; with none, a read finds nothing.

        The beginning of a record that is not complete is not among them.
        """
        cdef Py_ssize_t cipher = self._incoming.pending
        cdef Py_ssize_t plain = self.engine.pending()
        return cipher + plain

    cdef int read_bytes(self) except -1:
        """Hands over all that can be decrypted, in one piece."""
        cdef Py_ssize_t waiting = self.waiting()
        cdef bint ended = False
        cdef object data = None
        if 0 < waiting <= SMALL:
            try:
                data = self.engine.read(waiting)
            except Again:
                return 0
            ended = not data
            waiting = 0 if ended else self.waiting()
        if waiting:
            more = self.read_records(waiting, &ended)
            data = data + more if data else more
        if data:
            if self.app_feeds:
                feed(self.app, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
            else:
                self.app.data_received(data)
        if ended:
            self.peer_closed()
        return 0

    cdef bytes read_records(self, Py_ssize_t waiting, bint *ended):
        """Any number of records, decrypted side by side.

        Plaintext is shorter than its ciphertext; what is not counted there is one incomplete
        record. That bounds the memory.
        """
        cdef Py_ssize_t size = waiting + RECORD
        cdef PyObject *whole = PyBytes_FromStringAndSize(NULL, size)
        try:
            size = self.read_into(PyBytes_AS_STRING(<object>whole), size, ended)
            _PyBytes_Resize(&whole, size)
            return <bytes>whole
        finally:
            Py_XDECREF(whole)

    cdef Py_ssize_t read_into(self, char *memory, Py_ssize_t size, bint *ended) except -1:
        """Decrypts until the memory is full or nothing is left; the number of bytes."""
        cdef Py_ssize_t have = 0
        cdef Py_ssize_t got
        try:
            while have < size and self.waiting():
                view = PyMemoryView_FromMemory(memory + have, size - have, PyBUF_WRITE)
                got = self.engine.read(size - have, view)
                if got == 0:
                    ended[0] = True
                    break
                have += got
        except Again:
            pass
        return have

    cdef int read_buffered(self) except -1:
        """Decrypts into the buffer of a BufferedProtocol, once."""
        cdef Py_ssize_t size
        cdef Py_ssize_t have = 0
        cdef Py_ssize_t got = 1
        if not self.waiting():
            return 0
        buffer = self.app.get_buffer(self._incoming.pending)
        size = len(buffer)
        try:
            got = self.engine.read(size, buffer)
            have = got
            while got and have < size and self.waiting():
                # A view, since the slice of a bytearray is a copy.
                got = self.engine.read(size - have, memoryview(buffer)[have:])
                have += got
        except Again:
            pass
        if have == size and self.waiting():
            self._loop.call_soon(self._do_read)
        if have:
            self.app.buffer_updated(have)
        if not got:
            self.peer_closed()
        return 0

    cdef int peer_closed(self) except -1:
        """close_notify has come."""
        self._call_eof_received()
        self._start_shutdown()
        return 0

    cdef int control_reading(self) except -1:
        size = self._incoming.pending
        if size <= self._incoming_low_water if self._ssl_reading_paused else (
                size >= self._incoming_high_water):
            self._control_ssl_reading()
        return 0

    # -------------------------------------------------------------------- outgoing

    def _write_appdata(self, list_of_data):
        cdef bint begun = self._state is WRAPPED
        if not begun and self._state is not DO_HANDSHAKE:
            return super()._write_appdata(list_of_data)
        pieces = list(list_of_data)
        try:
            for data in pieces:
                if begun and not self._write_backlog:
                    self.encrypt(data)
                else:
                    self.keep(data if type(data) is bytes else bytes(data), False)
            if begun:
                if self._write_backlog:
                    self.write_backlog()
                self.send()
        except Exception as error:
            self._fatal_error(error, "Fatal error on SSL protocol")

    def _do_write(self):
        self.write_backlog()
        self.send()

    def _process_outgoing(self):
        self.send()

    cdef int keep(self, object data, bint first) except -1:
        if first:
            self._write_backlog.appendleft(data)
        else:
            self._write_backlog.append(data)
        self._write_buffer_size += len(data)
        return 0

    cdef int write_backlog(self) except -1:
        cdef bint all = True
        while all and self._write_backlog:
            data = self._write_backlog.popleft()
            self._write_buffer_size -= len(data)
            all = self.encrypt(data)
        return 0

    cdef bint encrypt(self, object data) except -1:
        """Turns data into records. Where OpenSSL has to read first, the rest is kept: False.

        OpenSSL takes one record at a time.
        """
        cdef Py_ssize_t size, written
        cdef Py_ssize_t fresh = 0
        view = data
        try:
            if type(data) is bytes:
                size = PyBytes_GET_SIZE(data)
            else:
                view = memoryview(data)
                size = view.nbytes
            if size == 0:
                return True
            written = self.engine.write(view)
            if written == size:
                return True
            view = memoryview(view).cast("B")[written:]
            fresh = written
            while True:
                written = self.engine.write(view)
                fresh += written
                if written == len(view):
                    return True
                view = view[written:]
                if fresh >= PIECE:
                    fresh = 0
                    self.pass_on()
        except Again:
            self.keep(bytes(view), True)  # which OpenSSL takes from where it stopped
            return False

    cdef int pass_on(self) except -1:
        """What is encrypted goes to the transport, unless that has enough."""
        if not self._ssl_writing_paused:
            data = self._outgoing.read()
            if data:
                self._transport.write(data)
        return 0

    cdef int send(self) except -1:
        self.pass_on()
        size = self._write_buffer_size
        if self._ssl_writing_paused:
            size += self._outgoing.pending
        if size <= self._outgoing_low_water if self._app_writing_paused else (
                size >= self._outgoing_high_water):
            self._control_app_writing()
        return 0


class SSLTransport(sslproto._SSLProtocolTransport):
    """What the user's protocol writes to: asyncio's, with the paths of every message in C."""

    def is_closing(self):
        """Whether the transport is closed or closing."""
        return self._closed

    def write(self, data):
        """Encrypts some bytes and sends them, or keeps them until they can be sent.

        TypeError for what is not bytes, bytearray or memoryview.
        """
        protocol = self._ssl_protocol
        if isinstance(data, (bytes, bytearray, memoryview)) and isinstance(protocol, TlsCore):
            if len(data):
                protocol._write_appdata((data,))
        else:
            super().write(data)


class TlsProtocol(TlsCore, Original):
    """``asyncio.sslproto.SSLProtocol`` with the paths of every message in C.

    Parameters and what is raised are those of asyncio's class.
    """
