/* Theory in timers.h. */
#include "fastnet/timers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ALLOCATION = 16 };

void fn_timers_init(struct fn_timers *ts)
{
    memset(ts, 0, sizeof *ts);
}

void fn_timers_fini(struct fn_timers *ts)
{
    free(ts->heap);
    fn_timers_init(ts);
}

int fn_timers_reserve(struct fn_timers *ts, size_t count)
{
    if (count <= ts->capacity)
        return 0;
    size_t want = ts->capacity ? ts->capacity : FIRST_ALLOCATION;
    while (want < count && want <= SIZE_MAX / 2)
        want *= 2;
    if (want < count || want > SIZE_MAX / sizeof(*ts->heap))
        return -ENOMEM;
    struct fn_timer **heap = realloc(ts->heap, want * sizeof(*heap));
    if (!heap)
        return -ENOMEM;
    ts->heap = heap;
    ts->capacity = want;
    return 0;
}

/* ----------------------------------------------------------------- the heap */

/* Places count from 1, so that the children of i are 2i and 2i + 1. */
static struct fn_timer *at(const struct fn_timers *ts, size_t place)
{
    return ts->heap[place - 1];
}

static void put(struct fn_timers *ts, size_t place, struct fn_timer *t)
{
    ts->heap[place - 1] = t;
    t->place = place;
}

/* Puts t where it belongs, on the way from `place` to the first. */
static void rise(struct fn_timers *ts, size_t place, struct fn_timer *t)
{
    while (place > 1 && at(ts, place / 2)->when > t->when) {
        put(ts, place, at(ts, place / 2));
        place /= 2;
    }
    put(ts, place, t);
}

/* Likewise, on the way from `place` to the last. */
static void sink(struct fn_timers *ts, size_t place, struct fn_timer *t)
{
    while (place <= ts->count / 2) {
        size_t child = place * 2;
        if (child < ts->count && at(ts, child + 1)->when < at(ts, child)->when)
            child++;
        if (at(ts, child)->when >= t->when)
            break;
        put(ts, place, at(ts, child));
        place = child;
    }
    put(ts, place, t);
}

static void settle(struct fn_timers *ts, size_t place, struct fn_timer *t)
{
    if (place > 1 && at(ts, place / 2)->when > t->when)
        rise(ts, place, t);
    else
        sink(ts, place, t);
}

/* ---------------------------------------------------------------- the timers */

int fn_timers_set(struct fn_timers *ts, struct fn_timer *t, fn_time when)
{
    if (!t->place) {
        int st = fn_timers_reserve(ts, ts->count + 1);
        if (st < 0)
            return st;
        t->place = ++ts->count;
    }
    t->when = when;
    settle(ts, t->place, t);
    return 0;
}

void fn_timers_cancel(struct fn_timers *ts, struct fn_timer *t)
{
    size_t place = t->place;
    if (!place)
        return;
    t->place = 0;
    struct fn_timer *last = at(ts, ts->count--);
    if (last != t)
        settle(ts, place, last);
}

fn_time fn_timers_next(const struct fn_timers *ts)
{
    return ts->count ? at(ts, 1)->when : FN_NEVER;
}

struct fn_timer *fn_timers_due(struct fn_timers *ts, fn_time now)
{
    if (!ts->count || at(ts, 1)->when > now)
        return NULL;
    struct fn_timer *t = at(ts, 1);
    fn_timers_cancel(ts, t);
    return t;
}
