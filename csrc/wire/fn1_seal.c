/* Theory in fn1_seal.h. */
#include "fastnet/fn1_seal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fastnet/bytes.h"
#include "fastnet/pid.h"
#include "fastnet/status.h"

/* Key and iv of the secret in force, into a MAC that is new or not. */
static int use_secret(struct fn1_seal *s, enum fn_suite suite, bool fresh)
{
    uint8_t key[FN_MAC_KEY], iv[FN_MAC_NONCE];
    int st = fn_hkdf_expand(key, sizeof key, s->secret, "fn1 key", 7);
    if (st == FN_OK)
        st = fn_hkdf_expand(iv, sizeof iv, s->secret, "fn1 iv", 6);
    if (st == FN_OK)
        st = fresh ? fn_mac_init(&s->mac, suite, key, iv) : fn_mac_key(&s->mac, key, iv);
    fn_wipe(key, sizeof key);
    fn_wipe(iv, sizeof iv);
    return st;
}

int fn1_seal_init(struct fn1_seal *s, enum fn_suite suite, const uint8_t secret[FN_HASH])
{
    memset(s, 0, sizeof *s);
    memcpy(s->secret, secret, FN_HASH);
    s->rekey_tags = FN1_REKEY_TAGS;
    s->rekey_bytes = FN1_REKEY_BYTES;
    s->owner = fn_pid();
    int st = use_secret(s, suite, true);
    if (st < 0)
        fn1_seal_fini(s);
    return st;
}

void fn1_seal_fini(struct fn1_seal *s)
{
    fn_mac_fini(&s->mac);
    fn_wipe(s->secret, sizeof s->secret);
}

int fn1_seal_new(struct fn1_seal **out, enum fn_suite suite, const uint8_t secret[FN_HASH])
{
    struct fn1_seal *s = malloc(sizeof *s);
    if (!s)
        return -ENOMEM;
    int st = fn1_seal_init(s, suite, secret);
    if (st < 0) {
        free(s);
        return st;
    }
    *out = s;
    return FN_OK;
}

void fn1_seal_free(struct fn1_seal *s)
{
    if (s)
        fn1_seal_fini(s);
    free(s);
}

static int rekey(struct fn1_seal *s)
{
    uint8_t next[FN_HASH];
    int st = fn_hkdf_expand(next, sizeof next, s->secret, "fn1 rekey", 9);
    if (st == FN_OK) {
        memcpy(s->secret, next, FN_HASH);
        st = use_secret(s, s->mac.suite, false);
    }
    fn_wipe(next, sizeof next);
    s->tags = s->bytes = 0;
    s->rekeys++;
    return st;
}

int fn1_seal_begin(struct fn1_seal *s, enum fn1_tagged kind)
{
    uint8_t nonce[FN_MAC_NONCE];
    if (s->tags >= s->rekey_tags || s->bytes >= s->rekey_bytes) {
        int st = rekey(s);
        if (st < 0)
            return st;
    }
    fn_store32(nonce, kind);
    fn_store64(nonce + 4, s->counter);
    fn_mac_begin(&s->mac, nonce);
    return FN_OK;
}

void fn1_seal_update(struct fn1_seal *s, const void *data, size_t len)
{
    fn_mac_update(&s->mac, data, len);
    s->bytes += len;
}

static void count(struct fn1_seal *s)
{
    s->counter++;
    s->tags++;
}

int fn1_seal_tag(struct fn1_seal *s, uint8_t tag[FN_MAC_TAG])
{
    if (fn_pid() != s->owner)
        return FN_E_FORKED;
    count(s);
    return fn_mac_finish(&s->mac, tag);
}

int fn1_seal_check(struct fn1_seal *s, const uint8_t tag[FN_MAC_TAG])
{
    count(s);
    return fn_mac_check(&s->mac, tag);
}

struct fn1_seal_mark fn1_seal_mark(const struct fn1_seal *s)
{
    return (struct fn1_seal_mark){s->counter, s->tags, s->bytes, s->rekeys};
}

int fn1_seal_return(struct fn1_seal *s, const struct fn1_seal_mark *mark)
{
    if (s->rekeys != mark->rekeys)
        return FN_E_POISONED;
    s->counter = mark->counter;
    s->tags = mark->tags;
    s->bytes = mark->bytes;
    return FN_OK;
}
