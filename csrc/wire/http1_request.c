/* Theory in http1.h: a request's head. */
#include <string.h>

#include "fastnet/http1_head.h"
#include "fastnet/http1_text.h"

enum { VERSION = 8 /* bytes of "HTTP/1.1" */ };

static fn_http_span span(const uint8_t *data, const uint8_t *from, const uint8_t *to)
{
    return (fn_http_span){(uint32_t)(from - data), (uint32_t)(to - from)};
}

static bool equals(const uint8_t *data, fn_http_span s, const char *text)
{
    return s.len == strlen(text) && memcmp(data + s.at, text, s.len) == 0;
}

static void split_path(fn_http_head *h, const uint8_t *data, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *mark = p < end ? memchr(p, '?', (size_t)(end - p)) : NULL;
    h->has_query = mark;
    h->path = span(data, p, mark ? mark : end);
    h->query = span(data, mark ? mark + 1 : end, end);
}

/* Past "http://" or "https://" in any case, or NULL. */
static const uint8_t *after_scheme(const uint8_t *p, const uint8_t *end)
{
    size_t n = 0, left = (size_t)(end - p);
    while (n < left && n < 6 && p[n] != ':')
        n++;
    if (!fn_http_is(p, n, "http") && !fn_http_is(p, n, "https"))
        return NULL;
    return left - n >= 3 && memcmp(p + n, "://", 3) == 0 ? p + n + 3 : NULL;
}

static int absolute_form(fn_http_head *h, const uint8_t *data, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *from = after_scheme(p, end), *to = from;
    if (!from)
        return fn_http_refuse(h, 400, "malformed target");
    while (to < end && *to != '/' && *to != '?')
        to++;
    if (!fn_http_host_ok(from, (size_t)(to - from), false))
        return fn_http_refuse(h, 400, "malformed authority in the target");
    h->absolute = true;
    h->authority = span(data, from, to);
    split_path(h, data, to, end);
    return FN_HTTP_DONE;
}

static int parse_target(fn_http_head *h, const uint8_t *data)
{
    const uint8_t *p = data + h->target.at, *end = p + h->target.len;
    h->is_head = equals(data, h->method, "HEAD");
    if (equals(data, h->method, "CONNECT")) {
        if (!fn_http_host_ok(p, h->target.len, true))
            return fn_http_refuse(h, 400, "CONNECT without a host and port");
        h->is_connect = true;
        h->authority = h->target;
        return FN_HTTP_DONE;
    }
    if (*p == '/') {
        split_path(h, data, p, end);
        return FN_HTTP_DONE;
    }
    if (*p == '*' && h->target.len == 1) {
        if (!equals(data, h->method, "OPTIONS"))
            return fn_http_refuse(h, 400, "the target * with a method other than OPTIONS");
        h->is_asterisk = true;
        h->path = h->target;
        return FN_HTTP_DONE;
    }
    return absolute_form(h, data, p, end);
}

/* method SP target SP version, each blank exactly one. */
static int request_line(fn_http_head *h, const uint8_t *data, const fn_http_span *line)
{
    const uint8_t *p = data + line->at, *start = p, *end = p + line->len;
    while (p < end && fn_http_class[*p] & FN_HTTP_TOKEN)
        p++;
    if (p == end || *p != ' ' || p == start)
        return fn_http_refuse(h, 400, "malformed method");
    h->method = span(data, start, p);
    start = ++p;
    while (p < end && fn_http_class[*p] & FN_HTTP_TARGET)
        p++;
    if (p == end)
        return fn_http_refuse(h, 400, "a request line without a version");
    if (*p != ' ' || p == start)
        return fn_http_refuse(h, 400, "malformed target");
    h->target = span(data, start, p++);
    if (end - p != VERSION)
        return fn_http_refuse(h, 400, "malformed version");
    int st = fn_http_version(h, p);
    return st < 0 ? st : parse_target(h, data);
}

static int conclude(fn_http_head *h)
{
    if (h->minor && !(h->marks & FN_HTTP_SAW_HOST))
        return fn_http_refuse(h, 400, "no Host");
    int st = fn_http_conclude(h);
    if (st < 0)
        return st;
    if (h->minor && h->marks & FN_HTTP_SAW_OTHER_EXPECTATION)
        return fn_http_refuse(h, 417, "an expectation other than 100-continue");
    h->expect_continue =
        h->minor && h->marks & FN_HTTP_SAW_CONTINUE && h->framing != FN_HTTP_NO_BODY;
    h->state = FN_HTTP_AT_END;
    return FN_HTTP_DONE;
}

/* Past the empty line that may precede a request.  Whatever else does not begin with a method is
 * refused at once: TLS, say, has no line that would have to be waited for. */
static int begin(fn_http_head *h, const uint8_t *data, size_t len)
{
    if (len && data[0] == '\r') {
        if (len < 2)
            return FN_HTTP_MORE;
        if (data[1] == '\n')
            h->start = h->seen = 2;
    }
    if (len <= h->start)
        return FN_HTTP_MORE;
    if (!(fn_http_class[data[h->start]] & FN_HTTP_TOKEN))
        return fn_http_refuse(h, 400, "this is not HTTP");
    h->state = FN_HTTP_AT_LINE;
    return FN_HTTP_DONE;
}

int fn_http_request(fn_http_head *h, const fn_http_limits *limits, const uint8_t *data, size_t len)
{
    fn_http_span line;
    int st;
    if (h->state == FN_HTTP_AT_START && (st = begin(h, data, len)) != FN_HTTP_DONE)
        return st;
    if (h->state == FN_HTTP_AT_LINE) {
        if ((st = fn_http_line(h, limits, data, len, &line)) != FN_HTTP_DONE)
            return st;
        if ((st = request_line(h, data, &line)) != FN_HTTP_DONE)
            return st;
        h->state = FN_HTTP_AT_FIELDS;
    }
    if (h->state != FN_HTTP_AT_FIELDS)
        return fn_http_ended(h);
    st = fn_http_fields(h, limits, data, len);
    return st == FN_HTTP_DONE ? conclude(h) : st;
}
