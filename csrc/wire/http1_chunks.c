/* Theory in http1.h: a chunked body (RFC 9112 7.1).
 *
 * The framing between pieces of data is looked at byte by byte: there is little of it.  A trailer's
 * name may come in pieces and is not kept; its hash is, and is compared with those of the names
 * that no trailer may have.  Two names with one hash would have a harmless trailer refused, never
 * a harmful one let through.
 */
#include <string.h>

#include "fastnet/http1_text.h"

enum state {
    SIZE,
    SIZE_LF,
    EXT_NAME, /* its first byte is to come */
    EXT_NAME_MORE,
    EXT_VALUE,
    EXT_VALUE_MORE,
    EXT_QUOTED,
    EXT_ESCAPED,
    EXT_AFTER_QUOTE,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    ENDED,
    BROKEN,
};

enum { DIGITS_MAX = 16 };

/* What frames, routes, authenticates or says how to read the content (RFC 9110 6.5.1). */
static const char *const FORBIDDEN[] = {
    "transfer-encoding",
    "content-length",
    "host",
    "connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "keep-alive",
    "proxy-connection",
    "content-encoding",
    "content-type",
    "cookie",
    "content-range",
    "set-cookie",
    "authorization",
    "proxy-authorization",
    "max-forwards",
    "location",
    "range",
};

static const uint64_t HASH_START = 0xcbf29ce484222325u;

static uint64_t hash_on(uint64_t hash, uint8_t lower)
{
    return (hash ^ lower) * 0x100000001b3u; /* FNV-1a */
}

static bool is_forbidden(uint64_t hash)
{
    for (size_t i = 0; i < sizeof FORBIDDEN / sizeof FORBIDDEN[0]; i++) {
        uint64_t other = HASH_START;
        for (const char *p = FORBIDDEN[i]; *p; p++)
            other = hash_on(other, (uint8_t)*p);
        if (other == hash)
            return true;
    }
    return false;
}

void fn_http_chunks_reset(fn_http_chunks *c, uint64_t most)
{
    memset(c, 0, sizeof *c);
    c->most = most;
}

static int ended(const fn_http_chunks *c)
{
    if (c->state == ENDED)
        return FN_HTTP_DONE;
    return c->refusal == 413 || c->refusal == 431 ? FN_E_LIMIT : FN_E_PROTOCOL;
}

static int refuse(fn_http_chunks *c, uint16_t refusal, const char *reason)
{
    c->state = BROKEN;
    c->refusal = refusal;
    c->reason = reason;
    return ended(c);
}

static int go(fn_http_chunks *c, enum state state)
{
    c->state = (uint8_t)state;
    return FN_HTTP_MORE;
}

static unsigned digit_value(uint8_t c)
{
    return c <= '9' ? c - (unsigned)'0' : (c | 0x20) - 'a' + 10u;
}

static int step_size(fn_http_chunks *c, uint8_t byte)
{
    if (fn_http_class[byte] & FN_HTTP_HEX) {
        if (c->digits++ == DIGITS_MAX)
            return refuse(c, 400, "a chunk's size has more than 16 digits");
        c->left = c->left << 4 | digit_value(byte);
        return FN_HTTP_MORE;
    }
    if (!c->digits || (byte != '\r' && byte != ';'))
        return refuse(c, 400, "malformed chunk size");
    if (c->left > c->most - c->total)
        return refuse(c, 413, "the body is longer than the limit");
    return go(c, byte == ';' ? EXT_NAME : SIZE_LF);
}

/* Where an extension may end: before the next, or with the line. */
static int end_extension(fn_http_chunks *c, uint8_t byte)
{
    if (byte == ';')
        return go(c, EXT_NAME);
    if (byte == '\r')
        return go(c, SIZE_LF);
    return refuse(c, 400, "malformed chunk extension");
}

static int step_extension(fn_http_chunks *c, uint8_t byte)
{
    bool token = fn_http_class[byte] & FN_HTTP_TOKEN, quoted = fn_http_class[byte] & FN_HTTP_QUOTED;
    switch (c->state) {
    case EXT_NAME_MORE:
        if (byte == '=')
            return go(c, EXT_VALUE);
        return token ? FN_HTTP_MORE : end_extension(c, byte);
    case EXT_VALUE_MORE:
        return token ? FN_HTTP_MORE : end_extension(c, byte);
    case EXT_AFTER_QUOTE:
        return end_extension(c, byte);
    case EXT_NAME:
        if (token)
            return go(c, EXT_NAME_MORE);
        break;
    case EXT_VALUE:
        if (token || byte == '"')
            return go(c, token ? EXT_VALUE_MORE : EXT_QUOTED);
        break;
    case EXT_QUOTED:
        if (byte == '"' || byte == '\\')
            return go(c, byte == '"' ? EXT_AFTER_QUOTE : EXT_ESCAPED);
        if (quoted)
            return FN_HTTP_MORE;
        break;
    default: /* EXT_ESCAPED */
        if (quoted || byte == '"' || byte == '\\')
            return go(c, EXT_QUOTED);
        break;
    }
    return refuse(c, 400, "malformed chunk extension");
}

static int step_trailer(fn_http_chunks *c, uint8_t byte)
{
    uint8_t lower = fn_http_lower[byte];
    if (c->state == TRAILER_VALUE) {
        if (byte == '\r')
            return go(c, TRAILER_LF);
        if (!fn_http_value_ok(&byte, 1))
            return refuse(c, 400, "a control byte in a trailer");
        return FN_HTTP_MORE;
    }
    if (lower) {
        c->left = hash_on(c->state == TRAILER ? HASH_START : c->left, lower);
        return go(c, TRAILER_NAME);
    }
    if (c->state == TRAILER)
        return byte == '\r' ? go(c, LAST_LF) : refuse(c, 400, "malformed trailer");
    if (byte != ':')
        return refuse(c, 400, "malformed trailer");
    if (is_forbidden(c->left))
        return refuse(c, 400, "a field that may not be a trailer");
    return go(c, TRAILER_VALUE);
}

static int step_end(fn_http_chunks *c, uint8_t byte)
{
    if (byte != (c->state == DATA_CR ? '\r' : '\n'))
        return refuse(c, 400, "a line of a chunked body does not end where it must");
    switch (c->state) {
    case DATA_CR:
        return go(c, DATA_LF);
    case SIZE_LF:
        return go(c, c->left ? DATA : TRAILER);
    case DATA_LF:
        c->digits = 0;
        return go(c, SIZE);
    case TRAILER_LF:
        return go(c, TRAILER);
    default: /* LAST_LF */
        c->state = ENDED;
        return FN_HTTP_DONE;
    }
}

/* One byte that is not data; extensions and trailers are counted together. */
static int step(fn_http_chunks *c, uint8_t byte)
{
    bool extension = c->state >= EXT_NAME && c->state <= EXT_AFTER_QUOTE;
    bool trailer = c->state >= TRAILER && c->state <= TRAILER_VALUE;
    if (c->state == SIZE)
        return step_size(c, byte);
    if (!extension && !trailer)
        return step_end(c, byte);
    if (++c->line > FN_HTTP_EXTRA_MAX)
        return refuse(c, 431, "a chunked body's extensions and trailers are longer than 16 KiB");
    return extension ? step_extension(c, byte) : step_trailer(c, byte);
}

int fn_http_chunks_next(fn_http_chunks *c, const uint8_t *data, size_t len, size_t *used,
                        const uint8_t **body, size_t *body_len)
{
    *used = *body_len = 0;
    *body = NULL;
    if (c->state >= ENDED)
        return ended(c);
    while (*used < len) {
        if (c->state == DATA) {
            size_t n = len - *used;
            if (n > c->left)
                n = (size_t)c->left;
            *body = data + *used;
            *body_len = n;
            *used += n;
            c->total += n;
            c->left -= n;
            if (!c->left)
                c->state = DATA_CR;
            return FN_HTTP_MORE;
        }
        int st = step(c, data[(*used)++]);
        if (st != FN_HTTP_MORE)
            return st;
    }
    return FN_HTTP_MORE;
}
