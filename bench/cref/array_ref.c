/* The C reference of the array benchmarks: one sender and one receiver of a whole array over TCP,
 * written the way one would write them by hand when nothing but speed mattered, and with the same
 * tuning that fastnet uses: congestion control, buffers, chunk per system call, spin before poll.
 *
 * Both roles hold one array of `size` bytes (private memory with huge-page advice, as NumPy's
 * allocator gives it), so the working set is that of the Python contestants.
 *
 * They speak the harness's control protocol, one line each way on stdin and stdout:
 *
 *   server: prints "ready ACKPORT DATAPORT"   client: prints "ready"
 *   accept | connect ACKPORT DATAPORT  -> "ok"
 *   verify                             -> "sum CRC32"   one array, random at the sender
 *   run REPS                           -> server "started", then "done"; client "times T T T ..."
 *   memory                             -> "memory KIB"  peak beyond what the arrays took
 *   quit
 *
 * Each array is acknowledged with one byte on a connection of its own; the client's clock runs
 * from before its first send until that byte has come.
 *
 * Options are key=value words after the role: size (bytes), host (numeric, IPv4 or IPv6), chunk
 * (bytes per system call; 0: 512 KiB for arrays up to 4 MiB, so that both ends work at once, and
 * 1 MiB beyond), spin (microseconds before poll, receiver), txspin (the same, sender; -1 blocks
 * in send instead), buffer (bytes, 0 leaves autotuning alone), cc (congestion control; "auto"
 * replaces bbr and nothing else, "-" leaves all alone), and in the build that knows them mac
 * ("gmac" or "hmac": every tagged bytes are followed by a tag) and tagged (bytes).
 */
#define _GNU_SOURCE
#include "common.h"
#ifdef WITH_MAC
#include "mac_io.h"
#endif
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct options {
    size_t size;
    size_t chunk;
    long spin_us;
    long txspin_us;
    int buffer;
    const char *host;
    const char *cc;
    const char *mac;
    size_t tagged;
};

struct role {
    struct options opt;
    unsigned char *array;
    int listener[2]; /* acknowledgements, data */
    int ack;
    int data;
    long base_kib;
};

/* ---- sockets ---------------------------------------------------------------------------- */

static void tune(int fd, const struct options *opt)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    set_congestion(fd, opt->cc);
    if (opt->buffer > 0) {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &opt->buffer, sizeof opt->buffer);
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &opt->buffer, sizeof opt->buffer);
    }
}

static int listen_on(const struct options *opt, int *port)
{
    struct sockaddr_storage address;
    socklen_t length = make_address(opt->host, 0, &address);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    tune(fd, opt);
    if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, 1) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        die("listen");
    *port = port_of(&address);
    return fd;
}

static int connect_to(const struct options *opt, int port)
{
    struct sockaddr_storage address;
    socklen_t length = make_address(opt->host, port, &address);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    tune(fd, opt);
    if (connect(fd, (struct sockaddr *)&address, length) < 0)
        die("connect");
    return fd;
}

static int accept_from(int listener, const struct options *opt)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        die("accept");
    tune(fd, opt);
    return fd;
}

/* ---- the two loops that everything is compared with --------------------------------------- */

static void wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    if (poll(&p, 1, -1) < 0 && errno != EINTR)
        die("poll");
}

#ifdef WITH_MAC
static struct mac_link mac_of(const struct role *r)
{
    return (struct mac_link){.fd = r->data,
                             .spin_us = r->opt.spin_us,
                             .txspin_us = r->opt.txspin_us,
                             .mac = r->opt.mac,
                             .chunk = r->opt.tagged};
}
#endif

static void send_array(const struct role *r)
{
#ifdef WITH_MAC
    if (r->opt.mac != NULL) {
        struct mac_link l = mac_of(r);
        mac_send(&l, r->array, r->opt.size);
        return;
    }
#endif
    const unsigned char *at = r->array;
    size_t left = r->opt.size;
    int flags = MSG_NOSIGNAL | (r->opt.txspin_us < 0 ? 0 : MSG_DONTWAIT);
    while (left > 0) {
        size_t want = left < r->opt.chunk ? left : r->opt.chunk;
        ssize_t done = send(r->data, at, want, flags);
        if (done < 0 && errno == EAGAIN && r->opt.txspin_us > 0) {
            double until = now() + (double)r->opt.txspin_us * 1e-6;
            while ((done = send(r->data, at, want, flags)) < 0 && errno == EAGAIN && now() < until)
                ;
        }
        if (done < 0 && errno == EAGAIN) {
            wait_for(r->data, POLLOUT);
            continue;
        }
        if (done < 0)
            die("send");
        at += done;
        left -= (size_t)done;
    }
}

static void recv_array(const struct role *r)
{
#ifdef WITH_MAC
    if (r->opt.mac != NULL) {
        struct mac_link l = mac_of(r);
        mac_recv(&l, r->array, r->opt.size);
        return;
    }
#endif
    unsigned char *at = r->array;
    size_t left = r->opt.size;
    while (left > 0) {
        size_t want = left < r->opt.chunk ? left : r->opt.chunk;
        ssize_t done = recv(r->data, at, want, MSG_DONTWAIT);
        if (done < 0 && errno == EAGAIN && r->opt.spin_us > 0) {
            double until = now() + (double)r->opt.spin_us * 1e-6;
            while ((done = recv(r->data, at, want, MSG_DONTWAIT)) < 0 && errno == EAGAIN &&
                   now() < until)
                ;
        }
        if (done < 0 && errno == EAGAIN) {
            wait_for(r->data, POLLIN);
            continue;
        }
        if (done <= 0)
            die("recv");
        at += done;
        left -= (size_t)done;
    }
}

static void send_ack(const struct role *r)
{
    if (send(r->ack, "k", 1, MSG_NOSIGNAL) != 1)
        die("acknowledgement");
}

static void recv_ack(const struct role *r)
{
    char byte;
    if (recv(r->ack, &byte, 1, 0) != 1)
        die("acknowledgement");
}

/* ---- bookkeeping -------------------------------------------------------------------------- */

/* The memory that NumPy would give an array of this size: malloc's (so 16 bytes behind a page
 * boundary), advised as huge pages from 4 MiB on. */
static unsigned char *make_array(size_t size)
{
    unsigned char *array = malloc(size ? size : 1);
    if (array == NULL)
        die("memory");
    if (size >= (size_t)4 << 20) {
        size_t page = 4096, skip = page - (size_t)(uintptr_t)array % page;
        (void)madvise(array + skip, size - skip, MADV_HUGEPAGE);
    }
    memset(array, 1, size);
    return array;
}

static long peak_kib(void)
{
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "VmHWM: %ld", &kib) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return kib;
}

static void set_option(struct options *opt, char *word)
{
    char *value = split_option(word);
    if (strcmp(word, "size") == 0)
        opt->size = strtoull(value, NULL, 10);
    else if (strcmp(word, "chunk") == 0)
        opt->chunk = strtoull(value, NULL, 10);
    else if (strcmp(word, "spin") == 0)
        opt->spin_us = strtol(value, NULL, 10);
    else if (strcmp(word, "txspin") == 0)
        opt->txspin_us = strtol(value, NULL, 10);
    else if (strcmp(word, "buffer") == 0)
        opt->buffer = (int)strtol(value, NULL, 10);
    else if (strcmp(word, "host") == 0)
        opt->host = value;
    else if (strcmp(word, "cc") == 0)
        opt->cc = value;
#ifdef WITH_MAC
    else if (strcmp(word, "mac") == 0)
        opt->mac = value;
    else if (strcmp(word, "tagged") == 0)
        opt->tagged = strtoull(value, NULL, 10);
#endif
    else
        die(word);
}

/* ---- commands ----------------------------------------------------------------------------- */

static void serve_run(const struct role *r, long reps)
{
    printf("started\n");
    fflush(stdout);
    for (long i = 0; i < reps; i++) {
        recv_array(r);
        send_ack(r);
    }
    printf("done\n");
}

static void client_run(const struct role *r, long reps)
{
    double *times = calloc((size_t)reps + 1, sizeof *times);
    if (times == NULL)
        die("memory");
    for (long i = 0; i < reps; i++) {
        double start = now();
        send_array(r);
        recv_ack(r);
        times[i] = now() - start;
    }
    printf("times");
    for (long i = 0; i < reps; i++)
        printf(" %.9f", times[i]);
    printf("\n");
    free(times);
}

static void verify(const struct role *r, int server)
{
    if (server) {
        memset(r->array, 0, r->opt.size);
        printf("started\n");
        fflush(stdout);
        recv_array(r);
        send_ack(r);
    } else {
        fill_random(r->array, r->opt.size);
        send_array(r);
        recv_ack(r);
    }
    printf("sum %08x\n", checksum(r->array, r->opt.size));
}

static int obey(struct role *r, int server, const char *line)
{
    long n = 0;
    int ack_port = 0;
    int data_port = 0;
    if (strncmp(line, "quit", 4) == 0)
        return 0;
    if (strncmp(line, "accept", 6) == 0) {
        r->ack = accept_from(r->listener[0], &r->opt);
        r->data = accept_from(r->listener[1], &r->opt);
        printf("ok\n");
    } else if (sscanf(line, "connect %d %d", &ack_port, &data_port) == 2) {
        r->ack = connect_to(&r->opt, ack_port);
        r->data = connect_to(&r->opt, data_port);
        printf("ok\n");
    } else if (strncmp(line, "verify", 6) == 0) {
        verify(r, server);
    } else if (sscanf(line, "run %ld", &n) == 1 && n >= 0) {
        (server ? serve_run : client_run)(r, n);
    } else if (strncmp(line, "memory", 6) == 0) {
        printf("memory %ld\n", peak_kib() - r->base_kib);
    } else {
        printf("error unknown command %s", line);
        return 0;
    }
    fflush(stdout);
    return 1;
}

int main(int argc, char **argv)
{
    struct role r = {.opt = {.size = (size_t)64 << 20,
                             .spin_us = 150,
                             .txspin_us = -1,
                             .host = "127.0.0.1",
                             .cc = "auto",
                             .tagged = (size_t)256 << 10}};
    char line[256];
    if (argc < 2) {
        fprintf(stderr, "usage: array_ref server|client [key=value ...]\n");
        return 2;
    }
    int server = strcmp(argv[1], "server") == 0;
    for (int i = 2; i < argc; i++)
        set_option(&r.opt, argv[i]);
    if (r.opt.chunk == 0)
        r.opt.chunk = r.opt.size <= (size_t)4 << 20 ? (size_t)1 << 19 : (size_t)1 << 20;
    r.array = make_array(r.opt.size);
    r.base_kib = peak_kib();
    if (server) {
        int ports[2];
        r.listener[0] = listen_on(&r.opt, &ports[0]);
        r.listener[1] = listen_on(&r.opt, &ports[1]);
        printf("ready %d %d\n", ports[0], ports[1]);
    } else {
        printf("ready\n");
    }
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL && obey(&r, server, line))
        ;
    return 0;
}
