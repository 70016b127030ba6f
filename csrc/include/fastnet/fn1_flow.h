/* fn1_flow.h: what one stream of an fn1 connection has to keep count of.
 *
 * Assembly: the fragments of a message arrive in order and add up to the body
 * that its envelope announced.
 *
 * Credit: on every stream but 0 the sender may have as many bytes of body
 * under way as the receiver has granted.  The sender starts with the window of
 * the receiver's preface; the receiver grants again what its owner has used,
 * in steps of half a window, so that CREDIT frames stay rare.
 */
#ifndef FASTNET_FN1_FLOW_H
#define FASTNET_FN1_FLOW_H

#include "fastnet/fn1.h"

struct fn1_assembly {
    bool open;
    uint32_t message;
    uint64_t total;
    uint64_t received; /* announced by heads so far */
};

/* A MESSAGE head: FN_E_FN1_ORDER while another message is open. */
int fn1_assembly_begin(struct fn1_assembly *a, const struct fn1_head *h,
                       const struct fn1_envelope *e);
/* A DATA head: FN_E_FN1_ORDER, _OFFSET or _LENGTH when it does not continue
 * the message. */
int fn1_assembly_data(struct fn1_assembly *a, const struct fn1_head *h);
/* The payload of the last head is in place: true when the message is whole,
 * which closes the assembly. */
bool fn1_assembly_end(struct fn1_assembly *a);

struct fn1_window {
    uint64_t credit; /* sender: bytes that may be sent; FN1_NO_WINDOW: any number */
};

void fn1_window_init(struct fn1_window *w, uint64_t window);
/* Of `want` bytes, those that may be sent now; 0 means wait for CREDIT. */
uint64_t fn1_window_take(struct fn1_window *w, uint64_t want);
/* CREDIT came: FN_E_OVERFLOW when it makes the window overflow. */
int fn1_window_grant(struct fn1_window *w, uint64_t bytes);

struct fn1_credit {
    uint64_t window;  /* receiver: what the sender may have under way */
    uint64_t granted; /* of that, not yet received */
    uint64_t used;    /* received and used up, not yet granted again */
};

void fn1_credit_init(struct fn1_credit *c, uint64_t window);
/* Body bytes were announced by a head: FN_E_FN1_WINDOW beyond the credit. */
int fn1_credit_receive(struct fn1_credit *c, uint64_t bytes);
/* The owner used bytes up: the grant to send as CREDIT now, or 0. */
uint64_t fn1_credit_use(struct fn1_credit *c, uint64_t bytes);

#endif
