/* Theory in http1_head.h. */
#include "fastnet/http1_head.h"

#include <string.h>

#include "fastnet/http1_text.h"

void fn_http_head_reset(fn_http_head *h)
{
    memset(h, 0, offsetof(fn_http_head, fields));
}

int fn_http_ended(const fn_http_head *h)
{
    if (h->state == FN_HTTP_AT_END)
        return FN_HTTP_DONE;
    return h->refusal == 414 || h->refusal == 431 ? FN_E_LIMIT : FN_E_PROTOCOL;
}

int fn_http_refuse(fn_http_head *h, uint16_t refusal, const char *reason)
{
    h->state = FN_HTTP_BROKEN;
    h->refusal = refusal;
    h->reason = reason;
    return fn_http_ended(h);
}

static int too_long(fn_http_head *h, bool line)
{
    if (h->state == FN_HTTP_AT_LINE)
        return fn_http_refuse(h, 414, "the first line is longer than the limit");
    if (line)
        return fn_http_refuse(h, 431, "a field is longer than the limit");
    return fn_http_refuse(h, 431, "the head is longer than the limit");
}

int fn_http_line(fn_http_head *h, const fn_http_limits *limits, const uint8_t *data, size_t len,
                 fn_http_span *line)
{
    uint64_t most = h->state == FN_HTTP_AT_LINE ? limits->line : limits->field;
    uint64_t by_line = h->start + most + 2, bound = by_line < limits->head ? by_line : limits->head;
    if (bound < h->seen)
        bound = h->seen;
    size_t stop = len < bound ? len : (size_t)bound;
    const uint8_t *end = stop > h->seen ? memchr(data + h->seen, '\n', stop - h->seen) : NULL;
    if (!end) {
        if (len >= bound)
            return too_long(h, by_line <= limits->head);
        h->seen = (uint32_t)(stop > h->seen ? stop : h->seen);
        return FN_HTTP_MORE;
    }
    uint32_t at = (uint32_t)(end - data);
    line->at = h->start;
    line->len = at - h->start;
    if (line->len && end[-1] == '\r')
        line->len--;
    else if (!limits->loose || !(h->marks & FN_HTTP_IS_RESPONSE))
        return fn_http_refuse(h, 400, "a line feed without a carriage return");
    if (line->len > most)
        return too_long(h, true);
    h->start = h->seen = at + 1;
    return FN_HTTP_DONE;
}

int fn_http_version(fn_http_head *h, const uint8_t *p)
{
    if (memcmp(p, "HTTP/", 5) != 0 || p[5] < '0' || p[5] > '9' || p[6] != '.' || p[7] < '0' ||
        p[7] > '9')
        return fn_http_refuse(h, 400, "malformed version");
    if (p[5] != '1')
        return fn_http_refuse(h, 505, "a version that is not HTTP/1.x");
    h->minor = p[7] != '0';
    return FN_HTTP_DONE;
}

static int bad_name(fn_http_head *h, const uint8_t *p, const uint8_t *end, bool empty)
{
    if (p == end)
        return fn_http_refuse(h, 400, "a field line without a colon");
    if (fn_http_blank(*p))
        return fn_http_refuse(h, 400, empty ? "a folded field line" : "a blank in a field name");
    if (*p == ':')
        return fn_http_refuse(h, 400, "an empty field name");
    return fn_http_refuse(h, 400, "a byte in a field name that is not allowed there");
}

static int add_field(fn_http_head *h, const fn_http_limits *limits, const uint8_t *data,
                     const fn_http_span *line)
{
    const uint8_t *start = data + line->at, *end = start + line->len, *p = start;
    bool underscore = false;
    if (h->count >= limits->fields || h->count >= FN_HTTP_FIELDS_MAX)
        return fn_http_refuse(h, 431, "more fields than the limit");
    for (; p < end && fn_http_class[*p] & FN_HTTP_TOKEN; p++)
        underscore |= *p == '_';
    if (p == end || *p != ':' || p == start)
        return bad_name(h, p, end, p == start);

    fn_http_field *f = &h->fields[h->count++];
    f->name = (fn_http_span){line->at, (uint32_t)(p - start)};
    f->underscore = underscore;
    f->known = (uint8_t)fn_http_lookup(start, f->name.len);
    do
        p++;
    while (p < end && fn_http_blank(*p));
    while (end > p && fn_http_blank(end[-1]))
        end--;
    f->value = (fn_http_span){(uint32_t)(p - data), (uint32_t)(end - p)};
    if (!fn_http_value_ok(p, f->value.len))
        return fn_http_refuse(h, 400, "a control byte in a field's value");
    return f->known == FN_HTTP_OTHER ? FN_HTTP_DONE : fn_http_field_meaning(h, data, line);
}

int fn_http_fields(fn_http_head *h, const fn_http_limits *limits, const uint8_t *data, size_t len)
{
    fn_http_span line;
    int st;
    while ((st = fn_http_line(h, limits, data, len, &line)) == FN_HTTP_DONE) {
        if (!line.len) {
            h->size = h->start;
            return FN_HTTP_DONE;
        }
        if ((st = add_field(h, limits, data, &line)) < 0)
            break;
    }
    return st;
}
