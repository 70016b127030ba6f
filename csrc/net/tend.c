/* Theory in tend.h. */
#include "fastnet/tend.h"

#include <time.h>

#include "fastnet/muxio.h"
#include "fastnet/muxout.h"

enum { LOOKS = 2, IDLE_LOOKS = 200, DOUBLINGS = 3, WRITE = 1 << 20 };

int fn_tend_init(struct fn_tend *t)
{
    *t = (struct fn_tend){.ended = false};
    int st = pthread_mutex_init(&t->lock, NULL);
    if (st == 0)
        st = pthread_cond_init(&t->wake, NULL);
    return -st;
}

void fn_tend_fini(struct fn_tend *t)
{
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
}

static void rouse(struct fn_tend *t)
{
    pthread_mutex_lock(&t->lock);
    atomic_store(&t->asleep, false);
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
}

void fn_tend_notice(struct fn_tend *t)
{
    if (atomic_load(&t->asleep))
        rouse(t);
}

void fn_tend_end(struct fn_tend *t)
{
    pthread_mutex_lock(&t->lock);
    t->ended = true;
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
}

/* Sleeps until a call is made; with the lock. */
static void rest(struct fn_tend *t)
{
    atomic_store(&t->asleep, true);
    while (atomic_load(&t->asleep) && !t->ended && !atomic_load(&t->open))
        pthread_cond_wait(&t->wake, &t->lock);
    atomic_store(&t->asleep, false);
}

int fn_tend_wait(struct fn_tend *t, struct fn_mux *m, int fd)
{
    int result = 0, still = 0, idle = 0, busy = 0;
    unsigned seen = atomic_load(&t->turns);
    pthread_mutex_lock(&t->lock);
    while (!t->ended) {
        idle = atomic_load(&t->open) ? 0 : idle + 1;
        if (idle > IDLE_LOOKS) {
            rest(t);
            idle = 0;
            continue;
        }
        pthread_mutex_unlock(&t->lock);
        struct timespec pause = {.tv_sec = 0, .tv_nsec = (long)FN_TEND_TICK << busy};
        nanosleep(&pause, NULL);
        if (m && !atomic_load(&t->driven) && fn_mux_pending(m))
            result = fn_mux_write(m, fd, WRITE);
        pthread_mutex_lock(&t->lock);
        if (result < 0)
            break;
        unsigned now = atomic_load(&t->turns);
        bool driven = atomic_load(&t->driven);
        busy = !driven ? 0 : busy < DOUBLINGS ? busy + 1 : DOUBLINGS;
        bool left = atomic_load(&t->open) && !driven && now == seen;
        still = left ? still + 1 : 0;
        seen = now;
        if (still >= LOOKS) {
            result = 1;
            break;
        }
    }
    result = t->ended ? 0 : result;
    pthread_mutex_unlock(&t->lock);
    return result;
}
