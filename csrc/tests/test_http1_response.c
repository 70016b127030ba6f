/* Responses' heads: the status line, and every rule for where the body ends. */
#include "http1feed.h"

static fn_http_limits limits;
static struct http1_how how = {.limits = &limits, .response = true};
static fn_http_head h;

static void begin(bool loose, bool to_head, bool to_connect)
{
    limits = HTTP1_LIMITS;
    limits.loose = loose;
    how.to_head = to_head;
    how.to_connect = to_connect;
}

static void accept(const char *text, int framing, bool keep_alive)
{
    int st = http1_every_way(&how, &h, text, strlen(text));
    if (st != FN_HTTP_DONE || h.framing != framing || h.keep_alive != keep_alive)
        fprintf(stderr, "%d framing %d keep %d: %s\n", st, h.framing, h.keep_alive, text);
    assert(st == FN_HTTP_DONE && h.size == strlen(text));
    assert(h.framing == framing && h.keep_alive == keep_alive);
}

static void refuse(const char *text)
{
    int st = http1_every_way(&how, &h, text, strlen(text));
    if (st != FN_E_PROTOCOL)
        fprintf(stderr, "%d: %s\n", st, text);
    assert(st == FN_E_PROTOCOL && h.refusal && *h.reason);
}

static void test_status_lines(void)
{
    begin(false, false, false);
    accept("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", FN_HTTP_LENGTH, true);
    assert(h.status == 200 && h.phrase.at == 13 && h.phrase.len == 2 && h.length == 2);
    accept("HTTP/1.0 999 \r\n\r\n", FN_HTTP_TO_END, false);
    assert(h.status == 999 && !h.phrase.len);
    accept("HTTP/1.1 404 n\xc3\xb6 \t!\r\n\r\n", FN_HTTP_TO_END, false);
    static const char *const BAD[] = {"HTTP/1.1 200",        "HTTP/1.1  200 OK",
                                      "HTTP/1.1 20 OK",      "HTTP/1.1 2000 OK",
                                      "HTTP/2.0 200 OK",     "http/1.1 200 OK",
                                      "HTTP/1.1 099 OK",     "HTTP/1.1 2x0 OK",
                                      "HTTP/1.1 200\tOK",    "ICY 200 OK",
                                      "HTTP/1.1 200 O\x01K", "HTTP/1.1 200 O\rK",
                                      "HTTP 200 OK",         "",
                                      "HTTP/1.1 +20 OK",     "HTTP/1.1\t200 OK",
                                      " HTTP/1.1 200 OK",    "HTTP/1.1 -20 OK"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "%s\r\n\r\n", BAD[i]);
        begin(i > 0, false, false);
        refuse(text);
    }
    begin(false, false, false);
    refuse("HTTP/1.1 200 OK\n\n");
    refuse("HTTP/1.1 200 OK\r\nA: b\n\r\n");
    begin(true, false, false);
    accept("HTTP/1.1 200\r\n\r\n", FN_HTTP_TO_END, false);
    accept("HTTP/1.1 200 OK\nContent-Length: 1\n\n", FN_HTTP_LENGTH, true);
    accept("HTTP/1.1 200\nA: b\r\n\n", FN_HTTP_TO_END, false);
    refuse("HTTP/1.1 200 OK\r\nA: b\rc\n\r\n");
    refuse("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n");
    refuse("HTTP/1.1 200 OK\r\nA : b\r\n\r\n");
}

static void test_bodies(void)
{
    begin(false, false, false);
    accept("HTTP/1.1 100 \r\n\r\n", FN_HTTP_NO_BODY, true);
    accept("HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", FN_HTTP_NO_BODY, true);
    assert(h.upgrade);
    accept("HTTP/1.1 204 \r\nContent-Length: 0\r\n\r\n", FN_HTTP_NO_BODY, true);
    accept("HTTP/1.1 204 \r\nContent-Length: 3\r\n\r\n", FN_HTTP_NO_BODY, false);
    accept("HTTP/1.1 103 \r\nTransfer-Encoding: chunked\r\n\r\n", FN_HTTP_NO_BODY, false);
    accept("HTTP/1.1 304 \r\nContent-Length: 9\r\n\r\n", FN_HTTP_NO_BODY, true);
    assert(h.has_length && h.length == 9);
    accept("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", FN_HTTP_NO_BODY, true);
    accept("HTTP/1.1 200 \r\nTransfer-Encoding: Chunked\r\n\r\n", FN_HTTP_CHUNKED, true);
    accept("HTTP/1.1 200 \r\nContent-Length: 3\r\nConnection: close\r\n\r\n", FN_HTTP_LENGTH,
           false);
    accept("HTTP/1.0 200 \r\nContent-Length: 3\r\n\r\n", FN_HTTP_LENGTH, false);
    accept("HTTP/1.0 200 \r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n", FN_HTTP_LENGTH,
           true);
    accept("HTTP/1.0 200 \r\nConnection: keep-alive\r\n\r\n", FN_HTTP_TO_END, false);
    accept("HTTP/1.1 200 \r\nContent-Length: 3, 3\r\nContent-Length: 3 \r\n\r\n", FN_HTTP_LENGTH,
           true);
    accept("HTTP/1.1 200 \r\nHost: a b\r\nHost: c\r\nExpect: x\r\n\r\n", FN_HTTP_TO_END, false);
    refuse("HTTP/1.1 200 \r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n");
    refuse("HTTP/1.1 200 \r\nContent-Length: 3, 4\r\n\r\n");
    refuse("HTTP/1.1 200 \r\nContent-Length: 3,\r\n\r\n");
    refuse("HTTP/1.1 200 \r\nContent-Length: -3\r\n\r\n");
    refuse("HTTP/1.1 200 \r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n");
    refuse("HTTP/1.1 200 \r\nTransfer-Encoding: gzip, chunked\r\n\r\n");
    refuse("HTTP/1.1 200 \r\nTransfer-Encoding: chunked, chunked\r\n\r\n");
    refuse("HTTP/1.0 200 \r\nTransfer-Encoding: chunked\r\n\r\n");
    begin(false, true, false);
    accept("HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\n", FN_HTTP_NO_BODY, true);
    accept("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", FN_HTTP_NO_BODY, true);
    accept("HTTP/1.1 200 \r\n\r\n", FN_HTTP_NO_BODY, true);
    begin(false, false, true);
    accept("HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\n", FN_HTTP_NO_BODY, true);
    accept("HTTP/1.1 407 \r\nContent-Length: 3\r\n\r\n", FN_HTTP_LENGTH, true);
}

static void test_limits(void)
{
    begin(true, false, false);
    limits.line = limits.field = 15;
    accept("HTTP/1.1 200 OK\r\nA:3456789012345\n\n", FN_HTTP_TO_END, false);
    static const char *const LONG[] = {"HTTP/1.1 200 OKK\n\n", "HTTP/1.1 200 OKK\r\n\r\n",
                                       "HTTP/1.1 200 OK\nA:34567890123456\n\n"};
    for (size_t i = 0; i < 3; i++)
        assert(http1_every_way(&how, &h, LONG[i], strlen(LONG[i])) == FN_E_LIMIT);
}

int main(void)
{
    test_status_lines();
    test_bodies();
    test_limits();
    return 0;
}
