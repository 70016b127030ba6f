/* mux.h: many messages at once on one fn1 connection, without I/O.
 *
 * A mux joins the two halves of the protocol (fn1_rx.h, fn1_tx.h) for an owner
 * that has many messages under way: calls.  Bytes are moved by the owner or by
 * muxio.h; muxout.h is the sending side.
 *
 * Who goes where.  A small message (a body of at most FN1_INLINE_MAX bytes)
 * goes whole, in one INLINE frame, on stream 0.  A larger one takes a stream of
 * its own, 1 to FN_MUX_STREAMS, chosen by its sender among those on which
 * nothing of its own is under way.  So a small message waits for one fragment
 * at most, however much else is being sent.
 *
 * Credit.  The preface's window is 0: the body of a large message comes only
 * when its receiver has found a place for it, `window` bytes ahead of what has
 * arrived and never beyond its end.  A peer can make this end hold
 * FN_MUX_STREAMS envelopes, and bodies only as far as the owner places them.
 *
 *     FN_MUX_OPEN     envelope: the owner copies what it needs of it, and gives
 *                     the body a place (fn_mux_place), now or later, or refuses
 *                     it (fn_mux_refuse).  On stream 0 it must do so at once.
 *     FN_MUX_BODY     that body is complete; `token` says whose it is
 *     FN_MUX_MESSAGE  a message without body, complete
 *     FN_MUX_GONE     the sender gave the message up; `token`, or NULL where
 *                     it had no place yet; `at` its stream
 *
 * PING is answered, CREDIT heeded, DATA put in its place here.
 *
 * With a key, what the owner sends waits until the handshake is over, which is
 * when FN1_EV_PREFACE comes.  A server without a key of its own gets FN1_EV_KEY
 * before, and calls fn_mux_key.
 *
 * Threads: one at a time receives, any number send (muxout.h locks).  A mux
 * belongs to its process.
 */
#ifndef FASTNET_MUX_H
#define FASTNET_MUX_H

#include <pthread.h>
#include <sys/types.h>

#include "fastnet/fn1_flow.h"
#include "fastnet/fn1_rx.h"
#include "fastnet/fn1_session.h"
#include "fastnet/fn1_tx.h"

enum { FN_MUX_STREAMS = 128 };

/* Beyond the events of fn1_rx.h: PREFACE, PONG, ERROR and CLOSE. */
enum fn_mux_event { FN_MUX_MESSAGE = 200, FN_MUX_OPEN, FN_MUX_BODY, FN_MUX_GONE };

struct fn_mux_options {
    enum fn1_role role;
    struct fn1_limits limits; /* what this end accepts */
    uint32_t fragment;        /* bytes of payload in the frames it sends */
    uint64_t window;          /* bytes of a body that may be under way */
    size_t ahead_max;         /* bytes of read-ahead */
    size_t stage_max;         /* bytes of staging */
    size_t waiting_max;       /* bytes of small messages that wait for staging */
    const char *application;  /* ASCII, for FN1_EXT_APPLICATION; at most 32 */
    bool keyed;               /* the rest as in fn1_session_options, not kept */
    struct fn1_view key, key_id, suites;
};

enum fn_mux_in_state {
    FN_MUX_IDLE,
    FN_MUX_UNPLACED, /* its envelope came */
    FN_MUX_FILLING,
    FN_MUX_REFUSED /* what still comes is thrown away */
};

struct fn_mux_in {
    struct fn1_assembly assembly;
    enum fn_mux_in_state state;
    uint64_t granted; /* bytes of the body that were ever granted */
    struct fn_body *body;
    void *token;
};

struct fn_mux_out; /* muxout.h */

struct fn_mux {
    struct fn_mux_options options;
    pid_t owner;

    /* receiving */
    struct fn1_rx rx;
    struct fn_mux_in in[FN_MUX_STREAMS + 1];
    uint32_t at;      /* the stream that the last event is about */
    void *token;      /* of FN_MUX_BODY and FN_MUX_GONE */
    int stashed;      /* an event that fn_mux_next() shall give; 0 for none */
    uint32_t filling; /* large bodies that have places */
    bool peer_known;
    bool peer_closed;

    /* sending, under the lock */
    pthread_mutex_t lock;
    struct fn1_session session; /* and the receiving side, while it shakes hands */
    struct fn1_tx tx;
    struct fn_buf waiting;    /* records of what could not be staged yet */
    struct fn_mux_out *sends; /* what is being sent, first the next */
    struct fn_mux_out *sends_last;
    struct fn_mux_out *blocked;  /* what waits for a stream of its own */
    struct fn_mux_out *underway; /* whose frame is being sent */
    struct fn_mux_out *spent;    /* finished: fn_mux_take_spent */
    struct fn_mux_out *out[FN_MUX_STREAMS + 1];
    uint32_t free_hint;
    uint32_t next_message;
    uint64_t peer_message; /* bytes of body that the peer accepts */
    bool closed;           /* CLOSE or ERROR was staged */
    int failed;            /* a status after which nothing can be sent */

    _Atomic uint64_t messages_in, messages_out, bytes_in, bytes_out;
};

/* Stages the preface.  0 or an error. */
int fn_mux_init(struct fn_mux *m, const struct fn_mux_options *options);
void fn_mux_fini(struct fn_mux *m);

/* FN_OK, or FN_E_FORKED in a process that did not make it. */
int fn_mux_check_owner(const struct fn_mux *m);

/* ---------------------------------------------------------------- receiving */

/* The next event of bytes that are here, FN_E_MORE, or an error, after which
 * the connection is of no more use.  Views in m->rx hold until fn_mux_want. */
int fn_mux_next(struct fn_mux *m);
/* The key for FN1_EV_KEY, empty when there is none: 0, or an event as of fn_mux_next. */
int fn_mux_key(struct fn_mux *m, struct fn1_view key);
int fn_mux_want(struct fn_mux *m, struct iovec *iov, int max);
void fn_mux_got(struct fn_mux *m, size_t n);

/* The body of the message on stream `at` goes to `body`, which stays where it
 * is until FN_MUX_BODY or FN_MUX_GONE or fn_mux_refuse; 0 or -ENOMEM. */
int fn_mux_place(struct fn_mux *m, uint32_t at, struct fn_body *body, void *token);
/* It is not wanted, or no longer: its sender is told, and what still comes is
 * thrown away. */
int fn_mux_refuse(struct fn_mux *m, uint32_t at);

/* The end of the connection cuts nothing in two. */
bool fn_mux_at_boundary(const struct fn_mux *m);

#endif
