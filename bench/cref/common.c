#define _GNU_SOURCE
#include "common.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void fail(const char *what)
{
    printf("error %s\n", what);
    fflush(stdout);
    exit(1);
}

void die(const char *what)
{
    printf("error %s: %s\n", what, strerror(errno));
    fflush(stdout);
    exit(1);
}

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double now(void)
{
    return (double)now_ns() * 1e-9;
}

uint32_t checksum(const unsigned char *bytes, size_t length)
{
    uint32_t table[256];
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = (c >> 1) ^ ((c & 1) ? 0xEDB88320u : 0);
        table[i] = c;
    }
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < length; i++)
        crc = table[(crc ^ bytes[i]) & 0xFF] ^ (crc >> 8);
    return crc ^ 0xFFFFFFFFu;
}

void fill_random(unsigned char *bytes, size_t length)
{
    uint64_t x = (uint64_t)getpid() * 0x9E3779B97F4A7C15u + (uint64_t)time(NULL);
    for (size_t i = 0; i < length; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes[i] = (unsigned char)(x >> 32);
    }
}

socklen_t make_address(const char *host, int port, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
    if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        return sizeof *six;
    }
    struct sockaddr_in *four = (struct sockaddr_in *)out;
    if (inet_pton(AF_INET, host, &four->sin_addr) != 1) {
        errno = EINVAL;
        die("host");
    }
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t)port);
    return sizeof *four;
}

int port_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
    return ntohs(((const struct sockaddr_in *)address)->sin_port);
}

void set_congestion(int fd, const char *wanted)
{
    char current[16] = "";
    socklen_t length = sizeof current - 1;
    if (strcmp(wanted, "-") == 0)
        return;
    if (strcmp(wanted, "auto") != 0) {
        if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, wanted, (socklen_t)strlen(wanted)) < 0)
            die("TCP_CONGESTION");
        return;
    }
    if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, current, &length) < 0 ||
        strncmp(current, "bbr", 3) != 0)
        return;
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4) < 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
}

void tune_stream(int fd, const struct endpoint *where, const char *congestion)
{
    int one = 1;
    if (where->type != SOCK_STREAM || where->address.ss_family == AF_UNIX)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    set_congestion(fd, congestion);
}

void parse_endpoint(const char *words, struct endpoint *out)
{
    char kind[8] = "";
    char host[108] = "";
    int port = 0;
    int found = sscanf(words, "%7s %107s %d", kind, host, &port);
    memset(out, 0, sizeof *out);
    out->type = strcmp(kind, "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM;
    if (found == 2 && strcmp(kind, "unix") == 0) {
        struct sockaddr_un *un = (struct sockaddr_un *)&out->address;
        un->sun_family = AF_UNIX;
        memcpy(un->sun_path, host, strlen(host));
        out->length = sizeof *un;
    } else if (found == 3 && (strcmp(kind, "udp") == 0 || strcmp(kind, "tcp") == 0)) {
        out->length = make_address(host, port, &out->address);
    } else {
        fail("not an endpoint");
    }
}

int serve_at(struct endpoint *where)
{
    char host[INET6_ADDRSTRLEN] = "";
    int one = 1;
    struct sockaddr_storage *a = &where->address;
    int fd = socket(a->ss_family, where->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        die("socket");
    if (a->ss_family != AF_UNIX)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)a, where->length) < 0)
        die("bind");
    if (where->type == SOCK_STREAM && listen(fd, SOMAXCONN) < 0)
        die("listen");
    if (a->ss_family == AF_UNIX) {
        printf("ready unix %s\n", ((struct sockaddr_un *)a)->sun_path);
    } else {
        if (getsockname(fd, (struct sockaddr *)a, &where->length) < 0)
            die("getsockname");
        const void *binary = a->ss_family == AF_INET6
                                 ? (const void *)&((struct sockaddr_in6 *)a)->sin6_addr
                                 : (const void *)&((struct sockaddr_in *)a)->sin_addr;
        inet_ntop(a->ss_family, binary, host, sizeof host);
        printf("ready %s %s %d\n", where->type == SOCK_DGRAM ? "udp" : "tcp", host, port_of(a));
    }
    fflush(stdout);
    return fd;
}

char *split_option(char *word)
{
    char *value = strchr(word, '=');
    errno = EINVAL;
    if (value == NULL)
        die(word);
    *value = '\0';
    return value + 1;
}
