/* Theory in fn1_session.h. */
#include "fastnet/fn1_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fastnet/bytes.h"
#include "fastnet/status.h"

struct fn1_handshake {
    struct fn1_preface base; /* of this end's preface; its extensions lie in ext */
    uint8_t ext[FN1_EXT_MAX];
    uint8_t suites[FN1_SUITES_MAX];
    size_t suites_len;
    bool has_psk;
    bool said; /* this end's preface was staged */
    uint8_t psk[FN_HASH];
    uint8_t client[FN1_PREFACE_MAX]; /* the client's preface, as it went over the wire */
    size_t client_len;
    struct fn1_keys keys;
};

static struct fn1_view client_of(const struct fn1_handshake *h)
{
    return (struct fn1_view){h->client, h->client_len};
}

static struct fn1_view suites_of(const struct fn1_handshake *h)
{
    return (struct fn1_view){h->suites, h->suites_len};
}

/* ---------------------------------------------------------------- beginning */

static int take_suites(struct fn1_handshake *h, struct fn1_view suites)
{
    if (!suites.len) {
        fn_suite_order(h->suites);
        h->suites_len = FN_SUITES;
        return FN_OK;
    }
    if (suites.len > FN1_SUITES_MAX)
        return FN_E_ARGUMENT;
    for (size_t i = 0; i < suites.len; i++)
        if (!fn_suite_name(suites.data[i]))
            return FN_E_ARGUMENT;
    memcpy(h->suites, suites.data, suites.len);
    h->suites_len = suites.len;
    return FN_OK;
}

static int take_key(struct fn1_handshake *h, struct fn1_view key)
{
    int st = fn1_auth_psk(h->psk, key);
    h->has_psk = st == FN_OK;
    return st;
}

static int prepare_client(struct fn1_handshake *h, struct fn1_view key_id)
{
    uint8_t nonce[FN1_NONCE];
    int st = fn_random(nonce, sizeof nonce);
    if (st < 0)
        return st;
    int64_t len = fn1_auth_hello(h->client, &h->base, key_id, suites_of(h), nonce, h->psk);
    h->client_len = len > 0 ? (size_t)len : 0;
    return len < 0 ? (int)len : FN_OK;
}

static int prepare(struct fn1_handshake *h, const struct fn1_session_options *o)
{
    const struct fn1_preface *p = &o->preface;
    if (p->extensions.len > FN1_EXT_MAX)
        return FN_E_ARGUMENT;
    h->base = *p;
    h->base.vmin = h->base.vmax = FN1_VERSION;
    h->base.role = (uint8_t)o->role;
    h->base.flags = 0;
    if (p->extensions.len)
        memcpy(h->ext, p->extensions.data, p->extensions.len);
    h->base.extensions.data = h->ext;
    if (!o->keyed)
        return FN_OK;
    int st = take_suites(h, o->suites);
    if (st == FN_OK && (o->key.len || o->role == FN1_CLIENT))
        st = take_key(h, o->key);
    if (st == FN_OK && o->role == FN1_CLIENT)
        st = prepare_client(h, o->key_id);
    return st;
}

int fn1_session_init(struct fn1_session *s, const struct fn1_session_options *o)
{
    memset(s, 0, sizeof *s);
    s->role = o->role;
    s->keyed = o->keyed;
    s->state = FN1_SESSION_HELLO;
    s->hand = calloc(1, sizeof *s->hand);
    if (!s->hand)
        return -ENOMEM;
    int st = prepare(s->hand, o);
    if (st < 0)
        fn1_session_fini(s);
    return st;
}

void fn1_session_fini(struct fn1_session *s)
{
    if (s->hand)
        fn_wipe(s->hand, sizeof *s->hand);
    free(s->hand);
    s->hand = NULL;
}

int fn1_session_begin(struct fn1_session *s, struct fn1_tx *tx)
{
    struct fn1_handshake *h = s->hand;
    if (s->keyed && s->role == FN1_SERVER)
        return FN_OK;
    int st = s->keyed ? fn1_tx_greeting(tx, client_of(h)) : fn1_tx_preface(tx, &h->base);
    h->said = st == FN_OK;
    return st;
}

/* ---------------------------------------------------------------- the steps */

static int opened(struct fn1_session *s)
{
    s->state = FN1_SESSION_OPEN;
    fn1_session_fini(s);
    return FN1_EV_PREFACE;
}

/* rx: where there is one, it is not to make anything of what follows. */
static int failed(struct fn1_session *s, struct fn1_rx *rx, int st)
{
    s->state = FN1_SESSION_ENDED;
    if (rx)
        rx->failed = st;
    if (s->hand) {
        fn_wipe(s->hand->psk, sizeof s->hand->psk);
        fn_wipe(&s->hand->keys, sizeof s->hand->keys);
    }
    return st;
}

/* Both directions from here on. */
static int seal_both(struct fn1_session *s, struct fn1_rx *rx, struct fn1_tx *tx)
{
    const struct fn1_keys *keys = &s->hand->keys;
    bool client = s->role == FN1_CLIENT;
    int st = fn1_tx_seal(tx, keys->suite, client ? keys->client : keys->server);
    if (st == FN_OK)
        st = fn1_rx_open(rx, keys->suite, client ? keys->server : keys->client, !client);
    s->suite = keys->suite;
    return st;
}

static int on_server_preface(struct fn1_session *s, struct fn1_rx *rx, struct fn1_tx *tx)
{
    struct fn1_handshake *h = s->hand;
    int st =
        fn1_auth_accept(client_of(h), suites_of(h), &rx->preface, h->psk, &h->keys, &s->refusal);
    if (st == FN_OK)
        st = seal_both(s, rx, tx);
    if (st == FN_OK)
        st = fn1_tx_auth(tx, h->keys.proof);
    return st < 0 ? st : opened(s);
}

/* The server's side, once it has a key to try. */
static int answer_client(struct fn1_session *s, struct fn1_rx *rx, struct fn1_tx *tx)
{
    struct fn1_handshake *h = s->hand;
    struct fn1_preface client;
    struct fn1_offer offer;
    uint8_t mine[FN1_PREFACE_MAX], nonce[FN1_NONCE];
    int64_t st = fn1_preface_decode(h->client, h->client_len, &client);
    if (st > 0)
        st = fn1_auth_offer(&client, &offer);
    if (st == FN_OK)
        st = fn1_auth_bound(&client, h->psk);
    int suite = st == FN_OK ? fn1_auth_choose(offer.suites, suites_of(h)) : (int)st;
    if (suite < 0)
        return suite;
    st = fn_random(nonce, sizeof nonce);
    if (st == FN_OK)
        st = fn1_auth_reply(mine, &h->base, (enum fn_suite)suite, nonce, client_of(h), h->psk,
                            &h->keys);
    if (st > 0)
        st = fn1_tx_greeting(tx, (struct fn1_view){mine, (size_t)st});
    h->said = st == FN_OK;
    if (st == FN_OK)
        st = seal_both(s, rx, tx);
    if (st < 0)
        return (int)st;
    s->state = FN1_SESSION_AUTH;
    return 0;
}

static int on_client_preface(struct fn1_session *s, struct fn1_rx *rx, struct fn1_tx *tx)
{
    struct fn1_handshake *h = s->hand;
    struct fn1_offer offer;
    int st = fn1_auth_offer(&rx->preface, &offer);
    if (st < 0)
        return st;
    if (offer.key_id.len)
        memcpy(s->key_id, offer.key_id.data, offer.key_id.len);
    s->key_id_len = offer.key_id.len;
    memcpy(h->client, rx->preface.raw.data, rx->preface.raw.len);
    h->client_len = rx->preface.raw.len;
    if (h->has_psk)
        return answer_client(s, rx, tx);
    s->state = FN1_SESSION_KEY;
    return FN1_EV_KEY;
}

static int on_preface(struct fn1_session *s, struct fn1_rx *rx, struct fn1_tx *tx)
{
    const struct fn1_preface *p = &rx->preface;
    int version = fn1_preface_version(p, &s->hand->base);
    if (version < 0)
        return version;
    if (p->role == s->role)
        return FN_E_FN1_ROLE;
    bool keyed = p->flags & FN1_KEYED;
    if (keyed != s->keyed)
        return keyed ? FN_E_FN1_KEYED : FN_E_FN1_KEYLESS;
    struct fn1_view name;
    if (fn1_ext_find(p->extensions, FN1_EXT_APPLICATION, &name))
        memcpy(s->application, name.data, fn_minz(name.len, FN1_APPLICATION - 1));
    s->peer = *p;
    s->peer.extensions = s->peer.raw = (struct fn1_view){NULL, 0};
    if (!keyed)
        return opened(s);
    return s->role == FN1_CLIENT ? on_server_preface(s, rx, tx) : on_client_preface(s, rx, tx);
}

static int on_auth(struct fn1_session *s, const struct fn1_rx *rx)
{
    if (!fn_equal(rx->auth, s->hand->keys.proof, FN1_PROOF))
        return FN_E_FN1_PROOF;
    return opened(s);
}

int fn1_session_event(struct fn1_session *s, struct fn1_rx *rx, struct fn1_tx *tx, int event)
{
    int st = FN_E_FN1_ORDER;
    if (event == FN1_EV_PREFACE && s->state == FN1_SESSION_HELLO)
        st = on_preface(s, rx, tx);
    else if (event == FN1_EV_AUTH && s->state == FN1_SESSION_AUTH)
        st = on_auth(s, rx);
    return st < 0 ? failed(s, rx, st) : st;
}

int fn1_session_key(struct fn1_session *s, struct fn1_rx *rx, struct fn1_tx *tx,
                    struct fn1_view key)
{
    if (s->state != FN1_SESSION_KEY)
        return FN_E_ARGUMENT;
    /* for an id without a key, one that nobody has: the same work, and the same end */
    uint8_t nobodys[FN_HASH];
    int st = fn_random(nobodys, sizeof nobodys);
    if (st == FN_OK)
        st = take_key(s->hand, key.len ? key : (struct fn1_view){nobodys, sizeof nobodys});
    if (st == FN_OK)
        st = answer_client(s, rx, tx);
    return st < 0 ? failed(s, rx, st) : st;
}

int fn1_session_refuse(struct fn1_session *s, struct fn1_tx *tx, uint32_t code)
{
    uint8_t out[FN1_PREFACE_MAX];
    if (!s->keyed || s->role != FN1_SERVER || !s->hand || s->hand->said)
        return FN_E_ARGUMENT;
    int64_t len = fn1_auth_refusal(out, &s->hand->base, code);
    if (len < 0)
        return (int)len;
    s->hand->said = true;
    failed(s, NULL, 0);
    return fn1_tx_greeting(tx, (struct fn1_view){out, (size_t)len});
}
