/* timers.h: which of many deadlines comes first.
 *
 * A binary heap of timers that their owners embed, each knowing its place, so
 * that setting one again or cancelling it costs the logarithm of their number
 * and finding the first nothing.  Deadlines that move with every byte (idle
 * connections) are not set again each time: the owner leaves the timer where
 * it is, looks when it fires whether time is really up, and sets it again for
 * the rest.
 *
 * One thread at a time.  A timer must be cancelled before its memory goes.
 */
#ifndef FASTNET_TIMERS_H
#define FASTNET_TIMERS_H

#include <stddef.h>
#include <stdint.h>

#include "fastnet/clock.h"

struct fn_timer {
    fn_time when;
    size_t place; /* in the heap, counted from 1; 0 when not set */
};

struct fn_timers {
    struct fn_timer **heap;
    size_t count;
    size_t capacity;
};

void fn_timers_init(struct fn_timers *ts);
void fn_timers_fini(struct fn_timers *ts);

/* Zeroed memory is a timer that is not set. */
static inline int fn_timer_is_set(const struct fn_timer *t)
{
    return t->place != 0;
}

/* Makes room for `count` timers in all, so that as many can be set without
 * failing.  0 or -ENOMEM. */
int fn_timers_reserve(struct fn_timers *ts, size_t count);

/* Sets or moves t.  0, or -ENOMEM, which cannot happen to a timer that is set
 * already or has room reserved. */
int fn_timers_set(struct fn_timers *ts, struct fn_timer *t, fn_time when);
void fn_timers_cancel(struct fn_timers *ts, struct fn_timer *t);

/* When the first one is due; FN_NEVER when there is none. */
fn_time fn_timers_next(const struct fn_timers *ts);

/* Takes out and returns the first timer whose time has come by `now`, or NULL. */
struct fn_timer *fn_timers_due(struct fn_timers *ts, fn_time now);

#endif
