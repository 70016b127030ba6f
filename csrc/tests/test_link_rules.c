/* The rules that a link adds to the frames, on bytes put together by hand. */
#include "feed.h"
#include "wire.h"

static const struct fn1_limits limits = {
    .fragment = 1 << 20, .envelope = 300, .segments = 8, .message = 10000};

static struct wire w;
static struct feed_trace trace;

static void expect(int end, const int *events, size_t n)
{
    for (size_t ahead = 0; ahead <= 8192; ahead += 4096) {
        struct feed how = {.link = true, .limits = limits, .ahead = ahead};
        feed_every_way(&how, w.bytes, w.len, &trace);
        assert(trace.end == end && trace.events == n);
        for (size_t k = 0; k < n; k++)
            assert(trace.event[k].event == events[k]);
    }
}

#define EXPECT(end, ...)                                                                           \
    expect(end, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void test_messages(void)
{
    wire_begin(&w);
    wire_message(&w, 7, 3, 200, true);
    wire_message(&w, 7, 3, 0, true);
    wire_message(&w, 8, 3, 0, false);
    wire_message(&w, 9, 3, 600, false);
    wire_data(&w, 9, 0, 1);
    wire_control(&w, FN1_PING, 5);
    wire_data(&w, 9, 1, 599);
    wire_control(&w, FN1_PONG, 5);
    EXPECT(FN_E_MORE, FN1_EV_PREFACE, FN1_EV_MESSAGE, FN_LINK_BODY, FN1_EV_MESSAGE, FN_LINK_BODY,
           FN1_EV_MESSAGE, FN_LINK_BODY, FN1_EV_MESSAGE, FN1_EV_PING, FN_LINK_BODY, FN1_EV_PONG);
    assert(trace.at_boundary);
    wire_control(&w, FN1_CLOSE, 0);
    EXPECT(FN_E_MORE, FN1_EV_PREFACE, FN1_EV_MESSAGE, FN_LINK_BODY, FN1_EV_MESSAGE, FN_LINK_BODY,
           FN1_EV_MESSAGE, FN_LINK_BODY, FN1_EV_MESSAGE, FN1_EV_PING, FN_LINK_BODY, FN1_EV_PONG,
           FN1_EV_CLOSE);
}

/* An end between the fragments of a message cuts it in two. */
static void test_boundaries(void)
{
    wire_begin(&w);
    EXPECT(FN_E_MORE, FN1_EV_PREFACE);
    assert(trace.at_boundary);
    wire_message(&w, 0, 0, 20, false);
    wire_data(&w, 0, 0, 10);
    EXPECT(FN_E_MORE, FN1_EV_PREFACE, FN1_EV_MESSAGE);
    assert(!trace.at_boundary);
    wire_data(&w, 0, 10, 10);
    EXPECT(FN_E_MORE, FN1_EV_PREFACE, FN1_EV_MESSAGE, FN_LINK_BODY);
    assert(trace.at_boundary);
}

static void test_unknown_frames_are_skipped(void)
{
    wire_begin(&w);
    wire_message(&w, 0, 0, 20, false);
    for (unsigned type = 128; type < 256; type += 41) {
        wire_head(
            &w, (struct fn1_head){
                    .type = (uint8_t)type, .flags = (uint8_t)type, .stream = type, .length = type});
        wire_pattern(&w, type, type);
    }
    wire_data(&w, 0, 0, 20);
    EXPECT(FN_E_MORE, FN1_EV_PREFACE, FN1_EV_MESSAGE, FN_LINK_BODY);
    wire_head(&w, (struct fn1_head){.type = 127});
    EXPECT(FN_E_FN1_TYPE, FN1_EV_PREFACE, FN1_EV_MESSAGE, FN_LINK_BODY);
}

static void test_data_has_to_continue_its_message(void)
{
    static const struct {
        uint32_t message;
        uint64_t offset;
        uint32_t length;
        int status;
    } rows[] = {{1, 10, 10, FN_E_FN1_ORDER},          {0, 0, 10, FN_E_FN1_OFFSET},
                {0, 9, 10, FN_E_FN1_OFFSET},          {0, 11, 9, FN_E_FN1_OFFSET},
                {0, UINT64_MAX, 1, FN_E_FN1_OFFSET},  {0, 10, 11, FN_E_FN1_LENGTH},
                {0, 1ull << 32, 10, FN_E_FN1_OFFSET}, {0, 10, 10, FN_E_MORE}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wire_begin(&w);
        wire_message(&w, 0, 0, 20, false);
        wire_data(&w, 0, 0, 10);
        wire_data(&w, rows[i].message, rows[i].offset, rows[i].length);
        if (rows[i].status == FN_E_MORE)
            EXPECT(FN_E_MORE, FN1_EV_PREFACE, FN1_EV_MESSAGE, FN_LINK_BODY);
        else
            EXPECT(rows[i].status, FN1_EV_PREFACE, FN1_EV_MESSAGE);
    }
    wire_begin(&w);
    wire_data(&w, 0, 0, 10); /* of no message */
    EXPECT(FN_E_FN1_ORDER, FN1_EV_PREFACE);
}

static void test_what_stream_0_refuses(void)
{
    wire_begin(&w);
    wire_control(&w, FN1_CREDIT, 4096);
    EXPECT(FN_E_FN1_STREAM, FN1_EV_PREFACE);
    wire_begin(&w);
    wire_message(&w, 0, 0, 20, false);
    wire_message(&w, 1, 0, 20, false);
    EXPECT(FN_E_FN1_ORDER, FN1_EV_PREFACE, FN1_EV_MESSAGE);
    wire_begin(&w);
    wire_message(&w, 0, 0, 20, false);
    wire_control(&w, FN1_CLOSE, 0);
    EXPECT(FN_E_FN1_ORDER, FN1_EV_PREFACE, FN1_EV_MESSAGE);
    static const uint8_t types[] = {FN1_MESSAGE, FN1_DATA, FN1_CREDIT};
    for (size_t i = 0; i < 3; i++) { /* other streams are not open */
        wire_begin(&w);
        wire_head(&w, (struct fn1_head){
                          .type = types[i], .stream = 1, .length = types[i] == FN1_CREDIT ? 0 : 8});
        wire_envelope(&w, 0, NULL, 0);
        EXPECT(FN_E_FN1_STREAM, FN1_EV_PREFACE);
    }
}

static void test_cancel(void)
{
    wire_begin(&w);
    wire_message(&w, 4, 0, 20, false);
    wire_data(&w, 4, 0, 10);
    wire_head(&w, (struct fn1_head){.type = FN1_CANCEL, .message = 4});
    EXPECT(FN_E_MORE, FN1_EV_PREFACE, FN1_EV_MESSAGE, FN1_EV_CANCEL);
    assert(trace.at_boundary);
    size_t before = w.len;
    wire_message(&w, 5, 0, 10, true);
    EXPECT(FN_E_MORE, FN1_EV_PREFACE, FN1_EV_MESSAGE, FN1_EV_CANCEL, FN1_EV_MESSAGE, FN_LINK_BODY);
    w.len = before;
    wire_data(&w, 4, 10, 10);
    EXPECT(FN_E_FN1_ORDER, FN1_EV_PREFACE, FN1_EV_MESSAGE, FN1_EV_CANCEL);
    wire_begin(&w);
    wire_head(&w, (struct fn1_head){.type = FN1_CANCEL});
    EXPECT(FN_E_FN1_ORDER, FN1_EV_PREFACE);
    wire_begin(&w);
    wire_message(&w, 4, 0, 20, false);
    wire_head(&w, (struct fn1_head){.type = FN1_CANCEL, .message = 3});
    EXPECT(FN_E_FN1_ORDER, FN1_EV_PREFACE, FN1_EV_MESSAGE);
    wire_begin(&w);
    wire_message(&w, 4, 0, 20, false);
    wire_head(&w, (struct fn1_head){.type = FN1_CANCEL, .stream = 1, .message = 4});
    EXPECT(FN_E_FN1_STREAM, FN1_EV_PREFACE, FN1_EV_MESSAGE);
}

static void test_prefaces(void)
{
    static const struct {
        size_t at;
        uint8_t value;
        int status;
    } rows[] = {{4, 2, FN_E_FN1_VERSION}, {6, 'S', FN_E_FN1_ROLE}, {7, 1, FN_E_FN1_KEYED}};
    for (size_t i = 0; i < 3; i++) {
        wire_begin(&w);
        w.bytes[5] = 2;
        w.bytes[rows[i].at] = rows[i].value;
        expect(rows[i].status, NULL, 0);
    }
    wire_begin(&w);
    w.bytes[5] = 99; /* a newer peer that still speaks version 1 */
    EXPECT(FN_E_MORE, FN1_EV_PREFACE);
}

/* What the preface says is remembered, cut to what there is room for. */
static void test_what_is_known_of_the_peer(void)
{
    uint8_t ext[FN1_EXT_MAX];
    static const char name[] = "an application with a very long name indeed";
    struct fn_link l;
    struct fn_link_options options = {.role = FN1_CLIENT,
                                      .limits = limits,
                                      .fragment = FN1_FRAGMENT_MIN,
                                      .ahead_max = 4096,
                                      .stage_max = 4096,
                                      .application = "arrays"};
    assert(fn_link_init(&l, -1, &options) == FN_OK);
    struct fn1_view value = {(const uint8_t *)name, sizeof name - 1};
    struct fn1_preface p = wire_default_preface(FN1_SERVER);
    p.fragment = 3 << 20;
    p.message = 1000;
    p.extensions.data = ext;
    p.extensions.len = (size_t)fn1_ext_append(ext, 0, FN1_EXT_APPLICATION, value);
    w.len = 0;
    wire_preface(&w, &p);
    struct iovec iov;
    assert(fn_link_step(&l) == FN_E_MORE && fn_link_want(&l, &iov, 1) == 1);
    assert(iov.iov_len >= w.len);
    memcpy(iov.iov_base, w.bytes, w.len);
    fn_link_got(&l, w.len);
    assert(fn_link_step(&l) == FN1_EV_PREFACE);
    assert(strlen(l.session.application) == 32 && memcmp(l.session.application, name, 32) == 0);
    assert(atomic_load(&l.peer_fragment) == 3 << 20 && atomic_load(&l.peer_message) == 1000);
    uint8_t bytes[1001] = {0};
    struct fn_walk walk;
    struct fn_body body;
    uint64_t size = 1001;
    fn_walk_init_flat(&walk, bytes, 1001);
    assert(fn_body_init(&body, &walk, 1) == FN_OK);
    assert(fn_link_message(&l, 1, &size, 1, NULL, 0, &body) == FN_E_FN1_MESSAGE);
    assert(atomic_load(&l.messages_out) == 0);
    fn_link_fini(&l);

    options.application = "this name is longer than thirty-two bytes, and no link needs that";
    options.stage_max = 0; /* and no room for the preface */
    assert(fn_link_init(&l, -1, &options) == FN_E_BUF_CAP);
    fn_link_fini(&l);
}

int main(void)
{
    test_messages();
    test_boundaries();
    test_unknown_frames_are_skipped();
    test_data_has_to_continue_its_message();
    test_what_stream_0_refuses();
    test_cancel();
    test_prefaces();
    test_what_is_known_of_the_peer();
    return 0;
}
