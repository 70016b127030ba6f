"""From a transport straight into an ``asyncio.StreamReader``, or a protocol in Cython.

Between a transport and the coroutine that waits in ``await reader.read(n)`` asyncio has four
Python calls per piece of data, which together cost as much as receiving it. Here they are one,
for exactly asyncio's own two classes; a subclass, or a method that somebody replaced, is called.
A protocol in Cython has no need of bytes objects at all: it is shown what the reactor has read.
"""

from asyncio import streams

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE, PyByteArray_Resize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy

cdef object Protocol = streams.StreamReaderProtocol
cdef object Reader = streams.StreamReader
# As they were when this was loaded, to notice that they were replaced.
cdef object data_received = Protocol.__dict__["data_received"]
cdef object feed_data = Reader.__dict__["feed_data"]
cdef object wakeup_waiter = Reader.__dict__["_wakeup_waiter"]


cdef class Taker:
    cdef int take(self, const void *data, size_t size) except -1:
        return 0


cdef bint feeds(object protocol) except -1:
    if isinstance(protocol, Taker):
        return True
    if type(protocol) is not Protocol or "data_received" in protocol.__dict__:
        return False
    if Protocol.data_received is not data_received:
        return False
    return Reader.feed_data is feed_data and Reader._wakeup_waiter is wakeup_waiter


cdef int feed(object protocol, const void *data, Py_ssize_t size) except -1:
    cdef Py_ssize_t before
    cdef object reader, buffer, waiter
    if isinstance(protocol, Taker):
        return (<Taker> protocol).take(data, size)
    reader = protocol._stream_reader_wr
    if reader is not None:
        reader = reader()
    if reader is None or size == 0:
        return 0
    buffer = reader._buffer
    if type(reader) is not Reader or type(buffer) is not bytearray or reader._eof:
        return slowly(reader, data, size)
    before = PyByteArray_GET_SIZE(buffer)
    if before + size > 2 * <Py_ssize_t>reader._limit and not reader._paused:
        return slowly(reader, data, size)  # it will pause the transport
    PyByteArray_Resize(buffer, before + size)
    memcpy(PyByteArray_AS_STRING(buffer) + before, data, size)
    waiter = reader._waiter
    if waiter is not None:
        reader._waiter = None
        if not waiter.cancelled():
            waiter.set_result(None)
    return 0


cdef int slowly(object reader, const void *data, Py_ssize_t size) except -1:
    reader.feed_data(PyBytes_FromStringAndSize(<const char *>data, size))
    return 0


def feeds_bytes(protocol):
    """feeds(), for tests."""
    return bool(feeds(protocol))


def feed_bytes(protocol, bytes data not None):
    """feed(), for tests."""
    feed(protocol, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
