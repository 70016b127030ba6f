/* Theory in lead.h. */
#include "fastnet/lead.h"

#include <errno.h>
#include <time.h>

enum { IDLE_LOOKS = 100 }; /* without a handler, before the watcher sleeps */

int fn_lead_init(struct fn_lead *l)
{
    *l = (struct fn_lead){.taken = false};
    int st = pthread_mutex_init(&l->lock, NULL);
    if (st == 0)
        st = pthread_cond_init(&l->seat, NULL);
    if (st == 0)
        st = pthread_cond_init(&l->wake, NULL);
    return -st;
}

void fn_lead_fini(struct fn_lead *l)
{
    pthread_cond_destroy(&l->wake);
    pthread_cond_destroy(&l->seat);
    pthread_mutex_destroy(&l->lock);
}

void fn_lead_begin(struct fn_lead *l)
{
    atomic_store(&l->at, atomic_load_explicit(&l->at, memory_order_relaxed) + 1);
    if (!atomic_load(&l->asleep))
        return;
    pthread_mutex_lock(&l->lock);
    atomic_store(&l->asleep, false);
    pthread_cond_broadcast(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

void fn_lead_end(struct fn_lead *l)
{
    atomic_store_explicit(&l->at, atomic_load_explicit(&l->at, memory_order_relaxed) + 1,
                          memory_order_release);
}

static void pause_for(fn_time span)
{
    struct timespec t = {.tv_sec = 0, .tv_nsec = (long)span};
    nanosleep(&t, NULL);
}

/* With the seat and the lock: waits until a handler begins, or there is a call. */
static void sleep_until_begun(struct fn_lead *l, uint32_t seen)
{
    atomic_store(&l->asleep, true);
    while (atomic_load(&l->asleep) && atomic_load(&l->at) == seen && !l->called && !l->ended)
        pthread_cond_wait(&l->wake, &l->lock);
    atomic_store(&l->asleep, false);
}

/* With the seat: as fn_lead_watch. */
static uint32_t look(struct fn_lead *l)
{
    uint32_t before = atomic_load(&l->at);
    for (int idle = 0; !l->called && !l->ended;) {
        pthread_mutex_unlock(&l->lock);
        pause_for(FN_LEAD_SLOW);
        pthread_mutex_lock(&l->lock);
        uint32_t now = atomic_load(&l->at);
        if (now == before && now & 1)
            return now;
        idle = now == before ? idle + 1 : 0;
        if (idle >= IDLE_LOOKS) {
            sleep_until_begun(l, now);
            now = atomic_load(&l->at);
            idle = 0;
        }
        before = now;
    }
    return 0;
}

uint32_t fn_lead_watch(struct fn_lead *l)
{
    uint32_t found = 0;
    pthread_mutex_lock(&l->lock);
    l->waiting++;
    while (l->taken && !l->called && !l->ended)
        pthread_cond_wait(&l->seat, &l->lock);
    if (!l->called && !l->ended) {
        l->taken = true;
        found = look(l);
        l->taken = false;
        pthread_cond_broadcast(&l->seat);
    }
    if (!found)
        l->called = false;
    l->waiting--;
    pthread_mutex_unlock(&l->lock);
    return found;
}

void fn_lead_call(struct fn_lead *l)
{
    pthread_mutex_lock(&l->lock);
    l->called = l->waiting != 0;
    pthread_cond_broadcast(&l->seat);
    pthread_cond_broadcast(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

void fn_lead_finish(struct fn_lead *l)
{
    pthread_mutex_lock(&l->lock);
    l->ended = true;
    pthread_cond_broadcast(&l->seat);
    pthread_cond_broadcast(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

unsigned fn_lead_waiting(struct fn_lead *l)
{
    pthread_mutex_lock(&l->lock);
    unsigned n = l->waiting;
    pthread_mutex_unlock(&l->lock);
    return n;
}
