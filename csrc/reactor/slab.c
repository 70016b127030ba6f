/* Theory in slab.h. */
#include "fastnet/slab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int fn_slab_init(struct fn_slab *s)
{
    memset(s, 0, sizeof *s);
    s->free = -1;
    int error = pthread_mutex_init(&s->lock, NULL);
    return -error;
}

void fn_slab_fini(struct fn_slab *s)
{
    for (size_t i = 0; i < s->chunk_count; i++)
        free(s->chunks[i]);
    free(s->chunks);
    s->chunks = NULL;
    s->chunk_count = 0;
    pthread_mutex_destroy(&s->lock);
}

static bool room_for_chunk(struct fn_slab *s)
{
    if (s->chunk_count < s->chunk_capacity)
        return true;
    size_t capacity = s->chunk_capacity ? s->chunk_capacity * 2 : 8;
    if (capacity > INT32_MAX / FN_SLAB_CHUNK)
        return false;
    struct fn_node **chunks = realloc(s->chunks, capacity * sizeof *chunks);
    if (!chunks)
        return false;
    s->chunks = chunks;
    s->chunk_capacity = capacity;
    return true;
}

/* FN_SLAB_CHUNK more free nodes, the lowest index first. */
static bool grow(struct fn_slab *s)
{
    if (!room_for_chunk(s))
        return false;
    struct fn_node *chunk = calloc(FN_SLAB_CHUNK, sizeof *chunk);
    if (!chunk)
        return false;
    uint32_t base = (uint32_t)(s->chunk_count * FN_SLAB_CHUNK);
    for (uint32_t i = 0; i < FN_SLAB_CHUNK; i++) {
        chunk[i].index = base + i;
        chunk[i].fd = -1;
        chunk[i].next = i + 1 < FN_SLAB_CHUNK ? (int32_t)(base + i + 1) : s->free;
    }
    s->chunks[s->chunk_count++] = chunk;
    s->free = (int32_t)base;
    return true;
}

/* Generation 0 is never in use, so no id is 0. */
static void begin(struct fn_node *n, enum fn_node_kind kind, int fd)
{
    uint32_t index = n->index, generation = n->generation + 1;
    memset(n, 0, sizeof *n);
    n->index = index;
    n->generation = generation ? generation : 1;
    n->kind = (uint8_t)kind;
    n->fd = fd;
    n->next = -1;
}

struct fn_node *fn_slab_take(struct fn_slab *s, enum fn_node_kind kind, int fd)
{
    struct fn_node *n = NULL;
    pthread_mutex_lock(&s->lock);
    if (s->free >= 0 || grow(s)) {
        n = fn_slab_at(s, (uint32_t)s->free);
        s->free = n->next;
        s->used++;
        begin(n, kind, fd);
    }
    pthread_mutex_unlock(&s->lock);
    return n;
}

void fn_slab_give(struct fn_slab *s, struct fn_node *n)
{
    pthread_mutex_lock(&s->lock);
    n->kind = FN_NODE_FREE;
    n->fd = -1;
    n->next = s->free;
    s->free = (int32_t)n->index;
    s->used--;
    pthread_mutex_unlock(&s->lock);
}

void fn_slab_name(struct fn_slab *s, struct fn_node *n, const struct fn_peer *peer, uint16_t port)
{
    pthread_mutex_lock(&s->lock);
    n->has_peer = peer != NULL;
    if (peer)
        n->peer = *peer;
    n->port = port;
    pthread_mutex_unlock(&s->lock);
}

struct fn_node *fn_slab_find(const struct fn_slab *s, uint64_t id)
{
    uint32_t index = (uint32_t)id;
    if (index >= fn_slab_size(s))
        return NULL;
    struct fn_node *n = fn_slab_at(s, index);
    return n->kind != FN_NODE_FREE && n->generation == id >> 32 ? n : NULL;
}

size_t fn_slab_each(struct fn_slab *s, struct fn_peer_info *infos, size_t max)
{
    size_t count = 0;
    pthread_mutex_lock(&s->lock);
    for (uint32_t i = 0; i < fn_slab_size(s) && count < max; i++) {
        struct fn_node *n = fn_slab_at(s, i);
        if (n->kind != FN_NODE_STREAM)
            continue;
        infos[count++] = (struct fn_peer_info){
            .id = fn_node_id(n),
            .bytes_in = atomic_load_explicit(&n->bytes_in, memory_order_relaxed),
            .bytes_out = atomic_load_explicit(&n->bytes_out, memory_order_relaxed),
            .peer = n->peer,
            .port = n->port,
            .has_peer = n->has_peer,
            .fd = n->fd,
        };
    }
    pthread_mutex_unlock(&s->lock);
    return count;
}
