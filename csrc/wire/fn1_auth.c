/* Theory in fn1_auth.h. */
#include "fastnet/fn1_auth.h"

#include <string.h>

#include "fastnet/bytes.h"
#include "fastnet/status.h"

enum { EXT_HEAD = 4 };

int fn1_auth_psk(uint8_t psk[FN_HASH], struct fn1_view key)
{
    if (key.len < FN1_KEY_MIN || key.len > FN1_KEY_MAX)
        return FN_E_ARGUMENT;
    return fn_hkdf_extract(psk, "fn1 psk", 7, key.data, key.len);
}

/* ----------------------------------------------------------- what is derived */

static int label(uint8_t out[FN_HASH], const uint8_t prk[FN_HASH], enum fn_suite suite,
                 const char *use)
{
    char info[FN_HKDF_INFO];
    size_t len = 0;
    const char *parts[] = {"fn1 ", fn_suite_name((int)suite), " ", use};
    for (size_t i = 0; i < 4; i++) {
        size_t n = strlen(parts[i]);
        memcpy(info + len, parts[i], n);
        len += n;
    }
    return fn_hkdf_expand(out, FN_HASH, prk, info, len);
}

static int binder(uint8_t out[FN1_PROOF], struct fn1_view client, const uint8_t psk[FN_HASH])
{
    uint8_t key[FN_HASH];
    int st = fn_hkdf_expand(key, sizeof key, psk, "fn1 binder", 10);
    if (st == FN_OK)
        st = fn_hmac(out, key, sizeof key, client.data, client.len - FN1_PROOF);
    fn_wipe(key, sizeof key);
    return st;
}

static int prove(uint8_t out[FN1_PROOF], const uint8_t prk[FN_HASH], enum fn_suite suite,
                 const char *use, const uint8_t th[FN_HASH])
{
    uint8_t key[FN_HASH];
    int st = label(key, prk, suite, use);
    if (st == FN_OK)
        st = fn_hmac(out, key, sizeof key, th, FN_HASH);
    fn_wipe(key, sizeof key);
    return st;
}

/* The keys, and what the server's proof must be, from both prefaces; the
 * server's with the space of its proof. */
static int derive(struct fn1_keys *keys, uint8_t proof[FN1_PROOF], enum fn_suite suite,
                  struct fn1_view client, struct fn1_view server, const uint8_t psk[FN_HASH])
{
    uint8_t th[FN_HASH], prk[FN_HASH];
    int st = fn_sha256(th, client.data, client.len, server.data, server.len - FN1_PROOF);
    if (st == FN_OK)
        st = fn_hkdf_extract(prk, th, sizeof th, psk, FN_HASH);
    if (st == FN_OK)
        st = prove(proof, prk, suite, "server proof", th);
    if (st == FN_OK)
        st = prove(keys->proof, prk, suite, "client proof", th);
    if (st == FN_OK)
        st = label(keys->client, prk, suite, "client");
    if (st == FN_OK)
        st = label(keys->server, prk, suite, "server");
    keys->suite = suite;
    fn_wipe(prk, sizeof prk);
    if (st < 0)
        fn_wipe(keys, sizeof *keys);
    return st;
}

/* ------------------------------------------------------------------ writing */

/* A preface under way: extensions are appended, and the first error is kept. */
struct draft {
    uint8_t ext[FN1_EXT_MAX];
    int64_t len;
};

static void put(struct draft *d, uint16_t type, const void *value, size_t len)
{
    if (d->len >= 0)
        d->len = fn1_ext_append(d->ext, (size_t)d->len, type, (struct fn1_view){value, len});
}

static void draft_begin(struct draft *d, const struct fn1_preface *base)
{
    d->len = 0;
    if (base->extensions.len > FN1_EXT_MAX) {
        d->len = FN_E_ARGUMENT;
        return;
    }
    if (base->extensions.len)
        memcpy(d->ext, base->extensions.data, base->extensions.len);
    d->len = (int64_t)base->extensions.len;
}

static int64_t draft_end(struct draft *d, uint8_t *out, const struct fn1_preface *base)
{
    if (d->len < 0)
        return d->len;
    struct fn1_preface p = *base;
    p.flags |= FN1_KEYED;
    p.extensions = (struct fn1_view){d->ext, (size_t)d->len};
    return fn1_preface_encode(out, &p);
}

int64_t fn1_auth_hello(uint8_t *out, const struct fn1_preface *base, struct fn1_view key_id,
                       struct fn1_view suites, const uint8_t nonce[FN1_NONCE],
                       const uint8_t psk[FN_HASH])
{
    static const uint8_t space[FN1_PROOF];
    struct draft d;
    if (key_id.len > FN1_KEY_ID_MAX || !suites.len || suites.len > FN1_SUITES_MAX)
        return FN_E_ARGUMENT;
    draft_begin(&d, base);
    put(&d, FN1_EXT_KEY_ID, key_id.data, key_id.len);
    put(&d, FN1_EXT_SUITES, suites.data, suites.len);
    put(&d, FN1_EXT_NONCE, nonce, FN1_NONCE);
    put(&d, FN1_EXT_PROOF, space, sizeof space);
    int64_t len = draft_end(&d, out, base);
    if (len < 0)
        return len;
    int st = binder(out + len - FN1_PROOF, (struct fn1_view){out, (size_t)len}, psk);
    return st < 0 ? st : len;
}

int64_t fn1_auth_reply(uint8_t *out, const struct fn1_preface *base, enum fn_suite suite,
                       const uint8_t nonce[FN1_NONCE], struct fn1_view client,
                       const uint8_t psk[FN_HASH], struct fn1_keys *keys)
{
    static const uint8_t space[FN1_PROOF];
    uint8_t chosen = (uint8_t)suite;
    struct draft d;
    draft_begin(&d, base);
    put(&d, FN1_EXT_SUITES, &chosen, 1);
    put(&d, FN1_EXT_NONCE, nonce, FN1_NONCE);
    put(&d, FN1_EXT_PROOF, space, sizeof space);
    int64_t len = draft_end(&d, out, base);
    if (len < 0)
        return len;
    int st = derive(keys, out + len - FN1_PROOF, suite, client, (struct fn1_view){out, (size_t)len},
                    psk);
    return st < 0 ? st : len;
}

int64_t fn1_auth_refusal(uint8_t *out, const struct fn1_preface *base, uint32_t code)
{
    uint8_t number[4];
    struct draft d;
    fn_store32(number, code);
    draft_begin(&d, base);
    put(&d, FN1_EXT_REFUSED, number, sizeof number);
    return draft_end(&d, out, base);
}

/* ------------------------------------------------------------------ reading */

/* The proof ends the preface; nothing may follow what it covers. */
static bool find_proof(const struct fn1_preface *p, struct fn1_view *proof)
{
    return fn1_ext_find(p->extensions, FN1_EXT_PROOF, proof) && proof->len == FN1_PROOF &&
           proof->data + proof->len == p->extensions.data + p->extensions.len;
}

static bool find_sized(const struct fn1_preface *p, uint16_t type, size_t least, size_t most,
                       struct fn1_view *value)
{
    return fn1_ext_find(p->extensions, type, value) && value->len >= least && value->len <= most;
}

int fn1_auth_offer(const struct fn1_preface *client, struct fn1_offer *o)
{
    bool good = find_sized(client, FN1_EXT_KEY_ID, 0, FN1_KEY_ID_MAX, &o->key_id) &&
                find_sized(client, FN1_EXT_SUITES, 1, FN1_SUITES_MAX, &o->suites) &&
                find_sized(client, FN1_EXT_NONCE, FN1_NONCE, FN1_NONCE, &o->nonce) &&
                find_proof(client, &o->proof);
    return good ? FN_OK : FN_E_FN1_HELLO;
}

int fn1_auth_bound(const struct fn1_preface *client, const uint8_t psk[FN_HASH])
{
    uint8_t right[FN1_PROOF];
    struct fn1_view proof;
    if (!find_proof(client, &proof))
        return FN_E_FN1_HELLO;
    int st = binder(right, client->raw, psk);
    if (st == FN_OK && !fn_equal(right, proof.data, FN1_PROOF))
        st = FN_E_FN1_PROOF;
    fn_wipe(right, sizeof right);
    return st;
}

int fn1_auth_choose(struct fn1_view offered, struct fn1_view suites)
{
    for (size_t i = 0; i < suites.len; i++)
        if (offered.len && memchr(offered.data, suites.data[i], offered.len))
            return suites.data[i];
    return FN_E_FN1_SUITE;
}

int fn1_auth_accept(struct fn1_view client, struct fn1_view offered,
                    const struct fn1_preface *server, const uint8_t psk[FN_HASH],
                    struct fn1_keys *keys, uint32_t *code)
{
    struct fn1_view refused, suite, nonce, proof;
    if (find_sized(server, FN1_EXT_REFUSED, 4, 4, &refused)) {
        *code = fn_load32(refused.data);
        return FN_E_FN1_REFUSED;
    }
    if (!find_sized(server, FN1_EXT_SUITES, 1, 1, &suite) ||
        !find_sized(server, FN1_EXT_NONCE, FN1_NONCE, FN1_NONCE, &nonce) ||
        !find_proof(server, &proof))
        return FN_E_FN1_HELLO;
    int chosen = fn1_auth_choose(offered, suite);
    if (chosen < 0 || !fn_suite_name(chosen))
        return FN_E_FN1_SUITE;
    uint8_t right[FN1_PROOF];
    int st = derive(keys, right, (enum fn_suite)chosen, client, server->raw, psk);
    if (st == FN_OK && !fn_equal(right, proof.data, FN1_PROOF)) {
        fn_wipe(keys, sizeof *keys);
        st = FN_E_FN1_PROOF;
    }
    fn_wipe(right, sizeof right);
    return st;
}
