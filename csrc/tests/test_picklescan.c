/* Finding the large buffers of a pickle, however it is split. */
#include "picklefeed.h"

static struct pickled whole, split;
static uint8_t pickle[PICKLE_MAX];
static size_t size;

static void put(const void *bytes, size_t n)
{
    memcpy(pickle + size, bytes, n);
    size += n;
}

#define PUT(text) put(text, sizeof(text) - 1)

static void put_buffer(uint8_t opcode, size_t width, uint64_t n)
{
    uint8_t head[9] = {opcode};
    for (size_t i = 0; i < width; i++)
        head[1 + i] = (uint8_t)(n >> 8 * i);
    put(head, 1 + width);
    fill_pattern(pickle + size, n, n);
    memset(pickle + size, '.', n < 20 ? n : 20); /* which would be STOP, were it an opcode */
    size += n;
}

static void feed_every_way(bool strict)
{
    pickle_feed(pickle, size, size, strict, &whole);
    static const size_t pieces[] = {1, 2, 3, 7, 64, 4096, 65536, 100000};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        pickle_feed(pickle, size, pieces[i], strict, &split);
        assert(pickle_same(&whole, &split));
    }
}

static void test_small_things_stay(void)
{
    size = 0;
    PUT("\x80\x05\x95\x10\0\0\0\0\0\0\0");
    PUT("K\1M\1\1J\1\1\1\1G12345678\x8a\2ab\x8b\3\0\0\0abc");
    PUT("I12\nL34L\nF1.5\nS'.'\nV.\np0\ng0\ncmodule\nname.\n(imodule\nname\n");
    put_buffer('C', 1, 200);
    put_buffer('U', 1, 0);
    put_buffer('B', 4, FN_PICKLE_FROM - 1);
    put_buffer('X', 4, 100000); /* a text stays, however long */
    put_buffer('T', 4, 100000);
    put_buffer(0x8d, 8, 100000);
    put_buffer(0x96, 8, 10);
    PUT(".trailing \x97\xff");
    feed_every_way(true);
    assert(whole.status == FN_E_MORE && whole.buffers == 0 && whole.rest_size == size);
    uint8_t zero[8] = {0};
    assert(memcmp(whole.rest + 3, zero, 8) == 0); /* the frame's length */
    memcpy(pickle + 3, zero, 8);
    assert(memcmp(whole.rest, pickle, size) == 0);
}

static void test_large_buffers_are_taken_out(void)
{
    static const struct {
        uint8_t opcode;
        size_t width;
    } kinds[] = {{'B', 4}, {0x8e, 8}, {0x96, 8}};
    size = 0;
    PUT("\x80\x05]\x94(");
    for (size_t i = 0; i < 3; i++) {
        put_buffer(kinds[i].opcode, kinds[i].width, (size_t)FN_PICKLE_FROM + 1000 * i);
        PUT("\x94");
    }
    PUT("e.");
    feed_every_way(true);
    assert(whole.status == FN_E_MORE && whole.buffers == 3);
    assert(whole.taken_size == 3 * (size_t)FN_PICKLE_FROM + 3000);
    assert(whole.rest_size == 13);
    assert(memcmp(whole.rest,
                  "\x80\x05]\x94(\x97\x94\x97\x94\x97\x94"
                  "e.",
                  13) == 0);
}

static void test_a_claim_beyond_the_message(void)
{
    size = 0;
    PUT("\x80\x05\x96\0\0\0\0\0\1\0\0 and little more");
    feed_every_way(true);
    assert(whole.status == FN_E_MORE && whole.buffers == 0 && whole.rest_size == size);
    size = 0;
    PUT("\x80\x05\x8e\xff\xff\xff\xff\xff\xff\xff\xff");
    feed_every_way(false);
    assert(whole.status == FN_E_MORE && whole.buffers == 0 && whole.rest_size == size);
    size = 0;
    PUT("\x80\x05\x8d\xff\xff\xff\xff\xff\xff\xff\xff text");
    feed_every_way(true);
    assert(whole.status == FN_E_MORE && whole.rest_size == size);
}

static void test_refusals(void)
{
    static const struct {
        const char *bytes;
        size_t size;
        int strict, otherwise;
    } cases[] = {
        {"\x80\x05\x97.", 4, FN_E_PICKLE_BUFFER, FN_E_PICKLE_BUFFER},
        {"\x80\x05\x82\1.", 5, FN_E_PICKLE_EXTENSION, FN_E_MORE},
        {"\x80\x05\x83\1\1.", 6, FN_E_PICKLE_EXTENSION, FN_E_MORE},
        {"\x80\x05\x84\1\1\1\1.", 8, FN_E_PICKLE_EXTENSION, FN_E_MORE},
        {"\x80\x05\xff\x97", 4, FN_E_PICKLE_OPCODE, FN_E_MORE},
        {"\0", 1, FN_E_PICKLE_OPCODE, FN_E_MORE},
        {"N.\x97", 3, FN_E_MORE, FN_E_MORE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size = 0;
        put(cases[i].bytes, cases[i].size);
        feed_every_way(true);
        assert(whole.status == cases[i].strict);
        feed_every_way(false);
        assert(whole.status == cases[i].otherwise);
    }
}

/* Cut anywhere, an argument's end is never read beyond: the data ends at an unreadable page. */
static void test_every_prefix(void)
{
    size = 0;
    PUT("\x80\x05\x95\1\0\0\0\0\0\0\0Gabcdefgh\x84zzzz\x8d\5\0\0\0\0\0\0\0hellocab\ncd\nr1234M12K1"
        ".");
    for (size_t n = 0; n <= size; n++) {
        struct guarded g = guarded_copy(pickle, n, true);
        struct fn_picklescan p;
        fn_picklescan_init(&p, false);
        assert(fn_picklescan(&p, g.data, n) == FN_E_MORE && p.at <= n);
        guarded_free(&g);
    }
}

int main(void)
{
    test_small_things_stay();
    test_large_buffers_are_taken_out();
    test_a_claim_beyond_the_message();
    test_refusals();
    test_every_prefix();
    return 0;
}
