/* The texts of XML-RPC: references, numbers and base64. */
#include "check.h"
#include "fastnet/status.h"
#include "fastnet/xmlrpc_text.h"

static int64_t unescape(const char *text, char *out)
{
    struct guarded in = guarded_copy(text, strlen(text), true);
    struct guarded to = guarded_new(in.size, true);
    int64_t n = fn_xmlrpc_unescape(in.data, in.size, to.data);
    if (n > 0)
        memcpy(out, to.data, (size_t)n);
    out[n > 0 ? n : 0] = 0;
    if (n >= 0) /* in place, the same */
        assert(fn_xmlrpc_unescape(in.data, in.size, in.data) == n &&
               memcmp(in.data, out, (size_t)n) == 0);
    guarded_free(&in);
    guarded_free(&to);
    return n;
}

static void test_references(void)
{
    static const struct {
        const char *text, *meaning;
    } good[] = {
        {"", ""},
        {"none", "none"},
        {"&lt;&gt;&amp;&quot;&apos;", "<>&\"'"},
        {"a&#65;b&#x42;c&#x0000043;", "aAbBcC"},
        {"&#x7f;&#x80;&#x7ff;&#x800;", "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80"},
        {"&#xD7FF;&#xE000;&#xFFFD;", "\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbd"},
        {"&#65536;&#x10ffff;", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
        {"&#9;&#10;&#13;", "\t\n\r"},
        {"&amp;lt;", "&lt;"},
    };
    static const char *const bad[] = {
        "&",
        "&;",
        "&lt",
        "& lt;",
        "&LT;",
        "&nbsp;",
        "&#;",
        "&#x;",
        "&#X41;",
        "&#65",
        "&#x41",
        "&#-1;",
        "&#0;",
        "&#8;",
        "&#x1f;",
        "&#xD800;",
        "&#xDFFF;",
        "&#xFFFE;",
        "&#xFFFF;",
        "&#12a;",
        "&#x110000;",
        "&#xFFFFFFFFFFFFFFFFFF41;",
        "&#99999999999999999999;",
        "a&b;",
        "&am",
    };
    char out[256];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert(unescape(good[i].text, out) == (int64_t)strlen(good[i].meaning));
        assert(strcmp(out, good[i].meaning) == 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert(unescape(bad[i], out) == -1);
}

static const char *written(struct fn_buf *b)
{
    static char text[4096];
    size_t n = fn_buf_len(b);
    assert(n < sizeof text);
    if (n)
        memcpy(text, fn_buf_head(b), n);
    text[n] = 0;
    fn_buf_consume(b, n);
    return text;
}

static void test_writing(void)
{
    struct fn_buf b;
    fn_buf_init(&b, 4096);
    assert(fn_xmlrpc_put_text(&b, (const uint8_t *)"a<b>&\"c", 7) == 0);
    assert(strcmp(written(&b), "a&lt;b&gt;&amp;\"c") == 0);
    assert(fn_xmlrpc_put_text(&b, NULL, 0) == 0 && fn_buf_len(&b) == 0);
    static const int64_t numbers[] = {0, 7, -1, 2147483647, -2147483648, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char want[32];
        snprintf(want, sizeof want, "%lld", (long long)numbers[i]);
        assert(fn_xmlrpc_put_int(&b, numbers[i]) == 0);
        assert(strcmp(written(&b), want) == 0);
    }
    fn_buf_fini(&b);
}

static void base64_of(const char *data, size_t n, const char *want)
{
    struct fn_buf b;
    struct guarded g = guarded_copy(data, n, true);
    fn_buf_init(&b, 4096);
    assert(fn_xmlrpc_put_base64(&b, g.data, n) == 0);
    assert(strcmp(written(&b), want) == 0);
    fn_buf_fini(&b);
    guarded_free(&g);
}

static void test_base64(void)
{
    char line[115];
    memset(line, 0, sizeof line);
    base64_of("", 0, "");
    base64_of("f", 1, "Zg==\n"); /* RFC 4648, section 10 */
    base64_of("fo", 2, "Zm8=\n");
    base64_of("foo", 3, "Zm9v\n");
    base64_of("foobar", 6, "Zm9vYmFy\n");
    base64_of("\xff\xfe\xfb", 3, "//77\n");
#define A19 "AAAAAAAAAAAAAAAAAAA"
    base64_of(line, 57, A19 A19 A19 A19 "\n");
    base64_of(line, 58, A19 A19 A19 A19 "\nAA==\n");
    base64_of(line, 115, A19 A19 A19 A19 "\n" A19 A19 A19 A19 "\nAA==\n");
}

static void test_the_cap(void)
{
    struct fn_buf b;
    fn_buf_init(&b, 80);
    uint8_t data[200] = {0};
    assert(fn_xmlrpc_put_base64(&b, data, sizeof data) == FN_E_BUF_CAP);
    fn_buf_fini(&b);
    fn_buf_init(&b, 10);
    assert(fn_xmlrpc_put_text(&b, (const uint8_t *)"<<<<", 4) == FN_E_BUF_CAP);
    assert(fn_xmlrpc_put_int(&b, 12345678901) == FN_E_BUF_CAP);
    fn_buf_fini(&b);
}

int main(void)
{
    test_references();
    test_writing();
    test_base64();
    test_the_cap();
    return 0;
}
