/* http1_text.h: the letters and words of HTTP/1.x, for the parsers of http1.h alone.
 *
 * One table says of each byte in which parts of a message it may stand, another is the lower case
 * of a token's bytes and zero for all others; so a name is checked and compared in one pass, and
 * nothing depends on a locale.  Known names are found without a search: their first and last byte
 * and their length lead to the one place where such a name could be.
 */
#ifndef FASTNET_HTTP1_TEXT_H
#define FASTNET_HTTP1_TEXT_H

#include <string.h>

#include "fastnet/bytes.h"
#include "fastnet/http1.h"

enum {
    FN_HTTP_TOKEN = 1,     /* RFC 9110 5.6.2 */
    FN_HTTP_TARGET = 2,    /* a request's target: VCHAR but '#' */
    FN_HTTP_HOST_BYTE = 4, /* RFC 3986 reg-name without escapes, IPv4 addresses with it */
    FN_HTTP_HEX = 8,
    FN_HTTP_QUOTED = 16, /* a quoted string's bytes but '"' and '\\' */
};

extern const uint8_t fn_http_class[256];
extern const uint8_t fn_http_lower[256]; /* of a token's byte; 0 for all others */

static inline bool fn_http_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static inline bool fn_http_text_byte(uint8_t c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

#define FN_HTTP_ONES 0x0101010101010101u
#define FN_HTTP_TOPS 0x8080808080808080u

/* The first byte that no value may have, or `end`: eight at a time, in which the lowest byte below
 * a blank, or DEL, is found exactly (a borrow disturbs only what is above it). */
static inline const uint8_t *fn_http_text_end(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 8) {
        uint64_t word = fn_load64(p), del = word ^ 0x7f * FN_HTTP_ONES;
        uint64_t low = (word - 0x20 * FN_HTTP_ONES) & ~word;
        uint64_t bad = (low | ((del - FN_HTTP_ONES) & ~del)) & FN_HTTP_TOPS;
        if (!bad) {
            p += 8;
            continue;
        }
        p += __builtin_ctzll(bad) / 8;
        if (*p != '\t')
            return p;
        p++;
    }
    while (p < end && fn_http_text_byte(*p))
        p++;
    return p;
}

/* Past letters and '-', of which most names are: eight at a time, each addition inside its byte. */
static inline const uint8_t *fn_http_skip_letters(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 8) {
        uint64_t word = fn_load64(p), seven = (word | 0x20 * FN_HTTP_ONES) & ~FN_HTTP_TOPS;
        uint64_t letter = (seven + 0x1f * FN_HTTP_ONES) & ~(seven + 0x05 * FN_HTTP_ONES);
        uint64_t dash = ~(((word ^ 0x2d * FN_HTTP_ONES) & ~FN_HTTP_TOPS) + 0x7f * FN_HTTP_ONES);
        uint64_t other = ~((letter | dash) & ~word) & FN_HTTP_TOPS;
        if (other)
            return p + __builtin_ctzll(other) / 8;
        p += 8;
    }
    return p;
}

/* Which known name a token is, in any case; it has a byte at least. */
fn_http_name fn_http_known(const uint8_t *token, size_t len);

/* Whether data and `lower`, a token in small letters as long as it, are the same in any case. */
bool fn_http_same(const uint8_t *data, const char *lower, size_t len);

static inline bool fn_http_is(const uint8_t *data, size_t len, const char *lower)
{
    return len == strlen(lower) && fn_http_same(data, lower, len);
}

/* The next element of a comma-separated list without blanks around it, empty ones included; false
 * after the last.  Begin with *at at the value's first byte. */
bool fn_http_element(const uint8_t **at, const uint8_t *end, const uint8_t **word, size_t *len);

/* Whether this is `host [":" port]` without user information (RFC 3986 3.2, RFC 9110 4.2.4); with
 * `port`, whether a port is given too. */
bool fn_http_host_ok(const uint8_t *data, size_t len, bool port);

#endif
