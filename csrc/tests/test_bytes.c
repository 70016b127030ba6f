/* Loads, stores and sizes that cannot overflow. */
#include "check.h"

#include "fastnet/bytes.h"

static void test_little_endian_at_every_alignment(void)
{
    static const uint8_t wire[8] = {0x01, 0x82, 0x03, 0x84, 0x05, 0x86, 0x07, 0x88};
    struct guarded g = guarded_new(24, true);
    for (size_t at = 0; at <= 16; at++) {
        memset(g.data, 0xEE, 24);
        memcpy(g.data + at, wire, 8);
        assert(fn_load16(g.data + at) == 0x8201u);
        assert(fn_load32(g.data + at) == 0x84038201u);
        assert(fn_load64(g.data + at) == 0x8807860584038201u);
        uint8_t copy[24];
        memcpy(copy, g.data, 24);
        memset(g.data + at, 0, 8);
        fn_store64(g.data + at, 0x8807860584038201u);
        assert(memcmp(copy, g.data, 24) == 0);
        fn_store32(g.data + at, 0x11223344u);
        assert(memcmp(g.data + at, "\x44\x33\x22\x11\x05\x86\x07\x88", 8) == 0);
        fn_store16(g.data + at, 0xFFFEu);
        assert(memcmp(g.data + at, "\xFE\xFF\x22\x11\x05\x86\x07\x88", 8) == 0);
    }
    guarded_free(&g);
}

static void test_add(void)
{
    uint64_t out = 7;
    assert(fn_add(0, 0, &out) && out == 0);
    assert(fn_add(UINT64_MAX, 0, &out) && out == UINT64_MAX);
    assert(fn_add(UINT64_MAX - 1, 1, &out) && out == UINT64_MAX);
    out = 7;
    assert(!fn_add(UINT64_MAX, 1, &out) && out == 7);
    assert(!fn_add(UINT64_MAX, UINT64_MAX, &out) && out == 7);
    assert(!fn_add(1ull << 63, 1ull << 63, &out) && out == 7);
    out = 5;
    assert(fn_add(out, 3, &out) && out == 8);
}

static void test_mul(void)
{
    uint64_t out = 7;
    assert(fn_mul(0, UINT64_MAX, &out) && out == 0);
    assert(fn_mul(1, UINT64_MAX, &out) && out == UINT64_MAX);
    assert(fn_mul(UINT32_MAX, UINT32_MAX, &out) && out == 0xFFFFFFFE00000001u);
    assert(fn_mul(1ull << 32, UINT32_MAX, &out) && out == 0xFFFFFFFF00000000u);
    out = 7;
    assert(!fn_mul(1ull << 32, 1ull << 32, &out) && out == 7);
    assert(!fn_mul(UINT64_MAX, 2, &out) && out == 7);
    assert(!fn_mul(UINT64_MAX / 3 + 1, 3, &out) && out == 7);
    out = 5;
    assert(fn_mul(out, 3, &out) && out == 15);
}

static void test_smaller(void)
{
    assert(fn_min64(1, UINT64_MAX) == 1 && fn_min64(UINT64_MAX, 1) == 1);
    assert(fn_minz(2, SIZE_MAX) == 2 && fn_minz(SIZE_MAX, 2) == 2);
}

int main(void)
{
    test_little_endian_at_every_alignment();
    test_add();
    test_mul();
    test_smaller();
    return 0;
}
