/* Theory in kdf.h. */
#include "fastnet/kdf.h"

#include <limits.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "fastnet/evp.h"
#include "fastnet/status.h"

enum { BLOCK = 64 }; /* bytes of SHA-256's block */

/* The hash of a and b in a context that is used again. */
static bool hash(EVP_MD_CTX *ctx, uint8_t out[FN_HASH], const void *a, size_t a_len, const void *b,
                 size_t b_len)
{
    return EVP_DigestInit_ex(ctx, fn_evp_sha256(), NULL) == 1 &&
           EVP_DigestUpdate(ctx, a, a_len) == 1 && EVP_DigestUpdate(ctx, b, b_len) == 1 &&
           EVP_DigestFinal_ex(ctx, out, NULL) == 1;
}

int fn_sha256(uint8_t out[FN_HASH], const void *a, size_t a_len, const void *b, size_t b_len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && fn_evp_sha256() && hash(ctx, out, a, a_len, b, b_len);
    EVP_MD_CTX_free(ctx);
    return ok ? FN_OK : FN_E_CRYPTO;
}

static void xor_block(uint8_t block[BLOCK], uint8_t value)
{
    for (size_t i = 0; i < BLOCK; i++)
        block[i] ^= value;
}

/* By hand: OpenSSL's one-shot function looks its algorithm up every time. */
int fn_hmac(uint8_t out[FN_HASH], const void *key, size_t key_len, const void *data, size_t len)
{
    uint8_t block[BLOCK] = {0}, inner[FN_HASH];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && fn_evp_sha256();
    if (ok && key_len > BLOCK)
        ok = hash(ctx, block, key, key_len, NULL, 0);
    else if (key_len && key_len <= BLOCK)
        memcpy(block, key, key_len);
    xor_block(block, 0x36);
    ok = ok && hash(ctx, inner, block, BLOCK, data, len);
    xor_block(block, 0x36 ^ 0x5C);
    ok = ok && hash(ctx, out, block, BLOCK, inner, FN_HASH);
    EVP_MD_CTX_free(ctx);
    fn_wipe(block, sizeof block);
    fn_wipe(inner, sizeof inner);
    return ok ? FN_OK : FN_E_CRYPTO;
}

int fn_hkdf_extract(uint8_t out[FN_HASH], const void *salt, size_t salt_len, const void *key,
                    size_t key_len)
{
    return fn_hmac(out, salt, salt_len, key, key_len);
}

int fn_hkdf_expand(uint8_t *out, size_t len, const uint8_t secret[FN_HASH], const void *info,
                   size_t info_len)
{
    /* T(i) = HMAC(secret, T(i-1) | info | i), of which T(0) is empty */
    uint8_t input[FN_HASH + FN_HKDF_INFO + 1], block[FN_HASH];
    size_t before = 0;
    int st = FN_OK;
    if (len > 255 * FN_HASH || info_len > FN_HKDF_INFO)
        return FN_E_ARGUMENT;
    for (uint8_t i = 1; len && st == FN_OK; i++) {
        size_t part = len < FN_HASH ? len : FN_HASH;
        if (info_len)
            memcpy(input + before, info, info_len);
        input[before + info_len] = i;
        st = fn_hmac(block, secret, FN_HASH, input, before + info_len + 1);
        if (st == FN_OK)
            memcpy(out, block, part);
        memcpy(input, block, FN_HASH);
        before = FN_HASH;
        out += part;
        len -= part;
    }
    fn_wipe(input, sizeof input);
    fn_wipe(block, sizeof block);
    return st;
}

int fn_random(void *out, size_t len)
{
    if (len > INT_MAX)
        return FN_E_ARGUMENT;
    return RAND_bytes(out, (int)len) == 1 ? FN_OK : FN_E_CRYPTO;
}

bool fn_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

void fn_wipe(void *secret, size_t len)
{
    OPENSSL_cleanse(secret, len);
}
