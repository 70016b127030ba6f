/* See mac_io.h. The fastest calls that OpenSSL 3.0 has for each code; keys are fixed, since only
 * time is measured. */
#define _GNU_SOURCE
#include "mac_io.h"
#include "common.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { TAG = 16, BLOCK = 64 };

struct coder {
    int gmac;
    uint64_t counter;
    EVP_CIPHER_CTX *gcm;
    EVP_MD_CTX *inner, *outer, *work;
};

static struct coder *coder_for(const struct mac_link *l)
{
    static struct coder c; /* each process is one end, and goes one way */
    unsigned char key[32] = {1}, block[BLOCK];
    if (c.gcm != NULL)
        return &c;
    c.gmac = strcmp(l->mac, "gmac") == 0;
    c.gcm = EVP_CIPHER_CTX_new();
    c.inner = EVP_MD_CTX_new();
    c.outer = EVP_MD_CTX_new();
    c.work = EVP_MD_CTX_new();
    EVP_EncryptInit_ex(c.gcm, EVP_aes_256_gcm(), NULL, key, NULL);
    memset(block, 0x36, sizeof block);
    EVP_DigestInit_ex(c.inner, EVP_sha256(), NULL);
    EVP_DigestUpdate(c.inner, block, sizeof block);
    memset(block, 0x5C, sizeof block);
    EVP_DigestInit_ex(c.outer, EVP_sha256(), NULL);
    EVP_DigestUpdate(c.outer, block, sizeof block);
    return &c;
}

static void begin(struct coder *c)
{
    unsigned char nonce[12] = {0};
    memcpy(nonce, &c->counter, sizeof c->counter);
    c->counter++;
    if (c->gmac) {
        EVP_EncryptInit_ex(c->gcm, NULL, NULL, NULL, nonce);
        return;
    }
    EVP_MD_CTX_copy_ex(c->work, c->inner);
    EVP_DigestUpdate(c->work, nonce, sizeof nonce);
}

static void update(struct coder *c, const unsigned char *data, size_t n)
{
    int ignored;
    if (c->gmac)
        EVP_EncryptUpdate(c->gcm, NULL, &ignored, data, (int)n);
    else
        EVP_DigestUpdate(c->work, data, n);
}

static void finish(struct coder *c, unsigned char tag[TAG])
{
    unsigned char hash[32];
    int ignored;
    if (c->gmac) {
        EVP_EncryptFinal_ex(c->gcm, hash, &ignored);
        if (EVP_CIPHER_CTX_ctrl(c->gcm, EVP_CTRL_AEAD_GET_TAG, TAG, tag) != 1)
            fail("gmac");
        return;
    }
    EVP_DigestFinal_ex(c->work, hash, NULL);
    EVP_MD_CTX_copy_ex(c->work, c->outer);
    EVP_DigestUpdate(c->work, hash, sizeof hash);
    EVP_DigestFinal_ex(c->work, hash, NULL);
    memcpy(tag, hash, TAG);
}

static void wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    if (poll(&p, 1, -1) < 0 && errno != EINTR)
        die("poll");
}

/* The pieces less their first n bytes. */
static void advance(struct iovec iov[2], size_t n)
{
    for (int i = 0; i < 2; i++) {
        size_t part = n < iov[i].iov_len ? n : iov[i].iov_len;
        iov[i].iov_base = (char *)iov[i].iov_base + part;
        iov[i].iov_len -= part;
        n -= part;
    }
}

static void send_pieces(const struct mac_link *l, struct iovec iov[2])
{
    int flags = MSG_NOSIGNAL | (l->txspin_us < 0 ? 0 : MSG_DONTWAIT);
    while (iov[0].iov_len + iov[1].iov_len > 0) {
        struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
        ssize_t done = sendmsg(l->fd, &m, flags);
        if (done < 0 && errno == EAGAIN)
            wait_for(l->fd, POLLOUT);
        else if (done < 0)
            die("send");
        else
            advance(iov, (size_t)done);
    }
}

void mac_send(const struct mac_link *l, const unsigned char *array, size_t size)
{
    struct coder *c = coder_for(l);
    for (size_t at = 0; at < size; at += l->chunk) {
        unsigned char tag[TAG];
        size_t n = size - at < l->chunk ? size - at : l->chunk;
        struct iovec iov[2] = {{(void *)(array + at), n}, {tag, TAG}};
        begin(c);
        update(c, array + at, n);
        finish(c, tag);
        send_pieces(l, iov);
    }
}

static size_t recv_some(const struct mac_link *l, struct iovec iov[2])
{
    for (;;) {
        struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
        ssize_t done = recvmsg(l->fd, &m, MSG_DONTWAIT);
        if (done < 0 && errno == EAGAIN && l->spin_us > 0) {
            double until = now() + (double)l->spin_us * 1e-6;
            while ((done = recvmsg(l->fd, &m, MSG_DONTWAIT)) < 0 && errno == EAGAIN &&
                   now() < until)
                ;
        }
        if (done > 0)
            return (size_t)done;
        if (done == 0 || errno != EAGAIN)
            die("recv");
        wait_for(l->fd, POLLIN);
    }
}

void mac_recv(const struct mac_link *l, unsigned char *array, size_t size)
{
    struct coder *c = coder_for(l);
    for (size_t at = 0; at < size; at += l->chunk) {
        unsigned char came[TAG], tag[TAG];
        size_t n = size - at < l->chunk ? size - at : l->chunk;
        struct iovec iov[2] = {{array + at, n}, {came, TAG}};
        begin(c);
        while (iov[0].iov_len + iov[1].iov_len > 0) {
            unsigned char *from = iov[0].iov_base;
            size_t left = iov[0].iov_len, done = recv_some(l, iov);
            update(c, from, done < left ? done : left);
            advance(iov, done);
        }
        finish(c, tag);
        if (CRYPTO_memcmp(tag, came, TAG) != 0)
            fail("a tag is wrong");
    }
}
