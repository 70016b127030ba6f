/* http1feed.h: HTTP/1.x messages fed to the parsers in pieces; what comes of it must not depend on
 * the pieces, nor on what follows.
 *
 * A head's bytes are shown from guarded memory that ends where they end.
 */
#ifndef FASTNET_TESTS_HTTP1FEED_H
#define FASTNET_TESTS_HTTP1FEED_H

#include "check.h"

#include "fastnet/http1.h"

static const fn_http_limits HTTP1_LIMITS = {
    .line = 8192, .field = 16384, .fields = 100, .head = 65536};

struct http1_how {
    const fn_http_limits *limits;
    bool response, to_head, to_connect;
};

static inline int http1_parse(const struct http1_how *how, fn_http_head *h, const uint8_t *data,
                              size_t len)
{
    if (how->response)
        return fn_http_response(h, how->limits, data, len, how->to_head, how->to_connect);
    return fn_http_request(h, how->limits, data, len);
}

static inline uint64_t http1_mix_span(uint64_t d, const uint8_t *data, size_t len, fn_http_span s)
{
    assert((uint64_t)s.at + s.len <= len);
    return mix(mix64(mix64(d, s.at), s.len), data + s.at, s.len);
}

/* All that a head says, in one number; nothing in it may lie outside data[0..len). */
static inline uint64_t http1_digest(const fn_http_head *h, int status, const uint8_t *data,
                                    size_t len)
{
    uint64_t d = mix64(mix64(0xCBF29CE484222325u, (uint64_t)(int64_t)status), h->refusal);
    if (status < 0)
        return mix(d, h->reason, strlen(h->reason));
    if (status != FN_HTTP_DONE)
        return d;
    assert(h->size <= len && h->count <= FN_HTTP_FIELDS_MAX);
    d = mix64(mix64(mix64(mix64(d, h->size), h->minor), h->framing), h->length);
    const bool flags[] = {h->keep_alive, h->expect_continue, h->upgrade,
                          h->has_length, h->has_query,       h->is_head,
                          h->is_connect, h->is_asterisk,     h->absolute};
    for (size_t i = 0; i < sizeof flags; i++)
        d = mix64(d, flags[i]);
    const fn_http_span spans[] = {h->method, h->target, h->path, h->query, h->authority, h->phrase};
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++)
        d = http1_mix_span(d, data, h->size, spans[i]);
    d = mix64(d, h->status);
    for (size_t i = 0; i < h->count; i++) {
        d = http1_mix_span(d, data, h->size, h->fields[i].name);
        d = http1_mix_span(d, data, h->size, h->fields[i].value);
        d = mix64(d, (uint64_t)h->fields[i].known << 1 | h->fields[i].underscore);
    }
    return d;
}

/* Shows the message's first piece, then one more piece each time; returns the last status, the
 * digest and, in *shown, how many bytes had been shown by then. */
static inline int http1_feed(const struct http1_how *how, fn_http_head *h, const uint8_t *data,
                             size_t len, size_t first, size_t piece, uint64_t *digest,
                             size_t *shown)
{
    size_t n = first < len ? first : len;
    int st;
    fn_http_head_reset(h);
    while ((st = http1_parse(how, h, data, n)) == FN_HTTP_MORE && n < len)
        n += piece < len - n ? piece : len - n;
    assert(http1_parse(how, h, data, n) == st); /* a result is final */
    *digest = http1_digest(h, st, data, n);
    *shown = n;
    return st;
}

/* Whole, split in two at every place, byte by byte, and with more behind it. */
static inline int http1_every_way(const struct http1_how *how, fn_http_head *h, const void *bytes,
                                  size_t len)
{
    struct guarded g = guarded_copy(bytes, len, true);
    uint64_t whole, other;
    size_t shown, least;
    int st = http1_feed(how, h, g.data, len, len, len, &whole, &shown);
    assert(http1_feed(how, h, g.data, len, 0, 1, &other, &least) == st && other == whole);
    for (size_t split = 0; split<len; split += len> 4000 ? len / 500 : 1) {
        assert(http1_feed(how, h, g.data, len, split, len, &other, &shown) == st);
        assert(other == whole && (st == FN_HTTP_MORE || shown == len || shown >= least));
    }
    guarded_free(&g);
    if (st == FN_HTTP_MORE)
        return st;
    g = guarded_new(least + 9, true); /* only what decided it, then other bytes */
    memcpy(g.data, bytes, least);
    memcpy(g.data + least, "\nG\r\n\0\xff: ", 9);
    assert(http1_feed(how, h, g.data, least + 9, least + 9, 1, &other, &shown) == st);
    assert(other == whole);
    guarded_free(&g);
    g = guarded_copy(bytes, least, false);
    assert(http1_feed(how, h, g.data, least, least, 1, &other, &shown) == st && other == whole);
    guarded_free(&g);
    return st;
}

/* ------------------------------------------------------------------------ chunked bodies */

struct http1_body {
    int status;
    uint16_t refusal;
    size_t used;
    uint64_t size, digest;
};

/* Decodes data in pieces of first, then of `piece` bytes. */
static inline struct http1_body http1_chunks(const uint8_t *data, size_t len, uint64_t most,
                                             size_t first, size_t piece)
{
    struct http1_body b = {.digest = 0xCBF29CE484222325u};
    fn_http_chunks c;
    size_t n = first < len ? first : len;
    fn_http_chunks_reset(&c, most);
    for (;;) {
        const uint8_t *body;
        size_t used, body_len;
        b.status = fn_http_chunks_next(&c, data + b.used, n - b.used, &used, &body, &body_len);
        assert(used <= n - b.used && body_len <= used);
        assert(!body_len || body + body_len == data + b.used + used);
        b.used += used;
        if (body_len)
            b.digest = mix(b.digest, body, body_len);
        b.size += body_len;
        assert(b.size == c.total && b.size <= most);
        if (b.status != FN_HTTP_MORE)
            break;
        assert(b.used == n || used);
        if (b.used < n)
            continue;
        if (n == len)
            break;
        n += piece < len - n ? piece : len - n;
    }
    b.refusal = c.refusal;
    assert((b.status < 0) == (b.refusal != 0) && (b.status < 0) == (c.reason != NULL));
    return b;
}

static inline bool http1_same_body(struct http1_body a, struct http1_body b)
{
    return a.status == b.status && a.refusal == b.refusal && a.used == b.used && a.size == b.size &&
           a.digest == b.digest;
}

static inline struct http1_body http1_chunks_every_way(const void *bytes, size_t len, uint64_t most)
{
    struct guarded g = guarded_copy(bytes, len, true);
    struct http1_body whole = http1_chunks(g.data, len, most, len, len);
    assert(http1_same_body(whole, http1_chunks(g.data, len, most, 0, 1)));
    for (size_t split = 0; split<len; split += len> 4000 ? len / 500 : 1)
        assert(http1_same_body(whole, http1_chunks(g.data, len, most, split, len)));
    guarded_free(&g);
    g = guarded_new(len + 5, true);
    memcpy(g.data, bytes, len);
    memcpy(g.data + len, "\r\n0;\r", 5);
    if (whole.status != FN_HTTP_MORE)
        assert(http1_same_body(whole, http1_chunks(g.data, len + 5, most, len + 5, 1)));
    guarded_free(&g);
    return whole;
}

#endif
