/* Tags: published vectors, pieces of every size, and that everything counts. */
#include "hex.h"

#include "fastnet/kdf.h"
#include "fastnet/mac.h"
#include "fastnet/status.h"

static const uint8_t zeroes[FN_MAC_NONCE];

/* NIST's: GCM's test case 13, and CAVS gcmEncryptExtIV256, a tag over 16 bytes alone. */
static void test_gmac_vectors(void)
{
    static const struct {
        const char *key, *iv, *data, *tag;
    } rows[] = {{"0000000000000000000000000000000000000000000000000000000000000000",
                 "000000000000000000000000", "", "530f8afbc74536b9a963b4f1c4cb738b"},
                {"78dc4e0aaf52d935c3c01eea57428f00ca1fd475f5da86a49c8dd73d68c8e223",
                 "d79cf22d504cc793c3fb6c8a", "b96baa8c1c75a671bfb2d08d06be5f36",
                 "3e5d486aa2e30b22e040b85723a06e76"}};
    for (size_t i = 0; i < 2; i++) {
        uint8_t key[FN_MAC_KEY], iv[FN_MAC_NONCE], data[16], tag[FN_MAC_TAG];
        struct fn_mac m;
        unhex(key, sizeof key, rows[i].key);
        unhex(iv, sizeof iv, rows[i].iv);
        size_t len = unhex(data, sizeof data, rows[i].data);
        for (int half = 0; half < 2; half++) { /* all in the iv, or all in the nonce */
            assert(fn_mac_init(&m, FN_AES_256_GMAC, key, half ? zeroes : iv) == FN_OK);
            fn_mac_begin(&m, half ? iv : zeroes);
            fn_mac_update(&m, data, len);
            assert(fn_mac_finish(&m, tag) == FN_OK);
            assert(equals_hex(tag, sizeof tag, rows[i].tag));
            fn_mac_fini(&m);
            fn_mac_fini(&m);
        }
    }
}

static void make_tag(struct fn_mac *m, const uint8_t *nonce, const uint8_t *data, size_t len,
                     size_t piece, uint8_t *tag)
{
    fn_mac_begin(m, nonce);
    for (size_t at = 0; at < len; at += piece)
        fn_mac_update(m, data + at, len - at < piece ? len - at : piece);
    assert(fn_mac_finish(m, tag) == FN_OK);
}

static void test_pieces(enum fn_suite suite)
{
    uint8_t key[FN_MAC_KEY], iv[FN_MAC_NONCE], nonce[FN_MAC_NONCE], tag[FN_MAC_TAG], other[16];
    struct guarded g = guarded_new(300, true);
    struct fn_mac m;
    fill_pattern(key, sizeof key, 1);
    fill_pattern(iv, sizeof iv, 2);
    fill_pattern(nonce, sizeof nonce, 3);
    fill_pattern(g.data, g.size, 4);
    assert(fn_mac_init(&m, suite, key, iv) == FN_OK);
    for (size_t len = 0; len <= g.size; len += 1 + len / 7) {
        make_tag(&m, nonce, g.data, len, 1000, tag);
        if (suite == FN_HMAC_SHA256) { /* HMAC over nonce and data */
            uint8_t joined[12 + 300], whole[FN_HASH];
            memcpy(joined, nonce, 12);
            memcpy(joined + 12, g.data, len);
            assert(fn_hmac(whole, key, sizeof key, joined, 12 + len) == FN_OK);
            assert(memcmp(whole, tag, sizeof tag) == 0);
        }
        for (size_t piece = 1; piece < 40; piece++) {
            make_tag(&m, nonce, g.data, len, piece, other);
            assert(memcmp(tag, other, sizeof tag) == 0);
        }
        for (size_t bit = 0; bit < 8 * len; bit += 5) {
            g.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            make_tag(&m, nonce, g.data, len, 64, other);
            g.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert(memcmp(tag, other, sizeof tag) != 0);
        }
    }
    for (size_t bit = 0; bit < 8 * sizeof nonce; bit++) {
        nonce[bit / 8] ^= (uint8_t)(1u << bit % 8);
        make_tag(&m, nonce, g.data, g.size, 64, other);
        nonce[bit / 8] ^= (uint8_t)(1u << bit % 8);
        make_tag(&m, nonce, g.data, g.size, 64, tag);
        assert(memcmp(tag, other, sizeof tag) != 0);
    }
    for (size_t bit = 0; bit < 8 * sizeof tag; bit++) {
        fn_mac_begin(&m, nonce);
        fn_mac_update(&m, g.data, g.size);
        assert(fn_mac_check(&m, tag) == FN_OK);
        tag[bit / 8] ^= (uint8_t)(1u << bit % 8);
        fn_mac_begin(&m, nonce);
        fn_mac_update(&m, g.data, g.size);
        assert(fn_mac_check(&m, tag) == FN_E_FN1_TAG);
        tag[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    key[0] ^= 1;
    assert(fn_mac_key(&m, key, iv) == FN_OK);
    make_tag(&m, nonce, g.data, g.size, 64, other);
    assert(memcmp(tag, other, sizeof tag) != 0);
    fn_mac_fini(&m);
    guarded_free(&g);
}

static void test_names(void)
{
    uint8_t order[FN_SUITES];
    struct fn_mac m;
    uint8_t key[FN_MAC_KEY] = {0};
    fn_suite_order(order);
    assert(order[0] + order[1] == FN_HMAC_SHA256 + FN_AES_256_GMAC && order[0] != order[1]);
    for (int i = -1; i < 5; i++)
        if (fn_suite_name(i))
            assert(fn_suite_find(fn_suite_name(i)) == i);
        else
            assert(fn_mac_init(&m, (enum fn_suite)i, key, zeroes) == FN_E_ARGUMENT);
    assert(fn_suite_find("none") == FN_E_ARGUMENT && fn_suite_find("") == FN_E_ARGUMENT);
}

int main(void)
{
    test_gmac_vectors();
    test_pieces(FN_HMAC_SHA256);
    test_pieces(FN_AES_256_GMAC);
    test_names();
    return 0;
}
