/* Theory in body.h. */
#include "fastnet/body.h"

#include <string.h>

#include "fastnet/bytes.h"
#include "fastnet/status.h"

int fn_body_init(struct fn_body *b, struct fn_walk *walks, size_t n)
{
    b->walks = walks;
    b->n = n;
    b->at = 0;
    b->left = 0;
    for (size_t i = 0; i < n; i++)
        if (!fn_add(b->left, fn_walk_left(&walks[i]), &b->left))
            return FN_E_OVERFLOW;
    return FN_OK;
}

/* The walk with bytes left, or NULL at the end. */
static struct fn_walk *current(struct fn_body *b)
{
    while (b->at < b->n && fn_walk_left(&b->walks[b->at]) == 0)
        b->at++;
    return b->at < b->n ? &b->walks[b->at] : NULL;
}

int fn_body_out(struct fn_body *b, struct iovec *iov, int max, uint64_t limit)
{
    struct fn_walk *w = current(b);
    return w ? fn_walk_out(w, iov, max, (size_t)fn_min64(limit, PTRDIFF_MAX)) : 0;
}

int fn_body_in(struct fn_body *b, struct iovec *iov, int max, uint64_t limit)
{
    struct fn_walk *w = current(b);
    return w ? fn_walk_in(w, iov, max, (size_t)fn_min64(limit, PTRDIFF_MAX)) : 0;
}

void fn_body_sent(struct fn_body *b, size_t n)
{
    if (!n)
        return;
    fn_walk_sent(current(b), n);
    b->left -= n;
}

void fn_body_received(struct fn_body *b, size_t n)
{
    if (!n)
        return;
    fn_walk_received(current(b), n);
    b->left -= n;
}

int fn_body_put(struct fn_body *b, const uint8_t *bytes, size_t len)
{
    while (len) {
        struct iovec iov;
        int n = fn_body_in(b, &iov, 1, len);
        if (n <= 0)
            return n < 0 ? n : FN_E_ARGUMENT;
        memcpy(iov.iov_base, bytes, iov.iov_len);
        fn_body_received(b, iov.iov_len);
        bytes += iov.iov_len;
        len -= iov.iov_len;
    }
    return FN_OK;
}

int fn_body_get(struct fn_body *b, uint8_t *bytes, size_t len)
{
    while (len) {
        struct iovec iov;
        int n = fn_body_out(b, &iov, 1, len);
        if (n <= 0)
            return n < 0 ? n : FN_E_ARGUMENT;
        memcpy(bytes, iov.iov_base, iov.iov_len);
        fn_body_sent(b, iov.iov_len);
        bytes += iov.iov_len;
        len -= iov.iov_len;
    }
    return FN_OK;
}

void fn_body_wipe(struct fn_body *b)
{
    for (size_t i = 0; i < b->n; i++) {
        b->left += b->walks[i].passed;
        fn_walk_wipe(&b->walks[i]);
    }
    b->at = 0;
}
