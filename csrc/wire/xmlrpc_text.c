/* Theory in xmlrpc_text.h. */
#include "fastnet/xmlrpc_text.h"

#include <stdbool.h>
#include <string.h>

#include "fastnet/bytes.h"

/* --------------------------------------------------------------------- reading */

static size_t put_utf8(uint32_t c, uint8_t *out)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i; i--, c >>= 6)
        out[i] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)(0xf00 >> n | c);
    return n;
}

static bool is_character(uint32_t c)
{
    if (c < 0x20)
        return c == '\t' || c == '\n' || c == '\r';
    return c < 0xd800 || (c >= 0xe000 && c < 0xfffe) || (c >= 0x10000 && c < 0x110000);
}

static int digit(uint8_t c, bool hex)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (hex && c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (hex && c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The number of "&#...;", from behind the '#'; 0, which is no character, for anything else. */
static uint32_t numbered(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *p = *at;
    bool hex = p < end && *p == 'x';
    uint32_t c = 0;
    const uint8_t *first = p += hex;
    for (int d; p < end && (d = digit(*p, hex)) >= 0; p++) {
        c = c * (hex ? 16 : 10) + (uint32_t)d;
        if (c >= 0x110000)
            return 0;
    }
    if (p == first || p == end || *p != ';')
        return 0;
    *at = p + 1;
    return c;
}

static uint32_t named(const uint8_t **at, const uint8_t *end)
{
    static const struct {
        const char *name;
        size_t size;
        uint32_t character;
    } names[] = {
        {"lt;", 3, '<'}, {"gt;", 3, '>'}, {"amp;", 4, '&'}, {"quot;", 5, '"'}, {"apos;", 5, '\''}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t n = names[i].size;
        if ((size_t)(end - *at) >= n && memcmp(*at, names[i].name, n) == 0) {
            *at += n;
            return names[i].character;
        }
    }
    return 0;
}

int64_t fn_xmlrpc_unescape(const uint8_t *text, size_t size, uint8_t *out)
{
    if (size == 0) /* text may be NULL */
        return 0;
    const uint8_t *p = text, *end = text + size;
    uint8_t *q = out;
    while (p < end) {
        const uint8_t *next = memchr(p, '&', (size_t)(end - p));
        size_t n = (size_t)((next ? next : end) - p);
        memmove(q, p, n);
        p += n;
        q += n;
        if (p == end)
            break;
        p++;
        bool number = p < end && *p == '#';
        p += number;
        uint32_t c = number ? numbered(&p, end) : named(&p, end);
        if (!is_character(c))
            return -1;
        q += put_utf8(c, q);
    }
    return q - out;
}

/* --------------------------------------------------------------------- writing */

static int put_reference(struct fn_buf *b, uint8_t c)
{
    if (c == '&')
        return fn_buf_append(b, "&amp;", 5);
    return fn_buf_append(b, c == '<' ? "&lt;" : "&gt;", 4);
}

int fn_xmlrpc_put_text(struct fn_buf *b, const uint8_t *text, size_t size)
{
    if (size == 0) /* text may be NULL */
        return 0;
    size_t from = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '&' && text[i] != '<' && text[i] != '>')
            continue;
        int st = fn_buf_append(b, text + from, i - from);
        if (st == 0)
            st = put_reference(b, text[i]);
        if (st < 0)
            return st;
        from = i + 1;
    }
    return fn_buf_append(b, text + from, size - from);
}

int fn_xmlrpc_put_int(struct fn_buf *b, int64_t number)
{
    uint8_t text[20];
    size_t at = sizeof text;
    uint64_t n = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do
        text[--at] = (uint8_t)('0' + n % 10);
    while (n /= 10);
    if (number < 0)
        text[--at] = '-';
    return fn_buf_append(b, text + at, sizeof text - at);
}

enum { LINE = 57 /* bytes, 76 characters */ };

static uint8_t *put_three(uint8_t *q, const uint8_t *p)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t three = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
    for (int shift = 18; shift >= 0; shift -= 6)
        *q++ = (uint8_t)alphabet[three >> shift & 0x3f];
    return q;
}

static uint8_t *put_line(uint8_t *q, const uint8_t *p, size_t n)
{
    for (; n >= 3; n -= 3, p += 3)
        q = put_three(q, p);
    if (n) {
        uint8_t last[3] = {p[0], n == 2 ? p[1] : 0, 0};
        q = put_three(q, last);
        memset(q - (3 - n), '=', 3 - n);
    }
    *q++ = '\n';
    return q;
}

int fn_xmlrpc_put_base64(struct fn_buf *b, const uint8_t *data, size_t size)
{
    while (size) {
        size_t n = fn_minz(size, LINE);
        int st = fn_buf_reserve(b, 77);
        if (st < 0)
            return st;
        uint8_t *end = put_line(fn_buf_tail(b), data, n);
        fn_buf_commit(b, (size_t)(end - fn_buf_tail(b)));
        data += n;
        size -= n;
    }
    return 0;
}
