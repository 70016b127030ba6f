/* The receiving half: the same events however the bytes come. */
#include "feed.h"
#include "wire.h"

static const struct fn1_limits limits = {
    .fragment = 1 << 20, .envelope = 300, .segments = 8, .message = 10000};
static const size_t aheads[] = {0, 1, 100, 65536};

static struct wire w;
static struct feed_trace trace;

/* Feeds w in every way with every read-ahead; checks events and end. */
static void expect(int end, const int *events, size_t n)
{
    for (size_t i = 0; i < sizeof aheads / sizeof aheads[0]; i++) {
        struct feed how = {.limits = limits, .ahead = aheads[i]};
        feed_every_way(&how, w.bytes, w.len, &trace);
        assert(trace.end == end && trace.events == n);
        for (size_t k = 0; k < n; k++)
            assert(trace.event[k].event == events[k]);
    }
}

#define EXPECT(end, ...)                                                                           \
    expect(end, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void everything(void)
{
    wire_begin(&w);
    wire_message(&w, 0, 20, 300, true);
    wire_control(&w, FN1_PING, 7);
    wire_message(&w, 1, 0, 500, false);
    wire_data(&w, 1, 0, 200);
    wire_head(&w, (struct fn1_head){.type = 200, .flags = 0xFF, .length = 50});
    wire_pattern(&w, 50, 1);
    wire_data(&w, 1, 200, 300);
    wire_control(&w, FN1_CREDIT, 1000);
    wire_message(&w, 2, 3, 0, false);
    wire_head(&w, (struct fn1_head){.type = 128});
    wire_control(&w, FN1_PONG, 8);
    wire_control(&w, FN1_CANCEL, 0);
}

#define EVERYTHING                                                                                 \
    FN1_EV_PREFACE, FN1_EV_MESSAGE, FN1_EV_PAYLOAD, FN1_EV_PING, FN1_EV_MESSAGE, FN1_EV_DATA,      \
        FN1_EV_PAYLOAD, FN1_EV_DATA, FN1_EV_PAYLOAD, FN1_EV_CREDIT, FN1_EV_MESSAGE, FN1_EV_PONG,   \
        FN1_EV_CANCEL

static void test_all_events(void)
{
    everything();
    EXPECT(FN_E_MORE, EVERYTHING);
    assert(trace.at_boundary);
    wire_control(&w, FN1_CLOSE, 0);
    EXPECT(FN_E_MORE, EVERYTHING, FN1_EV_CLOSE);
    assert(trace.at_boundary);
    everything();
    wire_error(&w, FN1_ERR_BUSY, "too many");
    EXPECT(FN_E_MORE, EVERYTHING, FN1_EV_ERROR);
}

static void test_trailing_bytes_change_nothing_before_them(void)
{
    everything();
    struct feed how = {.limits = limits, .ahead = 100};
    static struct feed_trace first;
    feed_every_way(&how, w.bytes, w.len, &trace);
    first = trace;
    wire_pattern(&w, 40, 9); /* a head that cannot be one */
    feed_every_way(&how, w.bytes, w.len, &trace);
    assert(trace.end < 0 && trace.end != FN_E_MORE && trace.events == first.events);
    trace.end = first.end;
    trace.at_boundary = first.at_boundary;
    assert(feed_same(&first, &trace));
}

static void test_truncated_everywhere(void)
{
    everything();
    struct feed how = {.limits = limits, .ahead = 64};
    size_t whole = w.len, boundaries = 0;
    for (size_t n = 0; n < whole; n++) {
        struct guarded g = guarded_copy(w.bytes, n, true);
        feed_bytes(&how, g.data, n, NULL, 0, FEED_PIECES, &trace);
        assert(trace.end == FN_E_MORE);
        boundaries += trace.at_boundary;
        guarded_free(&g);
    }
    assert(boundaries == 11); /* after the preface and each frame but the last */
}

static void test_after_the_end_comes_nothing(void)
{
    wire_begin(&w);
    wire_control(&w, FN1_CLOSE, 0);
    wire_put(&w, "", 1);
    EXPECT(FN_E_FN1_CLOSED, FN1_EV_PREFACE, FN1_EV_CLOSE);
    wire_begin(&w);
    wire_error(&w, 5, "");
    wire_control(&w, FN1_PING, 0);
    EXPECT(FN_E_FN1_CLOSED, FN1_EV_PREFACE, FN1_EV_ERROR);
}

static void test_prefaces(void)
{
    wire_begin(&w);
    w.bytes[0] = 'G';
    expect(FN_E_FN1_MAGIC, NULL, 0);
}

static void test_largest_preface_and_envelope(void)
{
    uint8_t ext[FN1_EXT_MAX], value[FN1_EXT_MAX] = {1};
    struct fn1_preface p = wire_default_preface(FN1_SERVER);
    p.extensions.data = ext;
    p.extensions.len = (size_t)fn1_ext_append(ext, 0, 9, (struct fn1_view){value, FN1_EXT_MAX - 4});
    w.len = 0;
    wire_preface(&w, &p);
    assert(w.len == FN1_PREFACE_MAX);
    wire_message(&w, 0, 300 - 24, 1, true);
    EXPECT(FN_E_MORE, FN1_EV_PREFACE, FN1_EV_MESSAGE, FN1_EV_PAYLOAD);
    wire_message(&w, 1, 300 - 23, 1, true);
    EXPECT(FN_E_FN1_ENVELOPE, FN1_EV_PREFACE, FN1_EV_MESSAGE, FN1_EV_PAYLOAD);
}

/* The frame's length and the envelope's own fields have to agree. */
static void test_lengths_that_lie(void)
{
    static const struct {
        uint32_t length;
        uint8_t flags;
        int status;
    } rows[] = {{34, 0, FN_E_FN1_LENGTH},
                {33, FN1_INLINE, FN_E_FN1_LENGTH},
                {35, FN1_INLINE, FN_E_FN1_LENGTH},
                {23, 0, FN_E_FN1_TRUNCATED},
                {8, 0, FN_E_FN1_TRUNCATED},
                {23, FN1_INLINE, FN_E_FN1_TRUNCATED},
                {7, 0, FN_E_FN1_LENGTH},
                {1 << 20, 0, FN_E_FN1_LENGTH},
                {(1 << 20) + 1, 0, FN_E_FN1_FRAGMENT}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wire_begin(&w);
        wire_message(&w, 0, 0, 10, true); /* 24 of envelope and 10 of body */
        w.bytes[FN1_PREFACE_SIZE + 1] = rows[i].flags;
        fn_store32(w.bytes + FN1_PREFACE_SIZE + 4 + 4, rows[i].length);
        EXPECT(rows[i].status, FN1_EV_PREFACE);
    }
}

static void test_limits(void)
{
    wire_begin(&w);
    wire_message(&w, 0, 0, 10000, false);
    EXPECT(FN_E_MORE, FN1_EV_PREFACE, FN1_EV_MESSAGE);
    wire_message(&w, 0, 0, 10001, false);
    EXPECT(FN_E_FN1_MESSAGE, FN1_EV_PREFACE, FN1_EV_MESSAGE);

    wire_begin(&w);
    uint64_t sizes[9] = {0};
    wire_head(&w, (struct fn1_head){.type = FN1_MESSAGE, .length = 80});
    wire_envelope(&w, 0, sizes, 9);
    EXPECT(FN_E_FN1_SEGMENTS, FN1_EV_PREFACE);

    wire_begin(&w);
    sizes[0] = sizes[1] = UINT64_MAX;
    wire_head(&w, (struct fn1_head){.type = FN1_MESSAGE, .length = 24});
    wire_envelope(&w, 0, sizes, 2);
    EXPECT(FN_E_OVERFLOW, FN1_EV_PREFACE);

    static const uint8_t types[] = {FN1_DATA, 129};
    for (size_t i = 0; i < 2; i++) { /* before any of the payload has come */
        wire_begin(&w);
        wire_head(&w, (struct fn1_head){.type = types[i], .length = (1 << 20) + 1});
        EXPECT(FN_E_FN1_FRAGMENT, FN1_EV_PREFACE);
    }
}

/* Memory stays within the cap whatever the frames announce, and a body goes
 * past the buffer: with read-ahead 0, none of it is copied. */
static void test_bodies_go_straight_to_their_place(void)
{
    struct fn1_rx rx;
    uint8_t place[600];
    struct fn_walk walk;
    struct fn_body body;
    struct iovec iov[4];
    fn1_rx_init(&rx, &limits, 0);
    wire_begin(&w);
    wire_message(&w, 0, 0, 600, true);
    size_t at = 0;
    while (fn1_rx_next(&rx) != FN1_EV_MESSAGE) {
        if (at > w.len - 600)
            break;
        assert(fn1_rx_want(&rx, iov, 4) == 1);
        size_t n = rx.state == FN1_RX_HEAD ? FN1_HEAD_SIZE : fn_minz(iov[0].iov_len, 32);
        n = rx.state == FN1_RX_ENVELOPE ? 24 : n;
        memcpy(iov[0].iov_base, w.bytes + at, n);
        fn1_rx_got(&rx, n);
        at += n;
    }
    fn_walk_init_flat(&walk, place, sizeof place);
    assert(fn_body_init(&body, &walk, 1) == 0);
    fn1_rx_deliver(&rx, &body);
    assert(fn1_rx_next(&rx) == FN_E_MORE);
    assert(fn1_rx_want(&rx, iov, 4) == 1);
    assert(iov[0].iov_base == place && iov[0].iov_len == 600);
    memcpy(place, w.bytes + at, 600);
    fn1_rx_got(&rx, 600);
    assert(fn1_rx_next(&rx) == FN1_EV_PAYLOAD && body.left == 0);
    fn1_rx_fini(&rx);
}

/* A body without the room that its frame needs is an error, not a crash. */
static void test_a_place_that_is_too_small(void)
{
    struct fn1_rx rx;
    struct iovec iov[4];
    struct fn_body none;
    assert(fn_body_init(&none, NULL, 0) == 0);
    for (int buffered = 0; buffered < 2; buffered++) {
        fn1_rx_init(&rx, &limits, 4096);
        wire_begin(&w);
        wire_data(&w, 0, 0, 100);
        assert(fn1_rx_next(&rx) == FN_E_MORE && fn1_rx_want(&rx, iov, 4) == 1);
        size_t n = buffered ? w.len : w.len - 100;
        memcpy(iov[0].iov_base, w.bytes, n);
        fn1_rx_got(&rx, n);
        assert(fn1_rx_next(&rx) == FN1_EV_PREFACE && fn1_rx_next(&rx) == FN1_EV_DATA);
        fn1_rx_deliver(&rx, &none);
        int st = fn1_rx_next(&rx);
        assert(st == (buffered ? FN_E_ARGUMENT : FN_E_MORE));
        assert(buffered || fn1_rx_want(&rx, iov, 4) == FN_E_ARGUMENT);
        fn1_rx_fini(&rx);
    }
}

int main(void)
{
    test_all_events();
    test_trailing_bytes_change_nothing_before_them();
    test_truncated_everywhere();
    test_after_the_end_comes_nothing();
    test_prefaces();
    test_largest_preface_and_envelope();
    test_lengths_that_lie();
    test_limits();
    test_bodies_go_straight_to_their_place();
    test_a_place_that_is_too_small();
    return 0;
}
