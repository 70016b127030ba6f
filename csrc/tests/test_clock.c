/* Deadlines, and what of them poll() is told. */
#include "check.h"

#include <math.h>

#include "fastnet/clock.h"

static void test_now_goes_forward(void)
{
    fn_time before = fn_now();
    for (int i = 0; i < 1000; i++) {
        fn_time now = fn_now();
        assert(now >= before);
        before = now;
    }
    usleep(2000);
    assert(fn_now() - before >= 2 * FN_MS);
}

static void test_after(void)
{
    fn_time before = fn_now();
    fn_time at = fn_after(1.5);
    fn_time after = fn_now();
    assert(at >= before + 3 * FN_SECOND / 2 && at <= after + 3 * FN_SECOND / 2);
    assert(fn_after(0.0) >= after && fn_after(0.0) <= fn_now());
    assert(fn_after(-5.0) >= after && fn_after(-5.0) <= fn_now());
    assert(fn_after((double)NAN) <= fn_now());
    assert(fn_after((double)-INFINITY) <= fn_now());
    assert(fn_after((double)INFINITY) == FN_NEVER);
    assert(fn_after(1e300) == FN_NEVER);
    assert(fn_after(1e9) < FN_NEVER && fn_after(1e9) > fn_now());
}

static void test_poll_milliseconds(void)
{
    assert(fn_poll_ms(0, FN_NEVER) == -1);
    assert(fn_poll_ms(5, 5) == 0);
    assert(fn_poll_ms(6, 5) == 0);
    assert(fn_poll_ms(0, 1) == 1);
    assert(fn_poll_ms(0, FN_MS) == 1);
    assert(fn_poll_ms(0, FN_MS + 1) == 2);
    assert(fn_poll_ms(7, 7 + 50 * FN_MS) == 50);
    assert(fn_poll_ms(0, 3600 * FN_SECOND) == 3600 * 1000);
    assert(fn_poll_ms(0, 3601 * FN_SECOND) == 3600 * 1000);
    assert(fn_poll_ms(fn_now(), FN_NEVER - 1) == 3600 * 1000);
    assert(fn_poll_ms(0, FN_NEVER - 1) == 3600 * 1000);
    assert(fn_poll_ms(0, 3600 * FN_SECOND - 1) == 3600 * 1000);
    assert(fn_poll_ms(0, 3599 * FN_SECOND) == 3599 * 1000);
}

static void test_earlier(void)
{
    assert(fn_earlier(1, 2) == 1 && fn_earlier(2, 1) == 1);
    assert(fn_earlier(FN_NEVER, 3) == 3);
}

int main(void)
{
    test_now_goes_forward();
    test_after();
    test_poll_milliseconds();
    test_earlier();
    return 0;
}
