/* Chunked bodies: sizes, extensions, trailers, and what is refused. */
#include "http1feed.h"

static struct http1_body feed(const char *text, uint64_t most)
{
    return http1_chunks_every_way(text, strlen(text), most);
}

static void accept(const char *text, const char *data)
{
    struct http1_body b = feed(text, UINT64_MAX);
    if (b.status != FN_HTTP_DONE)
        fprintf(stderr, "%d: %s\n", b.status, text);
    assert(b.status == FN_HTTP_DONE && b.used == strlen(text) && b.size == strlen(data));
    assert(b.digest == mix(0xCBF29CE484222325u, data, strlen(data)));
}

static void refuse(const char *text)
{
    struct http1_body b = feed(text, UINT64_MAX);
    if (b.status != FN_E_PROTOCOL)
        fprintf(stderr, "%d: %s\n", b.status, text);
    assert(b.status == FN_E_PROTOCOL && b.refusal == 400);
}

static void test_bodies(void)
{
    accept("0\r\n\r\n", "");
    accept("5\r\nhello\r\n0\r\n\r\n", "hello");
    accept("0000000000000003\r\n\r\n0\r\n1\r\n!\r\n000\r\n\r\n", "\r\n0!");
    accept("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789");
    accept("1;a\r\nx\r\n0;a;b=c;d=\"e \\\" \\\\ \t\xff\"\r\n\r\n", "x");
    accept("1\r\nx\r\n0\r\nA: b\r\nX-Sum:\r\nb:\tc \xe4\r\n\r\n", "x");
    accept("0\r\nHosts: b\r\nContent-Len: 1\r\n\r\n", "");
    assert(feed("5\r\nhel", UINT64_MAX).status == FN_HTTP_MORE);
    assert(feed("5\r\nhello\r\n0\r\n", UINT64_MAX).status == FN_HTTP_MORE);
}

static void test_refusals(void)
{
    static const char *const BAD[] = {"\r\n",
                                      "g\r\n",
                                      "0x1\r\n",
                                      "-1\r\n",
                                      "+1\r\n",
                                      " 1\r\n",
                                      "1 \r\n",
                                      "1\n",
                                      "1\rx",
                                      "1\r\nx\n",
                                      "1\r\nxy",
                                      "1\r\nx\rA",
                                      ";a\r\n",
                                      "00000000000000001\r\n",
                                      "fffffffffffffffff",
                                      "1 ;a\r\n",
                                      "1;\r\n",
                                      "1; a\r\n",
                                      "1;a \r\n",
                                      "1;a =b\r\n",
                                      "1;a= b\r\n",
                                      "1;a=\r\n",
                                      "1;a\n",
                                      "1;a=\"\n",
                                      "1;a=\"\r\n",
                                      "1;a=\"\\\r",
                                      "1;a=\"b\"c",
                                      "1;a=b\"",
                                      "1;=b\r\n",
                                      "1;;a\r\n",
                                      "1;a=\"\x01\"",
                                      "1;a=\"\x7f",
                                      "1;a=b;\r\n",
                                      "1;\xff",
                                      "0\r\n\n",
                                      "0\r\n\rA",
                                      "0\r\n a: b",
                                      "0\r\na : b",
                                      "0\r\na\r\n",
                                      "0\r\n: b",
                                      "0\r\na: b\n",
                                      "0\r\na: \x01",
                                      "0\r\na: b\rc",
                                      "0\r\na: b\r\n c",
                                      "0\r\na: \x7f",
                                      "0\n\r\n",
                                      "0\r\nGET / HTTP/1.1\r\n",
                                      "1\r\n\r\n0\r\n\r\n",
                                      "0,\r\n",
                                      "1_0\r\n",
                                      "\xef\xbc\x91\r\n",
                                      "0\r\nHost: a",
                                      "0\r\ncontent-LENGTH:",
                                      "0\r\nTransfer-Encoding: chunked",
                                      "0\r\nA: b\r\nTE:",
                                      "0\r\nAuthorization: x",
                                      "0\r\nset-cookie: x",
                                      "0\r\nConnection: x"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        refuse(BAD[i]);
    struct http1_body b = http1_chunks_every_way("1;a=\"\0", 6, UINT64_MAX);
    assert(b.status == FN_E_PROTOCOL);
}

static void test_limits(void)
{
    struct http1_body b = feed("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 5);
    assert(b.status == FN_HTTP_DONE && b.size == 5);
    b = feed("3\r\nabc\r\n3\r\nde\r\n0\r\n\r\n", 5);
    assert(b.status == FN_E_LIMIT && b.refusal == 413 && b.size == 3);
    b = feed("1\r\na\r\nffffffffffffffff\r\n", UINT64_MAX);
    assert(b.status == FN_E_LIMIT && b.refusal == 413);
    b = feed("1\r\n", 0);
    assert(b.status == FN_E_LIMIT);
    assert(feed("0\r\n\r\n", 0).status == FN_HTTP_DONE);
    assert(feed("ffffffffffffffff\r\nabc", UINT64_MAX).status == FN_HTTP_MORE);
}

/* n chunks of one byte, each with an extension of ten bytes behind its semicolon. */
static void test_extensions_are_bounded_together(void)
{
    static char text[64 * 1024];
    const int fits = FN_HTTP_EXTRA_MAX / 11; /* ten and the line's CR */
    for (int extra = 0; extra < 2; extra++) {
        size_t n = 0;
        for (int i = 0; i < fits + extra; i++) {
            memcpy(text + n, "1;abcdefghij\r\nx\r\n", 17);
            n += 17;
        }
        struct http1_body b = http1_chunks_every_way(text, n, UINT64_MAX);
        assert(b.status == (extra ? FN_E_LIMIT : FN_HTTP_MORE) && b.refusal == (extra ? 431 : 0));
    }
    size_t n = 3;
    memcpy(text, "0\r\n", 3);
    for (; n < 32 * 1024; n += 4)
        memcpy(text + n, "a:\r\n", 4);
    assert(http1_chunks_every_way(text, n, UINT64_MAX).refusal == 431);
}

int main(void)
{
    test_bodies();
    test_refusals();
    test_limits();
    test_extensions_are_bounded_together();
    return 0;
}
