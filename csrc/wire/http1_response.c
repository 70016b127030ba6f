/* Theory in http1.h: a response's head. */
#include "fastnet/http1_head.h"
#include "fastnet/http1_text.h"

enum { BEFORE_PHRASE = 12 /* bytes of "HTTP/1.1 200" */ };

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* version SP 3DIGIT SP [phrase] */
static int status_line(fn_http_head *h, const fn_http_limits *limits, const uint8_t *data,
                       const fn_http_span *line)
{
    const uint8_t *p = data + line->at, *code = p + 9;
    if (line->len < BEFORE_PHRASE)
        return fn_http_refuse(h, 400, "malformed status line");
    int st = fn_http_version(h, p);
    if (st < 0)
        return st;
    if (p[8] != ' ' || code[0] < '1' || !is_digit(code[0]) || !is_digit(code[1]) ||
        !is_digit(code[2]))
        return fn_http_refuse(h, 400, "malformed status code");
    h->status = (uint16_t)((code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0'));
    h->phrase = (fn_http_span){line->at + line->len, 0};
    if (line->len == BEFORE_PHRASE)
        return limits->loose ? FN_HTTP_DONE
                             : fn_http_refuse(h, 400, "no blank after the status code");
    if (p[BEFORE_PHRASE] != ' ')
        return fn_http_refuse(h, 400, "malformed status code");
    h->phrase.at = line->at + BEFORE_PHRASE + 1;
    h->phrase.len = line->len - BEFORE_PHRASE - 1;
    if (!fn_http_value_ok(data + h->phrase.at, h->phrase.len))
        return fn_http_refuse(h, 400, "a control byte in the reason phrase");
    return FN_HTTP_DONE;
}

/* RFC 9112 6.3, in its order. */
static int conclude(fn_http_head *h, bool to_head, bool to_connect)
{
    bool interim = h->status < 200, tunnel = to_connect && h->status / 100 == 2;
    int st = fn_http_conclude(h);
    if (st < 0)
        return st;
    if (interim || h->status == 204 || tunnel) {
        /* These have no body; where one is announced all the same, the peer may send it. */
        if (!tunnel && h->framing != FN_HTTP_NO_BODY)
            h->keep_alive = false;
        h->framing = FN_HTTP_NO_BODY;
    } else if (to_head || h->status == 304) {
        h->framing = FN_HTTP_NO_BODY;
    } else if (h->framing == FN_HTTP_NO_BODY && !h->has_length) {
        h->framing = FN_HTTP_TO_END;
        h->keep_alive = false;
    }
    h->state = FN_HTTP_AT_END;
    return FN_HTTP_DONE;
}

int fn_http_response(fn_http_head *h, const fn_http_limits *limits, const uint8_t *data, size_t len,
                     bool to_head, bool to_connect)
{
    fn_http_span line;
    int st;
    if (h->state == FN_HTTP_AT_START) {
        if (!len)
            return FN_HTTP_MORE;
        if (data[0] != 'H')
            return fn_http_refuse(h, 400, "this is not HTTP");
        h->marks = FN_HTTP_IS_RESPONSE;
        h->state = FN_HTTP_AT_LINE;
    }
    if (h->state == FN_HTTP_AT_LINE) {
        if ((st = fn_http_line(h, limits, data, len, &line)) != FN_HTTP_DONE)
            return st;
        if ((st = status_line(h, limits, data, &line)) != FN_HTTP_DONE)
            return st;
        h->state = FN_HTTP_AT_FIELDS;
    }
    if (h->state != FN_HTTP_AT_FIELDS)
        return fn_http_ended(h);
    st = fn_http_fields(h, limits, data, len);
    return st == FN_HTTP_DONE ? conclude(h, to_head, to_connect) : st;
}
