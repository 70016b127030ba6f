"""Requests of one HTTP connection (wsgirequests.pyx)."""

from libc.stdint cimport uint8_t, uint64_t

from fastnet._native.core cimport fn_time
from fastnet._native.core_http cimport fn_http_chunks, fn_http_head, fn_http_limits
from fastnet._native.httpout cimport Out
from fastnet._native.wsgienv cimport Environs, Known, Shared
from fastnet._native.wsgiexchange cimport Exchange, Sink


cdef enum:
    IDLE      # nothing of the next request has come
    HEAD      # a part of its head has
    BODY      # its head has
    BUSY      # all of it has, and it is being answered
    LINGER    # answered; the peer shall see that before the connection ends
    CLOSED


cdef class SiteCore(Shared):
    cdef fn_http_limits limits
    cdef fn_http_head *scratch
    cdef Environs environs
    cdef uint64_t body_bytes
    cdef fn_time request_timeout, keep_alive_timeout, send_timeout
    cdef readonly set connections
    cdef readonly uint64_t requests
    cdef public bint patient   # draining, one that has not heard so yet is asked once more
    cdef public bint threaded
    cdef public object app
    cdef public object log     # whether the access log is wanted
    cdef public dict base


cdef class Requests(Sink):
    cdef SiteCore site
    cdef readonly object transport
    cdef Out out
    cdef readonly Exchange exchange
    cdef readonly dict base
    cdef Known known           # the header lines of the request before
    cdef bytearray kept        # what has come and is not used yet
    cdef fn_http_head *own     # of a head that has not come whole
    cdef fn_http_chunks chunks
    cdef uint64_t left         # bytes of the body that are to come, when framed by length
    cdef bint chunked, expected
    cdef bint answered         # before its body has come
    cdef bint paused           # the peer does not take what was written
    cdef bytes whole           # the body, being filled, when its length is known and small
    cdef object first          # of the body's pieces otherwise
    cdef bytearray more        # the others
    cdef object spool          # a file that they are in
    cdef uint64_t body_size
    cdef size_t heard          # bytes of a body since its deadline was set
    cdef int state
    cdef fn_time deadline

    cdef size_t consume(self, const uint8_t *data, size_t size) except? <size_t> -1
    cdef int keep_head(self, const fn_http_head *h) except -1
    cdef int begin(self, const fn_http_head *h, const uint8_t *data) except -1
    cdef int begin_body(self) except -1
    cdef size_t take_body(self, const uint8_t *data, size_t size) except? <size_t> -1
    cdef int keep_piece(self, const uint8_t *data, size_t size) except -1
    cdef int body_ended(self) except -1
    cdef bint rewind(self) except -1
    cdef int disk_is_full(self, object error) except -1
    cdef int keep_in_file(self, bytes piece) except -1
    cdef int begin_stream(self, bytes piece) except -1
    cdef int forget_body(self) except -1
    cdef int dispatch(self) except -1
    cdef int hold_back(self) except -1
    cdef int next_one(self) except -1
    cdef int refuse(self, int status, str reason) except -1
    cdef int expire(self) except -1
    cdef void await_until(self, fn_time span) noexcept
