/* keyed.h: two links with a key in one process, and everything that passes
 * between them in memory, where a test can change it. */
#ifndef FASTNET_TESTS_KEYED_H
#define FASTNET_TESTS_KEYED_H

#include "check.h"

#include "fastnet/bytes.h"
#include "fastnet/link.h"
#include "fastnet/status.h"

enum { KEYED_FRAMES = 64, KEYED_EVENTS = 64 };

/* Bytes of what passes and of a body, at most: set larger by tests of long frames. */
static size_t keyed_stream = 8192, keyed_body = 1024;

static const uint8_t keyed_key[32] = "the key of the tests, 32 bytes.";

/* Bytes on their way, and where each unit (preface or frame) begins. */
struct passing {
    uint8_t *bytes;
    size_t len;
    size_t begin[KEYED_FRAMES];
    size_t frames;
};

static inline struct passing passing_new(void)
{
    struct passing p = {.bytes = malloc(keyed_stream)};
    assert(p.bytes);
    return p;
}

static inline size_t passing_end(const struct passing *p, size_t i)
{
    return i + 1 < p->frames ? p->begin[i + 1] : p->len;
}

/* What an end made of what came. */
struct heard {
    int end; /* the last status: FN_E_MORE, or an error */
    size_t events;
    int event[KEYED_EVENTS];
    uint64_t digest[KEYED_EVENTS]; /* of the bodies released */
};

struct party {
    struct fn_link l;
    struct heard heard;
    uint8_t *memory; /* where bodies go */
    struct fn_walk walk;
    struct fn_body body;
    bool delivering;
};

static inline void party_open(struct party *p, enum fn1_role role, const uint8_t *suite)
{
    struct fn_link_options options = {
        .role = role,
        .limits = {.fragment = 2 << 20, .envelope = 65536, .segments = 64, .message = 1 << 30},
        .fragment = 1 << 20,
        .ahead_max = 4096,
        .stage_max = 65536,
        .application = "tests",
        .keyed = true,
        .key = {keyed_key, sizeof keyed_key},
        .suites = {suite, suite ? 1 : 0}};
    memset(p, 0, sizeof *p);
    assert(fn_link_init(&p->l, -1, &options) == FN_OK);
    p->memory = calloc(1, keyed_body);
    assert(p->memory);
    fn_walk_init_flat(&p->walk, p->memory, 0);
}

static inline void party_close(struct party *p)
{
    fn_link_fini(&p->l);
    fn_walk_fini(&p->walk);
    free(p->memory);
}

/* Stages a message of n bytes, flat or every second byte. */
static inline void party_say(struct party *p, size_t n, bool strided, struct passing *out);

/* Takes all that the party has to send, at most `most` bytes at a time. */
static inline void party_take(struct party *p, struct passing *out, size_t most)
{
    struct iovec iov[4];
    int n;
    while ((n = fn_link_out(&p->l, iov, 4)) > 0) {
        size_t left = most, taken = 0;
        for (int i = 0; i < n && left; i++) {
            size_t part = fn_minz(iov[i].iov_len, left);
            assert(out->len + part <= keyed_stream);
            memcpy(out->bytes + out->len, iov[i].iov_base, part);
            out->len += part;
            left -= part;
            taken += part;
        }
        assert(taken);
        fn_link_sent(&p->l, taken);
    }
    assert(n == 0);
}

static inline void party_unit(struct passing *out)
{
    assert(out->frames < KEYED_FRAMES);
    out->begin[out->frames++] = out->len;
}

static inline void party_say(struct party *p, size_t n, bool strided, struct passing *out)
{
    static uint8_t pattern[700000];
    struct fn_walk walk;
    struct fn_body body;
    ptrdiff_t shape = (ptrdiff_t)n;
    uint64_t size = n;
    struct fn1_view meta = {(const uint8_t *)"meta", 4};
    if (!pattern[0] && !pattern[1])
        fill_pattern(pattern, sizeof pattern, 1);
    uint8_t *source = pattern + n % 1000;
    assert(2 * n + 1000 <= sizeof pattern);
    assert(fn_walk_init(&walk, source, 1, 1, &shape, (ptrdiff_t[]){strided ? 2 : 1}, false) == 0);
    assert(fn_body_init(&body, &walk, 1) == FN_OK);
    party_unit(out);
    assert(fn_link_message(&p->l, FN1_KIND_ARRAY, &size, 1, &meta, 1, &body) == FN_OK);
    party_take(p, out, 100000);
    fn_walk_fini(&walk);
}

static inline void party_control(struct party *p, uint8_t type, struct passing *out)
{
    struct fn1_head h = {.type = type, .offset = 99};
    party_unit(out);
    if (type == FN1_CLOSE)
        assert(fn_link_close(&p->l) == FN_OK);
    else
        assert(fn1_tx_control(&p->l.tx, &h) == FN_OK);
    party_take(p, out, 7);
}

static inline void party_note(struct party *p, int event)
{
    struct heard *h = &p->heard;
    assert(h->events < KEYED_EVENTS);
    h->event[h->events] = event;
    h->digest[h->events] = 0;
    if (event == FN1_EV_MESSAGE)
        h->digest[h->events] = mix64(p->l.rx.envelope.body, p->l.rx.envelope.meta.len);
    if (event == FN_LINK_BODY && p->delivering)
        h->digest[h->events] = mix(1, p->memory, p->walk.total);
    h->events++;
}

/* A place for the body of the message that has begun; the last byte of memory
 * stays free, and between messages there are zeroes in it. */
static inline void party_deliver(struct party *p)
{
    uint64_t n = p->l.rx.envelope.body;
    assert(n < keyed_body);
    memset(p->memory, 0, keyed_body);
    fn_walk_init_flat(&p->walk, p->memory, (size_t)n);
    assert(fn_body_init(&p->body, &p->walk, 1) == FN_OK);
    p->delivering = true;
    if (fn_link_deliver(&p->l, &p->body))
        party_note(p, FN_LINK_BODY);
}

/* Gives the party bytes, `step` at a time, and writes down what it makes of
 * them.  After an error nothing that was not verified may be in the body. */
static inline int party_hear(struct party *p, const uint8_t *bytes, size_t len, size_t step)
{
    size_t at = 0;
    for (;;) {
        int event = fn_link_step(&p->l);
        p->heard.end = event;
        if (event == FN_LINK_REPLY)
            return event;
        if (event == FN_E_MORE && at < len) {
            struct iovec iov[8];
            int n = fn_link_want(&p->l, iov, 8);
            assert(n > 0 && p->l.rx.in.capacity <= p->l.rx.in.cap);
            size_t given = 0, now = fn_minz(step, len - at);
            for (int i = 0; i < n; i++) {
                size_t part = fn_minz(iov[i].iov_len, now - given);
                if (part)
                    memcpy(iov[i].iov_base, bytes + at + given, part);
                given += part;
            }
            fn_link_got(&p->l, given);
            at += given;
            continue;
        }
        if (event < 0) {
            if (event != FN_E_MORE && p->l.assembly.open) {
                fn_link_forget(&p->l);
                for (size_t i = 0; i < keyed_body; i += i < 32 ? 1 : 977)
                    assert(p->memory[i] == 0);
            }
            return event;
        }
        party_note(p, event);
        if (event == FN1_EV_KEY)
            return event;
        if (event == FN1_EV_MESSAGE)
            party_deliver(p);
    }
}

static inline bool heard_begins(const struct heard *all, const struct heard *part)
{
    if (part->events > all->events)
        return false;
    return memcmp(all->event, part->event, part->events * sizeof part->event[0]) == 0 &&
           memcmp(all->digest, part->digest, part->events * sizeof part->digest[0]) == 0;
}

#endif
