/* peers.h: who may connect, and how many connections each address has.
 *
 * Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d, so that both families and
 * dual-stack listeners share one table.  A Unix peer has no address: it is
 * always admitted and never counted.
 *
 * The count is an open-addressing table, keyed with a random value so that no
 * peer can choose colliding addresses, that grows and shrinks with the number
 * of addresses at present connected.
 *
 * A set of networks is sorted, disjoint ranges of 32 bytes each, first and
 * last address (what fastnet.cidr.NetworkSet.packed() gives); membership is a
 * binary search.  The bytes belong to the caller.
 */
#ifndef FASTNET_PEERS_H
#define FASTNET_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct fn_peer {
    uint8_t addr[16];
};

struct fn_peer_entry; /* private to peers.c */

struct fn_peers {
    struct fn_peer_entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
    uint64_t key[2];
};

struct fn_networks {
    const uint8_t *ranges;
    size_t count; /* ranges, of 32 bytes */
};

/* The address of a peer; false when it has none (Unix). */
bool fn_peer_of(const struct sockaddr *sa, struct fn_peer *peer);

void fn_peers_init(struct fn_peers *p);
void fn_peers_fini(struct fn_peers *p);

/* One connection more or less.  add returns the new count (>= 1), or -ENOMEM;
 * remove does nothing for an address that has none. */
int64_t fn_peers_add(struct fn_peers *p, const struct fn_peer *peer);
void fn_peers_remove(struct fn_peers *p, const struct fn_peer *peer);
int64_t fn_peers_count(const struct fn_peers *p, const struct fn_peer *peer);

bool fn_networks_contain(const struct fn_networks *set, const struct fn_peer *peer);
/* Whether the ranges are sorted and disjoint, each not empty. */
bool fn_networks_valid(const struct fn_networks *set);

#endif
