/* Theory in mac.h. */
#include "fastnet/mac.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "fastnet/evp.h"
#include "fastnet/kdf.h"
#include "fastnet/status.h"

enum { BLOCK = 64 }; /* bytes of SHA-256's block */

/* ------------------------------------------------------------------- suites */

static const char *const names[] = {
    [FN_HMAC_SHA256] = "hmac-sha256", [FN_AES_256_GMAC] = "aes-256-gmac"};

const char *fn_suite_name(int suite)
{
    return suite >= FN_HMAC_SHA256 && suite <= FN_AES_256_GMAC ? names[suite] : NULL;
}

int fn_suite_find(const char *name)
{
    for (int i = FN_HMAC_SHA256; i <= FN_AES_256_GMAC; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return FN_E_ARGUMENT;
}

static bool gmac_is_fast(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__) && defined(__linux__)
    unsigned long has = getauxval(AT_HWCAP);
    return (has & HWCAP_AES) && (has & HWCAP_PMULL);
#elif defined(__aarch64__)
    return true; /* Apple's have both */
#else
    return false;
#endif
}

void fn_suite_order(uint8_t out[FN_SUITES])
{
    bool gmac = gmac_is_fast();
    out[0] = gmac ? FN_AES_256_GMAC : FN_HMAC_SHA256;
    out[1] = gmac ? FN_HMAC_SHA256 : FN_AES_256_GMAC;
}

/* --------------------------------------------------------------------- keys */

static int allocate(struct fn_mac *m)
{
    if (m->suite == FN_AES_256_GMAC) {
        m->gcm = EVP_CIPHER_CTX_new();
        return m->gcm ? FN_OK : -ENOMEM;
    }
    m->inner = EVP_MD_CTX_new();
    m->outer = EVP_MD_CTX_new();
    m->work = EVP_MD_CTX_new();
    return m->inner && m->outer && m->work ? FN_OK : -ENOMEM;
}

/* A context that has hashed the key's block, each byte XOR pad. */
static bool begin_padded(EVP_MD_CTX *ctx, const uint8_t key[FN_MAC_KEY], uint8_t pad)
{
    uint8_t block[BLOCK];
    memset(block, pad, sizeof block);
    for (size_t i = 0; i < FN_MAC_KEY; i++)
        block[i] ^= key[i];
    bool ok = fn_evp_sha256() && EVP_DigestInit_ex(ctx, fn_evp_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(ctx, block, sizeof block) == 1;
    fn_wipe(block, sizeof block);
    return ok;
}

int fn_mac_key(struct fn_mac *m, const uint8_t key[FN_MAC_KEY], const uint8_t iv[FN_MAC_NONCE])
{
    bool ok;
    memcpy(m->iv, iv, FN_MAC_NONCE);
    if (m->suite == FN_AES_256_GMAC)
        ok = fn_evp_gcm() && EVP_EncryptInit_ex(m->gcm, fn_evp_gcm(), NULL, key, iv) == 1;
    else
        ok = begin_padded(m->inner, key, 0x36) && begin_padded(m->outer, key, 0x5C);
    return ok ? FN_OK : FN_E_CRYPTO;
}

int fn_mac_init(struct fn_mac *m, enum fn_suite suite, const uint8_t key[FN_MAC_KEY],
                const uint8_t iv[FN_MAC_NONCE])
{
    memset(m, 0, sizeof *m);
    if (!fn_suite_name((int)suite))
        return FN_E_ARGUMENT;
    m->suite = suite;
    int st = allocate(m);
    if (st == FN_OK)
        st = fn_mac_key(m, key, iv);
    if (st < 0)
        fn_mac_fini(m);
    return st;
}

void fn_mac_fini(struct fn_mac *m)
{
    /* these wipe what they held */
    EVP_MD_CTX_free(m->inner);
    EVP_MD_CTX_free(m->outer);
    EVP_MD_CTX_free(m->work);
    EVP_CIPHER_CTX_free(m->gcm);
    m->inner = m->outer = m->work = NULL;
    m->gcm = NULL;
    fn_wipe(m->iv, sizeof m->iv);
}

/* --------------------------------------------------------------------- tags */

static void note(struct fn_mac *m, bool ok)
{
    m->failed = m->failed || !ok;
}

void fn_mac_begin(struct fn_mac *m, const uint8_t nonce[FN_MAC_NONCE])
{
    m->failed = false;
    if (m->suite == FN_AES_256_GMAC) {
        uint8_t iv[FN_MAC_NONCE];
        for (size_t i = 0; i < FN_MAC_NONCE; i++)
            iv[i] = m->iv[i] ^ nonce[i];
        note(m, EVP_EncryptInit_ex(m->gcm, NULL, NULL, NULL, iv) == 1);
        return;
    }
    note(m, EVP_MD_CTX_copy_ex(m->work, m->inner) == 1);
    note(m, EVP_DigestUpdate(m->work, nonce, FN_MAC_NONCE) == 1);
}

void fn_mac_update(struct fn_mac *m, const void *data, size_t len)
{
    const uint8_t *at = data;
    if (m->suite != FN_AES_256_GMAC) {
        note(m, EVP_DigestUpdate(m->work, data, len) == 1);
        return;
    }
    while (len) {
        int part = len > (1 << 30) ? 1 << 30 : (int)len, out;
        note(m, EVP_EncryptUpdate(m->gcm, NULL, &out, at, part) == 1);
        at += part;
        len -= (size_t)part;
    }
}

static void finish_gmac(struct fn_mac *m, uint8_t *tag)
{
    uint8_t none[16];
    int len;
    note(m, EVP_EncryptFinal_ex(m->gcm, none, &len) == 1);
    note(m, EVP_CIPHER_CTX_ctrl(m->gcm, EVP_CTRL_AEAD_GET_TAG, FN_MAC_TAG, tag) == 1);
}

static void finish_hmac(struct fn_mac *m, uint8_t *tag)
{
    uint8_t hash[FN_HASH];
    note(m, EVP_DigestFinal_ex(m->work, hash, NULL) == 1);
    note(m, EVP_MD_CTX_copy_ex(m->work, m->outer) == 1);
    note(m, EVP_DigestUpdate(m->work, hash, sizeof hash) == 1);
    note(m, EVP_DigestFinal_ex(m->work, hash, NULL) == 1);
    memcpy(tag, hash, FN_MAC_TAG);
    fn_wipe(hash, sizeof hash);
}

int fn_mac_finish(struct fn_mac *m, uint8_t tag[FN_MAC_TAG])
{
    uint8_t made[FN_MAC_TAG];
    if (m->suite == FN_AES_256_GMAC)
        finish_gmac(m, made);
    else
        finish_hmac(m, made);
    if (m->failed)
        return FN_E_CRYPTO;
    memcpy(tag, made, FN_MAC_TAG);
    return FN_OK;
}

int fn_mac_check(struct fn_mac *m, const uint8_t tag[FN_MAC_TAG])
{
    uint8_t made[FN_MAC_TAG] = {0};
    int st = fn_mac_finish(m, made);
    if (st == FN_OK && !fn_equal(made, tag, FN_MAC_TAG))
        st = FN_E_FN1_TAG;
    fn_wipe(made, sizeof made); /* of a forgery it is the tag that would pass */
    return st;
}
