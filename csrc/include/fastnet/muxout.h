/* muxout.h: what a mux sends, and in which order.
 *
 * Small messages are copied and staged at once, between two frames; while a
 * fragment of a large one is on its way they wait for its end, in a buffer
 * with a cap.  Large messages take turns, one fragment each.  A message that
 * has no credit, or no stream, is passed over until it does.
 *
 * A fn_mux_out is the owner's, and stays where it is with all that it points
 * to until fn_mux_take_spent() gives it back.
 *
 * Any thread may call; a lock is held for the call.
 */
#ifndef FASTNET_MUXOUT_H
#define FASTNET_MUXOUT_H

#include "fastnet/mux.h"

enum fn_mux_out_state {
    FN_MUX_QUEUED,    /* its envelope has not been staged */
    FN_MUX_SENDING,   /* in the queue, or under way */
    FN_MUX_STARVED,   /* waits for credit, in no queue */
    FN_MUX_CANCELLED, /* the owner or the peer does not want it: it ends at the next turn */
    FN_MUX_SPENT
};

struct fn_mux_out {
    struct fn_mux_out *next;
    enum fn_mux_out_state state;
    uint32_t stream; /* 0 for a body that goes INLINE */
    uint32_t message;
    uint16_t kind;
    uint16_t segments;
    const uint64_t *sizes;
    struct fn1_view meta;
    struct fn_body *body;
    uint64_t total;
    uint64_t credit;
    int result; /* when spent: 0, -ECANCELED, or what ended the connection */
    void *token;
};

enum { FN_MUX_SMALL = FN1_COPY_MAX };

/* A message without a body (NULL), or one that has at most FN_MUX_SMALL bytes
 * with its envelope: all is copied.  0, FN_E_BUF_CAP when too much waits, FN_E_CLOSED, or an error.
 */
int fn_mux_message(struct fn_mux *m, uint16_t kind, const struct fn1_view *meta, size_t meta_parts,
                   const uint64_t *sizes, uint16_t segments, struct fn_body *body);

/* A larger one.  0, FN_E_FN1_MESSAGE when the peer accepts none of that size,
 * FN_E_CLOSED. */
int fn_mux_send(struct fn_mux *m, struct fn_mux_out *out);
/* It is not to be sent further; it will be spent. */
void fn_mux_cancel(struct fn_mux *m, struct fn_mux_out *out);
/* Those that have ended, linked by `next`. */
struct fn_mux_out *fn_mux_take_spent(struct fn_mux *m);

int fn_mux_control(struct fn_mux *m, const struct fn1_head *h);
/* To be answered with a PONG of the same token. */
int fn_mux_ping(struct fn_mux *m, uint64_t token);
int fn_mux_close(struct fn_mux *m);
int fn_mux_error(struct fn_mux *m, uint32_t code, const char *text);
/* Nothing can be sent any more: every message is spent with that result. */
void fn_mux_fail(struct fn_mux *m, int result);

/* Whether something can be sent now. */
bool fn_mux_pending(struct fn_mux *m);
/* Bytes of small messages that are staged or wait. */
size_t fn_mux_backlog(struct fn_mux *m);

/* With the lock held (fn_mux_lock): the pieces to send, 0 for nothing. */
void fn_mux_lock(struct fn_mux *m);
void fn_mux_unlock(struct fn_mux *m);
int fn_mux_out(struct fn_mux *m, struct iovec *iov, int max);
void fn_mux_sent(struct fn_mux *m, size_t n);

/* For mux.c, which calls them without the lock. */
int fn_mux_credit(struct fn_mux *m, uint32_t stream, uint64_t bytes);
void fn_mux_unwanted(struct fn_mux *m, uint32_t stream, uint32_t message);

#endif
