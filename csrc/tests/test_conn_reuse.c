/* Connections that come and go so fast that descriptors and nodes are used again within a turn:
 * no byte and no event ever reaches the one that came after. */
#include "rig.h"

enum { LINKS = 48, OPENS = 50000, TAGS = 40 };

struct link {
    uint64_t tag; /* all that is ever sent either way */
    uint64_t id;
    int client;
    bool open;
    size_t in; /* bytes of an unfinished tag, read by the server */
    size_t out;
};

struct crowd {
    struct fn_reactor *r;
    struct link link[LINKS];
    uint64_t random, next_tag;
    size_t opened, delivered, ends;
};

static void open_link(struct crowd *c, struct link *l)
{
    int fd[2];
    unix_pair(fd);
    *l = (struct link){.tag = ++c->next_tag * 0x9E3779B97F4A7C15u, .client = fd[1], .open = true};
    no_wait(fd[1]);
    int st;
    no_wait(fd[0]);
    struct fn_node *n = fn_conn_add(c->r, fd[0], FN_CODEC_RAW, NULL, l, &st);
    assert(n);
    l->id = fn_node_id(n);
    fn_conn_resume(c->r, n);
    c->opened++;
}

/* Both ends at once, in either order. */
static void close_link(struct crowd *c, struct link *l)
{
    struct fn_node *n = fn_slab_find(&c->r->slab, l->id);
    assert(n && n->user == l);
    bool client_first = random_below(&c->random, 2);
    if (client_first)
        close(l->client);
    fn_conn_close(c->r, n, false);
    if (!client_first)
        close(l->client);
    l->open = false;
    assert(!fn_slab_find(&c->r->slab, l->id));
}

/* What is read continues the tag's bytes where the last read ended. */
static void check_bytes(uint64_t tag, size_t *at, const uint8_t *data, size_t len)
{
    uint8_t bytes[8];
    memcpy(bytes, &tag, 8);
    for (size_t i = 0; i < len; i++)
        assert(data[i] == bytes[(*at + i) % 8]);
    *at = (*at + len) % 8;
}

static size_t tags_of(const struct link *l, uint64_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = l->tag;
    return n * 8;
}

static void client_sends(struct crowd *c, struct link *l)
{
    uint64_t bytes[TAGS];
    size_t len = tags_of(l, bytes, 1 + random_below(&c->random, TAGS));
    ssize_t sent = send(l->client, bytes, len, MSG_NOSIGNAL);
    assert(sent < 0 || sent == (ssize_t)len);
}

static void server_sends(struct crowd *c, struct link *l)
{
    uint64_t bytes[TAGS];
    size_t len = tags_of(l, bytes, 1 + random_below(&c->random, TAGS));
    struct fn_node *n = fn_slab_find(&c->r->slab, l->id);
    int st = put(c->r, n, bytes, len);
    assert(st == 0 || st == -EPIPE || st == -ECONNRESET);
}

static void client_reads(struct link *l)
{
    uint8_t bytes[1000];
    ssize_t got = recv(l->client, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got > 0)
        check_bytes(l->tag, &l->out, bytes, (size_t)got);
}

static void act(struct crowd *c)
{
    struct link *l = &c->link[random_below(&c->random, LINKS)];
    if (!l->open) {
        open_link(c, l);
        return;
    }
    switch (random_below(&c->random, 9)) {
    case 0:
        shutdown(l->client, SHUT_WR);
        break;
    case 1:
    case 2:
        close_link(c, l);
        break;
    case 3:
        close_link(c, l);
        open_link(c, l); /* with the same numbers */
        client_sends(c, l);
        break;
    case 4:
        fn_conn_finish(c->r, fn_slab_find(&c->r->slab, l->id));
        break;
    case 5:
        server_sends(c, l);
        break;
    case 6:
        client_reads(l);
        break;
    default:
        client_sends(c, l);
    }
}

static void handle(struct crowd *c, const struct fn_event *e, struct fn_node *n)
{
    struct link *l = n->user;
    assert(l->open && l->id == e->id && fn_node_id(n) == e->id);
    if (e->kind == FN_EVENT_DATA) {
        check_bytes(l->tag, &l->in, e->data, e->len);
        c->delivered += e->len;
        server_sends(c, l);
    } else {
        assert(e->kind == FN_EVENT_EOF || e->kind == FN_EVENT_FAILED ||
               e->kind == FN_EVENT_FINISHED);
        c->ends++;
        close_link(c, l);
    }
    for (size_t i = random_below(&c->random, 4); i > 0; i--)
        act(c);
}

static void test_reuse(enum fn_poller_kind kind)
{
    static struct crowd crowd;
    struct crowd *c = &crowd;
    const struct fn_event *e;
    struct fn_node *n;
    crowd = (struct crowd){.r = open_reactor(kind), .random = 17};
    while (c->opened < OPENS) {
        for (int i = 0; i < 24; i++)
            act(c);
        assert(fn_reactor_poll(c->r, 0) >= 0);
        while ((e = fn_reactor_next(c->r, &n)) != NULL)
            handle(c, e, n);
    }
    for (size_t i = 0; i < LINKS; i++)
        if (c->link[i].open)
            close_link(c, &c->link[i]);
    assert(c->delivered > OPENS && c->ends > OPENS / 50);
    assert(atomic_load(&c->r->counters.closed) == c->opened && c->r->nodes == 1);
    assert(fn_slab_size(&c->r->slab) == FN_SLAB_CHUNK);
    close_reactor(c->r);
}

int main(void)
{
    on_both(test_reuse);
    return 0;
}
