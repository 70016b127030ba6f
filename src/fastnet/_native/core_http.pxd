# Every declaration of the core's HTTP that Cython uses, and nothing else.
# The headers in csrc/include/fastnet say what each of these means.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "fastnet/http1.h" nogil:
    enum:
        FN_HTTP_MORE
        FN_HTTP_DONE
        FN_HTTP_FIELDS_MAX
        FN_HTTP_EXTRA_MAX

    ctypedef enum fn_http_name:
        FN_HTTP_OTHER
        FN_HTTP_HOST
        FN_HTTP_CONNECTION
        FN_HTTP_CONTENT_LENGTH
        FN_HTTP_CONTENT_TYPE
        FN_HTTP_TRANSFER_ENCODING
        FN_HTTP_EXPECT
        FN_HTTP_DATE
        FN_HTTP_SERVER
        FN_HTTP_UPGRADE
        FN_HTTP_TRAILER
        FN_HTTP_TE
        FN_HTTP_KEEP_ALIVE
        FN_HTTP_PROXY_CONNECTION
        FN_HTTP_CONTENT_ENCODING
        FN_HTTP_LOCATION
        FN_HTTP_SET_COOKIE
        FN_HTTP_COOKIE
        FN_HTTP_ACCEPT
        FN_HTTP_ACCEPT_ENCODING
        FN_HTTP_ACCEPT_LANGUAGE
        FN_HTTP_USER_AGENT

    ctypedef struct fn_http_span:
        uint32_t at
        uint32_t len

    ctypedef struct fn_http_field:
        fn_http_span name
        fn_http_span value
        uint8_t known
        bint underscore

    ctypedef struct fn_http_limits:
        uint32_t line
        uint32_t field
        uint32_t fields
        uint32_t head
        bint loose

    ctypedef enum fn_http_framing:
        FN_HTTP_NO_BODY
        FN_HTTP_LENGTH
        FN_HTTP_CHUNKED
        FN_HTTP_TO_END

    ctypedef struct fn_http_head:
        uint32_t size
        uint8_t minor
        uint8_t framing
        bint keep_alive
        bint expect_continue
        bint upgrade
        bint has_length
        uint64_t length
        fn_http_span method
        fn_http_span target
        fn_http_span path
        fn_http_span query
        fn_http_span authority
        bint has_query
        bint is_head
        bint is_connect
        bint is_asterisk
        bint absolute
        uint16_t status
        fn_http_span phrase
        uint16_t count
        uint16_t refusal
        const char *reason
        fn_http_field *fields

    void fn_http_head_reset(fn_http_head *h) noexcept
    int fn_http_request(fn_http_head *h, const fn_http_limits *limits, const uint8_t *data,
                        size_t len) noexcept
    int fn_http_response(fn_http_head *h, const fn_http_limits *limits, const uint8_t *data,
                         size_t len, bint to_head, bint to_connect) noexcept

    ctypedef struct fn_http_chunks:
        uint64_t left
        uint64_t total
        uint64_t most
        uint32_t line
        uint16_t refusal
        const char *reason

    void fn_http_chunks_reset(fn_http_chunks *c, uint64_t most) noexcept
    int fn_http_chunks_next(fn_http_chunks *c, const uint8_t *data, size_t len, size_t *used,
                            const uint8_t **body, size_t *body_len) noexcept

    bint fn_http_value_ok(const uint8_t *data, size_t len) noexcept
    bint fn_http_name_ok(const uint8_t *data, size_t len) noexcept
    fn_http_name fn_http_lookup(const uint8_t *name, size_t len) noexcept
