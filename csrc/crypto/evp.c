/* Theory in evp.h. */
#include "fastnet/evp.h"

#include <stdatomic.h>
#include <stddef.h>

#include <openssl/evp.h>

static EVP_MD *_Atomic sha256;
static EVP_CIPHER *_Atomic gcm;

const EVP_MD *fn_evp_sha256(void)
{
    EVP_MD *known = atomic_load_explicit(&sha256, memory_order_acquire);
    if (known)
        return known;
    EVP_MD *found = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (found && !atomic_compare_exchange_strong(&sha256, &known, found)) {
        EVP_MD_free(found); /* another thread was quicker */
        return known;
    }
    return found;
}

const EVP_CIPHER *fn_evp_gcm(void)
{
    EVP_CIPHER *known = atomic_load_explicit(&gcm, memory_order_acquire);
    if (known)
        return known;
    EVP_CIPHER *found = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    if (found && !atomic_compare_exchange_strong(&gcm, &known, found)) {
        EVP_CIPHER_free(found);
        return known;
    }
    return found;
}
