/* Theory in tune.h. */
#include "fastnet/tune.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As long as two sleeps and wake-ups; a spin that finds nothing for so long
 * has cost no more than it could have saved twice over. */
#define FN_SPIN (150 * (fn_time)1000)

/* --------------------------------------------------------------- congestion */

static bool path_is_short(int fd)
{
    if (fn_sock_peer_is_loopback(fd))
        return true;
    int64_t rtt = fn_sock_rtt(fd);
    return rtt > 0 && rtt < FN_RTT_SHORT;
}

static int replace_bbr(int fd, const struct fn_tuned *now)
{
    if (strncmp(now->congestion_default, "bbr", 3) != 0 || !path_is_short(fd))
        return 0;
    /* reno is in every kernel and may be set by anyone where it is allowed */
    int st = fn_sock_set_congestion(fd, "cubic");
    return st < 0 ? fn_sock_set_congestion(fd, "reno") : st;
}

void fn_tune_congestion(int fd, const char *wanted, struct fn_tuned *now)
{
    if (fn_sock_congestion(fd, now->congestion_default) < 0)
        return; /* not TCP, or not Linux: there is nothing to choose */
    now->is_tcp = true;
    int st = 0;
    if (strcmp(wanted, "auto") == 0)
        st = replace_bbr(fd, now);
    else if (*wanted)
        st = fn_sock_set_congestion(fd, wanted);
    if (st < 0)
        now->refused |= FN_REFUSED_CONGESTION;
    fn_sock_congestion(fd, now->congestion);
}

/* -------------------------------------------------------------- one connection */

void fn_tune_apply(int fd, const struct fn_tuning *t, struct fn_tuned *now)
{
    memset(now, 0, sizeof *now);
    fn_tune_congestion(fd, t->congestion, now);
    now->is_tcp = now->is_tcp || fn_sock_is_tcp(fd);
    if (t->send_buffer && fn_sock_set_send_buffer(fd, t->send_buffer) < 0)
        now->refused |= FN_REFUSED_SEND_BUFFER;
    if (t->receive_buffer && fn_sock_set_receive_buffer(fd, t->receive_buffer) < 0)
        now->refused |= FN_REFUSED_RECEIVE_BUFFER;
    if (now->is_tcp && fn_sock_set_nodelay(fd, t->nodelay) < 0)
        now->refused |= FN_REFUSED_NODELAY;
    now->nodelay = now->is_tcp && fn_sock_nodelay(fd) == 1;
    now->send_buffer = fn_sock_send_buffer(fd);
    now->receive_buffer = fn_sock_receive_buffer(fd);
}

/* --------------------------------------------------------------------- spin */

#ifdef __linux__

/* cgroup v2: "max 100000" or "quota period", both in microseconds. */
static bool quota_below_two(void)
{
    char text[64] = {0};
    int fd = open("/sys/fs/cgroup/cpu.max", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    char *end = text;
    long long quota = n > 0 ? strtoll(text, &end, 10) : 0;
    long long period = end != text ? strtoll(end, NULL, 10) : 0;
    return quota > 0 && period > 0 && quota < 2 * period;
}

#else

static bool quota_below_two(void)
{
    return false;
}

#endif

/* Neither the machine nor the container changes under a running process, so
 * the answer is found once; threads that race find the same one. */
fn_time fn_tune_spin(void)
{
    static _Atomic int known; /* 0 not yet, 1 no, 2 yes */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (!answer) {
        answer = sysconf(_SC_NPROCESSORS_ONLN) < 2 || quota_below_two() ? 1 : 2;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 2 ? FN_SPIN : 0;
}
