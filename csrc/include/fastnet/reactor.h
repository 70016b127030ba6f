/* reactor.h: one thread, many descriptors.
 *
 * A reactor is a poller, a slab of nodes, timers, and memory that its
 * connections share.  turn.h says what it does with them; conn.h, accept.h and
 * dgram.h are the kinds of node.
 *
 * Owner: one thread at a time, between fn_reactor_enter() and _leave(); it may
 * be another the next time.  Only fn_reactor_wake(), _ask() and the counters
 * are for any thread, and for signal handlers.  A reactor belongs to its
 * process: a child of fork() may free it, which closes its copies of the
 * descriptors without a word to the poller it shares with its parent.
 *
 * Descriptors run out: the reactor keeps one in reserve to take a connection
 * with and close it, so that peers are told instead of left waiting; where
 * even that is gone the listener rests for FN_REST.
 */
#ifndef FASTNET_REACTOR_H
#define FASTNET_REACTOR_H

#include <stdatomic.h>
#include <sys/types.h>

#include "fastnet/mmsg.h"
#include "fastnet/poller.h"
#include "fastnet/slab.h"

enum {
    FN_TURN = 64,                /* events of the poller in a turn: few, so that what the
                                  * system knows of them stays in the cache until they write */
    FN_ACCEPTS = 64,             /* connections taken from one listener in a turn */
    FN_ARENA = 1024 * 1024,      /* bytes of a turn's reads */
    FN_READ = 256 * 1024,        /* bytes of one read */
    FN_READ_LEAST = 16 * 1024,   /* below so much of it the turn reads no more */
    FN_SERVICE_READ = 64 * 1024, /* bytes of one read of a service */
    FN_DEFER = 16 * 1024         /* bytes that wait for the turn's end, in small writes */
};

#define FN_REST (100 * FN_MS)
#define FN_LINGER (2 * FN_SECOND)

enum fn_event_kind {
    FN_EVENT_OPENED,   /* a listener of RAW or READABLE took a connection */
    FN_EVENT_DATA,     /* data, len */
    FN_EVENT_READABLE, /* bytes, or the end, can be read */
    FN_EVENT_EOF,      /* the peer shut its side */
    FN_EVENT_DRAINED,  /* out fell to low_water */
    FN_EVENT_FINISHED, /* what fn_conn_finish() waited for: all is written */
    FN_EVENT_FAILED,   /* status says why; the node waits to be closed */
    FN_EVENT_DATAGRAM, /* data, len, from */
    FN_EVENT_TROUBLE,  /* a datagram socket's passing error, in status */
    FN_EVENT_READY     /* a watch: status is the mask */
};

struct fn_event {
    uint64_t id;
    uint8_t kind;
    int32_t status;
    uint32_t len;
    const uint8_t *data;
    const struct fn_from *from;
};

enum fn_request {
    FN_ASK_STOP = 1, /* fn_reactor_run() returns */
    FN_ASK_DRAIN = 2 /* services take no more and end what they have begun */
};

struct fn_counters { /* written by the owner, read by anyone */
    _Atomic uint64_t turns, events, reads, writes, bytes_in, bytes_out;
    _Atomic uint64_t accepted, closed, shed, failed;
    _Atomic uint64_t datagrams_in, datagrams_out, datagrams_lost;
    _Atomic uint64_t open, spins_paid, spins_idle;
};

struct fn_reactor {
    struct fn_poller poller;
    struct fn_slab slab;
    struct fn_timers timers;
    struct fn_out_store store;
    fn_time now; /* of this turn */
    fn_time spin;
    unsigned spin_skip, spin_wait;
    uint64_t *dirty; /* ids of the nodes to settle; 0 where one has gone */
    size_t dirty_head, dirty_count, dirty_capacity;
    size_t nodes; /* there is room for two events and one dirty entry of each */
    bool dispatching;
    bool draining;
    int reserve; /* the descriptor kept for bad times */
    int wake_read;
    _Atomic int wake_write;
    _Atomic bool woken;
    _Atomic unsigned asked;
    _Atomic uintptr_t owner;
    _Atomic pid_t pid;
    uint8_t *arena; /* FN_ARENA bytes, and behind them what services read into */
    size_t arena_used;
    struct fn_mmsg *mmsg;
    struct fn_event *events;
    size_t event_head, event_count, event_capacity;
    struct fn_event current; /* what fn_reactor_next() gave last */
    char ctime[32];          /* "Thu Nov 20 22:00:00 2026\n" and when it was that */
    time_t ctime_of;
    struct fn_counters counters;
    struct fn_poll_event ready[FN_TURN];
};

/* NULL and *status, or a reactor; its poller is opened when it is first
 * entered, so after any fork that came before.  spin: a span, 0 for none. */
struct fn_reactor *fn_reactor_new(enum fn_poller_kind kind, fn_time spin, int *status);
/* Closes every node that is left; owners of unsent bytes must be taken before
 * (fn_reactor_drop()). */
void fn_reactor_free(struct fn_reactor *r);
/* Closes every node; afterwards the store's spent owners are complete.  The
 * descriptors of listeners, watches and datagram services stay their owners'. */
void fn_reactor_drop(struct fn_reactor *r);

/* This thread is the owner: 0, FN_E_NOT_OWNER when another is, FN_E_FORKED in
 * a child.  leave is for the owner. */
int fn_reactor_enter(struct fn_reactor *r);
void fn_reactor_leave(struct fn_reactor *r);

/* The next event that still means something, or NULL; *node is its node.  The
 * event is good until the next call. */
const struct fn_event *fn_reactor_next(struct fn_reactor *r, struct fn_node **node);

/* From any thread or signal handler. */
void fn_reactor_wake(struct fn_reactor *r);
void fn_reactor_ask(struct fn_reactor *r, unsigned requests);

/* For the parts of the reactor: */

/* An event for the boundary; room for it was reserved when the node was made.
 * Only where others took that room, and memory is short, is it NULL. */
struct fn_event *fn_reactor_emit(struct fn_reactor *r, struct fn_node *n, enum fn_event_kind kind);
/* The node is looked at when the next turn begins. */
void fn_reactor_touch(struct fn_reactor *r, struct fn_node *n);
/* A new node known to nobody yet; takes fd only when it succeeds. */
struct fn_node *fn_reactor_add(struct fn_reactor *r, enum fn_node_kind kind, int fd, int *status);
/* Datagrams that went out. */
void fn_reactor_sent(struct fn_reactor *r, struct fn_node *n, int datagrams, uint64_t bytes);
/* Forgets the node at once; its descriptor is closed unless `keep`. */
void fn_reactor_remove(struct fn_reactor *r, struct fn_node *n, bool keep);

static inline void fn_count(_Atomic uint64_t *counter, uint64_t n)
{
    /* One writer: a plain addition, visible to all. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

#endif
