/* slab.h: everything a reactor watches, one node each, and ids that go stale.
 *
 * Nodes lie in chunks that never move, and are used again.  Each use has a
 * new generation: an id is generation and index, so that the id of what was
 * closed finds nothing, even when node and descriptor number already belong
 * to somebody else.  Ids are what the poller carries as tags and what events
 * name; a pointer to a node is good only until something may have closed it.
 *
 * Taking and giving back happens under a lock, as does fn_slab_each(): another
 * thread may look at who is connected (descriptor, address, counts), and only
 * at that.  Everything else belongs to the reactor's owner.
 */
#ifndef FASTNET_SLAB_H
#define FASTNET_SLAB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "fastnet/gate.h"
#include "fastnet/outq.h"
#include "fastnet/timers.h"

enum fn_node_kind {
    FN_NODE_FREE,
    FN_NODE_LISTENER,
    FN_NODE_STREAM,
    FN_NODE_DATAGRAM,
    FN_NODE_WATCH, /* a descriptor of somebody else's, only watched */
    FN_NODE_WAKE
};

/* What is done with the bytes that come. */
enum fn_codec {
    FN_CODEC_RAW,      /* they become events */
    FN_CODEC_READABLE, /* that there are some becomes an event; the boundary reads */
    FN_CODEC_ECHO,
    FN_CODEC_DISCARD,
    FN_CODEC_TIME
};

enum fn_node_flags {
    FN_READING = 1,       /* the boundary wants bytes */
    FN_SAW_EOF = 2,       /* the peer has shut its side */
    FN_HELD = 4,          /* a service stopped reading: too much waits to be written */
    FN_WANTS_DRAINED = 8, /* say when out falls to low_water */
    FN_SHUT_AFTER = 16,   /* shut writing when out is empty */
    FN_SHUT_DONE = 32,
    FN_FINISHING = 64,       /* say (or, a service: close) when out is empty */
    FN_FAILED = 128,         /* an event with the reason is on its way; nothing else happens */
    FN_DIRTY = 256,          /* in the reactor's list of nodes to settle */
    FN_KNOWN = 512,          /* to the poller */
    FN_LINGERING = 1024,     /* written and shut: reading on to the peer's end */
    FN_COUNTED = 2048,       /* fn_gate_leave() is owed */
    FN_HANDSHAKING = 4096,   /* until the boundary says otherwise, under a deadline */
    FN_FINISHED = 8192,      /* the event is out */
    FN_SHARED = 16384,       /* a listener that other pollers watch, too */
    FN_WANTS_ROOM = 1 << 20, /* the boundary writes, and waits for room */
    FN_RATED = 32768,        /* the write rate is being measured */
    FN_ENDING = 65536        /* a service told to leave: it serves what it owes, then finishes */
};

struct fn_dgram; /* dgram.h */

struct fn_node {
    struct fn_timer timer; /* first: a due timer is its node */
    uint32_t index;
    uint32_t generation;
    int fd;
    uint32_t flags;
    uint8_t kind;
    uint8_t codec;
    uint8_t armed;     /* the mask that the poller has */
    uint8_t watch;     /* a WATCH's mask */
    int32_t next;      /* in the list of free nodes; -1 at its end */
    uint32_t dirty_at; /* its place in the reactor's list of nodes to settle */
    int32_t reason;    /* why it failed */
    void *user;        /* the boundary's */
    struct fn_outq out;
    size_t low_water;
    struct fn_gate *gate; /* NULL for what was not accepted here */
    union {
        struct {
            fn_time active;   /* when a byte last moved */
            fn_time deadline; /* of handshake or lingering */
            fn_time rated_at; /* since when, and from how many bytes, */
            uint64_t rated;   /* the rate is measured */
            size_t owed;      /* bytes that had come when an ENDING service was told */
        };
        struct fn_dgram *dgram;
    };
    struct fn_peer peer;
    uint16_t port; /* of the peer, for those who look */
    bool has_peer;
    _Atomic uint64_t bytes_in, bytes_out;
};

enum { FN_SLAB_CHUNK = 128 };

struct fn_slab {
    struct fn_node **chunks;
    size_t chunk_count;
    size_t chunk_capacity;
    int32_t free;
    size_t used;
    pthread_mutex_t lock;
};

static inline uint64_t fn_node_id(const struct fn_node *n)
{
    return (uint64_t)n->generation << 32 | n->index;
}

int fn_slab_init(struct fn_slab *s);
void fn_slab_fini(struct fn_slab *s);

/* A zeroed node of that kind with fd and a fresh generation; NULL when memory
 * is short. */
struct fn_node *fn_slab_take(struct fn_slab *s, enum fn_node_kind kind, int fd);
void fn_slab_give(struct fn_slab *s, struct fn_node *n);

/* Whose connection it is, for those who look; peer NULL for one without address. */
void fn_slab_name(struct fn_slab *s, struct fn_node *n, const struct fn_peer *peer, uint16_t port);

/* NULL for an id whose node is gone. */
struct fn_node *fn_slab_find(const struct fn_slab *s, uint64_t id);

static inline struct fn_node *fn_slab_at(const struct fn_slab *s, uint32_t index)
{
    return &s->chunks[index / FN_SLAB_CHUNK][index % FN_SLAB_CHUNK];
}

/* The number of nodes ever made; fn_slab_at() is good below it. */
static inline size_t fn_slab_size(const struct fn_slab *s)
{
    return s->chunk_count * FN_SLAB_CHUNK;
}

struct fn_peer_info {
    uint64_t id;
    uint64_t bytes_in, bytes_out;
    struct fn_peer peer;
    uint16_t port;
    bool has_peer;
    int fd;
};

/* From any thread: up to max streams that are open; their number. */
size_t fn_slab_each(struct fn_slab *s, struct fn_peer_info *infos, size_t max);

#endif
