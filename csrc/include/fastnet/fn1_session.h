/* fn1_session.h: who speaks: the prefaces of both ends, and the handshake with keys.
 *
 * A session stands between the two halves of a connection (fn1_rx.h, fn1_tx.h)
 * and their owner, and says when the owner's data may flow.  It is given two
 * of the receiver's events and answers with what they mean:
 *
 *     fn1_session_init(&s, &options);
 *     fn1_session_begin(&s, tx);            // may stage a preface
 *     ...
 *     event = fn1_rx_next(rx);
 *     if (event == FN1_EV_PREFACE || event == FN1_EV_AUTH)
 *         event = fn1_session_event(&s, rx, tx, event);
 *     switch (event) {
 *     case 0:              go on; something may be staged, to be sent at once
 *     case FN1_EV_KEY:     a server looks up the key of s.key_id, then calls
 *                          fn1_session_key, whose answer is again one of these
 *     case FN1_EV_PREFACE: the peer is known (s.peer) and data may flow
 *     }
 *
 * Without a key, the session is no more than the exchange of prefaces, and the
 * client's data may flow from the beginning.  With a key, nothing but the
 * handshake may be staged before FN1_EV_PREFACE (fn1_session_is_open); from
 * there on both halves tag and verify by themselves.  The owner keeps
 * rx->ahead at 0 until then, so that at most FN1_PREFACE_MAX bytes of a
 * stranger are held.
 *
 * A negative answer is the end.  A server then may still say so, with
 * fn1_session_refuse; it says no more than a code.
 */
#ifndef FASTNET_FN1_SESSION_H
#define FASTNET_FN1_SESSION_H

#include "fastnet/fn1_auth.h"
#include "fastnet/fn1_rx.h"
#include "fastnet/fn1_tx.h"

struct fn1_session_options {
    enum fn1_role role;
    struct fn1_preface preface; /* fragment, window, message and extensions; the rest is set here */
    bool keyed;
    struct fn1_view key;    /* empty in a server that asks for it by FN1_EV_KEY */
    struct fn1_view key_id; /* of a client */
    struct fn1_view suites; /* enum fn_suite, the best first; empty: fn_suite_order */
};

enum { FN1_APPLICATION = 33 };

enum fn1_session_state {
    FN1_SESSION_HELLO, /* the peer's preface is to come */
    FN1_SESSION_KEY,   /* fn1_session_key is to be called */
    FN1_SESSION_AUTH,  /* the client's AUTH is to come */
    FN1_SESSION_OPEN,
    FN1_SESSION_ENDED /* refused, or failed */
};

struct fn1_handshake; /* what is needed until it is open; wiped then */

struct fn1_session {
    enum fn1_role role;
    enum fn1_session_state state;
    bool keyed;
    enum fn_suite suite;               /* in use, once open; 0 without a key */
    uint32_t refusal;                  /* the peer's code, with FN_E_FN1_REFUSED */
    struct fn1_preface peer;           /* its numbers; without the extensions, but for: */
    char application[FN1_APPLICATION]; /* FN1_EXT_APPLICATION, cut to fit */
    uint8_t key_id[FN1_KEY_ID_MAX];    /* the client's */
    size_t key_id_len;
    struct fn1_handshake *hand;
};

/* Copies what it needs.  FN_OK, FN_E_ARGUMENT (a key that is too short, too
 * much for a preface), -ENOMEM, FN_E_CRYPTO; after an error there is nothing
 * to free. */
int fn1_session_init(struct fn1_session *s, const struct fn1_session_options *options);
/* Wipes; may be called twice. */
void fn1_session_fini(struct fn1_session *s);

/* Stages what this end may say first: its preface, but for a keyed server. */
int fn1_session_begin(struct fn1_session *s, struct fn1_tx *tx);

/* As above: 0, FN1_EV_KEY, FN1_EV_PREFACE, or an error. */
int fn1_session_event(struct fn1_session *s, struct fn1_rx *rx, struct fn1_tx *tx, int event);
/* The key for FN1_EV_KEY; an empty view when there is none for that id, which
 * ends as a wrong key does. */
int fn1_session_key(struct fn1_session *s, struct fn1_rx *rx, struct fn1_tx *tx,
                    struct fn1_view key);

/* Stages a keyed server's refusal with an enum fn1_error_code; 0, or
 * FN_E_ARGUMENT when its preface has been staged before. */
int fn1_session_refuse(struct fn1_session *s, struct fn1_tx *tx, uint32_t code);

/* The owner may stage messages and frames; without a key, from the beginning to
 * the end, so that it can say what was wrong with the peer's preface (and the
 * thread that sends never looks at what the one that receives is writing). */
static inline bool fn1_session_is_open(const struct fn1_session *s)
{
    return !s->keyed || s->state == FN1_SESSION_OPEN;
}

#endif
