/* Socket options as verbs, and the tuning that is made of them. */
#include "pair.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>

#include "fastnet/sock.h"
#include "fastnet/tune.h"

static void test_kinds(void)
{
    int tcp[2], local[2];
    tcp_pair(tcp);
    unix_pair(local);
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    assert(fn_sock_is_tcp(tcp[0]) && fn_sock_is_tcp(tcp[1]));
    assert(!fn_sock_is_tcp(local[0]) && !fn_sock_is_tcp(udp) && !fn_sock_is_tcp(-1));
    assert(fn_sock_peer_is_loopback(tcp[0]) && fn_sock_peer_is_loopback(tcp[1]));
    assert(!fn_sock_peer_is_loopback(local[0]) && !fn_sock_peer_is_loopback(-1));
    assert(!fn_sock_peer_is_loopback(udp)); /* no peer */
    close(udp);
    close_pair(tcp);
    close_pair(local);
    if (try_tcp_pair(AF_INET6, tcp)) {
        assert(fn_sock_is_tcp(tcp[0]) && fn_sock_peer_is_loopback(tcp[0]));
        close_pair(tcp);
    }
}

/* What was written waits for a peer that does not read. */
static void test_unconfirmed(void)
{
    int local[2];
    char byte;
    unix_pair(local);
    assert(fn_sock_unconfirmed(local[0]) == 0);
    assert(write(local[0], "x", 1) == 1);
    int some = fn_sock_unconfirmed(local[0]);
    assert(some > 0 && write(local[0], "x", 1) == 1);
    assert(fn_sock_unconfirmed(local[0]) > some);
    assert(read(local[1], &byte, 1) == 1 && read(local[1], &byte, 1) == 1);
    assert(fn_sock_unconfirmed(local[0]) == 0);
    assert(fn_sock_unconfirmed(-1) == -EBADF);
    close_pair(local);
}

/* 127.0.0.1 as an IPv6 socket sees it. */
static void test_mapped_loopback(void)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof four;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET6, SOCK_STREAM, 0);
    assert(bind(listener, (struct sockaddr *)&four, len) == 0 && listen(listener, 1) == 0);
    assert(getsockname(listener, (struct sockaddr *)&four, &len) == 0);
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = four.sin_port};
    assert(inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr) == 1);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&mapped, sizeof mapped) == 0)
        assert(fn_sock_is_tcp(fd) && fn_sock_peer_is_loopback(fd));
    close(listener);
    if (fd >= 0)
        close(fd);
}

static void test_options(void)
{
    int fd[2];
    tcp_pair(fd);
    assert(fn_sock_set_nodelay(fd[0], true) == 0 && fn_sock_nodelay(fd[0]) == 1);
    assert(fn_sock_set_nodelay(fd[0], false) == 0 && fn_sock_nodelay(fd[0]) == 0);
    assert(fn_sock_set_send_buffer(fd[0], 65536) == 0);
    assert(fn_sock_send_buffer(fd[0]) >= 65536);
    assert(fn_sock_set_receive_buffer(fd[0], 65536) == 0);
    assert(fn_sock_receive_buffer(fd[0]) >= 65536);
#ifdef __linux__
    char name[FN_CC_NAME];
    assert(fn_sock_congestion(fd[0], name) == 0 && *name);
    assert(fn_sock_set_congestion(fd[0], name) == 0);
    assert(fn_sock_set_congestion(fd[0], "no-such-control") < 0);
    char again[FN_CC_NAME];
    assert(fn_sock_congestion(fd[0], again) == 0 && strcmp(name, again) == 0);
    assert(fn_sock_rtt(fd[0]) >= 0);
    write_all(fd[0], "x", 1);
#endif
    char byte;
    assert(fn_sock_shutdown_write(fd[0]) == 0);
    (void)!recv(fd[1], &byte, 1, 0);
    assert(recv(fd[1], &byte, 1, 0) == 0);
    close_pair(fd);
}

static void test_bad_descriptors_are_errors(void)
{
    char name[FN_CC_NAME] = "x";
    assert(fn_sock_nodelay(-1) == -EBADF && fn_sock_set_nodelay(-1, true) == -EBADF);
    assert(fn_sock_send_buffer(-1) == -EBADF && fn_sock_receive_buffer(-1) == -EBADF);
    assert(fn_sock_set_send_buffer(-1, 9) == -EBADF);
    assert(fn_sock_set_receive_buffer(-1, 9) == -EBADF);
    assert(fn_sock_congestion(-1, name) < 0 && !*name);
    assert(fn_sock_set_congestion(-1, "cubic") < 0);
    assert(fn_sock_rtt(-1) < 0);
    assert(fn_sock_shutdown_write(-1) == -EBADF);
    int fd[2];
    unix_pair(fd);
    assert(fn_sock_nodelay(fd[0]) < 0 && fn_sock_set_nodelay(fd[0], true) < 0);
    assert(fn_sock_congestion(fd[0], name) < 0 && fn_sock_rtt(fd[0]) < 0);
    close_pair(fd);
}

static void test_tune_tcp(void)
{
    int fd[2];
    tcp_pair(fd);
    struct fn_tuning t = {.congestion = "auto", .nodelay = true};
    struct fn_tuned now;
    int before = fn_sock_send_buffer(fd[0]);
    fn_tune_apply(fd[0], &t, &now);
    assert(now.is_tcp && now.nodelay && fn_sock_nodelay(fd[0]) == 1);
    assert(now.send_buffer == before && now.receive_buffer > 0);
#ifdef __linux__
    char name[FN_CC_NAME];
    assert(fn_sock_congestion(fd[0], name) == 0 && strcmp(name, now.congestion) == 0);
    bool bbr = strncmp(now.congestion_default, "bbr", 3) == 0;
    if (!bbr)
        assert(strcmp(now.congestion, now.congestion_default) == 0 && !now.refused);
    else
        assert(now.refused == FN_REFUSED_CONGESTION || strncmp(now.congestion, "bbr", 3) != 0);
#endif
    t = (struct fn_tuning){.send_buffer = 100000, .receive_buffer = 100000};
    fn_tune_apply(fd[1], &t, &now);
    assert(!now.nodelay && !now.refused && strcmp(now.congestion, now.congestion_default) == 0);
    assert(now.send_buffer >= 100000 && now.receive_buffer >= 100000);
    close_pair(fd);
}

static void test_refusals_are_recorded(void)
{
    int fd[2];
    tcp_pair(fd);
    struct fn_tuning t = {.congestion = "no-such-thing", .nodelay = true};
    struct fn_tuned now;
    fn_tune_apply(fd[0], &t, &now);
#ifdef __linux__
    assert(now.refused == FN_REFUSED_CONGESTION);
    assert(*now.congestion && strcmp(now.congestion, now.congestion_default) == 0);
#endif
    assert(now.nodelay);
    close_pair(fd);
    t = (struct fn_tuning){.congestion = "auto", .send_buffer = 9, .receive_buffer = 9};
    fn_tune_apply(-1, &t, &now);
    assert(now.refused == (FN_REFUSED_SEND_BUFFER | FN_REFUSED_RECEIVE_BUFFER) && !now.is_tcp);
}

static void test_tune_unix(void)
{
    int fd[2];
    unix_pair(fd);
    struct fn_tuning t = {.congestion = "auto", .send_buffer = 50000, .nodelay = true};
    struct fn_tuned now;
    fn_tune_apply(fd[0], &t, &now);
    assert(!now.is_tcp && !now.nodelay && !now.refused);
    assert(!*now.congestion && !*now.congestion_default);
    assert(now.send_buffer >= 50000 && now.receive_buffer > 0);
    close_pair(fd);
}

static void test_listening_sockets_pass_it_on(void)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert(listener >= 0 && listen(listener, 1) == 0);
    struct fn_tuning t = {.nodelay = true, .receive_buffer = 200000};
    struct fn_tuned now;
    fn_tune_apply(listener, &t, &now);
    assert(now.is_tcp && now.nodelay && !now.refused && now.receive_buffer >= 200000);
    close(listener);
}

static void test_spin_is_a_span(void)
{
    fn_time spin = fn_tune_spin();
    assert(spin >= 0 && spin <= FN_MS);
}

int main(void)
{
    test_kinds();
    test_unconfirmed();
    test_mapped_loopback();
    test_options();
    test_bad_descriptors_are_errors();
    test_tune_tcp();
    test_refusals_are_recorded();
    test_tune_unix();
    test_listening_sockets_pass_it_on();
    test_spin_is_a_span();
    return 0;
}
