/* fn1_tx.h: the sending half of an fn1 connection, without I/O.
 *
 * Heads, envelopes, control frames and small bodies are written to a capped
 * staging buffer; larger bodies go out from where they lie.  The owner sends
 * what fn1_tx_out shows and says with fn1_tx_sent how much of it went:
 *
 *     while (fn1_tx_pending(tx)) {
 *         n = fn1_tx_out(tx, iov, max, limit);
 *         ... send at least one byte of iov[0..n) ...
 *         fn1_tx_sent(tx, bytes);
 *     }
 *
 * A body that does not share its MESSAGE's frame is cut into DATA frames by
 * the owner, who stages them one at a time with fn1_tx_data: in a row, or
 * between those of other messages on other streams.
 *
 * With a key (fn1_tx_seal) all that is staged from there on is tagged, without
 * the owner's doing.  Short frames are staged whole, their payload copied, so
 * that head and payload share a tag; of a long DATA frame the head is tagged
 * at once, and each chunk just before fn1_tx_out shows it the first time.
 *
 * While the payload of a frame goes out from a body, the frame is *under way*
 * (fn1_tx_busy), and nothing can be staged: FN_E_ARGUMENT.  A PONG falls due
 * from another thread and is slipped in at the next frame boundary.
 */
#ifndef FASTNET_FN1_TX_H
#define FASTNET_FN1_TX_H

#include <stdatomic.h>

#include "fastnet/body.h"
#include "fastnet/buf.h"
#include "fastnet/fn1.h"
#include "fastnet/fn1_seal.h"

enum {
    FN1_INLINE_MAX = 64 * 1024,      /* bytes of body that share the MESSAGE frame */
    FN1_COPY_MAX = 8 * 1024,         /* bytes of body cheaper to copy than to gather */
    FN1_TX_SLACK = 2 * FN1_HEAD_SIZE /* room kept for a DATA head and a PONG */
};

struct fn1_tx {
    struct fn_buf out;
    uint32_t fragment;    /* bytes of payload in one frame */
    bool ended;           /* CLOSE or ERROR was staged: no PONG may follow */
    struct fn_body *body; /* where the frame under way takes its payload from, or NULL */
    uint64_t frame_left;  /* payload bytes of it */

    struct fn1_seal *seal;     /* NULL without a key */
    struct fn1_seal_mark mark; /* where the first tag in the buffer was made */
    bool mark_holds;           /* nothing was sent since */
    uint32_t chunk_left;       /* payload bytes of the chunk under way */
    uint32_t covered;          /* of those, given to its tag */
    size_t tag_left;           /* bytes of its tag still to be sent */
    bool chunk_begun;          /* its tag was begun */
    uint8_t tag[FN_MAC_TAG];

    _Atomic uint64_t pong_token;
    _Atomic bool pong_due;
};

/* stage_max bounds the staging buffer, in bytes. */
void fn1_tx_init(struct fn1_tx *tx, uint32_t fragment, size_t stage_max);
void fn1_tx_fini(struct fn1_tx *tx);

int fn1_tx_preface(struct fn1_tx *tx, const struct fn1_preface *p);
/* A preface that is encoded already. */
int fn1_tx_greeting(struct fn1_tx *tx, struct fn1_view preface);

/* Tags whatever is staged from here on.  The secret is copied.  -ENOMEM,
 * FN_E_CRYPTO. */
int fn1_tx_seal(struct fn1_tx *tx, enum fn_suite suite, const uint8_t secret[FN_HASH]);
/* The client's proof. */
int fn1_tx_auth(struct fn1_tx *tx, const uint8_t proof[FN1_AUTH_SIZE]);

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

enum { FN1_TX_CUT = 1 };

/* Opens a message.  A small body shares the frame: up to FN1_COPY_MAX bytes it
 * is copied and needed no longer (body->left is 0), up to FN1_INLINE_MAX it is
 * under way and must stay until it has been sent; with a key it is copied as
 * long as the payload is short (FN1_SHORT_MAX).  Of a larger one only the
 * envelope is staged: FN1_TX_CUT says that the body is for fn1_tx_data.  On
 * error (FN_E_BUF_CAP, -ENOMEM) nothing is staged. */
int fn1_tx_message(struct fn1_tx *tx, const struct fn1_outgoing *m, struct fn_body *body);

/* Stages one DATA frame with the next `length` bytes of body, from 1 to the
 * smaller of body->left and tx->fragment, that belong at `offset` of the
 * message.  body must stay until the frame has been sent; with a key, a short
 * frame is copied at once, and then it is not under way but staged. */
int fn1_tx_data(struct fn1_tx *tx, uint32_t stream, uint32_t message, uint64_t offset,
                struct fn_body *body, uint32_t length);

void fn1_tx_answer_ping(struct fn1_tx *tx, uint64_t token);

bool fn1_tx_pending(struct fn1_tx *tx);
/* The number of pieces, at least 1 while pending, or -ENOMEM. */
int fn1_tx_out(struct fn1_tx *tx, struct iovec *iov, int max, size_t limit);
void fn1_tx_sent(struct fn1_tx *tx, size_t n);

/* Forgets all that is staged or under way, of which nothing was sent.  With a
 * key FN_E_POISONED when the tags cannot be taken back: no more can be sent. */
int fn1_tx_unstage(struct fn1_tx *tx);

/* A frame takes its payload from a body, and some of that is still to be sent. */
static inline bool fn1_tx_busy(const struct fn1_tx *tx)
{
    return tx->body != NULL;
}

static inline size_t fn1_tx_staged(const struct fn1_tx *tx)
{
    return fn_buf_len(&tx->out);
}

#endif
