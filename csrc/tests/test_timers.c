/* The heap of timers. */
#include "check.h"

#include <errno.h>

#include "fastnet/timers.h"

enum { TIMERS = 200 };

/* Each knows its place, and none comes before the one above it. */
static void check_heap(const struct fn_timers *ts)
{
    assert(ts->count <= ts->capacity);
    for (size_t i = 0; i < ts->count; i++) {
        assert(ts->heap[i]->place == i + 1);
        assert(ts->heap[i]->when >= ts->heap[(i ? i - 1 : 0) / 2]->when);
    }
}

static void test_none(void)
{
    struct fn_timers ts;
    fn_timers_init(&ts);
    struct fn_timer t = {0};
    assert(!ts.heap && !fn_timer_is_set(&t));
    assert(fn_timers_next(&ts) == FN_NEVER);
    assert(!fn_timers_due(&ts, FN_NEVER));
    fn_timers_cancel(&ts, &t);
    assert(ts.count == 0);
    fn_timers_fini(&ts);
    fn_timers_fini(&ts);
}

static void test_one(void)
{
    struct fn_timers ts;
    fn_timers_init(&ts);
    struct fn_timer t = {0};
    assert(fn_timers_set(&ts, &t, 100) == 0);
    assert(fn_timer_is_set(&t) && fn_timers_next(&ts) == 100);
    assert(!fn_timers_due(&ts, 99));
    assert(fn_timers_set(&ts, &t, 50) == 0);
    assert(ts.count == 1 && fn_timers_next(&ts) == 50);
    assert(fn_timers_due(&ts, 50) == &t);
    assert(!fn_timer_is_set(&t) && t.when == 50);
    assert(!fn_timers_due(&ts, 1000));
    assert(fn_timers_set(&ts, &t, FN_NEVER) == 0);
    assert(!fn_timers_due(&ts, FN_NEVER - 1));
    assert(fn_timers_set(&ts, &t, INT64_MIN) == 0);
    assert(fn_timers_due(&ts, INT64_MIN) == &t);
    fn_timers_fini(&ts);
}

/* A timer that is due again at once comes again, as often as it is asked for. */
static void test_order(void)
{
    static const fn_time when[] = {5, 3, 9, 3, 1, 7, 3, 8};
    enum { N = (int)(sizeof when / sizeof when[0]) };
    struct fn_timer t[N] = {{0}};
    struct fn_timers ts;
    fn_timers_init(&ts);
    for (int i = 0; i < N; i++)
        assert(fn_timers_set(&ts, &t[i], when[i]) == 0);
    fn_time before = 0;
    for (int i = 0; i < N; i++) {
        struct fn_timer *due = fn_timers_due(&ts, 9);
        assert(due && due->when >= before);
        before = due->when;
    }
    assert(before == 9 && !fn_timers_due(&ts, 9));
    fn_timers_fini(&ts);
}

static void test_reserve(void)
{
    struct fn_timers ts;
    fn_timers_init(&ts);
    assert(fn_timers_reserve(&ts, 0) == 0 && !ts.heap);
    assert(fn_timers_reserve(&ts, TIMERS) == 0);
    struct fn_timer **heap = ts.heap;
    assert(ts.capacity >= TIMERS);
    assert(fn_timers_reserve(&ts, SIZE_MAX) == -ENOMEM);
    assert(fn_timers_reserve(&ts, SIZE_MAX / sizeof *heap) == -ENOMEM);
    assert(ts.heap == heap && ts.count == 0);
    static struct fn_timer t[TIMERS];
    for (int i = 0; i < TIMERS; i++)
        assert(fn_timers_set(&ts, &t[i], TIMERS - i) == 0);
    assert(ts.heap == heap && fn_timers_next(&ts) == 1);
    check_heap(&ts);
    fn_timers_fini(&ts);
    assert(!ts.heap && ts.count == 0 && fn_timers_next(&ts) == FN_NEVER);
}

/* ------------------------------------------------------------- against a model */

struct model {
    struct fn_timers ts;
    struct fn_timer timer[TIMERS];
    fn_time when[TIMERS]; /* FN_NEVER: not set */
    size_t count;
};

static fn_time earliest(const struct model *m)
{
    fn_time first = FN_NEVER;
    for (int i = 0; i < TIMERS; i++)
        first = fn_earlier(first, m->when[i]);
    return first;
}

static void set(struct model *m, size_t i, fn_time when)
{
    m->count += m->when[i] == FN_NEVER;
    m->when[i] = when;
    assert(fn_timers_set(&m->ts, &m->timer[i], when) == 0);
    assert(fn_timer_is_set(&m->timer[i]));
}

static void cancel(struct model *m, size_t i)
{
    m->count -= m->when[i] != FN_NEVER;
    m->when[i] = FN_NEVER;
    fn_timers_cancel(&m->ts, &m->timer[i]);
    assert(!fn_timer_is_set(&m->timer[i]));
}

static void fire(struct model *m, fn_time now)
{
    fn_time first = earliest(m);
    struct fn_timer *t = fn_timers_due(&m->ts, now);
    assert(!t == (first == FN_NEVER || first > now));
    if (!t)
        return;
    assert(t->when == first && m->when[t - m->timer] == first && !fn_timer_is_set(t));
    m->when[t - m->timer] = FN_NEVER;
    m->count--;
}

/* Few different deadlines, so that many are equal. */
static void step(struct model *m, uint64_t *random, fn_time now)
{
    size_t i = random_below(random, TIMERS);
    size_t what = random_below(random, 8);
    if (what < 4)
        set(m, i, now + (fn_time)random_below(random, 300) - 20);
    else if (what == 4)
        cancel(m, i);
    else
        fire(m, now);
}

static void test_against_a_model(void)
{
    enum { STEPS = 100000 };
    static struct model m;
    fn_timers_init(&m.ts);
    for (int i = 0; i < TIMERS; i++)
        m.when[i] = FN_NEVER;
    uint64_t random = 7;
    for (int i = 0; i < STEPS; i++) {
        step(&m, &random, i / 4);
        assert(m.ts.count == m.count);
        assert(fn_timers_next(&m.ts) == earliest(&m));
        if (i % 16 == 0)
            check_heap(&m.ts);
    }
    while (m.count)
        fire(&m, FN_NEVER - 1);
    assert(m.ts.count == 0);
    fn_timers_fini(&m.ts);
}

int main(void)
{
    test_none();
    test_one();
    test_order();
    test_reserve();
    test_against_a_model();
    return 0;
}
