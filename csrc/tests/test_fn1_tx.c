/* The sending half: what it sends, the receiving half understands. */
#include "feed.h"
#include "wire.h"

static const struct fn1_limits limits = {
    .fragment = 1 << 20, .envelope = 4096, .segments = 16, .message = 1 << 20};

static struct wire w;

/* The message of which the body is cut into frames here. */
static struct {
    struct fn_body *body; /* NULL when there is none */
    uint64_t total;
    uint32_t number;
} cut;

static void stage_cut(struct fn1_tx *tx)
{
    if (!cut.body || fn1_tx_busy(tx))
        return;
    struct fn1_head ping = {.type = FN1_PING};
    uint32_t length = (uint32_t)fn_min64(tx->fragment, cut.body->left);
    uint64_t offset = cut.total - cut.body->left;
    assert(fn1_tx_data(tx, 0, cut.number, offset, cut.body, length) == FN_OK);
    assert(fn1_tx_busy(tx) && fn1_tx_control(tx, &ping) == FN_E_ARGUMENT);
    if (length == cut.body->left)
        cut.body = NULL;
}

/* Sends what is pending, `limit` bytes of body asked for and at most `taken`
 * bytes passed at a time. */
static void drain(struct fn1_tx *tx, int max, size_t limit, size_t taken)
{
    for (stage_cut(tx); fn1_tx_pending(tx); stage_cut(tx)) {
        struct iovec iov[FEED_PIECES];
        int n = fn1_tx_out(tx, iov, max, limit);
        assert(n >= 1 && n <= max);
        assert(tx->out.capacity <= tx->out.cap);
        size_t left = taken, passed = 0;
        for (int i = 0; i < n && left; i++) {
            size_t part = fn_minz(iov[i].iov_len, left);
            wire_put(&w, iov[i].iov_base, part);
            left -= part;
            passed += part;
        }
        assert(passed > 0);
        fn1_tx_sent(tx, passed);
    }
    struct iovec iov;
    assert(fn1_tx_out(tx, &iov, 1, limit) == 0);
}

struct source {
    uint8_t memory[3 * 16384];
    struct fn_walk walk;
    struct fn_body body;
};

/* n bytes: flat, or every third one. */
static void open_source(struct source *s, size_t n, bool strided)
{
    ptrdiff_t shape = (ptrdiff_t)n;
    fill_pattern(s->memory, sizeof s->memory, n + 1);
    assert(fn_walk_init(&s->walk, s->memory, 1, 1, &shape, (ptrdiff_t[]){strided ? 3 : 1}, false) ==
           0);
    assert(fn_body_init(&s->body, &s->walk, 1) == 0);
}

static void open_message(struct fn1_tx *tx, struct source *s, uint32_t number, size_t n,
                         bool strided)
{
    static const struct fn1_view meta[3] = {
        {(const uint8_t *)"meta", 4}, {NULL, 0}, {(const uint8_t *)"data", 4}};
    uint64_t sizes[1] = {n};
    struct fn1_outgoing m = {.message = number,
                             .kind = FN1_KIND_ARRAY,
                             .segments = 1,
                             .sizes = sizes,
                             .meta = meta,
                             .meta_parts = 3};
    open_source(s, n, strided);
    int st = fn1_tx_message(tx, &m, &s->body);
    assert(st == FN_OK || st == FN1_TX_CUT);
    cut.body = st == FN1_TX_CUT ? &s->body : NULL;
    cut.total = n;
    cut.number = number;
}

/* What the receiving half should see of one message: into w2, by hand. */
static void by_hand(struct wire *out, uint32_t number, size_t n, bool strided, uint32_t fragment)
{
    static struct source s;
    uint64_t sizes[1] = {n};
    bool inlined = n <= FN1_INLINE_MAX && 24 + n <= fragment;
    open_source(&s, n, strided);
    uint8_t *flat = malloc(n + 1);
    assert(fn_body_get(&s.body, flat, n) == FN_OK);
    wire_head(out, (struct fn1_head){.type = FN1_MESSAGE,
                                     .flags = inlined ? FN1_INLINE : 0,
                                     .length = (uint32_t)(24 + (inlined ? n : 0)),
                                     .message = number});
    wire_envelope(out, 8, sizes, 1);
    wire_put(out, "metadata", 8);
    if (inlined)
        wire_put(out, flat, n);
    for (size_t at = 0; !inlined && at < n; at += fragment) {
        uint32_t part = (uint32_t)fn_minz(fragment, n - at);
        wire_head(out, (struct fn1_head){
                           .type = FN1_DATA, .length = part, .message = number, .offset = at});
        wire_put(out, flat + at, part);
    }
    fn_walk_fini(&s.walk);
    free(flat);
}

static void test_bytes_of_every_kind_of_body(void)
{
    static const size_t bodies[] = {0, 1, 100, FN1_COPY_MAX, FN1_COPY_MAX + 1, 16000};
    static const uint32_t fragments[] = {100, 1000, 5000, FN1_FRAGMENT_MIN};
    static struct source s;
    static struct wire expected;
    for (size_t i = 0; i < 6 * 4 * 2; i++) {
        size_t n = bodies[i % 6];
        uint32_t fragment = fragments[i / 6 % 4];
        bool strided = i >= 24;
        expected.len = 0;
        by_hand(&expected, 3, n, strided, fragment);
        for (size_t taken = 1; taken <= 40000; taken = taken * 3 + 1) {
            struct fn1_tx tx;
            fn1_tx_init(&tx, fragment, 65536);
            w.len = 0;
            open_message(&tx, &s, 3, n, strided);
            drain(&tx, 1 + (int)(taken % FEED_PIECES), 1 + taken % 5000, taken);
            assert(w.len == expected.len && memcmp(w.bytes, expected.bytes, w.len) == 0);
            fn_walk_fini(&s.walk);
            fn1_tx_fini(&tx);
        }
    }
}

static void test_round_trip(void)
{
    static struct source s[4];
    static struct feed_trace trace;
    struct fn1_preface p = wire_default_preface(FN1_CLIENT);
    struct fn1_tx tx;
    w.len = 0;
    fn1_tx_init(&tx, 700, 65536);
    assert(fn1_tx_preface(&tx, &p) == FN_OK);
    open_message(&tx, &s[0], 0, 60, true); /* many small ones in one buffer */
    open_message(&tx, &s[1], 1, 0, false);
    open_message(&tx, &s[2], 2, 600, false);
    assert(fn1_tx_staged(&tx) == 32 + 3 * (24 + 24) + 660);
    drain(&tx, 8, SIZE_MAX, SIZE_MAX);
    open_message(&tx, &s[3], 3, 2000, true);
    drain(&tx, 2, 900, 333);
    struct fn1_head ping = {.type = FN1_PING, .offset = 5}, bye = {.type = FN1_CLOSE};
    assert(fn1_tx_control(&tx, &ping) == FN_OK && fn1_tx_control(&tx, &bye) == FN_OK);
    drain(&tx, 1, 9, 7);
    struct feed how = {.link = true, .limits = limits, .ahead = 50};
    feed_every_way(&how, w.bytes, w.len, &trace);
    static const int events[] = {FN1_EV_PREFACE, FN1_EV_MESSAGE, FN_LINK_BODY, FN1_EV_MESSAGE,
                                 FN_LINK_BODY,   FN1_EV_MESSAGE, FN_LINK_BODY, FN1_EV_MESSAGE,
                                 FN_LINK_BODY,   FN1_EV_PING,    FN1_EV_CLOSE};
    assert(trace.end == FN_E_MORE && trace.at_boundary && trace.events == 11);
    for (size_t i = 0; i < 11; i++)
        assert(trace.event[i].event == events[i]);
    for (int i = 0; i < 4; i++)
        fn_walk_fini(&s[i].walk);
    fn1_tx_fini(&tx);
}

/* A PONG that falls due after any number of bytes comes at the next boundary
 * of frames, and once. */
static void test_pong_between_frames(void)
{
    static struct source s;
    static struct wire plain;
    for (int i = 0; i < 3; i++) {
        size_t n = (size_t[]){500, FN1_COPY_MAX + 100, 2000}[i];
        uint32_t fragment = i == 1 ? FN1_FRAGMENT_MIN : 600;
        plain.len = 0;
        by_hand(&plain, 3, n, false, fragment);
        for (size_t due = 0; due <= plain.len; due += due < 700 ? 1 : 97) {
            struct fn1_tx tx;
            fn1_tx_init(&tx, fragment, 65536);
            w.len = 0;
            open_message(&tx, &s, 3, n, false);
            while (w.len < due) {
                struct iovec iov[2];
                stage_cut(&tx);
                assert(fn1_tx_out(&tx, iov, 2, 5000) >= 1);
                size_t part = fn_minz(iov[0].iov_len, due - w.len);
                wire_put(&w, iov[0].iov_base, part);
                fn1_tx_sent(&tx, part);
            }
            fn1_tx_answer_ping(&tx, 0xABCD);
            drain(&tx, 8, 5000, 5000);
            assert(w.len == plain.len + FN1_HEAD_SIZE);
            size_t at = 0, pongs = 0;
            while (at < w.len) {
                struct fn1_head h;
                assert(fn1_head_decode(w.bytes + at, w.len - at, &h) == FN1_HEAD_SIZE);
                if (h.type == FN1_PONG) {
                    assert(h.offset == 0xABCD && at + FN1_HEAD_SIZE >= due);
                    memmove(w.bytes + at, w.bytes + at + FN1_HEAD_SIZE, w.len - at - FN1_HEAD_SIZE);
                    w.len -= FN1_HEAD_SIZE;
                    pongs++;
                    continue;
                }
                at += FN1_HEAD_SIZE + h.length;
            }
            assert(pongs == 1 && w.len == plain.len);
            assert(memcmp(w.bytes, plain.bytes, w.len) == 0);
            fn_walk_fini(&s.walk);
            fn1_tx_fini(&tx);
        }
    }
}

/* Fragments of two messages on two streams, in turn, and a control frame
 * between them. */
static void test_interleaving(void)
{
    static struct source s[2];
    static struct wire expected;
    struct fn1_head cancel = {.type = FN1_CANCEL, .stream = 9};
    struct fn1_tx tx;
    fn1_tx_init(&tx, 300, 65536);
    expected.len = w.len = 0;
    for (uint32_t i = 0; i < 2; i++)
        open_source(&s[i], 1000, i == 1);
    for (uint32_t at = 0; at < 1000; at += 300) {
        uint32_t part = at == 900 ? 100 : 300;
        for (uint32_t i = 0; i < 2; i++) {
            uint8_t bytes[300];
            wire_head(&expected, (struct fn1_head){.type = FN1_DATA,
                                                   .stream = i + 1,
                                                   .message = 7 + i,
                                                   .offset = at,
                                                   .length = part});
            for (uint32_t k = 0; k < part; k++)
                bytes[k] = s[i].memory[(at + k) * (i == 1 ? 3 : 1)];
            wire_put(&expected, bytes, part);
            assert(fn1_tx_data(&tx, i + 1, 7 + i, at, &s[i].body, part) == FN_OK);
            assert(fn1_tx_data(&tx, 1, 7, at, &s[0].body, 1) == FN_E_ARGUMENT);
            assert(fn1_tx_error(&tx, 1, "") == FN_E_ARGUMENT);
            drain(&tx, 2, 77, 50);
        }
        wire_head(&expected, cancel);
        assert(fn1_tx_control(&tx, &cancel) == FN_OK);
    }
    drain(&tx, 2, 77, 50);
    assert(w.len == expected.len && memcmp(w.bytes, expected.bytes, w.len) == 0);
    open_source(&s[0], 301, false);
    assert(fn1_tx_data(&tx, 1, 1, 0, &s[0].body, 0) == FN_E_ARGUMENT);
    assert(fn1_tx_data(&tx, 1, 1, 0, &s[0].body, 301) == FN_E_ARGUMENT); /* a fragment is 300 */
    assert(fn1_tx_data(&tx, 1, 1, 0, &s[0].body, 300) == FN_OK);
    fn1_tx_unstage(&tx);
    assert(!fn1_tx_pending(&tx) && !fn1_tx_busy(&tx));
    for (int i = 0; i < 2; i++)
        fn_walk_fini(&s[i].walk);
    fn1_tx_fini(&tx);
}

static void test_staging_is_capped(void)
{
    static struct source s;
    struct fn1_tx tx;
    struct fn1_head ping = {.type = FN1_PING};
    struct fn1_outgoing m = {.kind = 1};
    fn1_tx_init(&tx, FN1_FRAGMENT_MIN, 4 * FN1_HEAD_SIZE);
    open_source(&s, 200, false);
    assert(fn1_tx_message(&tx, &m, &s.body) == FN_E_BUF_CAP);
    assert(!fn1_tx_pending(&tx) && s.body.left == 200); /* nothing was staged */
    open_source(&s, 40, false);
    assert(fn1_tx_message(&tx, &m, &s.body) == FN_OK);
    assert(fn1_tx_message(&tx, &m, &s.body) == FN_E_BUF_CAP);
    fn1_tx_answer_ping(&tx, 1);
    w.len = 0;
    drain(&tx, 2, 100, 10); /* and the room that was kept suffices for the PONG */
    assert(w.len == 24 + 8 + 40 + 24);
    for (int i = 0; i < 6; i++)
        assert(fn1_tx_control(&tx, &ping) == FN_OK);
    assert(fn1_tx_control(&tx, &ping) == FN_E_BUF_CAP);
    fn1_tx_answer_ping(&tx, 2); /* waits until there is room */
    w.len = 0;
    drain(&tx, 1, 100, 48);
    assert(w.len == 7 * FN1_HEAD_SIZE && w.bytes[6 * FN1_HEAD_SIZE] == FN1_PONG);
    fn1_tx_fini(&tx);
    struct fn1_preface p = wire_default_preface(FN1_CLIENT);
    fn1_tx_init(&tx, FN1_FRAGMENT_MIN, 0);
    tx.out.cap = 31;
    assert(fn1_tx_preface(&tx, &p) == FN_E_BUF_CAP);
    assert(fn1_tx_error(&tx, 1, "too long for this") == FN_E_BUF_CAP);
    fn1_tx_fini(&tx);
}

/* After CLOSE and after ERROR nothing may follow, so no PONG does. */
static void test_no_pong_after_the_end(void)
{
    for (int error = 0; error < 2; error++) {
        struct fn1_tx tx;
        struct fn1_head bye = {.type = FN1_CLOSE};
        fn1_tx_init(&tx, FN1_FRAGMENT_MIN, 4096);
        assert((error ? fn1_tx_error(&tx, 1, "") : fn1_tx_control(&tx, &bye)) == FN_OK);
        fn1_tx_answer_ping(&tx, 1);
        w.len = 0;
        drain(&tx, 2, 100, 100);
        fn1_tx_answer_ping(&tx, 2);
        assert(!fn1_tx_pending(&tx) && w.len == FN1_HEAD_SIZE + (error ? 4u : 0u));
        fn1_tx_fini(&tx);
    }
}

/* An envelope is never cut, so it is bounded by what every receiver accepts,
 * however small the fragments of the body are. */
static void test_envelope_larger_than_any_frame(void)
{
    static uint8_t meta[FN1_FRAGMENT_MIN];
    static struct source s;
    struct fn1_view view = {meta, FN1_FRAGMENT_MIN - FN1_ENVELOPE_SIZE + 1};
    struct fn1_outgoing m = {.meta = &view, .meta_parts = 1};
    struct fn1_tx tx;
    fn1_tx_init(&tx, 4096, 2 * FN1_FRAGMENT_MIN);
    open_source(&s, 0, false);
    assert(fn1_tx_message(&tx, &m, &s.body) == FN_E_FN1_ENVELOPE && !fn1_tx_pending(&tx));
    view.len--;
    assert(fn1_tx_message(&tx, &m, &s.body) == FN_OK);
    fn1_tx_fini(&tx);
}

/* Text is cut at 512 bytes, and never inside a character. */
static void test_error_text(void)
{
    static const struct {
        size_t ascii;
        const char *tail;
        size_t len;
    } rows[] = {{0, "", 0},
                {512, "", 512},
                {513, "", 512},
                {510, "\xC3\xA9", 512},
                {511, "\xC3\xA9", 511},
                {511, "\xF0\x9F\x98\x80", 511},
                {509, "\xF0\x9F\x98\x80", 509},
                {508, "\xF0\x9F\x98\x80xyz", 512}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[600];
        struct fn1_tx tx;
        memset(text, 'a', rows[i].ascii);
        memcpy(text + rows[i].ascii, rows[i].tail, strlen(rows[i].tail) + 1);
        fn1_tx_init(&tx, FN1_FRAGMENT_MIN, 4096);
        assert(fn1_tx_error(&tx, FN1_ERR_LIMIT, text) == FN_OK);
        w.len = 0;
        drain(&tx, 1, 1, 4096);
        assert(w.len == FN1_HEAD_SIZE + 4 + rows[i].len);
        assert(fn_load32(w.bytes + 8) == 4 + rows[i].len && w.bytes[0] == FN1_ERROR);
        assert(fn_load32(w.bytes + FN1_HEAD_SIZE) == FN1_ERR_LIMIT);
        assert(memcmp(w.bytes + FN1_HEAD_SIZE + 4, text, rows[i].len) == 0);
        fn1_tx_fini(&tx);
    }
}

int main(void)
{
    test_bytes_of_every_kind_of_body();
    test_round_trip();
    test_pong_between_frames();
    test_interleaving();
    test_staging_is_capped();
    test_no_pong_after_the_end();
    test_envelope_larger_than_any_frame();
    test_error_text();
    return 0;
}
