/* clock.h: monotonic time in nanoseconds, and deadlines.
 *
 * A deadline is an absolute time; FN_NEVER means none.  Retrying after EINTR
 * therefore recomputes what is left by itself.
 */
#ifndef FASTNET_CLOCK_H
#define FASTNET_CLOCK_H

#include <stdint.h>

typedef int64_t fn_time; /* ns */

#define FN_NEVER INT64_MAX
#define FN_MS ((fn_time)1000000)
#define FN_SECOND ((fn_time)1000000000)

fn_time fn_now(void);

/* The time `seconds` from now; negative counts as 0, and what does not fit
 * in the clock as FN_NEVER. */
fn_time fn_after(double seconds);

/* Milliseconds from now until `until`, for poll(): -1 for FN_NEVER, rounded
 * up so that a wait never ends before its deadline, capped at one hour. */
int fn_poll_ms(fn_time now, fn_time until);

static inline fn_time fn_earlier(fn_time a, fn_time b)
{
    return a < b ? a : b;
}

#endif
