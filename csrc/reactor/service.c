/* Theory in service.h. */
#include "fastnet/service.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "fastnet/bytes.h"
#include "fastnet/conn.h"
#include "fastnet/sock.h"
#include "fastnet/status.h"
#include "fastnet/watchdog.h"

static uint64_t write_buffer(const struct fn_node *n)
{
    uint64_t limit = n->gate ? n->gate->limits.write_buffer : 0;
    return limit ? limit : FN_WRITE_BUFFER;
}

/* ------------------------------------------------------------------------ clock */

const char *fn_service_ctime(struct fn_reactor *r, size_t *len)
{
    time_t now = time(NULL);
    struct tm tm;
    if (now != r->ctime_of || !r->ctime[0]) {
        r->ctime_of = now;
        if (!localtime_r(&now, &tm) || !asctime_r(&tm, r->ctime))
            r->ctime[0] = 0;
    }
    *len = r->ctime[0] ? FN_CTIME : 0;
    return r->ctime;
}

/* Sent when the turn ends, and not here: a peer that has gone already would end
 * the connection before whoever began it has heard of it.  Where memory is
 * short it ends without a word. */
static void tell_time(struct fn_reactor *r, struct fn_node *n)
{
    size_t len;
    const char *line = fn_service_ctime(r, &len);
    (void)fn_outq_append(&n->out, &r->store, line, len);
    fn_conn_finish(r, n);
}

/* ------------------------------------------------------------------------- ends */

void fn_service_written(struct fn_reactor *r, struct fn_node *n)
{
    if (n->flags & FN_SAW_EOF) {
        fn_conn_close(r, n, false);
        return;
    }
    if (!(n->flags & FN_SHUT_DONE)) {
        n->flags |= FN_SHUT_DONE;
        shutdown(n->fd, SHUT_WR);
    }
    n->codec = FN_CODEC_DISCARD;
    n->flags = (n->flags | FN_LINGERING) & ~(uint32_t)(FN_FINISHING | FN_HELD);
    n->deadline = r->now + FN_LINGER;
    fn_watchdog_schedule(r, n);
}

/* The peer's end: what waits is still written. */
static void ended(struct fn_reactor *r, struct fn_node *n)
{
    n->flags |= FN_SAW_EOF;
    if (n->out.bytes)
        fn_conn_finish(r, n);
    else
        fn_conn_close(r, n, false);
}

/* ------------------------------------------------------------------------- work */

void fn_service_unhold(struct fn_node *n)
{
    if (n->flags & FN_HELD && n->out.bytes <= write_buffer(n) / 2)
        n->flags &= ~(uint32_t)FN_HELD;
}

static void echo(struct fn_reactor *r, struct fn_node *n, const uint8_t *data, size_t len)
{
    int64_t sent = n->out.bytes ? -EAGAIN : fn_conn_send(r, n, data, len);
    if (sent == (int64_t)len)
        return;
    int st = sent < 0 && !fn_sock_again(sent) ? (int)sent : 0;
    size_t gone = sent > 0 ? (size_t)sent : 0;
    if (st == 0)
        st = fn_outq_append(&n->out, &r->store, data + gone, len - gone);
    if (st < 0) {
        fn_conn_fail(r, n, st);
        return;
    }
    fn_reactor_touch(r, n);
    if (n->out.bytes >= write_buffer(n))
        n->flags |= FN_HELD;
}

/* It has served what it owed. */
static void leave(struct fn_reactor *r, struct fn_node *n)
{
    n->flags &= ~(uint32_t)FN_ENDING;
    fn_conn_finish(r, n);
}

bool fn_service_read(struct fn_reactor *r, struct fn_node *n)
{
    uint64_t id = fn_node_id(n);
    uint8_t *data = r->arena + FN_ARENA; /* events of this turn may lie before it */
    size_t room = n->flags & FN_ENDING ? fn_minz(n->owed, FN_SERVICE_READ) : FN_SERVICE_READ;
    ssize_t got = recv(n->fd, data, room, MSG_DONTWAIT);
    if (got < 0) {
        int st = -errno;
        if (!fn_sock_again(st))
            fn_conn_fail(r, n, st);
        return false;
    }
    if (got == 0) {
        ended(r, n);
        return false;
    }
    n->active = r->now;
    fn_count(&r->counters.reads, 1);
    fn_count(&r->counters.bytes_in, (uint64_t)got);
    fn_count(&n->bytes_in, (uint64_t)got);
    if (n->codec == FN_CODEC_ECHO)
        echo(r, n, data, (size_t)got);
    if (fn_slab_find(&r->slab, id) != n)
        return false;
    if (n->flags & FN_ENDING && (n->owed -= (size_t)got) == 0)
        leave(r, n);
    return true;
}

void fn_service_begin(struct fn_reactor *r, struct fn_node *n)
{
    n->flags |= FN_READING;
    fn_reactor_touch(r, n);
    if (n->codec == FN_CODEC_TIME)
        tell_time(r, n);
}

void fn_service_drain(struct fn_reactor *r, struct fn_node *n)
{
    uint64_t id = fn_node_id(n);
    int waiting = 0;
    if (n->flags & (FN_LINGERING | FN_FINISHING | FN_ENDING))
        return;
    n->flags |= FN_ENDING;
    if (ioctl(n->fd, FIONREAD, &waiting) == 0 && waiting > 0)
        n->owed = (size_t)waiting;
    /* Who takes its echo too slowly is served on in later turns. */
    while (n->owed && !(n->flags & FN_HELD))
        if (!fn_service_read(r, n))
            break;
    if (fn_slab_find(&r->slab, id) == n && n->flags & FN_ENDING && !(n->flags & FN_HELD))
        leave(r, n);
}
