/* Theory in http1_head.h: what fields say about a message's framing and its connection. */
#include "fastnet/http1_head.h"
#include "fastnet/http1_text.h"

static bool is_response(const fn_http_head *h)
{
    return h->marks & FN_HTTP_IS_RESPONSE;
}

static void mark(fn_http_head *h, unsigned marks)
{
    h->marks = (uint16_t)(h->marks | marks);
}

static int host(fn_http_head *h, const uint8_t *p, fn_http_span value)
{
    if (h->marks & FN_HTTP_SAW_HOST)
        return fn_http_refuse(h, 400, "more than one Host");
    mark(h, FN_HTTP_SAW_HOST);
    if (value.len && !fn_http_host_ok(p, value.len, false))
        return fn_http_refuse(h, 400, "malformed Host");
    if (!h->absolute && !h->is_connect)
        h->authority = value;
    return FN_HTTP_DONE;
}

/* Some read a tab, or blanks behind the value, as part of a length or coding. */
static bool plainly_written(const uint8_t *data, const fn_http_span *line, const fn_http_field *f)
{
    uint32_t at = f->name.at + f->name.len + 1;
    for (; at < f->value.at; at++)
        if (data[at] != ' ')
            return false;
    return f->value.at + f->value.len == line->at + line->len;
}

static int one_length(fn_http_head *h, const uint8_t *p, size_t len)
{
    uint64_t length = 0;
    if (len < 1 || len > 19)
        return fn_http_refuse(
            h, 400, len ? "Content-Length is too large" : "Content-Length is not a number");
    for (size_t i = 0; i < len; i++) {
        if (p[i] < '0' || p[i] > '9')
            return fn_http_refuse(h, 400, "Content-Length is not a number");
        length = length * 10 + (uint64_t)(p[i] - '0');
    }
    if (length > INT64_MAX)
        return fn_http_refuse(h, 400, "Content-Length is too large");
    if (h->has_length && (!is_response(h) || h->length != length))
        return fn_http_refuse(h, 400, "more than one Content-Length");
    h->has_length = true;
    h->length = length;
    return FN_HTTP_DONE;
}

/* A response may say the same length again (RFC 9110 8.6): that is not ambiguous. */
static int content_length(fn_http_head *h, const uint8_t *p, size_t len)
{
    const uint8_t *end = p + len, *word;
    size_t n;
    int st = FN_HTTP_DONE;
    if (!is_response(h))
        return one_length(h, p, len);
    while (st == FN_HTTP_DONE && fn_http_element(&p, end, &word, &n))
        st = one_length(h, word, n);
    return st;
}

static int one_coding(fn_http_head *h, const uint8_t *p, size_t len)
{
    size_t n = 0;
    while (n < len && fn_http_class[p[n]] & FN_HTTP_TOKEN)
        n++;
    if (!n || (n < len && p[n] != ';'))
        return fn_http_refuse(h, 400, "malformed Transfer-Encoding");
    if (h->marks & FN_HTTP_SAW_CHUNKED)
        return fn_http_refuse(h, 400, "a transfer coding after chunked");
    if (!fn_http_is(p, n, "chunked"))
        mark(h, FN_HTTP_SAW_OTHER_CODING);
    else if (n < len)
        return fn_http_refuse(h, 400, "chunked with a parameter");
    else
        mark(h, FN_HTTP_SAW_CHUNKED);
    return FN_HTTP_DONE;
}

static int transfer_encoding(fn_http_head *h, const uint8_t *p, size_t len)
{
    const uint8_t *end = p + len, *word;
    size_t n;
    int st = FN_HTTP_DONE;
    while (st == FN_HTTP_DONE && fn_http_element(&p, end, &word, &n))
        st = one_coding(h, word, n);
    return st;
}

static void connection(fn_http_head *h, const uint8_t *p, size_t len)
{
    const uint8_t *end = p + len, *word;
    size_t n;
    while (fn_http_element(&p, end, &word, &n)) {
        if (fn_http_is(word, n, "close"))
            mark(h, FN_HTTP_SAW_CLOSE);
        else if (fn_http_is(word, n, "keep-alive"))
            mark(h, FN_HTTP_SAW_KEEP_ALIVE);
        else if (fn_http_is(word, n, "upgrade"))
            mark(h, FN_HTTP_SAW_UPGRADE_OPTION);
    }
}

static void expect(fn_http_head *h, const uint8_t *p, size_t len)
{
    bool known = fn_http_is(p, len, "100-continue");
    mark(h, known ? FN_HTTP_SAW_CONTINUE : FN_HTTP_SAW_OTHER_EXPECTATION);
}

int fn_http_field_meaning(fn_http_head *h, const uint8_t *data, const fn_http_span *line)
{
    const fn_http_field *f = &h->fields[h->count - 1];
    const uint8_t *p = data + f->value.at;
    bool framing = f->known == FN_HTTP_CONTENT_LENGTH || f->known == FN_HTTP_TRANSFER_ENCODING;
    if (framing && !is_response(h) && !plainly_written(data, line, f))
        return fn_http_refuse(h, 400, "a tab, or blanks at the end, in a field that frames");
    switch (f->known) {
    case FN_HTTP_HOST:
        return is_response(h) ? FN_HTTP_DONE : host(h, p, f->value);
    case FN_HTTP_CONTENT_LENGTH:
        return content_length(h, p, f->value.len);
    case FN_HTTP_TRANSFER_ENCODING:
        return transfer_encoding(h, p, f->value.len);
    case FN_HTTP_CONNECTION:
        connection(h, p, f->value.len);
        break;
    case FN_HTTP_EXPECT:
        expect(h, p, f->value.len);
        break;
    case FN_HTTP_UPGRADE:
        if (f->value.len)
            mark(h, FN_HTTP_SAW_UPGRADE);
        break;
    default:
        break;
    }
    return FN_HTTP_DONE;
}

int fn_http_conclude(fn_http_head *h)
{
    unsigned marks = h->marks, upgrade = FN_HTTP_SAW_UPGRADE | FN_HTTP_SAW_UPGRADE_OPTION;
    if (marks & (FN_HTTP_SAW_CHUNKED | FN_HTTP_SAW_OTHER_CODING)) {
        if (!h->minor)
            return fn_http_refuse(h, 400, "Transfer-Encoding in HTTP/1.0");
        if (h->has_length)
            return fn_http_refuse(h, 400, "both Transfer-Encoding and Content-Length");
        if (marks & FN_HTTP_SAW_OTHER_CODING)
            return fn_http_refuse(h, 501, "a transfer coding other than chunked");
    }
    h->keep_alive = !(marks & FN_HTTP_SAW_CLOSE) && (h->minor || marks & FN_HTTP_SAW_KEEP_ALIVE);
    h->upgrade = h->minor && (marks & upgrade) == upgrade;
    if (marks & FN_HTTP_SAW_CHUNKED)
        h->framing = FN_HTTP_CHUNKED;
    else if (h->length)
        h->framing = FN_HTTP_LENGTH;
    else
        h->framing = FN_HTTP_NO_BODY;
    return FN_HTTP_DONE;
}
