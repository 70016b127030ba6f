/* lead.h: who takes a reactor over while its thread is busy.
 *
 * One thread, the leader, has the reactor and runs handlers on it.  Another
 * watches: when the same handler still runs after FN_LEAD_SLOW, it takes the
 * reactor over, and the old leader ends its handler as an ordinary thread.  A
 * leader that runs no handlers for a while is watched from sleep: beginning the
 * next one wakes the watcher.  So a busy server pays a thousand looks a second,
 * and an idle one nothing.
 *
 * begin and end are for the leader; they cost a store.  watch is for any
 * number of threads: one has the seat, the others wait for it.
 */
#ifndef FASTNET_LEAD_H
#define FASTNET_LEAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fastnet/clock.h"

#define FN_LEAD_SLOW FN_MS

struct fn_lead {
    pthread_mutex_t lock;
    pthread_cond_t seat;
    pthread_cond_t wake;
    _Atomic uint32_t at; /* odd while a handler runs */
    _Atomic bool asleep; /* the watcher waits for begin */
    bool taken;          /* the seat */
    bool called;         /* out of the seat, to see to something else */
    bool ended;
    unsigned waiting; /* threads in fn_lead_watch */
};

int fn_lead_init(struct fn_lead *l); /* 0 or -errno */
void fn_lead_fini(struct fn_lead *l);

void fn_lead_begin(struct fn_lead *l);
void fn_lead_end(struct fn_lead *l);

/* Waits: the odd value at which the leader stands still, 0 when called or
 * ended. */
uint32_t fn_lead_watch(struct fn_lead *l);
/* One thread comes out of fn_lead_watch(), if any is in it. */
void fn_lead_call(struct fn_lead *l);
/* All come out, now and for ever. */
void fn_lead_finish(struct fn_lead *l);
/* Threads in fn_lead_watch(). */
unsigned fn_lead_waiting(struct fn_lead *l);

#endif
