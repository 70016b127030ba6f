# The declarations of the core that the HTTP client's boundary uses, and nothing else.
# The headers in csrc/include/fastnet say what each of these means.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from fastnet._native.core cimport fn_stream, fn_wait, iovec


cdef extern from "fastnet/stream.h" nogil:
    int64_t fn_stream_send(fn_stream *s, iovec *iov, int n, const fn_wait *wait) noexcept


cdef extern from "<sys/socket.h>" nogil:
    enum:
        MSG_PEEK


cdef extern from "fastnet/http1.h" nogil:
    enum:
        FN_HTTP_MORE
        FN_HTTP_DONE
        FN_HTTP_FIELDS_MAX
        FN_HTTP_OTHER
        FN_HTTP_CONTENT_ENCODING
        FN_HTTP_LOCATION
        FN_HTTP_SET_COOKIE
        FN_HTTP_NO_BODY
        FN_HTTP_LENGTH
        FN_HTTP_CHUNKED
        FN_HTTP_TO_END

    cdef struct fn_http_span:
        uint32_t at
        uint32_t len

    cdef struct fn_http_field:
        fn_http_span name
        fn_http_span value
        uint8_t known

    cdef struct fn_http_limits:
        uint32_t line
        uint32_t field
        uint32_t fields
        uint32_t head
        bint loose

    cdef struct fn_http_head:
        uint32_t size
        uint8_t minor
        uint8_t framing
        bint keep_alive
        bint has_length
        uint64_t length
        uint16_t status
        fn_http_span phrase
        uint16_t count
        uint16_t refusal
        const char *reason
        fn_http_field *fields

    void fn_http_head_reset(fn_http_head *h) noexcept
    int fn_http_response(fn_http_head *h, const fn_http_limits *limits, const uint8_t *data,
                         size_t len, bint to_head, bint to_connect) noexcept

    cdef struct fn_http_chunks:
        uint64_t left
        uint64_t total
        const char *reason

    void fn_http_chunks_reset(fn_http_chunks *c, uint64_t most) noexcept
    int fn_http_chunks_next(fn_http_chunks *c, const uint8_t *data, size_t len, size_t *used,
                            const uint8_t **body, size_t *body_len) noexcept
