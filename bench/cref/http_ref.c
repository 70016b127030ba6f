/* The C reference of the HTTP benchmarks: one thread, level-triggered epoll, a canned reply.
 *
 * It looks for the end of each request's head, skips a body by its Content-Length, and knows
 * nothing else of HTTP: what a server cannot do with less. All requests of one recv are answered
 * with one send. The replies on a connection are one sequence of equal blocks, so all that is
 * kept of a partial send is how many bytes are owed and where in a block they begin.
 *
 * With file=PATH the reply is that file, by sendfile. The Date is written anew once a second.
 *
 * usage: http_ref "tcp 127.0.0.1 0" [body=BYTES | file=PATH] [cc=auto|-|NAME]
 */
#define _GNU_SOURCE
#include "common.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, EVENTS = 512, HEAD = 4096, REPLIES = 1 << 20 };

struct conn {
    int fd;
    int writing;     /* EPOLLOUT is armed, and nothing is read */
    size_t skip;     /* bytes of a request's body that are still to come */
    size_t owed;     /* bytes of replies, files apart */
    size_t phase;    /* where in a reply they begin */
    size_t files;    /* replies with a file that are owed, the present one too */
    off_t offset;    /* in the present file */
    size_t have;     /* of `part` */
    char part[HEAD]; /* a head that has not come whole */
};

struct server {
    struct endpoint where;
    const char *cc;
    int listener, poller, file;
    off_t file_size;
    char head[256];
    size_t head_size, body, reply; /* reply: bytes of one, head and body; the head with a file */
    char *replies;                 /* as many as one send may take */
    size_t copies;
    time_t dated;
};

static char buffer[HEAD + CHUNK];

/* Lengths do not change with the second, so a reply that is half sent stays right. */
static void refresh(struct server *s)
{
    char date[64];
    struct tm tm;
    time_t at = time(NULL);
    if (at == s->dated)
        return;
    s->dated = at;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&at, &tm));
    int n = snprintf(s->head, sizeof s->head,
                     "HTTP/1.1 200 OK\r\nServer: http_ref/1\r\nDate: %s\r\n"
                     "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
                     date, s->file >= 0 ? (size_t)s->file_size : s->body);
    s->head_size = (size_t)n;
    for (size_t i = 0; i < s->copies; i++)
        memcpy(s->replies + i * s->reply, s->head, s->head_size);
}

static void prepare(struct server *s)
{
    static const char text[] = "Hello, world!";
    struct stat state;
    if (s->file >= 0 && fstat(s->file, &state) == 0)
        s->file_size = state.st_size;
    refresh(s);
    s->reply = s->head_size + (s->file >= 0 ? 0 : s->body);
    s->copies = s->reply > REPLIES ? 1 : REPLIES / s->reply;
    s->replies = malloc(s->copies * s->reply);
    if (s->replies == NULL)
        die("memory");
    for (size_t i = 0; i < s->copies; i++)
        for (size_t k = 0; k < s->reply - s->head_size; k++)
            s->replies[i * s->reply + s->head_size + k] = text[k % (sizeof text - 1)];
    s->dated = 0;
    refresh(s);
}

static void watch(const struct server *s, struct conn *c, int op, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(s->poller, op, c->fd, &event) < 0)
        die("epoll_ctl");
}

static void accept_all(const struct server *s)
{
    for (;;) {
        int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0 && errno == EAGAIN)
            return;
        struct conn *c = fd < 0 ? NULL : calloc(1, sizeof *c);
        if (c == NULL)
            die("accept");
        c->fd = fd;
        tune_stream(fd, &s->where, s->cc);
        watch(s, c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

/* The Content-Length of a head; only requests with a method on P are thought to have a body. */
static size_t body_length(const char *head, size_t size)
{
    static const char *const names[] = {"Content-Length:", "content-length:"};
    if (size == 0 || head[0] != 'P')
        return 0;
    for (int i = 0; i < 2; i++) {
        const char *at = memmem(head, size, names[i], strlen(names[i]));
        if (at != NULL)
            return strtoul(at + strlen(names[i]), NULL, 10); /* ends at CR, which is there */
    }
    return 0;
}

/* Requests whose head ends in these bytes; what is left of a head is kept. -1: too long a head. */
static long count_requests(struct conn *c, const char *bytes, size_t size)
{
    long found = 0;
    while (size > 0) {
        size_t step = c->skip < size ? c->skip : size;
        c->skip -= step;
        bytes += step;
        size -= step;
        const char *end = memmem(bytes, size, "\r\n\r\n", 4);
        if (end == NULL)
            break;
        size_t head = (size_t)(end - bytes) + 4;
        c->skip = body_length(bytes, head);
        bytes += head;
        size -= head;
        found++;
    }
    if (size > HEAD)
        return -1;
    memcpy(c->part, bytes, size);
    c->have = size;
    return found;
}

/* Sends what is owed until it is gone (1), the socket is full (0), or the peer has left (-1). */
static int send_owed(const struct server *s, struct conn *c)
{
    int more = s->file >= 0 ? MSG_MORE : 0;
    while (c->owed > 0) {
        size_t room = s->copies * s->reply - c->phase;
        size_t take = c->owed < room ? c->owed : room;
        ssize_t sent = send(c->fd, s->replies + c->phase, take, MSG_NOSIGNAL | more);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -1;
        c->owed -= (size_t)sent;
        c->phase = (c->phase + (size_t)sent) % s->reply;
        if ((size_t)sent < take)
            return 0;
    }
    return 1;
}

static int send_files(const struct server *s, struct conn *c)
{
    while (c->files > 0) {
        int done = send_owed(s, c);
        if (done <= 0)
            return done;
        while (c->offset < s->file_size) {
            size_t left = (size_t)(s->file_size - c->offset);
            ssize_t sent = sendfile(c->fd, s->file, &c->offset, left);
            if (sent <= 0)
                return sent < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
        }
        c->files--;
        c->offset = 0;
        c->owed = c->files > 0 ? s->reply : 0;
    }
    return 1;
}

/* Sends, and reads again when all is sent. */
static int answer(const struct server *s, struct conn *c)
{
    int done = s->file >= 0 ? send_files(s, c) : send_owed(s, c);
    int writing = done == 0;
    if (done >= 0 && writing != c->writing) {
        c->writing = writing;
        watch(s, c, EPOLL_CTL_MOD, writing ? EPOLLOUT : EPOLLIN);
    }
    return done;
}

static int readable(const struct server *s, struct conn *c)
{
    size_t have = c->have;
    ssize_t got = recv(c->fd, buffer + have, CHUNK, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0)
        return -1;
    memcpy(buffer, c->part, have);
    long requests = count_requests(c, buffer, have + (size_t)got);
    if (requests <= 0)
        return requests < 0 ? -1 : 0;
    c->files = s->file >= 0 ? (size_t)requests : 0;
    c->owed = s->file >= 0 ? s->reply : (size_t)requests * s->reply;
    return answer(s, c);
}

static _Noreturn void serve(struct server *s)
{
    struct epoll_event events[EVENTS];
    struct epoll_event accepts = {.events = EPOLLIN, .data.ptr = NULL};
    s->poller = epoll_create1(EPOLL_CLOEXEC);
    if (s->poller < 0 || epoll_ctl(s->poller, EPOLL_CTL_ADD, s->listener, &accepts) < 0)
        die("epoll");
    for (;;) {
        int n = epoll_wait(s->poller, events, EVENTS, -1);
        if (n < 0 && errno != EINTR)
            die("epoll_wait");
        refresh(s);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (c == NULL) {
                accept_all(s);
            } else if ((c->writing ? answer(s, c) : readable(s, c)) < 0) {
                close(c->fd);
                free(c);
            }
        }
    }
}

int main(int argc, char **argv)
{
    struct server s = {.cc = "-", .file = -1, .body = 13};
    if (argc < 2) {
        fprintf(stderr, "usage: http_ref ENDPOINT [key=value ...]\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        char *value = split_option(argv[i]);
        if (strcmp(argv[i], "body") == 0)
            s.body = strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "file") == 0)
            s.file = open(value, O_RDONLY | O_CLOEXEC);
        else if (strcmp(argv[i], "cc") == 0)
            s.cc = value;
        else
            fail("unknown option");
        if (strcmp(argv[i], "file") == 0 && s.file < 0)
            die(value);
    }
    signal(SIGPIPE, SIG_IGN); /* sendfile has no MSG_NOSIGNAL */
    prepare(&s);
    parse_endpoint(argv[1], &s.where);
    s.listener = serve_at(&s.where);
    serve(&s);
}
