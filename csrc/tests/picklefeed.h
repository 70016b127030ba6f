/* picklefeed.h: a pickle fed to the scanner in pieces, as a receiver does it.
 *
 * What comes out is the pickle with its large buffers taken out, and those
 * buffers one after the other; the same for every way of splitting.
 */
#ifndef FASTNET_TESTS_PICKLEFEED_H
#define FASTNET_TESTS_PICKLEFEED_H

#include "check.h"
#include "fastnet/bytes.h"
#include "fastnet/picklescan.h"
#include "fastnet/status.h"

enum { PICKLE_MAX = 1 << 20 };

struct pickled {
    int status;
    uint8_t rest[PICKLE_MAX]; /* what the unpickler would see */
    size_t rest_size;
    uint8_t taken[PICKLE_MAX];
    size_t taken_size;
    size_t buffers;
};

/* Receives the buffer at hand: first what is there, then from the input. */
static inline void pickle_take_out(struct fn_picklescan *p, struct pickled *out,
                                   const uint8_t *data, size_t size, size_t *at)
{
    size_t there = (size_t)fn_min64(out->rest_size - p->at, p->size);
    size_t after = p->at + there, more = (size_t)p->size - there;
    memcpy(out->taken + out->taken_size, out->rest + p->at, there);
    assert(more <= size - *at);
    memcpy(out->taken + out->taken_size + there, data + *at, more);
    *at += more;
    out->taken_size += (size_t)p->size;
    out->buffers++;
    size_t rest = out->rest_size - after, end = fn_picklescan_cut(p, out->rest);
    memmove(out->rest + end, out->rest + after, rest);
    out->rest_size = end + rest;
}

/* size <= PICKLE_MAX; every read brings `piece` bytes at most. */
static inline void pickle_feed(const uint8_t *data, size_t size, size_t piece, bool strict,
                               struct pickled *out)
{
    struct fn_picklescan p;
    size_t at = 0;
    fn_picklescan_init(&p, strict);
    memset(out, 0, offsetof(struct pickled, rest));
    out->rest_size = out->taken_size = out->buffers = 0;
    for (;;) {
        while ((out->status = fn_picklescan(&p, out->rest, out->rest_size)) == FN_PICKLE_LARGE) {
            assert(p.at <= out->rest_size && p.size >= FN_PICKLE_FROM);
            if (p.size > (out->rest_size - p.at) + (size - at))
                p.blind = true; /* it claims more than there is */
            else
                pickle_take_out(&p, out, data, size, &at);
        }
        assert(p.at <= out->rest_size);
        if (out->status != FN_E_MORE || at == size)
            return;
        size_t n = piece < size - at ? piece : size - at;
        memcpy(out->rest + out->rest_size, data + at, n);
        out->rest_size += n;
        at += n;
    }
}

static inline bool pickle_same(const struct pickled *a, const struct pickled *b)
{
    if (a->status != b->status)
        return false;
    if (a->status != FN_E_MORE) /* refused: what had come by then may differ */
        return true;
    return a->rest_size == b->rest_size && a->taken_size == b->taken_size &&
           a->buffers == b->buffers && memcmp(a->rest, b->rest, a->rest_size) == 0 &&
           memcmp(a->taken, b->taken, a->taken_size) == 0;
}

#endif
