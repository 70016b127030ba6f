/* tend.h: somebody who looks after a client's connection while nobody waits on it.
 *
 * Whoever waits for an answer drives the connection: sends, receives, and
 * completes others' calls as well.  Calls that nobody waits for (futures) need
 * a thread behind: it sleeps while there are none, looks once a FN_TEND_TICK
 * while there are, sends what has been staged for longer, and comes back to its
 * caller when nobody has driven for two looks.  Until then it needs no
 * interpreter's lock.  While it finds somebody at it, it looks less and less
 * often, once in eight ticks at the least.
 */
#ifndef FASTNET_TEND_H
#define FASTNET_TEND_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "fastnet/clock.h"
#include "fastnet/mux.h"

#define FN_TEND_TICK (FN_MS / 2)

struct fn_tend {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    _Atomic bool asleep;
    _Atomic bool driven;   /* a thread is at it */
    _Atomic unsigned open; /* calls that are not answered */
    _Atomic unsigned turns;
    bool ended;
};

int fn_tend_init(struct fn_tend *t);
void fn_tend_fini(struct fn_tend *t);

/* A call was made that nobody may wait for. */
void fn_tend_notice(struct fn_tend *t);
/* Waits until somebody should drive: 1, 0 when ended, or what fn_mux_write()
 * failed with.  m may be NULL. */
int fn_tend_wait(struct fn_tend *t, struct fn_mux *m, int fd);
void fn_tend_end(struct fn_tend *t);

#endif
