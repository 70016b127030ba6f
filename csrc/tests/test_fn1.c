/* The layout on the wire: each encoder against its decoder, and each way in
 * which bytes can be wrong. */
#include "wire.h"

#include "fastnet/fn1.h"
#include "fastnet/status.h"

static const struct fn1_limits limits = {
    .fragment = 1 << 20, .envelope = 4096, .segments = 16, .message = 1 << 30};

/* --------------------------------------------------------------------- preface */

/* Decodes from memory that ends where the bytes end. */
static int64_t decode_preface(const uint8_t *in, size_t len, struct fn1_preface *p)
{
    struct guarded g = guarded_copy(in, len, true);
    int64_t st = fn1_preface_decode(g.data, len, p);
    guarded_free(&g);
    return st;
}

static size_t sample_preface(uint8_t out[FN1_PREFACE_MAX])
{
    static uint8_t ext[FN1_EXT_MAX];
    struct fn1_view name = {(const uint8_t *)"arrays", 6}, empty = {NULL, 0};
    int64_t len = fn1_ext_append(ext, 0, 77, empty);
    len = fn1_ext_append(ext, (size_t)len, FN1_EXT_APPLICATION, name);
    assert(len == 4 + 4 + 6);
    struct fn1_preface p = {.vmin = 1,
                            .vmax = 3,
                            .role = FN1_SERVER,
                            .flags = FN1_KEYED,
                            .fragment = 0x12345678,
                            .window = 0x1122334455667788,
                            .message = UINT64_MAX,
                            .extensions = {ext, (size_t)len}};
    return (size_t)fn1_preface_encode(out, &p);
}

static void test_preface_round_trip(void)
{
    uint8_t out[FN1_PREFACE_MAX];
    size_t len = sample_preface(out);
    assert(len == FN1_PREFACE_SIZE + 14 && memcmp(out,
                                                  "\x93"
                                                  "FN1\1\3S\1",
                                                  8) == 0);
    struct fn1_preface p;
    assert(fn1_preface_decode(out, len, &p) == (int64_t)len);
    assert(p.vmin == 1 && p.vmax == 3 && p.role == 'S' && p.flags == FN1_KEYED);
    assert(p.fragment == 0x12345678 && p.window == 0x1122334455667788);
    assert(p.message == UINT64_MAX && p.extensions.data == out + FN1_PREFACE_SIZE);
    struct fn1_view value;
    assert(fn1_ext_find(p.extensions, FN1_EXT_APPLICATION, &value));
    assert(value.len == 6 && memcmp(value.data, "arrays", 6) == 0);
    assert(fn1_ext_find(p.extensions, 77, &value) && value.len == 0);
    assert(!fn1_ext_find(p.extensions, 78, &value));
    for (size_t n = 1; n < len; n++)
        assert(decode_preface(out, n, &p) == FN_E_MORE);
    uint8_t more[FN1_PREFACE_MAX + 8] = {0};
    memcpy(more, out, len);
    assert(fn1_preface_decode(more, len + 8, &p) == (int64_t)len);
}

static void test_wrong_magic_shows_at_once(void)
{
    uint8_t out[FN1_PREFACE_MAX];
    struct fn1_preface p;
    size_t len = sample_preface(out);
    for (size_t i = 0; i < 4; i++) {
        out[i] ^= 0x20;
        for (size_t n = 1; n <= len; n++)
            assert(decode_preface(out, n, &p) == (n <= i ? FN_E_MORE : FN_E_FN1_MAGIC));
        out[i] ^= 0x20;
    }
    assert(decode_preface((const uint8_t *)"GET / HTTP/1.1\r\n", 16, &p) == FN_E_FN1_MAGIC);
}

static void test_malformed_prefaces(void)
{
    static const struct {
        size_t at;
        uint8_t value;
        int status;
    } rows[] = {{4, 0, FN_E_FN1_VERSION},
                {4, 4, FN_E_FN1_VERSION},
                {5, 0, FN_E_FN1_VERSION},
                {6, 'X', FN_E_FN1_ROLE},
                {6, 0, FN_E_FN1_ROLE},
                {7, 2, FN_E_FN1_FLAGS},
                {7, 0xFF, FN_E_FN1_FLAGS},
                {9, 4, FN_E_FN1_PREFACE_SIZE},
                {9, 0xFF, FN_E_FN1_PREFACE_SIZE},
                {10, 1, FN_E_FN1_RESERVED},
                {11, 0x80, FN_E_FN1_RESERVED},
                {15, 0, FN_E_FN1_LENGTH},
                {8, 13, FN_E_FN1_EXTENSION}, /* cuts the last extension */
                {8, 5, FN_E_FN1_EXTENSION},  /* and its head */
                {34, 11, FN_E_FN1_EXTENSION},
                {35, 0xFF, FN_E_FN1_EXTENSION}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t out[FN1_PREFACE_MAX];
        struct fn1_preface p;
        size_t len = sample_preface(out);
        out[rows[i].at] = rows[i].value;
        out[14] = rows[i].at == 15 ? 0x0F : out[14];
        assert(decode_preface(out, len, &p) == rows[i].status);
    }
}

static void test_extensions_of_every_length(void)
{
    uint8_t ext[FN1_EXT_MAX], out[FN1_PREFACE_MAX], value[FN1_EXT_MAX + 1] = {0};
    struct fn1_preface p = wire_default_preface(FN1_CLIENT);
    for (size_t n = 0; n <= FN1_EXT_MAX; n++) {
        struct fn1_view v = {value, n};
        int64_t len = fn1_ext_append(ext, 0, 9, v);
        assert(len == (n + 4 <= FN1_EXT_MAX ? (int64_t)n + 4 : FN_E_ARGUMENT));
        if (len < 0)
            continue;
        p.extensions = (struct fn1_view){ext, (size_t)len};
        assert(fn1_preface_encode(out, &p) == FN1_PREFACE_SIZE + len);
        struct fn1_preface q;
        assert(decode_preface(out, (size_t)(FN1_PREFACE_SIZE + len), &q) > 0);
        assert(q.extensions.len == (size_t)len);
    }
    struct fn1_view large = {value, SIZE_MAX}, none = {value, 0};
    assert(fn1_ext_append(ext, 0, 9, large) == FN_E_ARGUMENT);
    assert(fn1_ext_append(ext, FN1_EXT_MAX - 3, 9, none) == FN_E_ARGUMENT);
    assert(fn1_ext_append(ext, FN1_EXT_MAX - 4, 9, none) == FN1_EXT_MAX);
    p.extensions = (struct fn1_view){value, FN1_EXT_MAX + 1};
    assert(fn1_preface_encode(out, &p) == FN_E_ARGUMENT);
}

/* fn1_ext_find alone, on bytes that nobody has checked. */
static void test_find_stops_at_broken_extensions(void)
{
    struct fn1_view value;
    for (size_t n = 0; n < 8; n++) {
        struct guarded g = guarded_copy("\x01\x00\x05\x00\xAA\xBB\xCC\xDD", n, true);
        assert(!fn1_ext_find((struct fn1_view){g.data, n}, 1, &value));
        guarded_free(&g);
    }
}

static void test_versions(void)
{
    static const struct {
        uint8_t a[2], b[2];
        int version;
    } rows[] = {{{1, 1}, {1, 1}, 1},
                {{1, 3}, {2, 9}, 3},
                {{1, 200}, {1, 255}, 200},
                {{1, 2}, {3, 4}, FN_E_FN1_VERSION},
                {{2, 255}, {1, 1}, FN_E_FN1_VERSION}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fn1_preface a = {.vmin = rows[i].a[0], .vmax = rows[i].a[1]};
        struct fn1_preface b = {.vmin = rows[i].b[0], .vmax = rows[i].b[1]};
        assert(fn1_preface_version(&a, &b) == rows[i].version);
        assert(fn1_preface_version(&b, &a) == rows[i].version);
    }
}

/* ------------------------------------------------------------------------ head */

static int64_t decode_head(const uint8_t *in, size_t len, struct fn1_head *h)
{
    struct guarded g = guarded_copy(in, len, true);
    int64_t st = fn1_head_decode(g.data, len, h);
    guarded_free(&g);
    return st;
}

static void test_head_round_trip(void)
{
    static const uint8_t types[] = {1, 2, 3, 4, 5, 6, 7, 8, 128, 200, 255};
    for (size_t i = 0; i < sizeof types; i++) {
        bool fixed = types[i] >= FN1_CREDIT && types[i] <= FN1_CLOSE;
        struct fn1_head h = {.type = types[i],
                             .flags = types[i] == FN1_MESSAGE || types[i] >= 128 ? FN1_INLINE : 0,
                             .stream = 0x01020304,
                             .length = !fixed                  ? 0x05060708
                                       : types[i] == FN1_ERROR ? 9
                                                               : 0,
                             .message = 0xA1A2A3A4,
                             .offset = 0x1112131415161718};
        uint8_t out[FN1_HEAD_SIZE];
        struct fn1_head back;
        fn1_head_encode(out, &h);
        assert(decode_head(out, sizeof out, &back) == FN1_HEAD_SIZE);
        assert(back.type == h.type && back.flags == h.flags && back.stream == h.stream);
        assert(back.length == h.length && back.message == h.message && back.offset == h.offset);
        for (size_t n = 0; n < sizeof out; n++)
            assert(decode_head(out, n, &back) == FN_E_MORE);
        out[2] = 1;
        assert(decode_head(out, sizeof out, &back) == FN_E_FN1_RESERVED);
        out[2] = 0, out[3] = 1;
        assert(decode_head(out, sizeof out, &back) == FN_E_FN1_RESERVED);
    }
}

static int head_status(uint8_t type, uint8_t flags, uint32_t length)
{
    struct fn1_head h = {.type = type, .flags = flags, .length = length}, back;
    uint8_t out[FN1_HEAD_SIZE];
    fn1_head_encode(out, &h);
    return (int)fn1_head_decode(out, sizeof out, &back);
}

static void test_types_flags_and_lengths(void)
{
    for (int type = 0; type < 256; type++) {
        bool unknown = type == 0 || (type > FN1_AUTH && type < FN1_SKIPPABLE);
        uint32_t length = type == FN1_MESSAGE || type == FN1_DATA || type == FN1_ERROR ? 8 : 0;
        if (type == FN1_AUTH)
            length = FN1_AUTH_SIZE;
        uint8_t t = (uint8_t)type;
        assert(head_status(t, 0, length) == (unknown ? FN_E_FN1_TYPE : FN1_HEAD_SIZE));
        bool any = type >= FN1_SKIPPABLE;
        bool one = any || type == FN1_MESSAGE || type == FN1_CANCEL;
        if (unknown)
            continue;
        assert(head_status(t, 1, length) == (one ? FN1_HEAD_SIZE : FN_E_FN1_FLAGS));
        assert(head_status(t, 2, length) == (any ? FN1_HEAD_SIZE : FN_E_FN1_FLAGS));
        assert(head_status(t, 0x80, length) == (any ? FN1_HEAD_SIZE : FN_E_FN1_FLAGS));
        if (type >= FN1_CREDIT && type <= FN1_CLOSE && type != FN1_ERROR)
            assert(head_status(t, 0, 1) == FN_E_FN1_LENGTH);
    }
    assert(head_status(FN1_MESSAGE, 0, FN1_ENVELOPE_SIZE - 1) == FN_E_FN1_LENGTH);
    assert(head_status(FN1_MESSAGE, 0, UINT32_MAX) == FN1_HEAD_SIZE);
    assert(head_status(FN1_DATA, 0, 0) == FN_E_FN1_LENGTH);
    assert(head_status(FN1_AUTH, 0, FN1_AUTH_SIZE - 1) == FN_E_FN1_LENGTH);
    assert(head_status(FN1_AUTH, 0, FN1_AUTH_SIZE + 1) == FN_E_FN1_LENGTH);
    assert(head_status(FN1_ERROR, 0, 3) == FN_E_FN1_LENGTH);
    assert(head_status(FN1_ERROR, 0, 4) == FN1_HEAD_SIZE);
    assert(head_status(FN1_ERROR, 0, 4 + FN1_ERROR_TEXT) == FN1_HEAD_SIZE);
    assert(head_status(FN1_ERROR, 0, 5 + FN1_ERROR_TEXT) == FN_E_FN1_LENGTH);
}

/* -------------------------------------------------------------------- envelope */

static int64_t decode_envelope(const uint8_t *in, size_t len, struct fn1_envelope *e)
{
    struct guarded g = guarded_copy(in, len, true);
    int64_t st = fn1_envelope_decode(g.data, len, &limits, e);
    guarded_free(&g);
    return st;
}

static void test_envelope_round_trip(void)
{
    for (uint16_t segments = 0; segments <= 16; segments++) {
        uint8_t out[4096];
        uint64_t sizes[16], body = 0;
        for (size_t i = 0; i < segments; i++)
            body += sizes[i] = i * i * 100003;
        size_t len = fn1_envelope_encode(out, FN1_KIND_RPC, 5, sizes, segments);
        assert(len == FN1_ENVELOPE_SIZE + 8u * segments);
        memcpy(out + len, "hello", 5);
        struct fn1_envelope e;
        assert(fn1_envelope_decode(out, len + 5, &limits, &e) == (int64_t)len + 5);
        assert(e.kind == FN1_KIND_RPC && e.segments == segments && e.body == body);
        assert(e.meta.len == 5 && memcmp(e.meta.data, "hello", 5) == 0);
        for (size_t i = 0; i < segments; i++)
            assert(fn1_envelope_segment(&e, i) == sizes[i]);
        for (size_t n = 0; n < len + 5; n++)
            assert(decode_envelope(out, n, &e) == FN_E_MORE);
    }
}

static void test_envelopes_beyond_the_limits(void)
{
    uint8_t out[4096];
    struct fn1_envelope e;
    uint64_t sizes[16] = {0};
    fn1_envelope_encode(out, 1, 0, sizes, 16);
    fn_store16(out + 4, 17);
    assert(decode_envelope(out, 8, &e) == FN_E_FN1_SEGMENTS);
    fn_store16(out + 4, UINT16_MAX);
    assert(decode_envelope(out, 8, &e) == FN_E_FN1_SEGMENTS);
    fn_store16(out + 4, 2);
    fn_store32(out, 4096 - 24);
    assert(fn1_envelope_length(out, 8, &limits) == 4096);
    fn_store32(out, 4096 - 23);
    assert(decode_envelope(out, 8, &e) == FN_E_FN1_ENVELOPE);
    fn_store32(out, UINT32_MAX);
    assert(decode_envelope(out, 8, &e) == FN_E_FN1_ENVELOPE);

    sizes[0] = 1 << 30;
    fn1_envelope_encode(out, 1, 0, sizes, 2);
    assert(decode_envelope(out, 24, &e) == 24 && e.body == 1 << 30);
    sizes[1] = 1;
    fn1_envelope_encode(out, 1, 0, sizes, 2);
    assert(decode_envelope(out, 24, &e) == FN_E_FN1_MESSAGE);
    sizes[1] = UINT64_MAX;
    fn1_envelope_encode(out, 1, 0, sizes, 2);
    assert(decode_envelope(out, 24, &e) == FN_E_OVERFLOW);
}

int main(void)
{
    test_preface_round_trip();
    test_wrong_magic_shows_at_once();
    test_malformed_prefaces();
    test_extensions_of_every_length();
    test_find_stops_at_broken_extensions();
    test_versions();
    test_head_round_trip();
    test_types_flags_and_lengths();
    test_envelope_round_trip();
    test_envelopes_beyond_the_limits();
    return 0;
}
