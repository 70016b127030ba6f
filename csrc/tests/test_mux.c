/* Two muxes that talk through memory: every order, every cut, and what they refuse. */
#include "muxfeed.h"

static const struct fn1_limits LIMITS = {
    .fragment = 1 << 20, .envelope = 4096, .segments = 8, .message = MUXFEED_BODY};

struct outgoing {
    struct fn_mux_out out;
    struct fn_walk walk;
    struct fn_body body;
    uint64_t size;
    uint8_t meta[4];
    uint8_t *memory;
};

static void send_large(struct muxfeed *f, struct outgoing *o, size_t len, uint8_t seed)
{
    memset(o, 0, sizeof *o);
    o->memory = malloc(len);
    for (size_t i = 0; i < len; i++)
        o->memory[i] = (uint8_t)(seed + i * 7);
    fn_walk_init_flat(&o->walk, o->memory, len);
    fn_body_init(&o->body, &o->walk, 1);
    o->size = len;
    memset(o->meta, seed, sizeof o->meta);
    o->out = (struct fn_mux_out){.kind = FN1_KIND_RPC,
                                 .segments = 1,
                                 .sizes = &o->size,
                                 .meta = {o->meta, sizeof o->meta},
                                 .body = &o->body,
                                 .token = o};
    assert(fn_mux_send(&f->mux, &o->out) == FN_OK);
}

static int send_small(struct muxfeed *f, const char *text)
{
    struct fn1_view meta = {(const uint8_t *)text, strlen(text)};
    return fn_mux_message(&f->mux, FN1_KIND_RPC, &meta, 1, NULL, 0, NULL);
}

/* Moves what there is, in pieces, until nothing moves any more. */
static void talk(struct muxfeed *a, struct muxfeed *b, size_t piece)
{
    static uint8_t bytes[1 << 16];
    size_t n, m;
    do {
        n = muxfeed_out(a, bytes, fn_minz(piece * 3 + 1, sizeof bytes));
        assert(muxfeed_bytes(b, bytes, n, piece) == FN_E_MORE);
        m = muxfeed_out(b, bytes, fn_minz(piece * 5 + 1, sizeof bytes));
        assert(muxfeed_bytes(a, bytes, m, piece) == FN_E_MORE);
    } while (n || m);
}

static int spent(struct muxfeed *f, int result)
{
    int count = 0;
    struct fn_mux_out *out = fn_mux_take_spent(&f->mux);
    for (; out; out = out->next, count++) {
        assert(out->result == result && out->state == FN_MUX_SPENT);
        free(((struct outgoing *)out->token)->memory);
    }
    return count;
}

static void open_pair(struct muxfeed *a, struct muxfeed *b, size_t ahead)
{
    muxfeed_init(a, FN1_CLIENT, LIMITS, ahead);
    muxfeed_init(b, FN1_SERVER, LIMITS, ahead);
}

static void test_everything_arrives(void)
{
    static const size_t pieces[] = {1, 7, 100, 4096, 60000}, aheads[] = {0, 64, 8192};
    static struct muxfeed a, b;
    for (size_t i = 0; i < 15; i++) {
        struct outgoing o[5];
        open_pair(&a, &b, aheads[i % 3]);
        send_large(&a, &o[0], 200000, 1);
        assert(send_small(&a, "one") == FN_OK);
        send_large(&a, &o[1], 70000, 2);
        send_large(&a, &o[2], 9000, 3);
        send_large(&b, &o[3], 100000, 4);
        assert(send_small(&b, "two") == FN_OK);
        send_large(&a, &o[4], FN1_INLINE_MAX, 5);
        talk(&a, &b, pieces[i % 5]);
        assert(spent(&a, FN_OK) == 4 && spent(&b, FN_OK) == 1);
        assert(b.events == 1 + 4 * 2 + 1 && a.events == 1 + 2 + 1);
        assert(fn_mux_at_boundary(&a.mux) && fn_mux_at_boundary(&b.mux));
        assert(!fn_mux_pending(&a.mux) && !fn_mux_pending(&b.mux));
        muxfeed_fini(&a);
        muxfeed_fini(&b);
    }
}

/* A small message waits for one fragment at most, and is not lost meanwhile. */
static void test_small_ones_overtake(void)
{
    static struct muxfeed a, b;
    static uint8_t bytes[1 << 16];
    struct outgoing o;
    open_pair(&a, &b, 4096);
    send_large(&a, &o, 500000, 1);
    size_t n = muxfeed_out(&a, bytes, sizeof bytes);
    muxfeed_bytes(&b, bytes, n, n);
    n = muxfeed_out(&b, bytes, sizeof bytes);
    muxfeed_bytes(&a, bytes, n, n);
    n = muxfeed_out(&a, bytes, 1000); /* inside a fragment */
    assert(n == 1000 && fn1_tx_busy(&a.mux.tx));
    muxfeed_bytes(&b, bytes, n, n);
    int before = b.events;
    assert(send_small(&a, "quick") == FN_OK && fn_mux_backlog(&a.mux) > 0);
    n = muxfeed_out(&a, bytes, 4096);
    muxfeed_bytes(&b, bytes, n, n);
    assert(b.events == before + 1 && b.place[1].body.left > 400000);
    talk(&a, &b, 4096);
    assert(spent(&a, FN_OK) == 1);
    muxfeed_fini(&a);
    muxfeed_fini(&b);
}

/* More messages than streams: the rest waits its turn. */
static void test_streams_run_out(void)
{
    static struct muxfeed a, b;
    static struct outgoing o[FN_MUX_STREAMS + 20];
    open_pair(&a, &b, 4096);
    for (int i = 0; i < FN_MUX_STREAMS + 20; i++)
        send_large(&a, &o[i], FN1_INLINE_MAX + 1 + (size_t)i, (uint8_t)i);
    talk(&a, &b, 4096);
    assert(spent(&a, FN_OK) == FN_MUX_STREAMS + 20);
    muxfeed_fini(&a);
    muxfeed_fini(&b);
}

static void test_refusals_and_cancels(void)
{
    static struct muxfeed a, b;
    struct outgoing o[4];
    open_pair(&a, &b, 4096);
    b.refuse_mod = 2;
    for (int i = 0; i < 4; i++)
        send_large(&a, &o[i], 100000, (uint8_t)i);
    talk(&a, &b, 4096);
    int refused = 0;
    for (struct fn_mux_out *s = fn_mux_take_spent(&a.mux); s; s = s->next) {
        refused += s->result == -ECANCELED;
        free(((struct outgoing *)s->token)->memory);
    }
    assert(refused == 2 && fn_mux_at_boundary(&b.mux));
    /* the sender's own change of mind, before and after the envelope */
    send_large(&a, &o[0], 100000, 1);
    fn_mux_cancel(&a.mux, &o[0].out);
    talk(&a, &b, 4096);
    assert(spent(&a, -ECANCELED) == 1);
    b.refuse_mod = 0;
    send_large(&a, &o[1], 100000, 1);
    static uint8_t bytes[1 << 16];
    size_t n = muxfeed_out(&a, bytes, sizeof bytes);
    muxfeed_bytes(&b, bytes, n, n);
    fn_mux_cancel(&a.mux, &o[1].out);
    int before = b.events;
    talk(&a, &b, 4096);
    assert(spent(&a, -ECANCELED) == 1 && b.events == before + 1); /* GONE */
    assert(fn_mux_at_boundary(&b.mux));
    muxfeed_fini(&a);
    muxfeed_fini(&b);
}

static void test_the_end(void)
{
    static struct muxfeed a, b;
    struct outgoing o[2];
    open_pair(&a, &b, 4096);
    send_large(&a, &o[0], 100000, 1);
    send_large(&a, &o[1], 1000, 1);
    fn_mux_fail(&a.mux, FN_E_EOF);
    assert(spent(&a, FN_E_EOF) == 2);
    assert(send_small(&a, "late") == FN_E_EOF);
    assert(fn_mux_close(&b.mux) == FN_OK && send_small(&b, "late") == FN_E_CLOSED);
    muxfeed_fini(&a);
    muxfeed_fini(&b);
    /* too much waits */
    open_pair(&a, &b, 4096);
    static char text[4000];
    memset(text, 'x', sizeof text - 1);
    int st = FN_OK;
    for (int i = 0; st == FN_OK && i < 1000; i++)
        st = send_small(&a, text);
    assert(st == FN_E_BUF_CAP);
    talk(&a, &b, 4096);
    assert(send_small(&a, text) == FN_OK);
    muxfeed_fini(&a);
    muxfeed_fini(&b);
}

/* ------------------------------------------------------------------ by hand */

static size_t put(uint8_t *out, uint8_t type, uint8_t flags, uint32_t stream, uint32_t length,
                  uint32_t message, uint64_t offset)
{
    struct fn1_head h = {.type = type,
                         .flags = flags,
                         .stream = stream,
                         .length = length,
                         .message = message,
                         .offset = offset};
    fn1_head_encode(out, &h);
    return FN1_HEAD_SIZE;
}

static size_t put_preface(uint8_t *out)
{
    uint8_t ext[64];
    int64_t n = fn1_ext_append(ext, 0, FN1_EXT_APPLICATION, (struct fn1_view){(uint8_t *)"rpc", 3});
    struct fn1_preface p = {.vmin = 1,
                            .vmax = 1,
                            .role = FN1_CLIENT,
                            .fragment = 1 << 20,
                            .message = 1 << 20,
                            .extensions = {ext, (size_t)n}};
    return (size_t)fn1_preface_encode(out, &p);
}

static size_t put_open(uint8_t *out, uint32_t stream, uint64_t size)
{
    size_t n = put(out, FN1_MESSAGE, 0, stream, FN1_ENVELOPE_SIZE + 8, 0, 0);
    return n + fn1_envelope_encode(out + n, FN1_KIND_RPC, 0, &size, 1);
}

/* What a server answers to frames behind a preface, whole and byte by byte. */
static int answer(const uint8_t *frames, size_t len)
{
    static struct muxfeed b;
    static uint8_t bytes[8192];
    int first = 0;
    for (int round = 0; round < 2; round++) {
        size_t n = put_preface(bytes);
        memcpy(bytes + n, frames, len);
        n += len;
        struct guarded g = guarded_copy(bytes, n, true);
        muxfeed_init(&b, FN1_SERVER, LIMITS, 4096);
        int st = muxfeed_bytes(&b, g.data, n, round ? 1 : n);
        muxfeed_fini(&b);
        guarded_free(&g);
        assert(round == 0 || st == first);
        first = st;
    }
    return first;
}

static void test_what_is_refused(void)
{
    uint8_t f[4096];
    size_t n;
    n = put_open(f, 0, 10); /* stream 0 carries whole messages */
    assert(answer(f, n) == FN_E_FN1_STREAM);
    n = put_open(f, FN_MUX_STREAMS + 1, 10);
    assert(answer(f, n) == FN_E_FN1_STREAM);
    n = put_open(f, 5, 10); /* twice on one stream */
    n += put_open(f + n, 5, 10);
    assert(answer(f, n) == FN_E_FN1_ORDER);
    n = put(f, FN1_DATA, 0, 5, 4, 0, 0); /* nothing is open */
    assert(answer(f, n) == FN_E_FN1_STREAM);
    n = put_open(f, 5, 100000); /* beyond the credit of 16384 */
    n += put(f + n, FN1_DATA, 0, 5, 16385, 0, 0);
    assert(answer(f, n) == FN_E_FN1_WINDOW);
    n = put_open(f, 5, 100); /* beyond the body */
    n += put(f + n, FN1_DATA, 0, 5, 101, 0, 0);
    assert(answer(f, n) == FN_E_FN1_LENGTH);
    n = put_open(f, 5, 100);
    n += put(f + n, FN1_DATA, 0, 5, 10, 0, 1);
    assert(answer(f, n) == FN_E_FN1_OFFSET);
    n = put(f, FN1_CREDIT, 0, 0, 0, 0, 10);
    assert(answer(f, n) == FN_E_FN1_STREAM);
    n = put(f, FN1_CREDIT, 0, 7, 0, 0, 10); /* for a message that was cancelled, say */
    assert(answer(f, n) == FN_E_MORE);
    n = put(f, FN1_CANCEL, 0, 7, 0, 0, 0);
    assert(answer(f, n) == FN_E_FN1_ORDER);
    n = put(f, FN1_CANCEL, FN1_BY_RECEIVER, 7, 0, 0, 0);
    assert(answer(f, n) == FN_E_MORE);
    n = put_open(f, 5, MUXFEED_BODY + 1);
    assert(answer(f, n) == FN_E_FN1_MESSAGE);
    n = put_open(f, 5, 100); /* CLOSE inside a message */
    n += put(f + n, FN1_CLOSE, 0, 0, 0, 0, 0);
    assert(answer(f, n) == FN_E_FN1_ORDER);
    n = put(f, FN1_PING, 0, 0, 0, 0, 77);
    assert(answer(f, n) == FN_E_MORE);
}

static void test_pings(void)
{
    static struct muxfeed a, b;
    muxfeed_init(&a, FN1_CLIENT, LIMITS, 1 << 16);
    muxfeed_init(&b, FN1_SERVER, LIMITS, 1 << 16);
    for (uint64_t token = 1; token < 4; token++) {
        assert(fn_mux_ping(&a.mux, token) == FN_OK);
        talk(&a, &b, 7);
        assert(a.mux.rx.head.type == FN1_PONG && a.mux.rx.head.offset == token);
    }
    muxfeed_fini(&a);
    muxfeed_fini(&b);
}

static void test_whose_application(void)
{
    static struct muxfeed b;
    uint8_t bytes[64];
    struct fn1_preface p = {
        .vmin = 1, .vmax = 1, .role = FN1_CLIENT, .fragment = 1 << 20, .message = 1};
    muxfeed_init(&b, FN1_SERVER, LIMITS, 64);
    int64_t n = fn1_preface_encode(bytes, &p);
    assert(muxfeed_bytes(&b, bytes, (size_t)n, 64) == FN_E_FN1_APPLICATION);
    muxfeed_fini(&b);
}

int main(void)
{
    test_everything_arrives();
    test_small_ones_overtake();
    test_streams_run_out();
    test_refusals_and_cancels();
    test_the_end();
    test_what_is_refused();
    test_pings();
    test_whose_application();
    return 0;
}
