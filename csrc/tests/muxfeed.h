/* muxfeed.h: an end of a mux whose owner places every body and keeps a trace of
 * what came, for the tests and the fuzzer. */
#ifndef FASTNET_TEST_MUXFEED_H
#define FASTNET_TEST_MUXFEED_H

#include "check.h"

#include "fastnet/bytes.h"
#include "fastnet/mux.h"
#include "fastnet/muxout.h"
#include "fastnet/status.h"

enum { MUXFEED_BODY = 1 << 20 };

struct muxfeed_place {
    uint8_t *memory;
    size_t len;
    struct fn_walk walk;
    struct fn_body body;
};

struct muxfeed {
    struct fn_mux mux;
    struct muxfeed_place place[FN_MUX_STREAMS + 1];
    uint64_t trace; /* a hash of every event and every byte of every body */
    int events;
    int last;            /* the event or status that came last */
    uint32_t refuse_mod; /* every so many bodies are refused; 0 for none */
    uint32_t opened;
};

static inline void muxfeed_mix(struct muxfeed *f, const void *data, size_t len)
{
    f->trace = mix(f->trace, data, len);
}

static inline void muxfeed_init(struct muxfeed *f, enum fn1_role role, struct fn1_limits limits,
                                size_t ahead)
{
    memset(f, 0, sizeof *f);
    struct fn_mux_options o = {.role = role,
                               .limits = limits,
                               .fragment = 4096,
                               .window = 16384,
                               .ahead_max = ahead,
                               .stage_max = 1 << 16,
                               .waiting_max = 1 << 20,
                               .application = "rpc"};
    assert(fn_mux_init(&f->mux, &o) == FN_OK);
}

static inline void muxfeed_fini(struct muxfeed *f)
{
    for (int i = 0; i <= FN_MUX_STREAMS; i++)
        free(f->place[i].memory);
    fn_mux_fini(&f->mux);
}

static inline void muxfeed_opened(struct muxfeed *f)
{
    uint32_t at = f->mux.at;
    struct muxfeed_place *p = &f->place[at];
    f->opened++;
    if (f->refuse_mod && at && f->opened % f->refuse_mod == 0) {
        assert(fn_mux_refuse(&f->mux, at) == FN_OK);
        return;
    }
    p->len = (size_t)f->mux.rx.envelope.body;
    assert(p->len <= MUXFEED_BODY);
    free(p->memory);
    p->memory = malloc(p->len);
    assert(p->memory);
    fn_walk_init_flat(&p->walk, p->memory, p->len);
    fn_body_init(&p->body, &p->walk, 1);
    assert(fn_mux_place(&f->mux, at, &p->body, p) == FN_OK);
}

/* Handles what is there; FN_E_MORE or an error. */
static inline int muxfeed_pump(struct muxfeed *f)
{
    for (;;) {
        int event = fn_mux_next(&f->mux);
        f->last = event;
        if (event < 0)
            return event;
        f->events++;
        muxfeed_mix(f, &event, sizeof event);
        if (event == FN_MUX_MESSAGE || event == FN_MUX_OPEN)
            muxfeed_mix(f, f->mux.rx.envelope.meta.data, f->mux.rx.envelope.meta.len);
        if (event == FN_MUX_OPEN) {
            muxfeed_opened(f);
        } else if (event == FN_MUX_BODY) {
            struct muxfeed_place *p = f->mux.token;
            assert(p && p->body.left == 0);
            muxfeed_mix(f, p->memory, p->len);
        }
    }
}

/* Passes bytes in pieces of at most `piece`; what they lead to, at the end. */
static inline int muxfeed_bytes(struct muxfeed *f, const uint8_t *data, size_t len, size_t piece)
{
    int st = muxfeed_pump(f);
    while (st == FN_E_MORE && len) {
        struct iovec iov[8];
        int n = fn_mux_want(&f->mux, iov, 8);
        assert(n > 0);
        size_t give = len < piece ? len : piece, got = 0;
        for (int i = 0; i < n && got < give; i++) {
            size_t part = fn_minz(iov[i].iov_len, give - got);
            memcpy(iov[i].iov_base, data + got, part);
            got += part;
        }
        fn_mux_got(&f->mux, got);
        data += got;
        len -= got;
        st = muxfeed_pump(f);
    }
    return st;
}

/* Up to max bytes of what it has to send; their number. */
static inline size_t muxfeed_out(struct muxfeed *f, uint8_t *out, size_t max)
{
    size_t total = 0;
    fn_mux_lock(&f->mux);
    while (total < max) {
        struct iovec iov[8];
        int n = fn_mux_out(&f->mux, iov, 8);
        if (n <= 0)
            break;
        size_t sent = 0;
        for (int i = 0; i < n && total + sent < max; i++) {
            size_t part = fn_minz(iov[i].iov_len, max - total - sent);
            memcpy(out + total + sent, iov[i].iov_base, part);
            sent += part;
        }
        fn_mux_sent(&f->mux, sent);
        total += sent;
    }
    fn_mux_unlock(&f->mux);
    return total;
}

#endif
