/* Frames of multiprocessing.connection: encoding, and decoding whole, split and with more behind.
 */
#include "check.h"
#include "fastnet/mpframe.h"
#include "fastnet/status.h"

struct row {
    const char *head;
    size_t size;
    uint64_t max;
    int status;
    uint64_t length;
};

static const struct row rows[] = {
    {"\0\0\0\0", 4, FN_MPFRAME_MAX, FN_OK, 0},
    {"\0\0\1\2", 4, FN_MPFRAME_MAX, FN_OK, 0x102},
    {"\x7f\xff\xff\xff", 4, FN_MPFRAME_MAX, FN_OK, 0x7fffffff},
    {"\xff\xff\xff\xff\0\0\0\0\x80\0\0\0", 12, FN_MPFRAME_MAX, FN_OK, 0x80000000},
    {"\xff\xff\xff\xff\0\0\0\0\0\0\0\3", 12, FN_MPFRAME_MAX, FN_OK, 3},
    {"\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 12, FN_MPFRAME_MAX, FN_OK, INT64_MAX},
    {"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", 12, UINT64_MAX, FN_E_MP_SIZE, (uint64_t)1 << 63},
    {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, FN_MPFRAME_MAX, FN_E_MP_SIZE,
     UINT64_MAX},
    {"\xff\xff\xff\xfe", 4, FN_MPFRAME_MAX, FN_E_MP_LENGTH, 0xfffffffe},
    {"\x80\0\0\0", 4, FN_MPFRAME_MAX, FN_E_MP_LENGTH, 0x80000000},
    {"\0\0\1\0", 4, 256, FN_OK, 256},
    {"\0\0\1\1", 4, 256, FN_E_MP_SIZE, 257},
    {"\xff\xff\xff\xff\0\0\0\1\0\0\0\0", 12, 256, FN_E_MP_SIZE, (uint64_t)1 << 32},
};

/* Fed in two pieces, of which the first has `first` bytes, with `more` bytes behind. */
static void decode(const struct row *r, size_t first, size_t more)
{
    struct guarded g = guarded_new(r->size + more, true);
    struct fn_mpframe f;
    size_t used, total;
    memset(g.data, 0xa5, g.size);
    memcpy(g.data, r->head, r->size);
    fn_mpframe_init(&f, r->max);
    int st = fn_mpframe_feed(&f, g.data, first, &used);
    total = used;
    if (first < r->size) {
        assert(st == FN_E_MORE && used == first && fn_mpframe_wants(&f) > 0);
        assert(fn_mpframe_wants(&f) <= r->size - first);
        assert(fn_mpframe_at_unit(&f) == (first == 0 || first == 4));
        st = fn_mpframe_feed(&f, g.data + total, g.size - total, &used);
        total += used;
    }
    assert(st == r->status && total == r->size && f.length == r->length);
    assert(fn_mpframe_wants(&f) == 0);
    guarded_free(&g);
}

static void test_decoding(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t first = 0; first <= rows[i].size; first++)
            for (size_t more = 0; more < 3; more++)
                decode(&rows[i], first, more);
}

static void test_a_byte_at_a_time(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fn_mpframe f;
        fn_mpframe_init(&f, rows[i].max);
        for (size_t k = 0; k < rows[i].size; k++) {
            assert(fn_mpframe_wants(&f) > 0);
            f.head[f.have] = (uint8_t)rows[i].head[k];
            int st = fn_mpframe_got(&f, 1);
            assert(st == (k + 1 < rows[i].size ? FN_E_MORE : rows[i].status));
        }
    }
}

static void test_encoding(void)
{
    static const uint64_t lengths[] = {
        0, 1, 16384, 0x7ffffffe, 0x7fffffff, 0x80000000, (uint64_t)1 << 40};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint8_t head[FN_MPFRAME_LONG];
        struct fn_mpframe f;
        size_t used, n = fn_mpframe_encode(head, lengths[i]);
        assert(n == (lengths[i] <= 0x7fffffff ? 4 : 12));
        fn_mpframe_init(&f, FN_MPFRAME_MAX);
        assert(fn_mpframe_feed(&f, head, n, &used) == FN_OK);
        assert(used == n && f.length == lengths[i]);
    }
}

int main(void)
{
    test_decoding();
    test_a_byte_at_a_time();
    test_encoding();
    return 0;
}
