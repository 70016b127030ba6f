/* body.h: the bytes of a message: its segments, one after another.
 *
 * A message's body is the concatenation of N segments, each of which is an
 * array (walk.h).  A body is passed once, in one direction of transfer, with
 * the same verbs as a walk.  The walks belong to the caller.
 */
#ifndef FASTNET_BODY_H
#define FASTNET_BODY_H

#include "fastnet/walk.h"

struct fn_body {
    struct fn_walk *walks;
    size_t n;
    size_t at;     /* the walk that comes next */
    uint64_t left; /* bytes not yet passed */
};

/* 0, or FN_E_OVERFLOW when the segments together do not fit in 64 bits. */
int fn_body_init(struct fn_body *b, struct fn_walk *walks, size_t n);

int fn_body_out(struct fn_body *b, struct iovec *iov, int max, uint64_t limit);
int fn_body_in(struct fn_body *b, struct iovec *iov, int max, uint64_t limit);
void fn_body_sent(struct fn_body *b, size_t n);
void fn_body_received(struct fn_body *b, size_t n);

/* Received bytes are not to be used: zeroes in their place. */
void fn_body_wipe(struct fn_body *b);

/* Copies len bytes (at most b->left) in / out through the same verbs; 0 or
 * -ENOMEM. */
int fn_body_put(struct fn_body *b, const uint8_t *bytes, size_t len);
int fn_body_get(struct fn_body *b, uint8_t *bytes, size_t len);

#endif
