/* evp.h: OpenSSL's algorithms, looked up once.
 *
 * OpenSSL 3 looks an algorithm up by name each time that it is used under its
 * old constant, which takes longer than hashing a short message.  Here the
 * answer is kept for the life of the process; it is the same for everybody,
 * and any thread may ask.
 *
 * NULL when OpenSSL does not have the algorithm.
 */
#ifndef FASTNET_EVP_H
#define FASTNET_EVP_H

struct evp_md_st;
struct evp_cipher_st;

const struct evp_md_st *fn_evp_sha256(void);
const struct evp_cipher_st *fn_evp_gcm(void); /* AES-256 */

#endif
