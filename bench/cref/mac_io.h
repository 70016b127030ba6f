/* The C reference's authenticated transfer: what is sent is cut into chunks, and behind each comes
 * a tag of 16 bytes over it. The sender computes it right before the system call that takes chunk
 * and tag; the receiver goes over each piece as it comes, and compares. */
#ifndef FASTNET_BENCH_MAC_IO_H
#define FASTNET_BENCH_MAC_IO_H

#include <stddef.h>

struct mac_link {
    int fd;
    long spin_us, txspin_us;
    const char *mac; /* "gmac" (AES-256) or "hmac" (SHA-256) */
    size_t chunk;    /* bytes under one tag */
};

void mac_send(const struct mac_link *l, const unsigned char *array, size_t size);
void mac_recv(const struct mac_link *l, unsigned char *array, size_t size);

#endif
