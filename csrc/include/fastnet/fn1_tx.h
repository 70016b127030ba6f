/* fn1_tx.h: the sending half of an fn1 connection, without I/O.
 *
 * Heads, envelopes, control frames and small bodies are written to a capped
 * staging buffer; larger bodies go out from where they lie, cut into DATA
 * frames.  The owner sends what fn1_tx_out shows and says with fn1_tx_sent how
 * much of it went:
 *
 *     fn1_tx_message(tx, ...);
 *     while (fn1_tx_pending(tx)) {
 *         n = fn1_tx_out(tx, iov, max, limit);
 *         ... send at least one byte of iov[0..n) ...
 *         fn1_tx_sent(tx, bytes);
 *     }
 *
 * One message may be under way at a time; control frames may be staged only
 * between messages.  A PONG falls due from another thread and is slipped in
 * at the next frame boundary.
 */
#ifndef FASTNET_FN1_TX_H
#define FASTNET_FN1_TX_H

#include <stdatomic.h>

#include "fastnet/body.h"
#include "fastnet/buf.h"
#include "fastnet/fn1.h"

enum {
    FN1_INLINE_MAX = 64 * 1024,      /* bytes of body that share the MESSAGE frame */
    FN1_COPY_MAX = 8 * 1024,         /* bytes of body cheaper to copy than to gather */
    FN1_TX_SLACK = 2 * FN1_HEAD_SIZE /* room kept for a DATA head and a PONG */
};

struct fn1_tx {
    struct fn_buf out;
    uint32_t fragment; /* bytes of payload in one frame */
    bool ended;        /* CLOSE or ERROR was staged: no PONG may follow */
    struct fn_body *body;
    uint64_t body_total;
    uint64_t frame_left; /* payload bytes of the frame under way */
    uint32_t stream;
    uint32_t message;
    _Atomic uint64_t pong_token;
    _Atomic bool pong_due;
};

/* stage_max bounds the staging buffer, in bytes. */
void fn1_tx_init(struct fn1_tx *tx, uint32_t fragment, size_t stage_max);
void fn1_tx_fini(struct fn1_tx *tx);

int fn1_tx_preface(struct fn1_tx *tx, const struct fn1_preface *p);
int fn1_tx_control(struct fn1_tx *tx, const struct fn1_head *h);
/* text is cut at FN1_ERROR_TEXT bytes, never inside a UTF-8 character. */
int fn1_tx_error(struct fn1_tx *tx, uint32_t code, const char *text);

struct fn1_outgoing {
    uint32_t stream;
    uint32_t message;
    uint16_t kind;
    uint16_t segments;
    const uint64_t *sizes; /* of the segments; their sum is the body's */
    const struct fn1_view *meta;
    size_t meta_parts; /* written one after another */
};

/* Opens a message.  A body of at most FN1_COPY_MAX bytes is copied and needed
 * no longer; otherwise it must stay until fn1_tx_pending is false.  On error
 * (FN_E_BUF_CAP, -ENOMEM) nothing is staged. */
int fn1_tx_message(struct fn1_tx *tx, const struct fn1_outgoing *m, struct fn_body *body);

void fn1_tx_answer_ping(struct fn1_tx *tx, uint64_t token);

bool fn1_tx_pending(struct fn1_tx *tx);
/* The number of pieces, at least 1 while pending, or -ENOMEM. */
int fn1_tx_out(struct fn1_tx *tx, struct iovec *iov, int max, size_t limit);
void fn1_tx_sent(struct fn1_tx *tx, size_t n);

static inline size_t fn1_tx_staged(const struct fn1_tx *tx)
{
    return fn_buf_len(&tx->out);
}

#endif
