/* The metadata of an array: round trips, limits, and each way to be wrong. */
#include "describe.h"

static struct text t;

static int decode(const uint8_t *in, size_t len, const struct fn_array_limits *limits,
                  struct fn_array_head *h)
{
    struct guarded begin = guarded_copy(in, len, false), end = guarded_copy(in, len, true);
    struct fn_array_head other;
    int st = fn_array_decode(begin.data, len, limits, h);
    assert(fn_array_decode(end.data, len, limits, &other) == st);
    guarded_free(&begin);
    guarded_free(&end);
    return st;
}

static struct fn_array_head sample(int ndim)
{
    struct fn_array_head h = {.order = 'C',
                              .flags = FN_ARRAY_HAS_NAME | FN_ARRAY_HAS_META,
                              .ndim = ndim,
                              .dtype = {(const uint8_t *)"a\3<f8", 5},
                              .name = {(const uint8_t *)"velocity", 8},
                              .meta = {(const uint8_t *)"{\"unit\":\"m/s\"}", 14}};
    for (int i = 0; i < ndim; i++)
        h.shape[i] = (uint64_t)(1 + i % 2);
    return h;
}

static void encode(const struct fn_array_head *h)
{
    uint8_t fixed[FN_ARRAY_FIXED + 8 * FN_ARRAY_MAXDIM];
    size_t n = fn_array_encode(fixed, h);
    assert(n == FN_ARRAY_FIXED + 8 * (size_t)h->ndim);
    t.len = 0;
    put(&t, fixed, n);
    put(&t, h->dtype.data, h->dtype.len);
    put(&t, h->name.data, h->name.len);
    put(&t, h->meta.data, h->meta.len);
}

static bool same_view(struct fn1_view a, struct fn1_view b)
{
    return a.len == b.len && (!a.len || memcmp(a.data, b.data, a.len) == 0);
}

static void test_round_trip(void)
{
    struct fn_array_limits limits = usual_limits();
    for (int ndim = 0; ndim <= FN_ARRAY_MAXDIM; ndim++) {
        struct fn_array_head h = sample(ndim), back;
        h.order = ndim % 2 ? 'F' : 'C';
        for (int i = 20; i < ndim; i++)
            h.shape[i] = 1;
        encode(&h);
        struct guarded g = guarded_copy(t.bytes, t.len, true);
        assert(fn_array_decode(g.data, t.len, &limits, &back) == FN_OK);
        assert(back.order == h.order && back.ndim == ndim && back.flags == h.flags);
        assert(memcmp(back.shape, h.shape, 8 * (size_t)ndim) == 0 && back.itemsize == 8);
        uint64_t nbytes = 8;
        for (int i = 0; i < ndim; i++)
            nbytes *= h.shape[i];
        assert(back.nbytes == nbytes);
        assert(same_view(back.dtype, h.dtype) && same_view(back.name, h.name));
        assert(same_view(back.meta, h.meta));
        guarded_free(&g);
    }
    assert(memcmp(t.bytes, "\1C\x40\3\5\0\10\0\16\0\0\0\1\0\0\0\0\0\0\0\2", 21) == 0);
}

static void test_truncated_at_every_byte(void)
{
    struct fn_array_limits limits = usual_limits();
    struct fn_array_head h = sample(3), back;
    encode(&h);
    assert(decode(t.bytes, t.len, &limits, &back) == FN_OK);
    for (size_t n = 0; n < t.len; n++)
        assert(decode(t.bytes, n, &limits, &back) == FN_E_ARRAY_HEADER);
    put(&t, "x", 1);
    assert(decode(t.bytes, t.len, &limits, &back) == FN_E_ARRAY_HEADER);
}

static void test_fields_that_are_wrong(void)
{
    static const struct {
        size_t at;
        uint8_t value;
        int status;
    } rows[] = {
        {0, 0, FN_E_ARRAY_FORMAT},  {0, 2, FN_E_ARRAY_FORMAT},    {1, 'A', FN_E_ARRAY_ORDER},
        {1, 0, FN_E_ARRAY_ORDER},   {2, 65, FN_E_ARRAY_NDIM},     {2, 255, FN_E_ARRAY_NDIM},
        {3, 4, FN_E_ARRAY_HEADER},  {3, 0x83, FN_E_ARRAY_HEADER}, {2, 2, FN_E_ARRAY_HEADER},
        {2, 4, FN_E_ARRAY_HEADER},  {2, 64, FN_E_ARRAY_HEADER},   {4, 4, FN_E_ARRAY_HEADER},
        {4, 6, FN_E_ARRAY_HEADER},  {5, 255, FN_E_ARRAY_HEADER},  {6, 7, FN_E_ARRAY_HEADER},
        {6, 9, FN_E_ARRAY_HEADER},  {7, 255, FN_E_ARRAY_NAME},    {8, 13, FN_E_ARRAY_HEADER},
        {8, 15, FN_E_ARRAY_HEADER}, {11, 255, FN_E_ARRAY_META}};
    struct fn_array_limits limits = usual_limits();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fn_array_head h = sample(3), back;
        encode(&h);
        t.bytes[rows[i].at] = rows[i].value;
        assert(decode(t.bytes, t.len, &limits, &back) == rows[i].status);
    }
}

/* Any single byte may be anything: it is refused or understood, and what is
 * understood is written again as it was. */
static void test_every_byte_of_every_value(void)
{
    struct fn_array_limits limits = usual_limits();
    struct fn_array_head h = sample(2), back;
    encode(&h);
    for (size_t at = 0; at < t.len; at++) {
        uint8_t before = t.bytes[at];
        for (int value = 0; value < 256; value++) {
            t.bytes[at] = (uint8_t)value;
            if (fn_array_decode(t.bytes, t.len, &limits, &back) < 0)
                continue;
            uint8_t again[FN_ARRAY_FIXED + 8 * FN_ARRAY_MAXDIM];
            size_t n = fn_array_encode(again, &back);
            assert(memcmp(again, t.bytes, n) == 0);
            assert(back.dtype.data == t.bytes + n);
        }
        t.bytes[at] = before;
    }
}

static int status_of_shape(int ndim, const uint64_t *shape, const char *dtype, uint64_t *nbytes)
{
    struct fn_array_limits limits = usual_limits();
    struct fn_array_head h = sample(ndim), back;
    uint8_t node[64] = {'a', (uint8_t)strlen(dtype)};
    memcpy(node + 2, dtype, strlen(dtype));
    h.dtype = (struct fn1_view){node, 2 + strlen(dtype)};
    memcpy(h.shape, shape, 8 * (size_t)ndim);
    encode(&h);
    int st = decode(t.bytes, t.len, &limits, &back);
    *nbytes = st < 0 ? 0 : back.nbytes;
    return st;
}

static void test_shapes(void)
{
    static const struct {
        int ndim;
        uint64_t shape[3];
        const char *dtype;
        int status;
        uint64_t nbytes;
    } rows[] = {{0, {0}, "<f8", FN_OK, 8},
                {1, {0}, "<f8", FN_OK, 0},
                {2, {1ull << 20, 1ull << 13}, "<f8", FN_OK, 1ull << 36},
                {2, {(1ull << 20) + 1, 1ull << 13}, "<f8", FN_E_ARRAY_BYTES, 0},
                {1, {1ull << 60}, "<f8", FN_E_OVERFLOW, 0},
                {1, {(1ull << 60) - 1}, "<f8", FN_E_ARRAY_BYTES, 0},
                {1, {UINT64_MAX}, "|u1", FN_E_OVERFLOW, 0},
                {2, {1ull << 32, 1ull << 32}, "|u1", FN_E_OVERFLOW, 0},
                {3, {1ull << 32, 1ull << 32, 1ull << 32}, "<f8", FN_E_OVERFLOW, 0},
                {2, {1ull << 61, 8}, "<f8", FN_E_OVERFLOW, 0}, /* wraps to zero */
                {3, {1ull << 40, 0, 1ull << 40}, "|u1", FN_E_OVERFLOW, 0},
                {3, {0, 1ull << 40, 1ull << 10}, "|u1", FN_OK, 0},
                {2, {1ull << 40, 1ull << 40}, "|V0", FN_E_OVERFLOW, 0},
                {2, {1ull << 20, 1ull << 40}, "|V0", FN_OK, 0},
                {1, {1}, "|S2147483647", FN_OK, INT32_MAX},
                {2, {1ull << 16, 1ull << 17}, "|S2147483647", FN_E_OVERFLOW, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t nbytes;
        int st = status_of_shape(rows[i].ndim, rows[i].shape, rows[i].dtype, &nbytes);
        assert(st == rows[i].status && nbytes == rows[i].nbytes);
    }
}

static void test_limits_of_name_and_meta(void)
{
    static uint8_t many[70000];
    struct fn_array_limits limits = usual_limits();
    struct fn_array_head h = sample(1), back;
    for (size_t n = 1023; n <= 1025; n++) {
        h.name = (struct fn1_view){many, n};
        encode(&h);
        assert(decode(t.bytes, t.len, &limits, &back) == (n <= 1024 ? FN_OK : FN_E_ARRAY_NAME));
    }
    h.name.len = 0;
    for (size_t n = 65535; n <= 65537; n++) {
        h.meta = (struct fn1_view){many, n};
        encode(&h);
        assert(decode(t.bytes, t.len, &limits, &back) == (n <= 65536 ? FN_OK : FN_E_ARRAY_META));
    }
    h.meta.len = 0;
    h.flags = 0;
    encode(&h);
    assert(decode(t.bytes, t.len, &limits, &back) == FN_OK);
    assert(back.name.len == 0 && back.meta.len == 0);
}

static void test_dtypes_inside(void)
{
    static struct text node;
    struct fn_array_limits limits = usual_limits();
    struct fn_array_head h = sample(1), back;
    node.len = 0;
    put_struct(&node, 0, 12, 1);
    put_field(&node, 4, "x", NULL);
    put_atom(&node, "<f8");
    h.dtype = (struct fn1_view){node.bytes, node.len};
    h.shape[0] = 5;
    encode(&h);
    assert(decode(t.bytes, t.len, &limits, &back) == FN_OK);
    assert(back.itemsize == 12 && back.nbytes == 60);
    limits.fields = 0;
    assert(decode(t.bytes, t.len, &limits, &back) == FN_E_ARRAY_FIELDS);
    limits = usual_limits();
    limits.depth = 1;
    assert(decode(t.bytes, t.len, &limits, &back) == FN_E_ARRAY_DEPTH);
    limits = usual_limits();
    limits.bytes = 59;
    assert(decode(t.bytes, t.len, &limits, &back) == FN_E_ARRAY_BYTES);
    h.dtype.len = 0;
    encode(&h);
    assert(decode(t.bytes, t.len, &limits, &back) == FN_E_ARRAY_DTYPE);
    node.len = 0;
    put_atom(&node, "|O8");
    h.dtype = (struct fn1_view){node.bytes, node.len};
    encode(&h);
    assert(decode(t.bytes, t.len, &limits, &back) == FN_E_ARRAY_KIND);
}

int main(void)
{
    test_round_trip();
    test_truncated_at_every_byte();
    test_fields_that_are_wrong();
    test_every_byte_of_every_value();
    test_shapes();
    test_limits_of_name_and_meta();
    test_dtypes_inside();
    return 0;
}
