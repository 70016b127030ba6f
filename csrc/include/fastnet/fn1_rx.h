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
 * Views in an event hold until the next call to fn1_rx_want.
 */
#ifndef FASTNET_FN1_RX_H
#define FASTNET_FN1_RX_H

#include "fastnet/body.h"
#include "fastnet/buf.h"
#include "fastnet/fn1.h"

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
    FN1_EV_CLOSE
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
};

/* ahead_max bounds the read-ahead; the buffer's cap follows from it and from
 * limits->envelope. */
void fn1_rx_init(struct fn1_rx *rx, const struct fn1_limits *limits, size_t ahead_max);
void fn1_rx_fini(struct fn1_rx *rx);

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
