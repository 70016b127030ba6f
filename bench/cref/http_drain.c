/* Fetches one resource over one connection again and again, and throws the bodies away.
 *
 * The bodies are never copied (MSG_TRUNC), so that this end is not what limits a server. Prints a
 * JSON object: bytes of bodies and the seconds that they took, up to the last byte counted.
 *
 * usage: http_drain "tcp HOST PORT" PATH SECONDS
 */
#define _GNU_SOURCE
#include "common.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEAD = 8192, PIECE = 1 << 22 };

static char head[HEAD + 1];

/* Reads a reply's head; returns how much of the body is still to come. */
static size_t read_head(int fd, size_t *body)
{
    static const char name[] = "\r\nContent-Length:";
    size_t have = 0;
    char *end = NULL;
    while (end == NULL) {
        ssize_t got = recv(fd, head + have, HEAD - have, 0);
        if (got <= 0)
            fail("the server has left, or its head is too long");
        have += (size_t)got;
        head[have] = '\0';
        end = memmem(head, have, "\r\n\r\n", 4);
    }
    char *length = strcasestr(head, name);
    if (strncmp(head, "HTTP/1.1 200", 12) != 0 || length == NULL || length > end)
        fail("not a reply of 200 with a length");
    *body = strtoul(length + strlen(name), NULL, 10);
    return *body - (have - (size_t)(end + 4 - head));
}

int main(int argc, char **argv)
{
    struct endpoint where;
    char request[512];
    if (argc != 4) {
        fprintf(stderr, "usage: http_drain ENDPOINT PATH SECONDS\n");
        return 2;
    }
    parse_endpoint(argv[1], &where);
    int fd = socket(where.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&where.address, where.length) < 0)
        die("connect");
    int size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", argv[2]);
    double began = now();
    double end = began + strtod(argv[3], NULL);
    double bytes = 0;
    double at = began;
    while (at < end) {
        size_t body;
        if (send(fd, request, (size_t)size, MSG_NOSIGNAL) != size)
            die("send");
        size_t left = read_head(fd, &body);
        bytes += (double)(body - left);
        while (left > 0 && (at = now()) < end) {
            ssize_t got = recv(fd, NULL, left < PIECE ? left : PIECE, MSG_TRUNC);
            if (got <= 0)
                fail("the server has left within a body");
            left -= (size_t)got;
            bytes += (double)got;
        }
        at = now();
    }
    printf("{\"bytes\": %.0f, \"seconds\": %.6f}\n", bytes, at - began);
    return 0;
}
