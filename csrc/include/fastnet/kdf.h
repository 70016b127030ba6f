/* kdf.h: keys from keys: SHA-256, HMAC (RFC 2104), HKDF (RFC 5869), by OpenSSL.
 *
 * Functions return FN_OK, FN_E_CRYPTO when OpenSSL refuses, or FN_E_ARGUMENT.
 */
#ifndef FASTNET_KDF_H
#define FASTNET_KDF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FN_HASH = 32 }; /* bytes of SHA-256, and of every key here */

/* The hash of a and b, one after the other. */
int fn_sha256(uint8_t out[FN_HASH], const void *a, size_t a_len, const void *b, size_t b_len);
int fn_hmac(uint8_t out[FN_HASH], const void *key, size_t key_len, const void *data, size_t len);
int fn_hkdf_extract(uint8_t out[FN_HASH], const void *salt, size_t salt_len, const void *key,
                    size_t key_len);
/* len up to 255 * FN_HASH, info up to FN_HKDF_INFO bytes. */
enum { FN_HKDF_INFO = 128 };
int fn_hkdf_expand(uint8_t *out, size_t len, const uint8_t secret[FN_HASH], const void *info,
                   size_t info_len);

/* Bytes that nobody can guess. */
int fn_random(void *out, size_t len);
/* In the same time whatever differs. */
bool fn_equal(const void *a, const void *b, size_t len);
/* Overwrites a secret; not left out by compilers. */
void fn_wipe(void *secret, size_t len);

#endif
