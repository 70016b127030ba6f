/* fn1_seal.h: the tags of one direction of a keyed connection.
 *
 * A seal has the direction's secret and counts its tags.  The n-th tag, from
 * 0, has the nonce
 *
 *     0  kind     4   what is tagged: a short frame, a long frame's head, a chunk
 *     4  counter  8   n
 *
 * little-endian, so that a tag fits at one place of the direction only: what
 * is dropped, repeated, moved or reflected does not verify.  Nothing of it is
 * on the wire.
 *
 *     key = HKDF-Expand(secret, "fn1 key", 32)
 *     iv  = HKDF-Expand(secret, "fn1 iv", 12)
 *
 * Before a tag that would be the 2^20 + 1st under one key, or after 2^36 bytes
 * under it, both ends replace the secret, each by its own count:
 *
 *     secret = HKDF-Expand(secret, "fn1 rekey", 32)
 *
 * The counter goes on.  A seal belongs to its process: after fork() the child
 * cannot tag, since two processes that count on under one key would give it
 * away.
 */
#ifndef FASTNET_FN1_SEAL_H
#define FASTNET_FN1_SEAL_H

#include <sys/types.h>

#include "fastnet/kdf.h"
#include "fastnet/mac.h"

#define FN1_REKEY_TAGS ((uint64_t)1 << 20)
#define FN1_REKEY_BYTES ((uint64_t)1 << 36)

enum fn1_tagged { FN1_TAG_SHORT = 1, FN1_TAG_HEAD = 2, FN1_TAG_CHUNK = 3 };

struct fn1_seal {
    struct fn_mac mac;
    uint8_t secret[FN_HASH];
    uint64_t counter; /* of the next tag */
    uint64_t tags;    /* under this key */
    uint64_t bytes;   /* likewise */
    uint64_t rekey_tags, rekey_bytes;
    uint64_t rekeys;
    pid_t owner;
};

/* The secret is copied.  FN_OK, FN_E_ARGUMENT, -ENOMEM, FN_E_CRYPTO. */
int fn1_seal_init(struct fn1_seal *s, enum fn_suite suite, const uint8_t secret[FN_HASH]);
void fn1_seal_fini(struct fn1_seal *s);
/* The same on the heap: FN_OK and *out, which fn1_seal_free takes (or NULL). */
int fn1_seal_new(struct fn1_seal **out, enum fn_suite suite, const uint8_t secret[FN_HASH]);
void fn1_seal_free(struct fn1_seal *s);

/* One tag: begin, any number of updates, then tag (the sender; FN_E_FORKED in
 * another process) or check (the receiver; FN_E_FN1_TAG). */
int fn1_seal_begin(struct fn1_seal *s, enum fn1_tagged kind);
void fn1_seal_update(struct fn1_seal *s, const void *data, size_t len);
int fn1_seal_tag(struct fn1_seal *s, uint8_t tag[FN_MAC_TAG]);
int fn1_seal_check(struct fn1_seal *s, const uint8_t tag[FN_MAC_TAG]);

/* Where a seal stands, to come back to it when tags were made and none of them
 * was sent.  FN_E_POISONED when the key has changed since. */
struct fn1_seal_mark {
    uint64_t counter, tags, bytes, rekeys;
};
struct fn1_seal_mark fn1_seal_mark(const struct fn1_seal *s);
int fn1_seal_return(struct fn1_seal *s, const struct fn1_seal_mark *mark);

#endif
