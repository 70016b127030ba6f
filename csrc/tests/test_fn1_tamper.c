/* A session of arrays over a path that changes what passes: whatever is done
 * to it, the receiver releases nothing but a beginning of what was sent. */
#include "keyed.h"

static uint8_t suite;

/* Small messages, so that every bit can have its turn; or long ones with chunks. */
static bool long_frames;

static void say_all(struct party *p, struct passing *out)
{
    party_say(p, 40, false, out);
    party_control(p, FN1_PING, out);
    party_say(p, 0, false, out);
    if (long_frames) {
        party_say(p, 300000, false, out);
        party_say(p, 20000, true, out);
    }
    party_say(p, 24, true, out);
    party_control(p, FN1_CLOSE, out);
}

/* Both ends, and what each has sent. */
struct session {
    struct party client, server;
    struct passing from[2]; /* by the client, by the server */
    int handshake;          /* FN_OK, or what went wrong where */
};

typedef void mutation(struct passing *p, size_t place);

static void nothing(struct passing *p, size_t place)
{
    (void)p;
    (void)place;
}

/* `change` is called with that side's preface, and then with all its frames:
 * it knows them by their number. */
static void run(struct session *s, int side, mutation *change, size_t place, size_t step)
{
    struct passing hello = passing_new(), reply = passing_new();
    party_open(&s->client, FN1_CLIENT, &suite);
    party_open(&s->server, FN1_SERVER, &suite);
    s->from[0] = passing_new();
    s->from[1] = passing_new();
    party_unit(&hello);
    party_take(&s->client, &hello, SIZE_MAX);
    if (side == 0)
        change(&hello, place);
    s->handshake = party_hear(&s->server, hello.bytes, hello.len, step);
    if (s->handshake == FN_LINK_REPLY) {
        party_unit(&reply);
        party_take(&s->server, &reply, SIZE_MAX);
        if (side == 1)
            change(&reply, place);
        s->handshake = party_hear(&s->client, reply.bytes, reply.len, step);
    }
    if (s->client.heard.events) { /* the client has what it takes to speak */
        s->handshake = FN_OK;
        party_unit(&s->from[0]);
        party_take(&s->client, &s->from[0], SIZE_MAX);
        say_all(&s->client, &s->from[0]);
        if (side == 0)
            change(&s->from[0], place);
        party_hear(&s->server, s->from[0].bytes, s->from[0].len, step);
    }
    if (fn1_session_is_open(&s->server.l.session)) {
        say_all(&s->server, &s->from[1]);
        if (side == 1)
            change(&s->from[1], place);
        party_hear(&s->client, s->from[1].bytes, s->from[1].len, step);
    }
    free(hello.bytes);
    free(reply.bytes);
}

static void done(struct session *s)
{
    party_close(&s->client);
    party_close(&s->server);
    free(s->from[0].bytes);
    free(s->from[1].bytes);
}

/* An honest session, whole and byte by byte, rekeyed at every few tags. */
static struct heard honest(int side, size_t step)
{
    struct session s;
    run(&s, side, nothing, 0, step);
    struct heard h = side ? s.client.heard : s.server.heard;
    assert(h.end == FN_E_MORE && h.event[h.events - 1] == FN1_EV_CLOSE);
    done(&s);
    return h;
}

static void test_honest(void)
{
    struct heard whole = honest(0, SIZE_MAX);
    assert(whole.events == (long_frames ? 13 : 9));
    for (size_t step = 1; step < 200; step += step < 20 ? 1 : 37) {
        struct heard h = honest(0, step);
        assert(h.events == whole.events && heard_begins(&whole, &h));
    }
}

/* ---------------------------------------------------------------------- bits */

static void flip(struct passing *p, size_t place)
{
    if (place < 8 * p->len)
        p->bytes[place / 8] ^= (uint8_t)(1u << place % 8);
}

static size_t preface_bits, frames_bits;

static void measure(int side)
{
    struct session s;
    run(&s, side, nothing, 0, SIZE_MAX);
    frames_bits = 8 * s.from[side].len;
    done(&s);
    struct passing hello = passing_new();
    struct party p;
    party_open(&p, FN1_CLIENT, &suite);
    party_take(&p, &hello, SIZE_MAX);
    preface_bits = 8 * hello.len;
    if (side == 1) {
        struct party q;
        party_open(&q, FN1_SERVER, &suite);
        assert(party_hear(&q, hello.bytes, hello.len, SIZE_MAX) == FN_LINK_REPLY);
        hello.len = 0;
        party_take(&q, &hello, SIZE_MAX);
        preface_bits = 8 * hello.len;
        party_close(&q);
    }
    party_close(&p);
    free(hello.bytes);
}

static size_t in_frames; /* the bit of the frames that is flipped, or SIZE_MAX */

static void flip_frames(struct passing *p, size_t place)
{
    (void)place;
    if (p->frames > 1)
        flip(p, in_frames);
}

static void flip_preface(struct passing *p, size_t place)
{
    if (p->frames == 1)
        flip(p, place);
}

static void test_every_bit(int side)
{
    struct heard whole = honest(side, SIZE_MAX);
    measure(side);
    for (size_t bit = 0; bit < preface_bits && !long_frames; bit++) {
        struct session s;
        run(&s, side, flip_preface, bit, SIZE_MAX);
        assert(side ? s.client.heard.events == 0 : s.server.heard.events == 0);
        assert(s.server.heard.events == 0); /* and never does the server take the client in */
        done(&s);
    }
    uint64_t random = 5;
    for (in_frames = 0; in_frames < frames_bits;
         in_frames += long_frames ? 1 + random_below(&random, 9000) : 1) {
        struct session s;
        run(&s, side, flip_frames, 0, SIZE_MAX);
        const struct heard *h = side ? &s.client.heard : &s.server.heard;
        assert(heard_begins(&whole, h) && h->events < whole.events);
        assert(h->end == FN_E_FN1_TAG || h->end == FN_E_MORE);
        done(&s);
    }
}

/* -------------------------------------------------------------------- frames */

static size_t chosen; /* of the frames, which */

static void cut_out(struct passing *p, size_t from, size_t to)
{
    memmove(p->bytes + from, p->bytes + to, p->len - to);
    p->len -= to - from;
}

static void drop(struct passing *p, size_t place)
{
    (void)place;
    if (p->frames > 1)
        cut_out(p, p->begin[chosen], passing_end(p, chosen));
}

static void repeat(struct passing *p, size_t place)
{
    (void)place;
    if (p->frames <= 1)
        return;
    size_t begin = p->begin[chosen], end = passing_end(p, chosen), n = end - begin;
    memmove(p->bytes + end + n, p->bytes + end, p->len - end);
    memcpy(p->bytes + end, p->bytes + begin, n);
    p->len += n;
}

static void swap(struct passing *p, size_t place)
{
    (void)place;
    if (p->frames <= 1 || chosen + 1 >= p->frames)
        return;
    size_t a = p->begin[chosen], b = p->begin[chosen + 1], c = passing_end(p, chosen + 1);
    uint8_t *copy = malloc(b - a);
    memcpy(copy, p->bytes + a, b - a);
    memmove(p->bytes + a, p->bytes + b, c - b);
    memcpy(p->bytes + a + (c - b), copy, b - a);
    free(copy);
}

static void test_frames_moved(mutation *change, bool last_counts)
{
    for (int side = 0; side < 2; side++) {
        struct heard whole = honest(side, SIZE_MAX);
        struct session s;
        run(&s, side, nothing, 0, SIZE_MAX);
        size_t frames = s.from[side].frames;
        done(&s);
        for (chosen = 0; chosen + (last_counts ? 0 : 1) < frames; chosen++) {
            run(&s, side, change, 0, SIZE_MAX);
            const struct heard *h = side ? &s.client.heard : &s.server.heard;
            /* the next frame's tag is not tried in the place of the wrong one */
            assert(fn_link_step(side ? &s.client.l : &s.server.l) == h->end);
            assert(heard_begins(&whole, h));
            if (change != repeat || chosen + 1 < frames) {
                assert(h->events < whole.events);
                assert(h->end == FN_E_FN1_TAG || h->end == FN_E_MORE);
            } else { /* what follows CLOSE is an error as well */
                assert(h->end == FN_E_FN1_CLOSED);
            }
            done(&s);
        }
    }
}

static size_t kept;

static void truncate_at(struct passing *p, size_t place)
{
    (void)place;
    if (p->frames > 1)
        p->len = kept;
}

/* An end at any byte is never taken for the peer's close. */
static void test_truncation(void)
{
    struct heard whole = honest(0, SIZE_MAX);
    measure(0);
    for (kept = 0; kept < frames_bits / 8; kept += long_frames ? 2111 : 1) {
        struct session s;
        run(&s, 0, truncate_at, 0, SIZE_MAX);
        const struct heard *h = &s.server.heard;
        assert(heard_begins(&whole, h) && h->events < whole.events && h->end == FN_E_MORE);
        assert(!s.server.l.peer_closed);
        done(&s);
    }
}

/* ------------------------------------------------------------ other sessions */

static struct passing recorded[2];

static void splice(struct passing *p, size_t place)
{
    (void)place;
    if (p->frames <= 1)
        return;
    assert(p->len == recorded[0].len); /* the same said at another time */
    size_t begin = p->begin[chosen], end = passing_end(p, chosen);
    memcpy(p->bytes + begin, recorded[0].bytes + begin, end - begin);
}

static void replay(struct passing *p, size_t place)
{
    (void)place;
    if (p->frames > 1)
        memcpy(p->bytes, recorded[0].bytes, p->len);
}

/* What the other end has sent in this place. */
static void reflect(struct passing *p, size_t place)
{
    (void)place;
    if (p->frames > 1) {
        p->len = recorded[1].len;
        memcpy(p->bytes, recorded[1].bytes, p->len);
    }
}

static void test_other_sessions(void)
{
    struct heard whole = honest(0, SIZE_MAX);
    struct session s, t;
    run(&t, 0, nothing, 0, SIZE_MAX);
    recorded[0] = t.from[0];
    recorded[1] = t.from[1];
    for (chosen = 0; chosen < t.from[0].frames; chosen++) {
        run(&s, 0, splice, 0, SIZE_MAX);
        assert(heard_begins(&whole, &s.server.heard) && s.server.heard.end == FN_E_FN1_TAG);
        assert(s.server.heard.events < whole.events);
        done(&s);
    }
    run(&s, 0, replay, 0, SIZE_MAX); /* all of it: it does not even get in */
    assert(s.server.heard.end == FN_E_FN1_TAG && s.server.heard.events == 0);
    done(&s);
    run(&s, 0, reflect, 0, SIZE_MAX);
    assert(s.server.heard.end == FN_E_FN1_TAG && s.server.heard.events == 0);
    done(&s);
    done(&t);
}

/* A first flight, sent again with all that followed it, or sent back. */
static void test_replayed_first_flight(void)
{
    struct passing hello = passing_new(), reply = passing_new(), other = passing_new();
    struct party client, server, again;
    party_open(&client, FN1_CLIENT, &suite);
    party_open(&server, FN1_SERVER, &suite);
    party_open(&again, FN1_SERVER, &suite);
    party_take(&client, &hello, SIZE_MAX);
    assert(party_hear(&server, hello.bytes, hello.len, SIZE_MAX) == FN_LINK_REPLY);
    party_take(&server, &reply, SIZE_MAX);
    assert(party_hear(&again, hello.bytes, hello.len, SIZE_MAX) == FN_LINK_REPLY);
    party_take(&again, &other, SIZE_MAX);
    assert(other.len == reply.len && memcmp(other.bytes, reply.bytes, reply.len) != 0);
    assert(party_hear(&client, reply.bytes, reply.len, SIZE_MAX) == FN_E_MORE);
    hello.len = 0;
    party_take(&client, &hello, SIZE_MAX); /* AUTH, for the first server */
    assert(party_hear(&again, hello.bytes, hello.len, SIZE_MAX) == FN_E_FN1_TAG);
    assert(again.heard.events == 0 && fn_link_may_send(&again.l) == FN_E_FN1_EARLY);
    assert(party_hear(&server, hello.bytes, hello.len, SIZE_MAX) == FN_E_MORE);
    assert(server.heard.events == 1 && server.heard.event[0] == FN1_EV_PREFACE);
    party_close(&client);
    party_close(&server);
    party_close(&again);
    party_open(&client, FN1_CLIENT, &suite); /* a client that hears itself, or another client */
    hello.len = 0;
    party_take(&client, &hello, SIZE_MAX);
    assert(party_hear(&client, hello.bytes, hello.len, SIZE_MAX) == FN_E_FN1_ROLE);
    party_close(&client);
    party_open(&server, FN1_SERVER, &suite);
    assert(party_hear(&server, reply.bytes, reply.len, SIZE_MAX) == FN_E_FN1_ROLE);
    party_close(&server);
    free(hello.bytes);
    free(reply.bytes);
    free(other.bytes);
}

int main(void)
{
    for (suite = FN_HMAC_SHA256; suite <= FN_AES_256_GMAC; suite++) {
        for (int longer = 0; longer < 2; longer++) {
            long_frames = longer;
            keyed_stream = longer ? 1 << 20 : 8192;
            keyed_body = longer ? 400000 : 1024;
            test_honest();
            test_every_bit(0);
            test_every_bit(1);
            test_frames_moved(drop, true);
            test_frames_moved(repeat, true);
            test_frames_moved(swap, false);
            test_truncation();
            test_other_sessions();
        }
        test_replayed_first_flight();
    }
    return 0;
}
