/* Descriptions of dtypes: those that are allowed, and each way to be wrong. */
#include "describe.h"

static struct text t;

static int status_of(uint64_t *itemsize)
{
    struct fn_array_limits limits = usual_limits();
    return check_dtype(&t, t.len, &limits, itemsize);
}

/* The description in hand has this itemsize; every part of it is needed, and
 * nothing may follow. */
static void accept(uint64_t itemsize)
{
    struct fn_array_limits limits = usual_limits();
    uint64_t got = 0;
    assert(status_of(&got) == FN_OK && got == itemsize);
    for (size_t n = 0; n < t.len; n += n < 300 ? 1 : 997)
        assert(check_dtype(&t, n, &limits, &got) < 0);
    put(&t, "", 1);
    assert(status_of(&got) == FN_E_ARRAY_DTYPE);
}

static void refuse(int status)
{
    uint64_t itemsize;
    assert(status_of(&itemsize) == status);
}

/* ----------------------------------------------------------------------- atoms */

static void test_atoms(void)
{
    static const struct {
        const char *text;
        int64_t result; /* the itemsize or a status */
    } rows[] = {
        {"|b1", 1},
        {"|i1", 1},
        {"<i2", 2},
        {">i4", 4},
        {"<i8", 8},
        {"|u1", 1},
        {"<u8", 8},
        {"<f2", 2},
        {"<f4", 4},
        {">f8", 8},
        {"<c8", 8},
        {"<c16", 16},
        {"<m8", 8},
        {"<M8[ns]", 8},
        {"<M8[25s]", 8},
        {">m8[2147483647as]", 8},
        {"<M8[Y]", 8},
        {"|S0", 0},
        {"|S5", 5},
        {"|S2147483647", INT32_MAX},
        {"<U7", 28},
        {"<U536870911", 4ll * 536870911},
        {"|V12", 12},
        {"|V0", 0},
        /* kinds that may not be sent */
        {"|O8", FN_E_ARRAY_KIND},
        {"|O", FN_E_ARRAY_DTYPE},
        {"|T16", FN_E_ARRAY_KIND},
        {"<g16", FN_E_ARRAY_KIND},
        {"|P8", FN_E_ARRAY_KIND},
        {"<t4", FN_E_ARRAY_KIND},
        {"|a5", FN_E_ARRAY_KIND},
        /* sizes that a kind does not have */
        {"|b2", FN_E_ARRAY_ITEMSIZE},
        {"<i3", FN_E_ARRAY_ITEMSIZE},
        {"<i0", FN_E_ARRAY_ITEMSIZE},
        {"<u16", FN_E_ARRAY_ITEMSIZE},
        {"<f1", FN_E_ARRAY_ITEMSIZE},
        {"<f16", FN_E_ARRAY_ITEMSIZE},
        {"<c4", FN_E_ARRAY_ITEMSIZE},
        {"<c32", FN_E_ARRAY_ITEMSIZE},
        {"<m4", FN_E_ARRAY_ITEMSIZE},
        {"<M16[s]", FN_E_ARRAY_ITEMSIZE},
        {"|S2147483648", FN_E_ARRAY_ITEMSIZE},
        {"<U536870912", FN_E_ARRAY_ITEMSIZE},
        {"|V9999999999", FN_E_ARRAY_ITEMSIZE},
        /* text that is no typestring */
        {"", FN_E_ARRAY_DTYPE},
        {"<", FN_E_ARRAY_DTYPE},
        {"<i", FN_E_ARRAY_DTYPE},
        {"=i4", FN_E_ARRAY_DTYPE},
        {"!i4", FN_E_ARRAY_DTYPE},
        {"i4", FN_E_ARRAY_DTYPE},
        {"<i04", FN_E_ARRAY_DTYPE},
        {"<i4 ", FN_E_ARRAY_DTYPE},
        {"<i+4", FN_E_ARRAY_DTYPE},
        {"<i-4", FN_E_ARRAY_DTYPE},
        {"|S99999999999", FN_E_ARRAY_DTYPE},
        {"|S18446744073709551621", FN_E_ARRAY_DTYPE},
        {"<f8[s]", FN_E_ARRAY_DTYPE},
        {"<M8[", FN_E_ARRAY_DTYPE},
        {"<M8]", FN_E_ARRAY_DTYPE},
        {"<M8[]", FN_E_ARRAY_DTYPE},
        {"<M8[2]", FN_E_ARRAY_DTYPE},
        {"<M8[s", FN_E_ARRAY_DTYPE},
        {"<M8[x]", FN_E_ARRAY_DTYPE},
        {"<M8[0s]", FN_E_ARRAY_DTYPE},
        {"<M8[01s]", FN_E_ARRAY_DTYPE},
        {"<M8[2147483648s]", FN_E_ARRAY_DTYPE},
        {"<M8[99999999999s]", FN_E_ARRAY_DTYPE},
        {"<M8[s]]", FN_E_ARRAY_DTYPE},
        {"<M8[s][s]", FN_E_ARRAY_DTYPE},
        {"<M8[s/2]", FN_E_ARRAY_DTYPE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        t.len = 0;
        put_atom(&t, rows[i].text);
        if (rows[i].result >= 0)
            accept((uint64_t)rows[i].result);
        else
            refuse((int)rows[i].result);
    }
    t.len = 0;
    put(&t, "a\5<i4\0\0", 7); /* NUL is no end */
    refuse(FN_E_ARRAY_DTYPE);
}

static void test_every_kind_of_atom(void)
{
    for (int kind = 1; kind < 256; kind++) {
        char text[4] = {'|', (char)kind, '8', 0};
        uint64_t itemsize = 0;
        t.len = 0;
        put_atom(&t, text);
        int st = status_of(&itemsize);
        assert(strchr("biufcmMSUV", kind) ? st != FN_E_ARRAY_KIND : st == FN_E_ARRAY_KIND);
    }
}

static void test_every_tag(void)
{
    for (int tag = 0; tag < 256; tag++) {
        t.len = 0;
        put_number(&t, (uint64_t)tag, 1);
        refuse(FN_E_ARRAY_DTYPE);
        put(&t, "\3<i4", 4);
        refuse(tag == 'a' ? FN_OK : FN_E_ARRAY_DTYPE);
    }
}

static void test_named(void)
{
    static const struct {
        char order;
        uint32_t itemsize;
        const char *name;
        int status;
    } rows[] = {{'<', 2, "bfloat16", FN_OK},
                {'|', 1, "float8_e4m3fn", FN_OK},
                {'>', INT32_MAX, "a.B:9", FN_OK},
                {'=', 2, "bfloat16", FN_E_ARRAY_DTYPE},
                {'<', 0, "bfloat16", FN_E_ARRAY_ITEMSIZE},
                {'<', 1u << 31, "bfloat16", FN_E_ARRAY_ITEMSIZE},
                {'<', 2, "", FN_E_ARRAY_DTYPE},
                {'<', 2, "os system", FN_E_ARRAY_DTYPE},
                {'<', 2, "a/b", FN_E_ARRAY_DTYPE},
                {'<', 2, "caf\xC3\xA9", FN_E_ARRAY_DTYPE},
                {'<', 2, "x\n", FN_E_ARRAY_DTYPE}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        t.len = 0;
        put_named(&t, rows[i].order, rows[i].itemsize, rows[i].name);
        if (rows[i].status == FN_OK)
            accept(rows[i].itemsize);
        else
            refuse(rows[i].status);
    }
}

/* -------------------------------------------------------------------- the tree */

static void test_subarrays(void)
{
    static const struct {
        uint8_t ndim;
        uint32_t extents[3];
        int64_t result; /* of elements of four bytes */
    } rows[] = {{1, {3}, 12},
                {3, {2, 3, 4}, 96},
                {2, {0, 5}, 0},
                {1, {536870911}, 4ll * 536870911},
                {1, {536870912}, FN_E_ARRAY_ITEMSIZE},
                {2, {65536, 65536}, FN_E_ARRAY_ITEMSIZE},
                {3, {UINT32_MAX, UINT32_MAX, 4}, FN_E_ARRAY_ITEMSIZE},
                {2, {0, 1u << 31}, FN_E_ARRAY_ITEMSIZE},
                {0, {0}, FN_E_ARRAY_DTYPE}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        t.len = 0;
        put_subarray(&t, rows[i].ndim, rows[i].extents);
        put_atom(&t, "<f4");
        if (rows[i].result >= 0)
            accept((uint64_t)rows[i].result);
        else
            refuse((int)rows[i].result);
    }
    uint32_t ones[255];
    for (int i = 0; i < 255; i++)
        ones[i] = 1;
    for (int ndim = 64; ndim <= 255; ndim += 191) {
        t.len = 0;
        put_subarray(&t, (uint8_t)ndim, ones);
        put_atom(&t, "<f4");
        if (ndim == 64)
            accept(4);
        else
            refuse(FN_E_ARRAY_NDIM);
    }
}

static void test_structures(void)
{
    t.len = 0;
    put_struct(&t, 1, 40, 3);
    put_field(&t, 0, "x", NULL);
    put_atom(&t, "<f8");
    put_field(&t, 8, "", "a title");
    put_subarray(&t, 1, (uint32_t[]){3});
    put_struct(&t, 0, 8, 1);
    put_field(&t, 4, "inner", "");
    put_named(&t, '<', 2, "bfloat16");
    put_field(&t, 0, "overlapping", NULL);
    put_atom(&t, "|V40");
    accept(40);
    t.len = 0;
    put_struct(&t, 0, 0, 0);
    accept(0);
    t.len = 0;
    put_struct(&t, 0, INT32_MAX, 0);
    accept(INT32_MAX);
}

static void test_structures_that_lie(void)
{
    static const struct {
        uint32_t itemsize, offset;
        int status;
    } rows[] = {{8, 0, FN_OK},
                {9, 1, FN_OK},
                {7, 0, FN_E_ARRAY_ITEMSIZE},
                {8, 1, FN_E_ARRAY_ITEMSIZE},
                {0, 0, FN_E_ARRAY_ITEMSIZE},
                {8, UINT32_MAX, FN_E_ARRAY_ITEMSIZE},
                {8, UINT32_MAX - 7, FN_E_ARRAY_ITEMSIZE},
                {UINT32_MAX, 0, FN_E_ARRAY_ITEMSIZE},
                {1u << 31, 0, FN_E_ARRAY_ITEMSIZE}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        t.len = 0;
        put_struct(&t, 0, rows[i].itemsize, 1);
        put_field(&t, rows[i].offset, "x", NULL);
        put_atom(&t, "<f8");
        refuse(rows[i].status);
    }
    for (unsigned flags = 2; flags < 256; flags *= 2) {
        t.len = 0;
        put_struct(&t, (uint8_t)flags, 8, 0);
        refuse(FN_E_ARRAY_DTYPE);
    }
    for (int title = 0; title < 2; title++) { /* a name or title beyond the end */
        t.len = 0;
        put_struct(&t, 0, 8, 1);
        put_number(&t, title ? 0 : 65535, 2);
        put_number(&t, 65534, 2);
        put_number(&t, 0, 4);
        put_atom(&t, "<f8");
        refuse(FN_E_ARRAY_DTYPE);
    }
    t.len = 0; /* an object, however deep */
    put_struct(&t, 0, 8, 1);
    put_field(&t, 0, "x", NULL);
    put_subarray(&t, 1, (uint32_t[]){1});
    put_atom(&t, "|O8");
    refuse(FN_E_ARRAY_KIND);
}

static void test_thousands_of_fields(void)
{
    for (uint16_t fields = 1023; fields <= 1025; fields++) {
        t.len = 0;
        put_struct(&t, 0, 1, fields);
        for (int i = 0; i < fields; i++) {
            put_field(&t, 0, "f", NULL);
            put_atom(&t, "|u1");
        }
        if (fields <= 1024)
            accept(1);
        else
            refuse(FN_E_ARRAY_FIELDS);
    }
    t.len = 0; /* announced alone is enough */
    put_struct(&t, 0, 1, 65535);
    refuse(FN_E_ARRAY_FIELDS);
    t.len = 0; /* 32 fields of 32 fields each: together they are too many */
    put_struct(&t, 0, 1, 32);
    for (int i = 0; i < 32; i++) {
        put_field(&t, 0, "f", NULL);
        put_struct(&t, 0, 1, 32);
        for (int k = 0; k < 32; k++) {
            put_field(&t, 0, "f", NULL);
            put_atom(&t, "|u1");
        }
    }
    refuse(FN_E_ARRAY_FIELDS);
}

/* depth dtypes inside one another, of two kinds in turn. */
static void nest(int depth)
{
    t.len = 0;
    for (int i = 1; i < depth; i++) {
        if (i % 2) {
            put_subarray(&t, 1, (uint32_t[]){1});
            continue;
        }
        put_struct(&t, 0, 4, 1);
        put_field(&t, 0, "", NULL);
    }
    put_atom(&t, "<f4");
}

static void test_depth(void)
{
    struct fn_array_limits limits = usual_limits();
    uint64_t itemsize;
    for (uint32_t allowed = 0; allowed <= 40; allowed++) {
        uint32_t most = allowed < FN_DTYPE_DEPTH_MAX ? allowed : FN_DTYPE_DEPTH_MAX;
        limits.depth = allowed;
        for (int depth = 1; depth <= 42; depth++) {
            nest(depth);
            int st = check_dtype(&t, t.len, &limits, &itemsize);
            assert(st == ((uint32_t)depth <= most ? FN_OK : FN_E_ARRAY_DEPTH));
        }
    }
    limits.depth = UINT32_MAX;
    nest(30000); /* as deep as 65,535 bytes can say, and more */
    assert(check_dtype(&t, t.len, &limits, &itemsize) == FN_E_ARRAY_DEPTH);
}

int main(void)
{
    test_atoms();
    test_every_kind_of_atom();
    test_every_tag();
    test_named();
    test_subarrays();
    test_structures();
    test_structures_that_lie();
    test_thousands_of_fields();
    test_depth();
    return 0;
}
