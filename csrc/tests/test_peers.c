/* Counts of connections by address, and sets of networks. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "fastnet/peers.h"

static struct fn_peer peer(const char *text)
{
    struct fn_peer p;
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&storage;
    if (strchr(text, ':')) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = 77;
        assert(inet_pton(AF_INET6, text, &in6->sin6_addr) == 1);
    } else {
        in->sin_family = AF_INET;
        in->sin_port = 99;
        assert(inet_pton(AF_INET, text, &in->sin_addr) == 1);
    }
    memset(&p, 0xaa, sizeof p);
    assert(fn_peer_of((struct sockaddr *)&storage, &p));
    return p;
}

static bool same(struct fn_peer a, struct fn_peer b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static void test_addresses(void)
{
    static const uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3};
    struct fn_peer p = peer("10.1.2.3");
    assert(memcmp(p.addr, mapped, 16) == 0);
    assert(same(p, peer("::ffff:10.1.2.3")));
    assert(!same(p, peer("::10.1.2.3")));
    struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;
    p = peer("::1");
    assert(memcmp(p.addr, &loopback, 16) == 0);
    struct sockaddr_storage none = {0};
    none.ss_family = AF_UNIX;
    assert(!fn_peer_of((struct sockaddr *)&none, &p));
    none.ss_family = AF_UNSPEC;
    assert(!fn_peer_of((struct sockaddr *)&none, &p));
}

/* ------------------------------------------------------------------- counting */

static void test_counts(void)
{
    struct fn_peers p;
    fn_peers_init(&p);
    struct fn_peer a = peer("10.0.0.1"), b = peer("fe80::1");
    assert(fn_peers_count(&p, &a) == 0 && !p.entries);
    fn_peers_remove(&p, &a);
    assert(!p.entries);
    assert(fn_peers_add(&p, &a) == 1 && fn_peers_add(&p, &a) == 2 && fn_peers_add(&p, &b) == 1);
    assert(p.count == 2 && fn_peers_count(&p, &a) == 2 && fn_peers_count(&p, &b) == 1);
    fn_peers_remove(&p, &b);
    fn_peers_remove(&p, &b);
    assert(p.count == 1 && fn_peers_count(&p, &b) == 0);
    struct fn_peer mapped = peer("::ffff:10.0.0.1");
    fn_peers_remove(&p, &mapped);
    assert(fn_peers_count(&p, &a) == 1);
    fn_peers_remove(&p, &a);
    assert(p.count == 0 && fn_peers_count(&p, &a) == 0);
    fn_peers_fini(&p);
    assert(fn_peers_count(&p, &a) == 0);
    fn_peers_fini(&p);
}

/* Address i of many: neighbours in both families. */
static struct fn_peer nth(size_t i)
{
    struct fn_peer p = i % 2 ? peer("10.0.0.0") : peer("2001:db8::");
    uint32_t low = htonl((uint32_t)(0x0a000000 + i));
    memcpy(p.addr + 12, &low, 4);
    return p;
}

enum { ADDRESSES = 3000 };

static void check_table(const struct fn_peers *p, const int64_t *counts)
{
    size_t distinct = 0;
    for (size_t i = 0; i < ADDRESSES; i++) {
        struct fn_peer a = nth(i);
        assert(fn_peers_count(p, &a) == counts[i]);
        distinct += counts[i] != 0;
    }
    assert(p->count == distinct);
    assert((p->capacity & (p->capacity - 1)) == 0 && p->count <= p->capacity / 4 * 3);
    assert(p->capacity <= 16 || p->count >= p->capacity / 8);
}

static void step(struct fn_peers *p, int64_t *counts, uint64_t *random, bool growing)
{
    size_t i = random_below(random, ADDRESSES);
    struct fn_peer a = nth(i);
    if (random_below(random, 10) < (growing ? 8 : 3)) {
        assert(fn_peers_add(p, &a) == ++counts[i]);
    } else {
        fn_peers_remove(p, &a);
        counts[i] -= counts[i] > 0;
    }
    assert(fn_peers_count(p, &a) == counts[i]);
}

static void drain(struct fn_peers *p, int64_t *counts)
{
    for (size_t i = 0; i < ADDRESSES; i++) {
        struct fn_peer a = nth(i);
        for (; counts[i]; counts[i]--)
            fn_peers_remove(p, &a);
        if (i % 500 == 0)
            check_table(p, counts);
    }
}

static void test_against_a_model(void)
{
    static int64_t counts[ADDRESSES];
    struct fn_peers p;
    fn_peers_init(&p);
    uint64_t random = 11;
    for (int i = 0; i < 60000; i++) {
        step(&p, counts, &random, i / 10000 % 2 == 0);
        if (i % 2500 == 0)
            check_table(&p, counts);
    }
    assert(p.capacity > 1024);
    drain(&p, counts);
    assert(p.count == 0 && p.capacity == 16);
    fn_peers_fini(&p);
}

/* Two tables order the same addresses differently. */
static void test_the_key_is_random(void)
{
    struct fn_peers p, q;
    fn_peers_init(&p);
    fn_peers_init(&q);
    assert(memcmp(p.key, q.key, sizeof p.key) != 0);
    fn_peers_fini(&p);
    fn_peers_fini(&q);
}

/* ------------------------------------------------------------------- networks */

enum { MOST = 64 };

struct ranges {
    uint8_t bytes[MOST * 32];
    struct fn_networks set;
};

static void add_range(struct ranges *r, struct fn_peer first, struct fn_peer last)
{
    assert(r->set.count < MOST);
    uint8_t *at = r->bytes + r->set.count++ * 32;
    memcpy(at, &first, 16);
    memcpy(at + 16, &last, 16);
    r->set.ranges = r->bytes;
}

static bool inside(const struct ranges *r, const char *text)
{
    struct fn_peer p = peer(text);
    return fn_networks_contain(&r->set, &p);
}

static void test_edges_of_networks(void)
{
    struct ranges r = {.set = {NULL, 0}};
    assert(fn_networks_valid(&r.set));
    assert(!inside(&r, "10.0.0.1") && !inside(&r, "::"));
    add_range(&r, peer("::"), peer("::"));
    add_range(&r, peer("10.0.0.0"), peer("10.255.255.255"));
    add_range(&r, peer("192.168.1.7"), peer("192.168.1.7"));
    add_range(&r, peer("2001:db8::"), peer("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"));
    add_range(&r, peer("ff00::"), peer("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    assert(fn_networks_valid(&r.set));
    static const char *const in[] = {"::",
                                     "10.0.0.0",
                                     "10.255.255.255",
                                     "::ffff:10.9.8.7",
                                     "192.168.1.7",
                                     "2001:db8::",
                                     "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                                     "ff00::",
                                     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};
    static const char *const out[] = {
        "::1",         "9.255.255.255", "11.0.0.0",   "192.168.1.6",
        "192.168.1.8", "0.0.0.0",       "::10.0.0.1", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:db9::",  "feff::"};
    for (size_t i = 0; i < sizeof in / sizeof in[0]; i++)
        assert(inside(&r, in[i]));
    for (size_t i = 0; i < sizeof out / sizeof out[0]; i++)
        assert(!inside(&r, out[i]));
}

static void test_everything(void)
{
    struct ranges r = {.set = {NULL, 0}};
    add_range(&r, peer("::"), peer("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    assert(fn_networks_valid(&r.set));
    assert(inside(&r, "::") && inside(&r, "0.0.0.0") && inside(&r, "255.255.255.255"));
    assert(inside(&r, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
}

static void check_pair(const char *first, const char *last, const char *next, bool valid)
{
    struct ranges r = {.set = {NULL, 0}};
    add_range(&r, peer(first), peer(last));
    add_range(&r, peer(next), peer("10.0.0.9"));
    assert(fn_networks_valid(&r.set) == valid);
}

static void test_what_is_no_set(void)
{
    check_pair("10.0.0.1", "10.0.0.2", "10.0.0.3", true); /* neighbours */
    check_pair("10.0.0.1", "10.0.0.2", "10.0.0.9", true);
    check_pair("10.0.0.1", "10.0.0.2", "10.0.0.2", false); /* they overlap */
    check_pair("10.0.0.5", "10.0.0.6", "10.0.0.1", false); /* not sorted */
    check_pair("10.0.0.2", "10.0.0.1", "10.0.0.3", false); /* empty */
    check_pair("10.0.0.1", "10.0.0.2", "10.0.0.10", false);
    check_pair("::2", "::1", "::3", false);
}

/* Sorted ranges with gaps, in a small corner of the addresses, against a look
 * at each of them. */
static void test_networks_against_a_model(void)
{
    uint64_t random = 5;
    for (int round = 0; round < 300; round++) {
        struct ranges r = {.set = {NULL, 0}};
        bool member[600] = {false};
        size_t at = random_below(&random, 3);
        for (size_t n = random_below(&random, MOST); n > 0; n--) {
            size_t last = at + random_below(&random, 5);
            for (size_t i = at; i <= last; i++)
                member[i] = true;
            /* nth() alternates between families: even numbers only */
            add_range(&r, nth(2 * at), nth(2 * last));
            at = last + 1 + random_below(&random, 5);
        }
        assert(fn_networks_valid(&r.set));
        for (size_t i = 0; i < sizeof member; i++) {
            struct fn_peer p = nth(2 * i);
            assert(fn_networks_contain(&r.set, &p) == member[i]);
        }
    }
}

int main(void)
{
    test_addresses();
    test_counts();
    test_against_a_model();
    test_the_key_is_random();
    test_edges_of_networks();
    test_everything();
    test_what_is_no_set();
    test_networks_against_a_model();
    return 0;
}
