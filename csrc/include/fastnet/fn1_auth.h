/* fn1_auth.h: how two ends of an fn1 connection prove a shared key to each other.
 *
 * Three messages, the first two of which are prefaces with these extensions,
 * in any order but the last:
 *
 *     2  key id   client: which key, 0 to 64 bytes
 *     3  suites   client: those it offers, one byte each, the best first;
 *                 server: the one chosen
 *     4  nonce    32 random bytes
 *     5  proof    32 bytes, the last extension: that the sender has the key
 *     6  refused  server, instead of 2 to 5: code u32 of enum fn1_error_code
 *
 *     psk    = HKDF-Extract("fn1 psk", key)                  key: 16 bytes at least
 *     binder = HMAC(HKDF-Expand(psk, "fn1 binder", 32), C)   the client's proof
 *     th     = SHA-256(C' || S)
 *     prk    = HKDF-Extract(th, psk)
 *     S's proof = HMAC(HKDF-Expand(prk, label "server proof", 32), th)
 *     AUTH      = HMAC(HKDF-Expand(prk, label "client proof", 32), th)
 *     secret of a direction = HKDF-Expand(prk, label "client" or "server", 32)
 *
 * C' is the client's preface, C the same without its last 32 bytes, S the
 * server's without its last 32; a label is "fn1 " suite-name " " use, without
 * a length or a zero.  The third message is the client's first frame: type
 * AUTH, whose payload is that proof, tagged like every frame from there on
 * (fn1_seal.h).  The client may send others right behind it; the server sends
 * none before it has verified it.
 *
 * What each part is for: the binder keeps an end from answering strangers, and
 * the server's nonce from being of use when a first flight is replayed; th has
 * every byte of both prefaces, so that no offer, limit or version can be
 * changed under way; labels with roles and suites keep a proof from being sent
 * back, and a key from being used by two algorithms.
 *
 * Codec only: no I/O, no allocation.
 */
#ifndef FASTNET_FN1_AUTH_H
#define FASTNET_FN1_AUTH_H

#include "fastnet/fn1.h"
#include "fastnet/kdf.h"
#include "fastnet/mac.h"

enum {
    FN1_KEY_MIN = 16,
    FN1_KEY_MAX = 4096,
    FN1_KEY_ID_MAX = 64,
    FN1_SUITES_MAX = 16,
    FN1_NONCE = 32,
    FN1_PROOF = FN_HASH
};

/* What both ends derive from the key and the prefaces.  A secret. */
struct fn1_keys {
    enum fn_suite suite;
    uint8_t client[FN_HASH]; /* the secret of what the client sends */
    uint8_t server[FN_HASH];
    uint8_t proof[FN1_PROOF]; /* of AUTH */
};

/* psk from a key.  FN_E_ARGUMENT when it is shorter than FN1_KEY_MIN or longer
 * than FN1_KEY_MAX. */
int fn1_auth_psk(uint8_t psk[FN_HASH], struct fn1_view key);

/* The client's preface: base's fields and extensions, and those above.  out
 * has FN1_PREFACE_MAX bytes; its length, or FN_E_ARGUMENT when it does not
 * fit. */
int64_t fn1_auth_hello(uint8_t *out, const struct fn1_preface *base, struct fn1_view key_id,
                       struct fn1_view suites, const uint8_t nonce[FN1_NONCE],
                       const uint8_t psk[FN_HASH]);

/* What stands in a client's preface. */
struct fn1_offer {
    struct fn1_view key_id, suites, nonce, proof;
};
/* FN_OK, or FN_E_FN1_HELLO when an extension is missing or not as above. */
int fn1_auth_offer(const struct fn1_preface *client, struct fn1_offer *offer);
/* Whether the binder is right: FN_OK or FN_E_FN1_PROOF. */
int fn1_auth_bound(const struct fn1_preface *client, const uint8_t psk[FN_HASH]);
/* The first of `suites` that is offered, or FN_E_FN1_SUITE. */
int fn1_auth_choose(struct fn1_view offered, struct fn1_view suites);

/* The server's preface, as above, and the keys. */
int64_t fn1_auth_reply(uint8_t *out, const struct fn1_preface *base, enum fn_suite suite,
                       const uint8_t nonce[FN1_NONCE], struct fn1_view client,
                       const uint8_t psk[FN_HASH], struct fn1_keys *keys);
/* The client checks the server's preface and derives the keys.  offered are
 * the suites of its own.  FN_E_FN1_REFUSED (*code says why), FN_E_FN1_HELLO,
 * FN_E_FN1_SUITE (not one of those offered) or FN_E_FN1_PROOF. */
int fn1_auth_accept(struct fn1_view client, struct fn1_view offered,
                    const struct fn1_preface *server, const uint8_t psk[FN_HASH],
                    struct fn1_keys *keys, uint32_t *code);

/* A server's preface that refuses: nothing follows it. */
int64_t fn1_auth_refusal(uint8_t *out, const struct fn1_preface *base, uint32_t code);

#endif
