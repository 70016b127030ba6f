/* link.h: one fn1 connection that carries messages on stream 0.
 *
 * A link joins a stream (stream.h) with the two halves of the protocol
 * (fn1_rx.h, fn1_tx.h) and keeps the rules between them: the assembly of a
 * message from its fragments, which faults end the connection, and whose
 * process it is.
 *
 * The blocking calls return FN_OK or an event, or FN_E_TIMEOUT, FN_E_STALL,
 * FN_E_CHECK (call again), FN_E_EOF, or an error.  A transfer that ends inside
 * a frame leaves the link *poisoned* in that direction: what the next byte on
 * the wire means is known to nobody, so every later call gives
 * FN_E_POISONED.  The caller decides that (fn_link_poison_*), since only it
 * knows whether it will call again.
 *
 * A transport that is not a plain descriptor (TLS) uses fn_link_step,
 * fn_link_want, fn_link_got and fn_link_out, fn_link_sent, and moves the bytes
 * itself.
 *
 * With a key (options.keyed) the first event is FN1_EV_PREFACE when the peer has
 * proved that it has the key too, and nothing can be sent before: FN_E_FN1_EARLY.
 * A server that was given no key gets FN1_EV_KEY before, and calls fn_link_key.
 * Until then one thread drives the link: fn_link_next sends what the handshake
 * has to send, but what is staged with FN1_EV_PREFACE is for fn_link_flush.
 *
 * A body whose tag is wrong, or that is given up, is wiped: nothing that was not
 * verified stays in it.
 *
 * One thread may send while another receives.
 */
#ifndef FASTNET_LINK_H
#define FASTNET_LINK_H

#include <sys/types.h>

#include "fastnet/fn1_flow.h"
#include "fastnet/fn1_rx.h"
#include "fastnet/fn1_session.h"
#include "fastnet/fn1_tx.h"
#include "fastnet/stream.h"

/* Beyond the events of fn1_rx.h. */
enum {
    FN_LINK_BODY = 100, /* the body of the open message is complete */
    FN_LINK_REPLY = 101 /* fn_link_step: the handshake has something to send */
};

struct fn_link_options {
    enum fn1_role role;
    struct fn1_limits limits; /* what this end accepts */
    uint32_t fragment;        /* bytes of payload in the frames it sends */
    size_t ahead_max;         /* bytes of read-ahead */
    size_t stage_max;         /* bytes of staging */
    const char *application;  /* ASCII, for FN1_EXT_APPLICATION; at most 32 */
    bool keyed;               /* the rest as in fn1_session_options, not kept */
    struct fn1_view key, key_id, suites;
};

struct fn_link {
    struct fn_stream stream;
    struct fn1_rx rx;
    struct fn1_tx tx;
    struct fn1_session session;
    struct fn1_assembly assembly;
    struct fn_link_options options;
    pid_t owner;

    /* receiving side */
    struct fn_body *sink; /* where the open message's body goes */
    size_t ahead_max;
    bool receive_poisoned;
    bool peer_closed; /* CLOSE came */

    /* sending side */
    uint32_t next_message;
    struct fn_body *body; /* of the message under way, or NULL */
    uint64_t body_total;  /* what of it was not copied, in bytes */
    bool send_poisoned;
    bool closed; /* CLOSE was staged */

    /* written by the receiving side, read by the sending side */
    _Atomic uint32_t peer_fragment; /* 0 until the peer's preface came */
    _Atomic uint64_t peer_message;

    _Atomic uint64_t messages_out;
    _Atomic uint64_t messages_in;
};

/* Stages the preface, but for a server with a key; nothing is sent yet.  fd
 * stays the caller's. */
int fn_link_init(struct fn_link *l, int fd, const struct fn_link_options *options);
void fn_link_fini(struct fn_link *l);

/* FN_OK, or FN_E_FORKED in a process that did not open the link.  The calls
 * that do I/O check it themselves. */
int fn_link_check_owner(const struct fn_link *l);

/* FN_OK, FN_E_POISONED, FN_E_CLOSED or FN_E_FN1_EARLY. */
int fn_link_may_send(const struct fn_link *l);
int fn_link_may_receive(const struct fn_link *l);

/* ------------------------------------------------------------------ sending */

/* Opens a message on stream 0; body as for fn1_tx_message.  FN_E_FN1_MESSAGE
 * when it is larger than the peer accepts. */
int fn_link_message(struct fn_link *l, uint16_t kind, const uint64_t *sizes, uint16_t segments,
                    const struct fn1_view *meta, size_t meta_parts, struct fn_body *body);

/* Sends until nothing is pending. */
int fn_link_flush(struct fn_link *l, const struct fn_wait *wait);

/* True when part of a frame has been sent and the rest has not. */
bool fn_link_send_is_partial(const struct fn_link *l, uint64_t bytes_before);

/* Forgets what was staged and of which no byte has been sent.  Where tags
 * cannot be taken back, the direction is poisoned. */
void fn_link_unstage(struct fn_link *l);

/* Stages ERROR or, where the peer has proved nothing yet, a refusal that has
 * the code only.  Nothing can be staged after it. */
int fn_link_error(struct fn_link *l, uint32_t code, const char *text);

/* Stages CLOSE once. */
int fn_link_close(struct fn_link *l);

int fn_link_out(struct fn_link *l, struct iovec *iov, int max);
void fn_link_sent(struct fn_link *l, size_t n);

/* ---------------------------------------------------------------- receiving */

/* The next event, waiting for it: one of fn1_rx.h's PREFACE, MESSAGE, CANCEL,
 * PING, PONG, ERROR and CLOSE, or FN_LINK_BODY. */
int fn_link_next(struct fn_link *l, const struct fn_wait *wait);

/* The same for bytes that are already here: an event, FN_E_MORE or an error. */
int fn_link_step(struct fn_link *l);
int fn_link_want(struct fn_link *l, struct iovec *iov, int max);
void fn_link_got(struct fn_link *l, size_t n);

/* After FN1_EV_KEY: the key of l->session.key_id, an empty view for none.  An
 * event, 0 to go on, or an error. */
int fn_link_key(struct fn_link *l, struct fn1_view key);

/* After FN1_EV_MESSAGE: the body goes to `body` (NULL throws it away), and
 * fn_link_next gives FN_LINK_BODY when it is there.  A message whose body is
 * empty is complete at once: returns true. */
bool fn_link_deliver(struct fn_link *l, struct fn_body *body);

/* A receive was given up: nothing points to its body any more.  With a key, a
 * body that was begun is wiped, and the direction poisoned. */
void fn_link_forget(struct fn_link *l);

/* The end of the connection cuts nothing in two. */
bool fn_link_at_boundary(const struct fn_link *l);

#endif
