/* Theory in reactor.h. */
#include "fastnet/reactor.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/select.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

#include "fastnet/dgram.h"
#include "fastnet/pid.h"
#include "fastnet/service.h"
#include "fastnet/status.h"

enum { EVENTS_LEAST = 2 * FN_TURN };

#define FN_LONGEST_SPIN (3600 * FN_SECOND) /* what is added to the present time */

/* ------------------------------------------------------------ making, ending */

/* glibc maps large blocks one by one, and trims its heap at twice the size of
 * the largest such block that was ever freed; 128 KiB to begin with.  Where
 * messages are that large, their memory would come and go with every turn,
 * page by page, which costs a third of the time of TLS.  So one is freed. */
static void raise_trim_threshold(void)
{
    volatile char *block = malloc(FN_ARENA);
    if (block)
        *block = 0; /* or the compiler would leave it all out */
    free((void *)(uintptr_t)block);
}

struct fn_reactor *fn_reactor_new(enum fn_poller_kind kind, fn_time spin, int *status)
{
    struct fn_reactor *r = calloc(1, sizeof *r);
    *status = -ENOMEM;
    if (!r)
        return NULL;
    raise_trim_threshold();
    r->poller.kind = kind;
    r->poller.fd = -1;
    r->reserve = r->wake_read = -1;
    atomic_init(&r->wake_write, -1);
    r->spin = fn_earlier(spin, FN_LONGEST_SPIN);
    r->now = fn_now();
    fn_timers_init(&r->timers);
    fn_out_store_init(&r->store);
    r->arena = malloc(FN_ARENA + FN_SERVICE_READ);
    r->events = malloc(EVENTS_LEAST * sizeof *r->events);
    r->event_capacity = EVENTS_LEAST;
    *status = r->arena && r->events ? fn_slab_init(&r->slab) : -ENOMEM;
    if (*status == 0)
        return r;
    free(r->arena);
    free(r->events);
    free(r);
    return NULL;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Watches, listeners and the sockets of datagram services are somebody else's
 * descriptors. */
static bool is_lent(const struct fn_node *n)
{
    return n->kind == FN_NODE_WATCH || n->kind == FN_NODE_LISTENER ||
           (n->kind == FN_NODE_DATAGRAM && fn_is_service(n));
}

void fn_reactor_drop(struct fn_reactor *r)
{
    for (uint32_t i = 0; i < fn_slab_size(&r->slab); i++) {
        struct fn_node *n = fn_slab_at(&r->slab, i);
        if (n->kind == FN_NODE_FREE || n->kind == FN_NODE_WAKE)
            continue;
        fn_reactor_remove(r, n, is_lent(n));
    }
    r->event_head = r->event_count = 0;
}

static void close_wake(struct fn_reactor *r)
{
    int fd = atomic_exchange(&r->wake_write, -1);
    if (fd != r->wake_read)
        close_fd(&fd);
    close_fd(&r->wake_read);
}

void fn_reactor_free(struct fn_reactor *r)
{
    fn_reactor_drop(r);
    fn_poller_close(&r->poller);
    close_fd(&r->reserve);
    close_wake(r);
    fn_mmsg_free(r->mmsg);
    fn_slab_fini(&r->slab);
    fn_timers_fini(&r->timers);
    fn_out_store_fini(&r->store);
    free(r->dirty);
    free(r->events);
    free(r->arena);
    free(r);
}

/* ------------------------------------------------------------------ ownership */

static int open_wake(struct fn_reactor *r)
{
#ifdef __linux__
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    r->wake_read = fd;
    atomic_store(&r->wake_write, fd);
#else
    int fds[2];
    if (pipe(fds) < 0)
        return -errno;
    for (int i = 0; i < 2; i++) {
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
    }
    r->wake_read = fds[0];
    atomic_store(&r->wake_write, fds[1]);
#endif
    int st;
    struct fn_node *n = fn_reactor_add(r, FN_NODE_WAKE, r->wake_read, &st);
    if (!n)
        return st;
    st = fn_poller_add(&r->poller, n->fd, FN_POLL_IN, fn_node_id(n));
    if (st < 0) {
        fn_reactor_remove(r, n, true);
        return st;
    }
    n->armed = FN_POLL_IN;
    n->flags |= FN_KNOWN;
    return 0;
}

/* What fails leaves nothing behind, so that it can be tried again. */
static int open_here(struct fn_reactor *r)
{
    enum fn_poller_kind kind = r->poller.kind;
    int st = fn_poller_open(&r->poller, kind);
    if (st == 0)
        st = open_wake(r);
    if (st < 0) {
        close_wake(r);
        fn_poller_close(&r->poller);
        r->poller.kind = kind;
        return st;
    }
    r->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    r->pid = fn_pid();
    return 0;
}

static uintptr_t self(void)
{
    return (uintptr_t)pthread_self();
}

int fn_reactor_enter(struct fn_reactor *r)
{
    uintptr_t nobody = 0;
    if (r->pid && r->pid != fn_pid())
        return FN_E_FORKED;
    if (!atomic_compare_exchange_strong(&r->owner, &nobody, self()) && nobody != self())
        return FN_E_NOT_OWNER;
    int st = r->pid ? 0 : open_here(r);
    if (st < 0)
        fn_reactor_leave(r);
    else
        r->now = fn_now(); /* the last turn may have been long ago */
    return st;
}

void fn_reactor_leave(struct fn_reactor *r)
{
    atomic_store(&r->owner, 0);
}

void fn_reactor_wake(struct fn_reactor *r)
{
    if (atomic_exchange(&r->woken, true))
        return;
    int fd = atomic_load(&r->wake_write);
    if (fd < 0)
        return;        /* the first turn sees `woken` */
    int saved = errno; /* a signal handler must leave it alone */
    uint64_t one = 1;
    ssize_t wrote = write(fd, &one, sizeof one);
    (void)wrote; /* full means that it wakes anyway */
    errno = saved;
}

void fn_reactor_ask(struct fn_reactor *r, unsigned requests)
{
    atomic_fetch_or(&r->asked, requests);
    fn_reactor_wake(r);
}

/* ---------------------------------------------------------------------- nodes */

/* Room for what one more node may bring before the next turn. */
static int make_room(struct fn_reactor *r)
{
    size_t nodes = r->nodes + 1;
    if (nodes > r->dirty_capacity) {
        size_t capacity = nodes < 32 ? 64 : nodes * 2;
        uint64_t *dirty = realloc(r->dirty, capacity * sizeof *dirty);
        if (!dirty)
            return -ENOMEM;
        r->dirty = dirty;
        r->dirty_capacity = capacity;
    }
    if (2 * nodes + EVENTS_LEAST > r->event_capacity) {
        size_t capacity = 2 * (2 * nodes + EVENTS_LEAST);
        struct fn_event *events = realloc(r->events, capacity * sizeof *events);
        if (!events)
            return -ENOMEM;
        r->events = events;
        r->event_capacity = capacity;
    }
    return fn_timers_reserve(&r->timers, nodes);
}

struct fn_node *fn_reactor_add(struct fn_reactor *r, enum fn_node_kind kind, int fd, int *status)
{
    if (r->poller.kind == FN_POLLER_SELECT && fd >= FD_SETSIZE) {
        *status = FN_E_SELECT_RANGE;
        return NULL;
    }
    *status = make_room(r);
    if (*status < 0)
        return NULL;
    struct fn_node *n = fn_slab_take(&r->slab, kind, fd);
    *status = n ? 0 : -ENOMEM;
    r->nodes += n != NULL;
    return n;
}

static bool is_stream_of_gate(const struct fn_node *n)
{
    return n->gate && n->flags & FN_COUNTED;
}

void fn_reactor_remove(struct fn_reactor *r, struct fn_node *n, bool keep)
{
    bool ours = r->pid == fn_pid();
    if (n->flags & FN_KNOWN && ours)
        fn_poller_del(&r->poller, n->fd);
    fn_timers_cancel(&r->timers, &n->timer);
    fn_outq_drop(&n->out, &r->store);
    if (n->flags & FN_DIRTY)
        r->dirty[n->dirty_at] = 0;
    if (n->kind == FN_NODE_DATAGRAM)
        fn_dgram_free(n);
    if (n->kind == FN_NODE_STREAM) {
        fn_count(&r->counters.closed, 1);
        fn_count(&r->counters.open, (uint64_t)-1);
    }
    if (is_stream_of_gate(n))
        fn_gate_leave(n->gate, n->has_peer ? &n->peer : NULL);
    fn_gate_release(n->gate);
    n->gate = NULL;
    int fd = n->fd;
    fn_slab_give(&r->slab, n);
    r->nodes--;
    if (!keep)
        close(fd);
}

/* A node is in the list once; the places of those that have gone are used
 * again before there could be more entries than nodes. */
static void compact_dirty(struct fn_reactor *r)
{
    size_t kept = 0;
    for (size_t i = r->dirty_head; i < r->dirty_count; i++) {
        if (!r->dirty[i])
            continue;
        fn_slab_at(&r->slab, (uint32_t)r->dirty[i])->dirty_at = (uint32_t)kept;
        r->dirty[kept++] = r->dirty[i];
    }
    r->dirty_head = 0;
    r->dirty_count = kept;
}

void fn_reactor_touch(struct fn_reactor *r, struct fn_node *n)
{
    if (n->flags & FN_DIRTY)
        return;
    if (r->dirty_count == r->dirty_capacity)
        compact_dirty(r);
    n->flags |= FN_DIRTY;
    n->dirty_at = (uint32_t)r->dirty_count;
    r->dirty[r->dirty_count++] = fn_node_id(n);
}

/* --------------------------------------------------------------------- events */

static bool more_events(struct fn_reactor *r)
{
    size_t capacity = 2 * r->event_capacity;
    struct fn_event *events = realloc(r->events, capacity * sizeof *events);
    if (!events)
        return false;
    r->events = events;
    r->event_capacity = capacity;
    return true;
}

struct fn_event *fn_reactor_emit(struct fn_reactor *r, struct fn_node *n, enum fn_event_kind kind)
{
    if (r->event_count == r->event_capacity && !more_events(r))
        return NULL;
    struct fn_event *e = &r->events[r->event_count++];
    *e = (struct fn_event){.id = fn_node_id(n), .kind = (uint8_t)kind};
    fn_count(&r->counters.events, 1);
    return e;
}

/* Whether an event still means something.  Bytes and ends that were taken from
 * the system come even to a node that was paused meanwhile: nothing else has them. */
static bool is_wanted(struct fn_event *e, const struct fn_node *n)
{
    switch (e->kind) {
    case FN_EVENT_DATA:
    case FN_EVENT_EOF:
    case FN_EVENT_DATAGRAM:
        return !(n->flags & FN_FINISHING);
    case FN_EVENT_READABLE:
        return n->flags & FN_READING && !(n->flags & (FN_FINISHING | FN_FAILED));
    case FN_EVENT_READY:
        e->status &= n->watch;
        return e->status != 0;
    default:
        return true;
    }
}

const struct fn_event *fn_reactor_next(struct fn_reactor *r, struct fn_node **node)
{
    while (r->event_head < r->event_count) {
        /* A copy: what its handler does may make the list grow, and move. */
        r->current = r->events[r->event_head++];
        struct fn_node *n = fn_slab_find(&r->slab, r->current.id);
        if (!n || !is_wanted(&r->current, n))
            continue;
        *node = n;
        return &r->current;
    }
    r->dispatching = false;
    return NULL;
}

void fn_reactor_sent(struct fn_reactor *r, struct fn_node *n, int datagrams, uint64_t bytes)
{
    fn_count(&r->counters.datagrams_out, (uint64_t)datagrams);
    fn_count(&r->counters.bytes_out, bytes);
    fn_count(&n->bytes_out, bytes);
}
