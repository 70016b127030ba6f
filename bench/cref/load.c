/* The load generator's commands and figures; load.h says how it works.
 *
 * It speaks the harness's lines on stdin and stdout:
 *
 *   prints "ready"
 *   connect ENDPOINT  -> "ok"             all connections open, each has had one answer
 *   idle COUNT        -> "ok"             as many more, which say nothing from then on
 *   verify            -> "sum CRC32"      of the block whose slices have all come back right
 *   run SECONDS WARM  -> "result JSON"    the first WARM seconds do not count
 *   quit
 *
 * Options are key=value words: kind (stream, pair, udp), size, connections, window (udp), single
 * (1: the connections take turns), spin (microseconds before it sleeps), cc, ca (tls_load only).
 */
#define _GNU_SOURCE
#include "load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void count_latency(struct histogram *h, uint64_t ns)
{
    int high = 63 - __builtin_clzll(ns | 127);
    size_t at = high == 6 ? ns : (size_t)(high - 6) * 128 + ((ns >> (high - 7)) & 127);
    if (at >= sizeof h->counts / sizeof *h->counts)
        at = sizeof h->counts / sizeof *h->counts - 1;
    h->counts[at]++;
    h->total++;
    if (ns >= 28000000 && ns < 58000000)
        *(ns >= 38000000 && ns < 48000000 ? &h->stalled : &h->beside) += 1;
}

/* Microseconds below which `share` of the latencies lie: the middle of the step. */
static double quantile(const struct histogram *h, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)h->total);
    uint64_t seen = 0;
    for (size_t i = 0; i < sizeof h->counts / sizeof *h->counts; i++) {
        seen += h->counts[i];
        if (seen > wanted) {
            if (i < 128)
                return (double)i * 1e-3;
            double step = (double)(1ull << (i / 128 - 1));
            return ((double)(128 + i % 128) + 0.5) * step * 1e-3;
        }
    }
    return 0;
}

static void print_result(const struct result *r)
{
    const struct histogram *h = &r->latency;
    double total = h->total ? (double)h->total : 1;
    printf("result {\"messages\": %llu, \"bytes\": %llu, \"seconds\": %.9f, \"all\": %llu, "
           "\"lost\": %llu, \"stalled\": %.6f, \"beside\": %.6f, \"p50\": %.4f, \"p99\": %.4f}\n",
           (unsigned long long)h->total, (unsigned long long)r->bytes, r->seconds,
           (unsigned long long)r->all, (unsigned long long)r->lost, (double)h->stalled / total,
           (double)h->beside / total, quantile(h, 0.50), quantile(h, 0.99));
}

static void set_option(struct options *opt, char *word)
{
    char *value = split_option(word);
    if (strcmp(word, "kind") == 0)
        opt->kind = value;
    else if (strcmp(word, "size") == 0)
        opt->size = strtoull(value, NULL, 10);
    else if (strcmp(word, "connections") == 0)
        opt->connections = (int)strtol(value, NULL, 10);
    else if (strcmp(word, "window") == 0)
        opt->window = (int)strtol(value, NULL, 10);
    else if (strcmp(word, "single") == 0)
        opt->single = strcmp(value, "1") == 0;
    else if (strcmp(word, "spin") == 0)
        opt->spin_us = strtol(value, NULL, 10);
    else if (strcmp(word, "cc") == 0)
        opt->cc = value;
    else if (strcmp(word, "ca") == 0)
        opt->ca = value;
    else
        fail("unknown option");
}

static const struct kind *find_kind(const char *name)
{
    if (strcmp(name, "stream") == 0)
        return &stream_kind;
    if (strcmp(name, "pair") == 0)
        return &pair_kind;
    if (strcmp(name, "udp") == 0)
        return &udp_kind;
    fail("unknown kind");
}

static void run(struct load *l, const struct kind *kind, double seconds, double warm)
{
    static struct result r; /* 40 KiB */
    uint64_t start = now_ns();
    struct span span = {start + (uint64_t)(warm * 1e9), start + (uint64_t)(seconds * 1e9)};
    memset(&r, 0, sizeof r);
    kind->run(l, &span, &r);
    r.seconds = (double)(span.end - span.counted_from) * 1e-9;
    print_result(&r);
}

static void verify(struct load *l, const struct kind *kind)
{
    static struct result r;
    uint64_t end = now_ns() + 100000000;
    struct span span = {end, end}; /* nothing counts, so all is checked */
    kind->run(l, &span, &r);
    if (r.all == 0)
        fail("nothing came back");
    printf("sum %08x\n", checksum(l->block, l->opt.size + SLICES));
}

static int obey(struct load *l, const struct kind *kind, const char *line)
{
    double seconds = 0;
    double warm = 0;
    int count = 0;
    if (strncmp(line, "quit", 4) == 0)
        return 0;
    if (strncmp(line, "connect ", 8) == 0) {
        parse_endpoint(line + 8, &l->where);
        kind->connect(l);
        printf("ok\n");
    } else if (sscanf(line, "idle %d", &count) == 1 && kind->idle != NULL) {
        kind->idle(l, count);
        printf("ok\n");
    } else if (strncmp(line, "verify", 6) == 0) {
        verify(l, kind);
    } else if (sscanf(line, "run %lf %lf", &seconds, &warm) == 2 && warm < seconds) {
        run(l, kind, seconds, warm);
    } else {
        fail("unknown command");
    }
    fflush(stdout);
    return 1;
}

int main(int argc, char **argv)
{
    struct load l = {
        .opt = {.kind = "stream", .size = 1024, .connections = 64, .window = 64, .cc = "-"}};
    char line[256];
    for (int i = 1; i < argc; i++)
        set_option(&l.opt, argv[i]);
    const struct kind *kind = find_kind(l.opt.kind);
    l.block = malloc(l.opt.size + SLICES);
    l.scratch = malloc(SCRATCH);
    if (l.block == NULL || l.scratch == NULL || l.opt.size == 0 || l.opt.connections < 1)
        fail("options");
    fill_random(l.block, l.opt.size + SLICES);
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL && obey(&l, kind, line))
        ;
    return 0;
}
