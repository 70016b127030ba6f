/* fn1_rx.h: the receiving half of an fn1 connection, without I/O.
 *
 * The machine turns bytes into events, and says where it wants the next bytes:
 * heads and envelopes go to its capped read-ahead buffer, a message's body
 * straight to where the owner wants it.  The answer is the same whether bytes
 * come whole, one at a time, or with others behind them.
 *
 *     for (;;) {
 *         ev = fn1_rx_next(rx);
 *         if (ev == FN_E_MORE) {
 *             n = fn1_rx_want(rx, iov, max);
 *             ... read at least one byte into iov[0..n) ...
 *             fn1_rx_got(rx, bytes);
 *         } else if (ev < 0) { error: the connection is of no more use }
 *         else { handle the event }
 *     }
 *
 * After FN1_EV_MESSAGE (of an inline message with a body) and FN1_EV_DATA the
 * owner says with fn1_rx_deliver where the payload goes; FN1_EV_PAYLOAD tells
 * that all of that frame's payload has arrived there.
 *
 * With a key (fn1_rx_open) nothing is believed before its tag was verified: no
 * head, no envelope, no payload that is short.  A long DATA frame is delivered
 * as it comes, and FN1_EV_PAYLOAD tells that every chunk of it was verified; at
 * FN_E_FN1_TAG the owner wipes what it delivered to (fn_body_wipe).
 *
 * Views in an event hold until the next call to fn1_rx_want.
 */
#ifndef FASTNET_FN1_RX_H
#define FASTNET_FN1_RX_H

#include "fastnet/body.h"
#include "fastnet/buf.h"
#include "fastnet/fn1.h"
#include "fastnet/fn1_seal.h"

enum fn1_event {
    FN1_EV_PREFACE = 1, /* rx->preface */
    FN1_EV_MESSAGE,     /* rx->head, rx->envelope */
    FN1_EV_DATA,        /* rx->head */
    FN1_EV_PAYLOAD,
    FN1_EV_CREDIT, /* rx->head from here on */
    FN1_EV_CANCEL,
    FN1_EV_PING,
    FN1_EV_PONG,
    FN1_EV_ERROR, /* rx->error_code, rx->error_text (not checked as UTF-8) */
    FN1_EV_CLOSE,
    FN1_EV_AUTH, /* rx->auth */
    FN1_EV_KEY   /* of fn1_session.h: a key is wanted */
};

enum fn1_rx_state {
    FN1_RX_PREFACE,
    FN1_RX_HEAD,
    FN1_RX_ENVELOPE,
    FN1_RX_TEXT,
    FN1_RX_PAYLOAD,
    FN1_RX_SKIP,
    FN1_RX_ENDED
};

struct fn1_rx {
    struct fn1_limits limits;
    enum fn1_rx_state state;
    int failed; /* the error that ended it: there is no second try */
    struct fn_buf in;
    size_t ahead; /* bytes to read beyond what is needed now */

    struct fn1_preface preface;
    struct fn1_head head;
    struct fn1_envelope envelope;
    uint32_t error_code;
    struct fn1_view error_text;

    uint32_t left;        /* payload bytes of this frame not yet passed */
    struct fn_body *body; /* where they go; NULL throws them away */
    uint64_t shown;       /* bytes of body in the last fn1_rx_want */

    struct fn1_seal *seal; /* NULL without a key */
    bool wants_auth;       /* the first frame must be AUTH */
    bool chunked;          /* the payload under way has tags of its own */
    uint32_t chunk_left;   /* payload bytes of the chunk under way */
    size_t tail;           /* bytes in the buffer that were a verified tag */
    uint8_t auth[FN1_AUTH_SIZE];
};

/* ahead_max bounds the read-ahead; the buffer's cap follows from it and from
 * limits->envelope. */
void fn1_rx_init(struct fn1_rx *rx, const struct fn1_limits *limits, size_t ahead_max);
void fn1_rx_fini(struct fn1_rx *rx);

/* Verifies whatever follows the preface.  The secret is copied; wants_auth: the
 * first frame is AUTH, and no other is.  -ENOMEM, FN_E_CRYPTO. */
int fn1_rx_open(struct fn1_rx *rx, enum fn_suite suite, const uint8_t secret[FN_HASH],
                bool wants_auth);

/* An event, FN_E_MORE, or an error. */
int fn1_rx_next(struct fn1_rx *rx);

/* Where this frame's payload goes: body (which must have room for it), or
 * NULL to throw it away. */
void fn1_rx_deliver(struct fn1_rx *rx, struct fn_body *body);

/* Only after fn1_rx_next gave FN_E_MORE.  At least one piece of at least one
 * byte, or -ENOMEM. */
int fn1_rx_want(struct fn1_rx *rx, struct iovec *iov, int max);
void fn1_rx_got(struct fn1_rx *rx, size_t n);

/* True between messages and frames: an end of the connection here cuts
 * nothing in two. */
bool fn1_rx_at_boundary(const struct fn1_rx *rx);

#endif
