/* feed.h: drives the receiving half over a string of bytes and writes down what
 * came of it, so that two ways of feeding the same bytes can be compared.
 *
 * With `link` the rules of a link (assembly, streams, roles) are on as well;
 * without, the machine of fn1_rx.h is alone.  Bodies are delivered in turn to
 * flat memory, to every third byte, to a strided array with long runs, and to
 * nowhere.
 */
#ifndef FASTNET_TESTS_FEED_H
#define FASTNET_TESTS_FEED_H

#include "check.h"

#include "fastnet/bytes.h"
#include "fastnet/link.h"
#include "fastnet/status.h"

enum {
    FEED_EVENTS = 4096,
    FEED_BODY = 4096, /* the largest body that is delivered */
    FEED_MEMORY = 3 * FEED_BODY,
    FEED_PIECES = 8
};

struct feed_event {
    int event;
    uint64_t digest; /* of all that the event says */
};

struct feed_trace {
    size_t events;
    struct feed_event event[FEED_EVENTS];
    int end; /* the error, or FN_E_MORE */
    bool at_boundary;
};

struct feed {
    bool link;
    enum fn_suite suite;   /* with a key: what follows the preface has tags */
    const uint8_t *secret; /* of that direction */
    struct fn1_limits limits;
    size_t ahead;
};

/* What is in hand while bytes are fed. */
struct feeding {
    struct fn_link l;
    bool link;
    uint8_t memory[FEED_MEMORY];
    struct fn_walk walk;
    struct fn_body body;
    bool delivering;
    unsigned turn;
};

static inline int feed_step(struct feeding *f)
{
    return f->link ? fn_link_step(&f->l) : fn1_rx_next(&f->l.rx);
}

static inline uint64_t feed_digest(struct feeding *f, int event)
{
    struct fn1_rx *rx = &f->l.rx;
    uint64_t d = 0xCBF29CE484222325u;
    if (event == FN1_EV_PREFACE) {
        const struct fn1_preface *p = &rx->preface;
        d = mix64(mix64(mix64(d, p->fragment), p->window), p->message);
        d = mix64(d, (uint64_t)(p->vmin | p->vmax << 8 | p->role << 16) | (uint64_t)p->flags << 24);
        return mix(d, p->extensions.data, p->extensions.len);
    }
    if (event == FN1_EV_PAYLOAD || event == FN_LINK_BODY)
        return f->delivering ? mix(d, f->memory, sizeof f->memory) : d;
    const struct fn1_head *h = &rx->head;
    d = mix64(mix64(mix64(d, h->stream), h->message), h->offset);
    d = mix64(d, (uint64_t)h->type << 40 | (uint64_t)h->flags << 32 | h->length);
    if (event == FN1_EV_ERROR)
        return mix(mix64(d, rx->error_code), rx->error_text.data, rx->error_text.len);
    if (event != FN1_EV_MESSAGE)
        return d;
    const struct fn1_envelope *e = &rx->envelope;
    d = mix64(mix64(d, e->body), (uint64_t)e->kind << 16 | e->segments);
    for (size_t i = 0; i < e->segments; i++)
        d = mix64(d, fn1_envelope_segment(e, i));
    return mix(d, e->meta.data, e->meta.len);
}

/* A place for n bytes, in one of four forms. */
static inline struct fn_body *feed_place(struct feeding *f, uint64_t n)
{
    fn_walk_fini(&f->walk);
    memset(f->memory, 0, sizeof f->memory);
    f->delivering = n <= FEED_BODY && f->turn % 4 != 3;
    ptrdiff_t size = (ptrdiff_t)n;
    if (!f->delivering) {
        f->turn++;
        return NULL;
    }
    switch (f->turn++ % 4) {
    case 0:
        fn_walk_init_flat(&f->walk, f->memory, (size_t)n);
        break;
    case 1:
        assert(fn_walk_init(&f->walk, f->memory, 1, 1, &size, (ptrdiff_t[]){3}, false) == 0);
        break;
    default:
        if (n % 1024) {
            assert(fn_walk_init(&f->walk, f->memory + FEED_MEMORY - 1, 1, 1, &size,
                                (ptrdiff_t[]){-2}, false) == 0);
            break;
        }
        assert(fn_walk_init(&f->walk, f->memory, 1024, 1, (ptrdiff_t[]){size / 1024},
                            (ptrdiff_t[]){2048}, false) == 0);
    }
    assert(fn_body_init(&f->body, &f->walk, 1) == 0);
    return &f->body;
}

static inline void feed_record(struct feeding *f, struct feed_trace *t, int event)
{
    assert(event > 0 && t->events < FEED_EVENTS);
    t->event[t->events++] = (struct feed_event){event, feed_digest(f, event)};
}

static inline void feed_handle(struct feeding *f, struct feed_trace *t, int event)
{
    struct fn1_rx *rx = &f->l.rx;
    feed_record(f, t, event);
    if (f->link) {
        if (event == FN1_EV_MESSAGE && fn_link_deliver(&f->l, feed_place(f, rx->envelope.body)))
            feed_record(f, t, FN_LINK_BODY);
        return;
    }
    if (event == FN1_EV_DATA)
        fn1_rx_deliver(rx, feed_place(f, rx->head.length));
    if (event == FN1_EV_MESSAGE && rx->head.flags & FN1_INLINE && rx->envelope.body)
        fn1_rx_deliver(rx, feed_place(f, rx->envelope.body));
}

/* Gives the machine at most n bytes where it wants them; returns how many. */
static inline size_t feed_give(struct feeding *f, const uint8_t *bytes, size_t n, int max)
{
    struct iovec iov[FEED_PIECES];
    int pieces = f->link ? fn_link_want(&f->l, iov, max) : fn1_rx_want(&f->l.rx, iov, max);
    assert(pieces >= 1 && pieces <= max);
    assert(f->l.rx.in.capacity <= f->l.rx.in.cap);
    size_t given = 0;
    for (int i = 0; i < pieces; i++) {
        assert(iov[i].iov_len > 0);
        size_t part = fn_minz(iov[i].iov_len, n - given);
        if (part)
            memcpy(iov[i].iov_base, bytes + given, part);
        given += part;
    }
    if (f->link)
        fn_link_got(&f->l, given);
    else
        fn1_rx_got(&f->l.rx, given);
    return given;
}

/* Feeds all of it, sizes[0], sizes[1] ... bytes at a time, beginning again
 * after the last, which is reached after `count`. */
static inline void feed_bytes(const struct feed *how, const uint8_t *bytes, size_t len,
                              const size_t *sizes, size_t count, int max, struct feed_trace *t)
{
    static _Thread_local struct feeding f;
    struct fn_link_options options = {.role = FN1_SERVER,
                                      .limits = how->limits,
                                      .fragment = FN1_FRAGMENT_MIN,
                                      .ahead_max = how->ahead,
                                      .stage_max = 4096,
                                      .application = "feed"};
    assert(fn_link_init(&f.l, -1, &options) == 0);
    if (how->secret)
        assert(fn1_rx_open(&f.l.rx, how->suite, how->secret, false) == FN_OK);
    f.link = how->link;
    f.turn = 0;
    f.delivering = false;
    fn_walk_init_flat(&f.walk, NULL, 0);
    t->events = 0;
    size_t at = 0, chunk = 0, chunk_left = count ? sizes[0] : SIZE_MAX;
    for (;;) {
        int event = feed_step(&f);
        if (event == FN_E_MORE && at < len) {
            at += feed_give(&f, bytes + at, fn_minz(chunk_left, len - at), max);
            chunk = count ? (chunk + 1) % count : 0;
            chunk_left = count ? sizes[chunk] : SIZE_MAX;
            continue;
        }
        if (event < 0) {
            t->end = event;
            break;
        }
        feed_handle(&f, t, event);
    }
    if (!f.link || t->end == FN_E_MORE)
        assert(feed_step(&f) == t->end); /* asking again changes nothing */
    t->at_boundary = f.link ? fn_link_at_boundary(&f.l) : fn1_rx_at_boundary(&f.l.rx);
    fn_walk_fini(&f.walk);
    fn_link_fini(&f.l);
}

static inline bool feed_same(const struct feed_trace *a, const struct feed_trace *b)
{
    if (a->events != b->events || a->end != b->end)
        return false;
    /* after an error it depends on what was read ahead, and means nothing */
    if (a->end == FN_E_MORE && a->at_boundary != b->at_boundary)
        return false;
    for (size_t i = 0; i < a->events; i++)
        if (a->event[i].event != b->event[i].event || a->event[i].digest != b->event[i].digest)
            return false;
    return true;
}

/* Feeds the bytes whole, split in two at every place, and one at a time, and
 * checks that each way gives the trace `t`. */
static inline void feed_every_way(const struct feed *how, const uint8_t *bytes, size_t len,
                                  struct feed_trace *t)
{
    static _Thread_local struct feed_trace other;
    struct guarded g = guarded_copy(bytes, len, true);
    feed_bytes(how, g.data, len, NULL, 0, FEED_PIECES, t);
    size_t step = len > 4000 ? len / 500 : 1;
    for (size_t split = 1; split < len; split += step) {
        size_t sizes[2] = {split, len};
        feed_bytes(how, g.data, len, sizes, 2, 1 + (int)(split % FEED_PIECES), &other);
        assert(feed_same(t, &other));
    }
    for (size_t size = 1; size < 4; size++) {
        feed_bytes(how, g.data, len, &size, 1, (int)size, &other);
        assert(feed_same(t, &other));
    }
    guarded_free(&g);
}

#endif
