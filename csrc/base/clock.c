/* Theory in clock.h. */
#include "fastnet/clock.h"

#include <time.h>

fn_time fn_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (fn_time)ts.tv_sec * FN_SECOND + ts.tv_nsec;
}

fn_time fn_after(double seconds)
{
    if (!(seconds > 0.0))
        return fn_now();
    if (seconds > 1e9)
        return FN_NEVER;
    return fn_now() + (fn_time)(seconds * 1e9);
}

int fn_poll_ms(fn_time now, fn_time until)
{
    if (until == FN_NEVER)
        return -1;
    if (until <= now)
        return 0;
    if (until - now >= 3600 * FN_SECOND) /* before rounding up, which could overflow */
        return 3600 * 1000;
    return (int)((until - now + FN_MS - 1) / FN_MS);
}
