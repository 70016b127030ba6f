/* The load generator: a closed loop. Each connection has one message under way; when its echo has
 * come whole, the next is sent. Nothing is sent ahead, so latency is what a caller would see, and
 * connections divided by latency is the rate.
 *
 * Every message is a slice of one random block; the slice differs by connection and by turn, so a
 * reply that belongs to another connection, or to the message before, is found out. That check
 * runs in `verify` and in the part of each `run` that does not count; the counted part checks
 * lengths only.
 */
#ifndef FASTNET_BENCH_LOAD_H
#define FASTNET_BENCH_LOAD_H

#include "common.h"
#include <stdbool.h>

enum { SLICES = 4096, SCRATCH = 1 << 18 };

struct options {
    const char *kind; /* stream, pair, udp */
    size_t size;      /* bytes per message */
    int connections;
    int window;  /* datagrams under way (udp) */
    bool single; /* one message under way in all, the connections taking turns (stream) */
    long spin_us;
    const char *cc;
    const char *ca; /* certificate to trust (tls_load) */
};

/* Latencies: 128 steps per octave, so a quantile is within 0.8%. */
struct histogram {
    uint64_t counts[5120];
    uint64_t total;
    uint64_t stalled; /* between 38 and 48 ms: where a delayed acknowledgement shows */
    uint64_t beside;  /* between 28 and 38, or 48 and 58 ms: where it does not */
};

struct result {
    struct histogram latency;
    uint64_t bytes; /* of replies, within the counted time */
    uint64_t all;   /* messages, counted or not: what CPU time is divided by */
    uint64_t lost;  /* datagrams without an answer */
    double seconds; /* counted time */
};

/* How long to run, and from when on it counts. */
struct span {
    uint64_t counted_from, end; /* nanoseconds */
};

struct load {
    struct options opt;
    struct endpoint where;
    unsigned char *block; /* size + SLICES random bytes */
    unsigned char *scratch;
    void *state; /* of the kind's own */
};

/* What a kind of load does; `connect` and `idle` return when the server has answered on each. */
struct kind {
    void (*connect)(struct load *);
    void (*idle)(struct load *, int count);
    void (*run)(struct load *, const struct span *, struct result *);
};

extern const struct kind stream_kind, pair_kind, udp_kind;

void count_latency(struct histogram *h, uint64_t ns);

static inline const unsigned char *slice(const struct load *l, unsigned connection, unsigned turn)
{
    return l->block + (connection * 61 + turn * 7) % SLICES;
}

/* A message came at `at`, sent at `since`. */
static inline void arrived(struct result *r, const struct span *s, uint64_t since, uint64_t at)
{
    r->all++;
    if (at >= s->counted_from && at < s->end)
        count_latency(&r->latency, at - since);
}

#endif
