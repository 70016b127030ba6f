/* mac.h: message authentication codes of 16 bytes, by OpenSSL.
 *
 *     hmac-sha256    HMAC (RFC 2104, FIPS 198-1) cut to its first 16 bytes,
 *                    over the nonce and the data
 *     aes-256-gmac   GMAC (NIST SP 800-38D) under iv XOR nonce, over the data
 *
 * Each tag has a nonce of 12 bytes that never comes twice under one key: with
 * GMAC, two tags of one nonce give the key away.  Keeping that promise is the
 * owner's business (fn1_seal.h).
 *
 * Data is given in any number of pieces, so that it can be authenticated while
 * it is in the processor's cache.  One thread at a time.
 */
#ifndef FASTNET_MAC_H
#define FASTNET_MAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FN_MAC_KEY = 32, FN_MAC_NONCE = 12, FN_MAC_TAG = 16 };

enum fn_suite { FN_HMAC_SHA256 = 1, FN_AES_256_GMAC = 2 };

enum { FN_SUITES = 2 };

struct evp_md_ctx_st;
struct evp_cipher_ctx_st;

struct fn_mac {
    enum fn_suite suite;
    struct evp_md_ctx_st *inner, *outer, *work; /* hmac */
    struct evp_cipher_ctx_st *gcm;              /* gmac */
    uint8_t iv[FN_MAC_NONCE];
    bool failed; /* since begin: OpenSSL refused something */
};

/* Zeroes suffice as an uninitialised state.  FN_OK, FN_E_ARGUMENT (no such
 * suite), -ENOMEM or FN_E_CRYPTO; after an error there is nothing to free. */
int fn_mac_init(struct fn_mac *m, enum fn_suite suite, const uint8_t key[FN_MAC_KEY],
                const uint8_t iv[FN_MAC_NONCE]);
/* Another key from here on. */
int fn_mac_key(struct fn_mac *m, const uint8_t key[FN_MAC_KEY], const uint8_t iv[FN_MAC_NONCE]);
/* Wipes the key; may be called twice. */
void fn_mac_fini(struct fn_mac *m);

void fn_mac_begin(struct fn_mac *m, const uint8_t nonce[FN_MAC_NONCE]);
void fn_mac_update(struct fn_mac *m, const void *data, size_t len);
/* FN_OK or FN_E_CRYPTO. */
int fn_mac_finish(struct fn_mac *m, uint8_t tag[FN_MAC_TAG]);
/* FN_OK, FN_E_FN1_TAG or FN_E_CRYPTO; takes the same time whatever differs. */
int fn_mac_check(struct fn_mac *m, const uint8_t tag[FN_MAC_TAG]);

/* "hmac-sha256", "aes-256-gmac", or NULL. */
const char *fn_suite_name(int suite);
/* The suite of a name, or FN_E_ARGUMENT. */
int fn_suite_find(const char *name);
/* All suites, the one that suits this processor first: aes-256-gmac where it
 * has instructions for AES and for carry-less products. */
void fn_suite_order(uint8_t out[FN_SUITES]);

#endif
