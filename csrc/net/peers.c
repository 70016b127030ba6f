/* Theory in peers.h. */
#include "fastnet/peers.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "fastnet/bytes.h"
#include "fastnet/clock.h"

enum { SMALLEST = 16 };

struct fn_peer_entry {
    struct fn_peer peer;
    int64_t count; /* 0: the place is free */
};

/* ---------------------------------------------------------------- addresses */

static void map_v4(const struct sockaddr *sa, struct fn_peer *peer)
{
    struct sockaddr_in in;
    memcpy(&in, sa, sizeof in);
    memset(peer->addr, 0, 10);
    memset(peer->addr + 10, 0xff, 2);
    memcpy(peer->addr + 12, &in.sin_addr, 4);
}

static void copy_v6(const struct sockaddr *sa, struct fn_peer *peer)
{
    struct sockaddr_in6 in6;
    memcpy(&in6, sa, sizeof in6);
    memcpy(peer->addr, &in6.sin6_addr, 16);
}

bool fn_peer_of(const struct sockaddr *sa, struct fn_peer *peer)
{
    if (sa->sa_family == AF_INET)
        map_v4(sa, peer);
    else if (sa->sa_family == AF_INET6)
        copy_v6(sa, peer);
    else
        return false;
    return true;
}

/* ------------------------------------------------------------------ hashing */

static inline uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

/* SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF") of
 * the 16 bytes; the last word holds their number. */
static uint64_t hash(const uint64_t key[2], const struct fn_peer *peer)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                     key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
    sip_word(v, fn_load64(peer->addr));
    sip_word(v, fn_load64(peer->addr + 8));
    sip_word(v, (uint64_t)sizeof peer->addr << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---------------------------------------------------------------- the table */

void fn_peers_init(struct fn_peers *p)
{
    memset(p, 0, sizeof *p);
    if (getentropy(p->key, sizeof p->key) == 0)
        return;
    /* A kernel without it: what can be had is better than a constant. */
    p->key[0] = (uint64_t)fn_now();
    p->key[1] = (uint64_t)(uintptr_t)p ^ (uint64_t)getpid() << 32;
}

void fn_peers_fini(struct fn_peers *p)
{
    free(p->entries);
    p->entries = NULL;
    p->capacity = p->count = 0;
}

static size_t home_of(const struct fn_peers *p, const struct fn_peer *peer)
{
    return (size_t)hash(p->key, peer) & (p->capacity - 1);
}

static size_t after(const struct fn_peers *p, size_t i)
{
    return (i + 1) & (p->capacity - 1);
}

/* The peer's place, or the free one where it would go.  There is always one
 * that is free. */
static struct fn_peer_entry *find(const struct fn_peers *p, const struct fn_peer *peer)
{
    size_t i = home_of(p, peer);
    while (p->entries[i].count && memcmp(&p->entries[i].peer, peer, sizeof *peer) != 0)
        i = after(p, i);
    return &p->entries[i];
}

static int resize(struct fn_peers *p, size_t capacity)
{
    struct fn_peer_entry *entries = calloc(capacity, sizeof *entries);
    if (!entries)
        return -ENOMEM;
    struct fn_peers old = *p;
    p->entries = entries;
    p->capacity = capacity;
    for (size_t i = 0; i < old.capacity; i++)
        if (old.entries[i].count)
            *find(p, &old.entries[i].peer) = old.entries[i];
    free(old.entries);
    return 0;
}

/* At most three quarters are taken, so that searches stay short. */
static int make_room(struct fn_peers *p)
{
    if (p->count < p->capacity / 4 * 3)
        return 0;
    return resize(p, p->capacity ? p->capacity * 2 : SMALLEST);
}

/* A table that stays too large is only a waste: failing to shrink is none. */
static void shrink(struct fn_peers *p)
{
    if (p->capacity > SMALLEST && p->count < p->capacity / 8)
        (void)resize(p, p->capacity / 2);
}

int64_t fn_peers_add(struct fn_peers *p, const struct fn_peer *peer)
{
    struct fn_peer_entry *entry = p->capacity ? find(p, peer) : NULL;
    if (entry && entry->count)
        return ++entry->count;
    int st = make_room(p);
    if (st < 0)
        return st;
    *find(p, peer) = (struct fn_peer_entry){.peer = *peer, .count = 1};
    p->count++;
    return 1;
}

/* How far i lies behind the place where its peer would like to be. */
static size_t distance(const struct fn_peers *p, size_t i)
{
    return (i - home_of(p, &p->entries[i].peer)) & (p->capacity - 1);
}

/* Frees a place, and moves up what lies behind it as far as a search would
 * otherwise end too early. */
static void vacate(struct fn_peers *p, size_t hole)
{
    for (size_t i = after(p, hole); p->entries[i].count; i = after(p, i)) {
        if (distance(p, i) < ((i - hole) & (p->capacity - 1)))
            continue; /* it would come to lie before its place */
        p->entries[hole] = p->entries[i];
        hole = i;
    }
    p->entries[hole].count = 0;
}

void fn_peers_remove(struct fn_peers *p, const struct fn_peer *peer)
{
    struct fn_peer_entry *entry = p->capacity ? find(p, peer) : NULL;
    if (!entry || !entry->count || --entry->count)
        return;
    vacate(p, (size_t)(entry - p->entries));
    p->count--;
    shrink(p);
}

int64_t fn_peers_count(const struct fn_peers *p, const struct fn_peer *peer)
{
    return p->capacity ? find(p, peer)->count : 0;
}

/* ----------------------------------------------------------------- networks */

enum { ADDRESS = 16, RANGE = 2 * ADDRESS };

static const uint8_t *first_of(const struct fn_networks *set, size_t i)
{
    return set->ranges + i * RANGE;
}

static const uint8_t *last_of(const struct fn_networks *set, size_t i)
{
    return first_of(set, i) + ADDRESS;
}

/* How many ranges begin at the address or before it. */
static size_t begun(const struct fn_networks *set, const uint8_t *addr)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(first_of(set, middle), addr, ADDRESS) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool fn_networks_contain(const struct fn_networks *set, const struct fn_peer *peer)
{
    size_t n = begun(set, peer->addr);
    return n && memcmp(peer->addr, last_of(set, n - 1), ADDRESS) <= 0;
}

bool fn_networks_valid(const struct fn_networks *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (memcmp(first_of(set, i), last_of(set, i), ADDRESS) > 0)
            return false;
        if (i && memcmp(last_of(set, i - 1), first_of(set, i), ADDRESS) >= 0)
            return false;
    }
    return true;
}
