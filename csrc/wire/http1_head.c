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

static bool is_room(const fn_http_head *h, const fn_http_limits *limits)
{
    return h->count < limits->fields && h->count < FN_HTTP_FIELDS_MAX;
}

/* The end of the name that begins at p. */
static const uint8_t *name_end(const uint8_t *p, const uint8_t *end, bool *underscore)
{
    bool seen = false;
    for (p = fn_http_skip_letters(p, end); p < end && fn_http_class[*p] & FN_HTTP_TOKEN; p++)
        seen |= *p == '_';
    *underscore = seen;
    return p;
}

/* A field whose bytes have been looked at. */
static int add_field(fn_http_head *h, const uint8_t *data, const fn_http_span *line,
                     const uint8_t *colon, bool underscore)
{
    const uint8_t *start = data + line->at, *p = colon + 1, *end = start + line->len;
    fn_http_field *f = &h->fields[h->count++];
    while (p < end && fn_http_blank(*p))
        p++;
    while (end > p && fn_http_blank(end[-1]))
        end--;
    f->name = (fn_http_span){line->at, (uint32_t)(colon - start)};
    f->value = (fn_http_span){(uint32_t)(p - data), (uint32_t)(end - p)};
    f->underscore = underscore;
    f->known = (uint8_t)fn_http_known(start, f->name.len);
    return f->known == FN_HTTP_OTHER ? FN_HTTP_DONE : fn_http_field_meaning(h, data, line);
}

static int look_at_field(fn_http_head *h, const fn_http_limits *limits, const uint8_t *data,
                         const fn_http_span *line)
{
    const uint8_t *start = data + line->at, *end = start + line->len, *p;
    bool underscore;
    if (!is_room(h, limits))
        return fn_http_refuse(h, 431, "more fields than the limit");
    p = name_end(start, end, &underscore);
    if (p == end || *p != ':' || p == start)
        return bad_name(h, p, end, p == start);
    if (!fn_http_value_ok(p, (size_t)(end - p)))
        return fn_http_refuse(h, 400, "a control byte in a field's value");
    return add_field(h, data, line, p, underscore);
}

/* A whole line with nothing wrong in it, in one pass; FN_HTTP_MORE, and nothing changed, for
 * whatever else there is. */
static int quick_field(fn_http_head *h, const fn_http_limits *limits, const uint8_t *data,
                       size_t len)
{
    const uint8_t *start = data + h->start, *p, *colon;
    bool underscore;
    if (h->seen != h->start || h->start >= len || !is_room(h, limits))
        return FN_HTTP_MORE;
    colon = name_end(start, data + len, &underscore);
    if (colon == start || colon == data + len || *colon != ':')
        return FN_HTTP_MORE;
    p = fn_http_text_end(colon + 1, data + len);
    if (data + len - p < 2 || p[0] != '\r' || p[1] != '\n')
        return FN_HTTP_MORE;
    uint64_t next = (uint64_t)(p + 2 - data);
    if ((uint64_t)(p - start) > limits->field || next > limits->head)
        return FN_HTTP_MORE;
    fn_http_span line = {h->start, (uint32_t)(p - start)};
    h->start = h->seen = (uint32_t)next;
    return add_field(h, data, &line, colon, underscore);
}

int fn_http_fields(fn_http_head *h, const fn_http_limits *limits, const uint8_t *data, size_t len)
{
    fn_http_span line;
    int st;
    for (;;) {
        while ((st = quick_field(h, limits, data, len)) == FN_HTTP_DONE)
            ;
        if (st < 0)
            return st;
        if ((st = fn_http_line(h, limits, data, len, &line)) != FN_HTTP_DONE)
            return st;
        if (!line.len)
            break;
        if ((st = look_at_field(h, limits, data, &line)) < 0)
            return st;
    }
    h->size = h->start;
    return FN_HTTP_DONE;
}
