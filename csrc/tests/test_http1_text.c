/* What looks at eight bytes at a time, against what looks at one: every byte at every place. */
#include "http1feed.h"

#include "fastnet/http1_text.h"

enum { ROOM = 27 };

static bool plain_text(uint8_t c)
{
    return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static bool plain_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

static const uint8_t *slow_end(const uint8_t *p, const uint8_t *end, bool (*ok)(uint8_t))
{
    while (p < end && ok(*p))
        p++;
    return p;
}

/* The letters may be left to the last eight bytes, which a loop over single bytes looks at. */
static void compare(const uint8_t *p, const uint8_t *end)
{
    assert(fn_http_text_end(p, end) == slow_end(p, end, plain_text));
    const uint8_t *got = fn_http_skip_letters(p, end), *all = slow_end(p, end, plain_letter);
    assert(got == all || (got < all && end - got < 8));
}

static void test_every_byte_at_every_place(void)
{
    struct guarded g = guarded_new(ROOM, true);
    for (size_t from = 0; from < ROOM; from++)
        for (size_t at = from; at < ROOM; at++)
            for (unsigned byte = 0; byte < 256; byte++) {
                memset(g.data, "x\xe4-\t"[byte % 4], ROOM);
                g.data[at] = (uint8_t)byte;
                compare(g.data + from, g.data + ROOM);
            }
    guarded_free(&g);
}

static void test_random_bytes(void)
{
    struct guarded g = guarded_new(ROOM, true);
    uint64_t state = 7;
    for (int turn = 0; turn < 200000; turn++) {
        for (size_t i = 0; i < ROOM; i++)
            g.data[i] = "aZ-@[`{\t\x7f\x80\xff\x1f\x20\x0d\xad~"[random_below(&state, 16)];
        size_t from = random_below(&state, ROOM);
        compare(g.data + from, g.data + ROOM);
    }
    guarded_free(&g);
}

/* Each byte in a name, at each place of it: a token's byte or a refusal. */
static void test_names_in_a_head(void)
{
    static fn_http_head h;
    const struct http1_how how = {.limits = &HTTP1_LIMITS};
    static const char TOKEN[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    char text[] = "GET / HTTP/1.0\r\nabcdefghijklmnopq:\r\n\r\n";
    for (size_t at = 16; at < 16 + 17; at++)
        for (unsigned byte = 0; byte < 256; byte++) {
            char kept = text[at];
            bool token = byte && strchr(TOKEN, (int)byte);
            text[at] = (char)byte;
            fn_http_head_reset(&h);
            int st = http1_parse(&how, &h, (const uint8_t *)text, sizeof text - 1);
            bool colon = byte == ':' && at > 16;
            assert(st == (token || colon ? FN_HTTP_DONE : FN_E_PROTOCOL));
            assert(st < 0 || h.fields[0].underscore == (byte == '_'));
            text[at] = kept;
        }
}

static void test_hosts_at_the_edge(void)
{
    static const char *const BAD[] = {"%", "%4", "a%4", "[", "[:", "[::", "a:", "a:655360"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        for (int at_end = 0; at_end < 2; at_end++) {
            struct guarded g = guarded_copy(BAD[i], strlen(BAD[i]), at_end);
            assert(!fn_http_host_ok(g.data, g.size, true));
            guarded_free(&g);
        }
}

int main(void)
{
    test_every_byte_at_every_place();
    test_random_bytes();
    test_names_in_a_head();
    test_hosts_at_the_edge();
    return 0;
}
