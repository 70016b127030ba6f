/* The handshake's messages: a fixed transcript, and every way for one to be wrong. */
#include "hex.h"

#include "fastnet/bytes.h"
#include "fastnet/fn1_auth.h"
#include "fastnet/fn1_seal.h"
#include "fastnet/status.h"

#define HELLO                                                                                      \
    "93464e310101430161000000ffffffff0000000000000000000000001000000001000600617272617973020005"   \
    "006e6f64653703000200020104002000000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c"   \
    "1d1e1f0500200013cbd7353126c2d45d7d99fe13d67d8e0592c2c04e2726212a4ffe3b89a6a376"
#define REPLY                                                                                      \
    "93464e310101530157000000ffffffff000000000000000000000000100000000100060061727261797303000100"
#define REPLY_NONCE                                                                                \
    "04002000808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f05002000"

/* As tests/fn1keyed.py made them, from docs/protocol-fn1.md: the key is 10 11 ... 2f, the nonces
 * are 00 01 ... 1f and 80 81 ... 9f. */
static const struct {
    enum fn_suite suite;
    const char *reply, *client, *server, *auth, *ping;
} known[] = {
    {FN_HMAC_SHA256,
     REPLY "01" REPLY_NONCE "e1ad5e0e61eb2ecd61f9e2faa9044dd9646d3ac3bffbb06fa14bc84f99c2a426",
     "a293270486b849a573db94dab7ac0b2dfdd67a4759fea04b70f4be8ed1948a4a",
     "e8ec4c3da001faa812ad86cf23c129f8633e52db6379776e88e9b442345de193",
     "09000000000000002000000000000000000000000000000093203cdb3425c0e4aa36e3c815013069efe950fe20d15"
     "eec1501da411464cc58cc5f6ded8587623999f25265176d25f5",
     "050000000000000000000000000000000700000000000000d18c56ab76eebbc5d7f09b6299303d0b"},
    {FN_AES_256_GMAC,
     REPLY "02" REPLY_NONCE "a58aba7c6d40edee9af95d395e58f6c5e3ae39f3a6cfcab66a755497933ba7ba",
     "27f351c5e3be7db64cc5ec4b6fe09e915636e698890bd27e1477214668e9a77c",
     "f8c708d05d4a10ead08ca2f9c475d92f62e70f5c75dad786fc4a7e5cc85f3a62",
     "090000000000000020000000000000000000000000000000da388e9835b33b65755917254b41600096385d38f3517"
     "8a71ea979cc50e83feb572ad518e79dc0ea8f343f5175636232",
     "050000000000000000000000000000000700000000000000a3bcd34ff641e77790bdf0d0b203ab0f"}};

static uint8_t key[32], psk[FN_HASH], hello[FN1_PREFACE_MAX], nonce[2][FN1_NONCE];
static size_t hello_len;
static const uint8_t offered[2] = {FN_AES_256_GMAC, FN_HMAC_SHA256};
static const struct fn1_view offer_view = {offered, 2};

static struct fn1_preface base_of(uint8_t role)
{
    static const uint8_t ext[] = {1, 0, 6, 0, 'a', 'r', 'r', 'a', 'y', 's'};
    return (struct fn1_preface){.vmin = 1,
                                .vmax = 1,
                                .role = role,
                                .fragment = UINT32_MAX,
                                .message = (uint64_t)1 << 36,
                                .extensions = {ext, sizeof ext}};
}

static void prepare(void)
{
    for (uint8_t i = 0; i < 32; i++) {
        key[i] = (uint8_t)(16 + i);
        nonce[0][i] = i;
        nonce[1][i] = (uint8_t)(128 + i);
    }
    struct fn1_preface base = base_of(FN1_CLIENT);
    struct fn1_view id = {(const uint8_t *)"node7", 5};
    assert(fn1_auth_psk(psk, (struct fn1_view){key, 32}) == FN_OK);
    int64_t n = fn1_auth_hello(hello, &base, id, offer_view, nonce[0], psk);
    assert(n > 0 && equals_hex(hello, (size_t)n, HELLO));
    hello_len = (size_t)n;
}

static size_t make_reply(uint8_t *out, enum fn_suite suite, struct fn1_keys *keys)
{
    struct fn1_preface base = base_of(FN1_SERVER);
    int64_t n =
        fn1_auth_reply(out, &base, suite, nonce[1], (struct fn1_view){hello, hello_len}, psk, keys);
    assert(n > 0);
    return (size_t)n;
}

static int accept_reply(const uint8_t *reply, size_t len, const uint8_t *with,
                        struct fn1_keys *keys, uint32_t *code)
{
    struct guarded g = guarded_copy(reply, len, true);
    struct fn1_preface p;
    int64_t n = fn1_preface_decode(g.data, len, &p);
    int st = n < 0 ? (int)n
                   : fn1_auth_accept((struct fn1_view){hello, hello_len}, offer_view, &p, with,
                                     keys, code);
    guarded_free(&g);
    return st;
}

static void test_known_transcript(void)
{
    for (size_t i = 0; i < 2; i++) {
        uint8_t reply[FN1_PREFACE_MAX], frame[FN1_HEAD_SIZE + FN1_AUTH_SIZE + FN_MAC_TAG];
        struct fn1_keys server, client;
        uint32_t code = 0;
        size_t n = make_reply(reply, known[i].suite, &server);
        assert(equals_hex(reply, n, known[i].reply));
        assert(accept_reply(reply, n, psk, &client, &code) == FN_OK);
        assert(memcmp(client.client, server.client, 32) == 0);
        assert(equals_hex(client.client, 32, known[i].client));
        assert(equals_hex(client.server, 32, known[i].server));
        assert(memcmp(client.proof, server.proof, 32) == 0 && client.suite == known[i].suite);
        struct fn1_seal s;
        struct fn1_head auth = {.type = FN1_AUTH, .length = FN1_AUTH_SIZE};
        struct fn1_head ping = {.type = FN1_PING, .offset = 7};
        assert(fn1_seal_init(&s, client.suite, client.client) == FN_OK);
        fn1_head_encode(frame, &auth);
        memcpy(frame + FN1_HEAD_SIZE, client.proof, FN1_AUTH_SIZE);
        assert(fn1_seal_begin(&s, FN1_TAG_SHORT) == FN_OK);
        fn1_seal_update(&s, frame, FN1_HEAD_SIZE + FN1_AUTH_SIZE);
        assert(fn1_seal_tag(&s, frame + FN1_HEAD_SIZE + FN1_AUTH_SIZE) == FN_OK);
        assert(equals_hex(frame, sizeof frame, known[i].auth));
        fn1_head_encode(frame, &ping);
        assert(fn1_seal_begin(&s, FN1_TAG_SHORT) == FN_OK);
        fn1_seal_update(&s, frame, FN1_HEAD_SIZE);
        assert(fn1_seal_tag(&s, frame + FN1_HEAD_SIZE) == FN_OK);
        assert(equals_hex(frame, FN1_HEAD_SIZE + FN_MAC_TAG, known[i].ping));
        fn1_seal_fini(&s);
    }
}

/* What a server makes of a client's preface. */
static int judge(const uint8_t *bytes, size_t len, const uint8_t *with)
{
    struct guarded g = guarded_copy(bytes, len, true);
    struct fn1_preface p;
    struct fn1_offer offer;
    int64_t n = fn1_preface_decode(g.data, len, &p);
    int st = n < 0 ? (int)n : fn1_auth_offer(&p, &offer);
    if (st == FN_OK)
        st = fn1_auth_bound(&p, with);
    guarded_free(&g);
    return st;
}

static void test_every_bit_of_the_prefaces_counts(void)
{
    uint8_t other[FN_HASH];
    memcpy(other, psk, sizeof other);
    other[31] ^= 1;
    assert(judge(hello, hello_len, psk) == FN_OK);
    assert(judge(hello, hello_len, other) == FN_E_FN1_PROOF);
    for (size_t bit = 0; bit < 8 * hello_len; bit++) {
        hello[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert(judge(hello, hello_len, psk) < 0);
        hello[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t n = 0; n < hello_len; n++)
        assert(judge(hello, n, psk) == FN_E_MORE);
    for (size_t i = 0; i < 2; i++) {
        uint8_t reply[FN1_PREFACE_MAX];
        struct fn1_keys keys;
        uint32_t code = 0;
        size_t n = make_reply(reply, known[i].suite, &keys);
        assert(accept_reply(reply, n, other, &keys, &code) == FN_E_FN1_PROOF);
        for (size_t bit = 0; bit < 8 * n; bit++) {
            reply[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert(accept_reply(reply, n, psk, &keys, &code) < 0);
            reply[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t bit = 0; bit < 8 * hello_len;
             bit += 3) { /* and the client's own, in the hash */
            hello[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert(accept_reply(reply, n, psk, &keys, &code) == FN_E_FN1_PROOF);
            hello[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

/* Extensions that are missing, of another length, or behind the proof. */
static void test_malformed(void)
{
    static const uint16_t types[] = {FN1_EXT_KEY_ID, FN1_EXT_SUITES, FN1_EXT_NONCE, FN1_EXT_PROOF};
    static const uint8_t filler[FN1_EXT_MAX];
    static const size_t good[] = {5, 2, FN1_NONCE, FN1_PROOF};
    for (size_t broken = 0; broken < 4; broken++) {
        for (size_t len = 0; len <= 80; len++) {
            uint8_t ext[FN1_EXT_MAX], out[FN1_PREFACE_MAX];
            int64_t at = 0;
            for (size_t i = 0; i < 4; i++) {
                size_t n = i == broken ? len : good[i];
                if (i == broken && len == 80)
                    continue; /* not there at all */
                at = fn1_ext_append(ext, (size_t)at, types[i], (struct fn1_view){filler, n});
            }
            struct fn1_preface p = base_of(FN1_CLIENT);
            p.flags = FN1_KEYED;
            p.extensions = (struct fn1_view){ext, (size_t)at};
            int64_t size = fn1_preface_encode(out, &p);
            bool right = len == good[broken] || (broken == 0 && len <= FN1_KEY_ID_MAX) ||
                         (broken == 1 && len >= 1 && len <= FN1_SUITES_MAX);
            assert(judge(out, (size_t)size, psk) == (right ? FN_E_FN1_PROOF : FN_E_FN1_HELLO));
        }
    }
    uint8_t longer[FN1_PREFACE_MAX];
    memcpy(longer, hello, hello_len);
    memset(longer + hello_len, 0, 4); /* an empty extension more, that the binder does not cover */
    fn_store16(longer + 8, (uint16_t)(hello_len - FN1_PREFACE_SIZE + 4));
    assert(judge(longer, hello_len + 4, psk) == FN_E_FN1_HELLO);
}

static void test_choices(void)
{
    static const uint8_t both[] = {FN_HMAC_SHA256, FN_AES_256_GMAC}, unknown[] = {77, 78};
    struct fn1_view nothing = {NULL, 0};
    assert(fn1_auth_choose((struct fn1_view){both, 2}, offer_view) == FN_AES_256_GMAC);
    assert(fn1_auth_choose(offer_view, (struct fn1_view){both, 2}) == FN_HMAC_SHA256);
    assert(fn1_auth_choose(offer_view, (struct fn1_view){both + 1, 1}) == FN_AES_256_GMAC);
    assert(fn1_auth_choose((struct fn1_view){unknown, 2}, offer_view) == FN_E_FN1_SUITE);
    assert(fn1_auth_choose(nothing, offer_view) == FN_E_FN1_SUITE);
    uint8_t out[FN1_PREFACE_MAX];
    struct fn1_preface base = base_of(FN1_SERVER), decoded;
    struct fn1_keys keys;
    uint32_t code = 0;
    int64_t n = (int64_t)make_reply(out, FN_AES_256_GMAC, &keys);
    assert(fn1_preface_decode(out, (size_t)n, &decoded) == n);
    assert(fn1_auth_accept((struct fn1_view){hello, hello_len}, (struct fn1_view){both, 1},
                           &decoded, psk, &keys, &code) == FN_E_FN1_SUITE); /* was not offered */
    n = fn1_auth_refusal(out, &base, FN1_ERR_BUSY);
    assert(n > 0 && accept_reply(out, (size_t)n, psk, &keys, &code) == FN_E_FN1_REFUSED);
    assert(code == FN1_ERR_BUSY);
    uint8_t long_id[FN1_KEY_ID_MAX + 1] = {0}, ext[FN1_EXT_MAX] = {9, 0, 0, 0};
    struct fn1_view id = {long_id, sizeof long_id};
    base = base_of(FN1_CLIENT);
    assert(fn1_auth_hello(out, &base, id, offer_view, nonce[0], psk) == FN_E_ARGUMENT);
    id.len--;
    assert(fn1_auth_hello(out, &base, id, nothing, nonce[0], psk) == FN_E_ARGUMENT);
    assert(fn1_auth_hello(out, &base, id, offer_view, nonce[0], psk) > 0);
    fn_store16(ext + 2, FN1_EXT_MAX - 4 - 100); /* leaves no room */
    base.extensions = (struct fn1_view){ext, FN1_EXT_MAX - 100};
    assert(fn1_auth_hello(out, &base, id, offer_view, nonce[0], psk) == FN_E_ARGUMENT);
    assert(fn1_auth_reply(out, &base, FN_HMAC_SHA256, nonce[0], id, psk, &keys) > 0);
    for (size_t len = 0; len < 40; len++) {
        int st = fn1_auth_psk(long_id, (struct fn1_view){key, len < 32 ? len : 32});
        assert(st == (len < FN1_KEY_MIN ? FN_E_ARGUMENT : FN_OK));
    }
    static const uint8_t endless[FN1_KEY_MAX + 1];
    assert(fn1_auth_psk(long_id, (struct fn1_view){endless, FN1_KEY_MAX}) == FN_OK);
    assert(fn1_auth_psk(long_id, (struct fn1_view){endless, FN1_KEY_MAX + 1}) == FN_E_ARGUMENT);
}

int main(void)
{
    prepare();
    test_known_transcript();
    test_every_bit_of_the_prefaces_counts();
    test_malformed();
    test_choices();
    return 0;
}
