/* Requests' heads: forms of the target, framing, refusals, limits. */
#include "http1feed.h"

static const struct http1_how REQUEST = {.limits = &HTTP1_LIMITS};
static fn_http_head h;

static int feed(const char *text)
{
    return http1_every_way(&REQUEST, &h, text, strlen(text));
}

static void accept(const char *text)
{
    int st = feed(text);
    if (st != FN_HTTP_DONE)
        fprintf(stderr, "%d %d %s: %s\n", st, h.refusal, st < 0 ? h.reason : "", text);
    assert(st == FN_HTTP_DONE);
    assert(http1_parse(&REQUEST, &h, (const uint8_t *)text, strlen(text)) == FN_HTTP_DONE);
}

static void refuse(int refusal, const char *text)
{
    int st = feed(text);
    if (st >= 0 || h.refusal != refusal)
        fprintf(stderr, "%d, %d instead of %d: %s\n", st, h.refusal, refusal, text);
    assert(st == (refusal == 414 || refusal == 431 ? FN_E_LIMIT : FN_E_PROTOCOL));
    assert(h.refusal == refusal && *h.reason);
}

static bool is(const char *text, fn_http_span s, const char *what)
{
    return s.len == strlen(what) && memcmp(text + s.at, what, s.len) == 0;
}

static void test_a_browser_s_request(void)
{
    const char *t = "GET /a/b?x=1&y HTTP/1.1\r\nHost: example.org:8080\r\nUser-Agent: \tx y\t \r\n"
                    "accept:*/*\r\nX_Y:\r\nCookie: a=\xe4\tb\r\n\r\n";
    accept(t);
    assert(h.size == strlen(t) && h.minor == 1 && h.framing == FN_HTTP_NO_BODY && h.keep_alive);
    assert(is(t, h.method, "GET") && is(t, h.target, "/a/b?x=1&y") && is(t, h.path, "/a/b"));
    assert(h.has_query && is(t, h.query, "x=1&y") && is(t, h.authority, "example.org:8080"));
    assert(h.count == 5 && h.fields[0].known == FN_HTTP_HOST && !h.has_length);
    assert(h.fields[1].known == FN_HTTP_USER_AGENT && is(t, h.fields[1].value, "x y"));
    assert(h.fields[2].known == FN_HTTP_ACCEPT && is(t, h.fields[2].name, "accept"));
    assert(h.fields[3].known == FN_HTTP_OTHER && h.fields[3].underscore);
    assert(h.fields[3].value.len == 0 && !h.fields[2].underscore);
    assert(is(t, h.fields[4].value, "a=\xe4\tb"));
}

static void test_forms_of_the_target(void)
{
    const char *t = "\r\nOPTIONS * HTTP/1.1\r\nHost:\r\n\r\n";
    accept(t);
    assert(h.is_asterisk && h.size == strlen(t) && !h.authority.len);
    t = "HEAD /? HTTP/1.0\r\n\r\n";
    accept(t);
    assert(h.is_head && h.has_query && !h.query.len && is(t, h.path, "/") && !h.keep_alive);
    t = "GET HTTPS://[::1]:90/p?q HTTP/1.1\r\nHost: other\r\n\r\n";
    accept(t);
    assert(h.absolute && is(t, h.authority, "[::1]:90") && is(t, h.path, "/p"));
    assert(is(t, h.query, "q"));
    t = "GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n";
    accept(t);
    assert(is(t, h.authority, "a") && !h.path.len && is(t, h.query, "q"));
    t = "CONNECT a.b:443 HTTP/1.1\r\nHost: x\r\n\r\n";
    accept(t);
    assert(h.is_connect && is(t, h.authority, "a.b:443"));
    accept("GET //a/../%zz HTTP/1.9\r\nHost: a\r\n\r\n");
    assert(h.minor == 1);

    static const char *const BAD[] = {"a",
                                      "*x",
                                      "/a#b",
                                      "http:/a/",
                                      "http://",
                                      "http:///x",
                                      "ftp://a/",
                                      "http://u@a/",
                                      "http://a:b/",
                                      "http://a b/",
                                      "/\x7f",
                                      "/\xc3\xa4",
                                      "/\x01",
                                      "/a\tb",
                                      "urn:x",
                                      "http//a",
                                      "http://[::1/",
                                      "http://a]/",
                                      "http://%4/",
                                      "http://[]/",
                                      "http://a:99999/",
                                      "//@",
                                      "",
                                      " /"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", BAD[i]);
        if (strcmp(BAD[i], "//@") != 0)
            refuse(400, text);
    }
    refuse(400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n");
    refuse(400, "OPTIONS a:1 HTTP/1.1\r\nHost: a\r\n\r\n");
    refuse(400, "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n");
    refuse(400, "CONNECT a: HTTP/1.1\r\nHost: a\r\n\r\n");
    refuse(400, "CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void test_the_request_line(void)
{
    refuse(505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n");
    refuse(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    refuse(505, "GET / HTTP/0.9\r\n\r\n");
    static const char *const BAD[] = {"GET / http/1.1",
                                      "GET / HTTP/1.1 ",
                                      "GET  / HTTP/1.1",
                                      "GET /  HTTP/1.1",
                                      " GET / HTTP/1.1",
                                      "GET /",
                                      "GET",
                                      "GET\t/ HTTP/1.1",
                                      "GET /\tHTTP/1.1",
                                      "G(T / HTTP/1.1",
                                      "GET / HTTP/11",
                                      "GET / HTTP/1.10",
                                      "GET / HTTP/+1.1",
                                      "GET / HTTP/1,1",
                                      "GET / HTTPS/1.1",
                                      "GET / HTTP/1.",
                                      "GET / HTTP/a.b",
                                      "GET HTTP/1.1",
                                      "GET / HTTP/1.1\r"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "%s\r\nHost: a\r\n\r\n", BAD[i]);
        refuse(400, text);
    }
    refuse(400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    refuse(400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    refuse(400, "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    refuse(400, "GET / HTTP/1.1\nHost: a\r\n\r\n");
    refuse(400, "\x16\x03\x01");
    assert(feed("") == FN_HTTP_MORE && feed("\r") == FN_HTTP_MORE && feed("GET") == FN_HTTP_MORE);
    assert(feed("GET / HTTP/1.1\r\nHost: a\r\n") == FN_HTTP_MORE);
}

static void refuse_field(int refusal, const char *lines)
{
    char text[400];
    snprintf(text, sizeof text, "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", lines);
    refuse(refusal, text);
}

static void accept_field(const char *lines)
{
    char text[400];
    snprintf(text, sizeof text, "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", lines);
    accept(text);
}

static void test_fields(void)
{
    static const char *const BAD[] = {"A : b",
                                      " A: b",
                                      "\tA: b",
                                      "A",
                                      ": b",
                                      "A: b\r\n c",
                                      "A: b\x01",
                                      "A: b\x7f",
                                      "A: b\rc",
                                      "A: b\nB: c",
                                      "A: b\r\r",
                                      "A\x80: b",
                                      "A(: b",
                                      "A: b\r\n:",
                                      "A\x01: b",
                                      "A: 12345678\x1f",
                                      "A: 1234567\x7f\t8901234567"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        refuse_field(400, BAD[i]);
    char nul[] = "GET / HTTP/1.1\r\nHost: a\r\nA: b?c\r\n\r\n";
    *strchr(nul, '?') = 0;
    assert(http1_every_way(&REQUEST, &h, nul, sizeof nul - 1) == FN_E_PROTOCOL);
    accept_field("A: b\tc\x80\xff \t\x80:\"(),/;<=>?@[\\]{}");
    refuse(400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n");
}

static void test_hosts(void)
{
    static const char *const GOOD[] = {"a.b", "1.2.3.4:80", "[::1]", "[fe80::1:2.3.4.5]:8", "a_b",
                                       "a:",  "%41",        "",      "a!$&'()*+,;=~",       "A:0"};
    static const char *const BAD[] = {"a b",      "a/",      "a@b",   "[::1",   "[]",    "a:1:2",
                                      "a:-1",     "a:65536", ":80",   "%4",     "a\\b",  "[::1]x",
                                      "\xc3\xa4", "a?",      "a#",    "[12]",   "a:8x",  "<a>",
                                      "[v1.a]",   "a, b",    "[::g]", "a\t:80", "a: 80", "%zz"};
    char text[200];
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", GOOD[i]);
        accept(text);
        assert(is(text, h.authority, GOOD[i]));
    }
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        snprintf(text, sizeof text, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", BAD[i]);
        refuse(400, text);
        snprintf(text, sizeof text, "GET http://a/ HTTP/1.1\r\nHost: %s\r\n\r\n", BAD[i]);
        refuse(400, text);
    }
    refuse(400, "GET / HTTP/1.1\r\n\r\n");
    refuse(400, "GET http://a/ HTTP/1.1\r\n\r\n");
    refuse(400, "GET / HTTP/1.0\r\nHost: a\r\nhOST: a\r\n\r\n");
    accept("GET / HTTP/1.0\r\n\r\n");
}

static void test_lengths(void)
{
    accept_field("Content-Length: 9223372036854775807");
    assert(h.framing == FN_HTTP_LENGTH && h.length == INT64_MAX && h.has_length);
    accept_field("Content-Length:0");
    assert(h.framing == FN_HTTP_NO_BODY && h.has_length && !h.length);
    accept_field("content-length: 007");
    assert(h.length == 7);
    static const char *const BAD[] = {"Content-Length: 9223372036854775808",
                                      "Content-Length: 00000000000000000001",
                                      "Content-Length: +1",
                                      "Content-Length: -1",
                                      "Content-Length: 0x1",
                                      "Content-Length: 1 ",
                                      "Content-Length:\t1",
                                      "Content-Length: 1, 1",
                                      "Content-Length: 1 1",
                                      "Content-Length:",
                                      "Content-Length: 1.0",
                                      "Content-Length: 1e1",
                                      "Content-Length: \"1\"",
                                      "Content-Length: 1_0",
                                      "Content-Length: 1\r\nContent-Length: 1",
                                      "Content-Length: 1\r\nContent-Length: 2",
                                      "Content-Length: 1\r\nTransfer-Encoding: chunked",
                                      "Transfer-Encoding: chunked\r\nContent-Length: 0"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        refuse_field(400, BAD[i]);
}

static void test_codings(void)
{
    accept_field("Transfer-Encoding: chunked");
    assert(h.framing == FN_HTTP_CHUNKED && !h.has_length);
    accept_field("transfer-encoding:CHUNKED");
    static const char *const BAD[] = {"",
                                      "chunked,",
                                      ",chunked",
                                      "chunked, chunked",
                                      "\"chunked\"",
                                      "chunked;a=b",
                                      "chunked ",
                                      "\tchunked",
                                      "chunked x",
                                      "chunked, gzip",
                                      "x y, chunked",
                                      "chunked\r\n x",
                                      "chunked\r\nTransfer-Encoding: chunked",
                                      "gzip;a=\",chunked\""};
    static const char *const UNKNOWN[] = {"gzip",   "identity", "gzip, chunked", "xchunked",
                                          "chunke", "x;y=z",    "chunkedx",      "gzip,deflate"};
    char text[200];
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        snprintf(text, sizeof text, "Transfer-Encoding: %s", BAD[i]);
        refuse_field(400, text);
    }
    for (size_t i = 0; i < sizeof UNKNOWN / sizeof UNKNOWN[0]; i++) {
        snprintf(text, sizeof text, "Transfer-Encoding: %s", UNKNOWN[i]);
        refuse_field(501, text);
    }
    refuse_field(501, "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked");
    refuse(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
    refuse(400, "POST / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n");
}

static void test_the_connection(void)
{
    accept_field("Connection: x, ClOsE");
    assert(!h.keep_alive);
    accept_field("Connection: closed");
    assert(h.keep_alive);
    accept_field("Connection: , keep-alive,,Upgrade ,\r\nUpgrade: websocket");
    assert(h.keep_alive && h.upgrade);
    accept_field("Connection: upgrade");
    assert(!h.upgrade);
    accept_field("Upgrade: h2c");
    assert(!h.upgrade);
    accept("GET / HTTP/1.0\r\nConnection: Keep-Alive, upgrade\r\nUpgrade: x\r\n\r\n");
    assert(h.keep_alive && !h.upgrade);
    accept("GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n");
    assert(!h.keep_alive);
    accept_field("Expect: 100-Continue\r\nContent-Length: 1");
    assert(h.expect_continue);
    accept_field("Expect: 100-continue");
    assert(!h.expect_continue);
    accept("POST / HTTP/1.0\r\nExpect: x\r\nContent-Length: 1\r\n\r\n");
    assert(!h.expect_continue);
    refuse_field(417, "Expect: 200-ok");
    refuse_field(417, "Expect: 100-continue, 100-continue");
    refuse_field(417, "Expect:");
}

static void test_limits(void)
{
    fn_http_limits small = {.line = 20, .field = 20, .fields = 3, .head = 60};
    struct http1_how how = {.limits = &small};
    const struct {
        int refusal;
        const char *text;
    } cases[] = {
        {0, "GET /345678 HTTP/1.1\r\nHost: a\r\n\r\n"},
        {414, "GET /3456789 HTTP/1.1\r\nHost: a\r\n\r\n"},
        {414, "GET /34567890123456789"},
        {-1, "GET /3456789012345678"},
        {0, "GET / HTTP/1.1\r\nHost: 78901234567890\r\n\r\n"},
        {431, "GET / HTTP/1.1\r\nHost: 789012345678901\r\n\r\n"},
        {431, "GET / HTTP/1.1\r\nHost: 7890123456789012"},
        {-1, "GET / HTTP/1.1\r\nHost: 789012345678901"},
        {0, "GET / HTTP/1.1\r\nHost: a\r\nB:\r\nC:\r\n\r\n"},
        {431, "GET / HTTP/1.1\r\nHost: a\r\nB:\r\nC:\r\nD:\r\n"},
        {0, "GET / HTTP/1.1\r\nHost: 789012345678\r\nB: 45678901234567890\r\n\r\n"},
        {431, "GET / HTTP/1.1\r\nHost: 7890123456789\r\nB: 45678901234567890\r\n\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int st = http1_every_way(&how, &h, cases[i].text, strlen(cases[i].text));
        if (cases[i].refusal > 0)
            assert(st == FN_E_LIMIT && h.refusal == cases[i].refusal);
        else
            assert(st == (cases[i].refusal ? FN_HTTP_MORE : FN_HTTP_DONE));
    }
    small.head = 0;
    assert(http1_every_way(&how, &h, "GET", 3) == FN_E_LIMIT && h.refusal == 414);
    small = HTTP1_LIMITS;
    small.fields = 100000; /* no more than there is room for */
    static char many[4 + 4 * 300];
    size_t n = (size_t)snprintf(many, sizeof many, "GET / HTTP/1.0\r\n");
    for (int i = 0; i < FN_HTTP_FIELDS_MAX + 1; i++)
        n += (size_t)snprintf(many + n, sizeof many - n, "a:\r\n");
    assert(http1_every_way(&how, &h, many, n) == FN_E_LIMIT && h.refusal == 431);
    assert(h.count == FN_HTTP_FIELDS_MAX);
}

static void test_names(void)
{
    static const char *const NAMES[] = {
        "Host",       "Connection", "Content-Length",   "Content-Type",     "Transfer-Encoding",
        "Expect",     "Date",       "Server",           "Upgrade",          "Trailer",
        "TE",         "Keep-Alive", "Proxy-Connection", "Content-Encoding", "Location",
        "Set-Cookie", "Cookie",     "Accept",           "Accept-Encoding",  "Accept-Language",
        "User-Agent"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        uint8_t name[32];
        size_t n = strlen(NAMES[i]);
        memcpy(name, NAMES[i], n + 1);
        assert(fn_http_lookup(name, n) == FN_HTTP_HOST + i);
        assert(fn_http_lookup(name, n - 1) == FN_HTTP_OTHER);
        assert(fn_http_lookup(name, n + 1) == FN_HTTP_OTHER);
        for (size_t k = 0; k < n; k++) {
            name[k] ^= 0x20;
            assert((fn_http_lookup(name, n) == FN_HTTP_OTHER) == (name[k] == 0x0d));
            name[k] ^= 0x21;
            assert(fn_http_lookup(name, n) == FN_HTTP_OTHER);
            name[k] ^= 0x01;
        }
    }
    assert(fn_http_lookup(NULL, 0) == FN_HTTP_OTHER);
    assert(!fn_http_name_ok(NULL, 0) && fn_http_value_ok(NULL, 0));
}

int main(void)
{
    test_a_browser_s_request();
    test_forms_of_the_target();
    test_the_request_line();
    test_fields();
    test_hosts();
    test_lengths();
    test_codings();
    test_the_connection();
    test_limits();
    test_names();
    return 0;
}
