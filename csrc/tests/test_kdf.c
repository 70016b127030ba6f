/* SHA-256, HMAC and HKDF by the vectors of their documents. */
#include "hex.h"

#include "fastnet/kdf.h"
#include "fastnet/status.h"

/* RFC 4231, test cases 1 to 4, 6 and 7. */
static void test_hmac(void)
{
    static const struct {
        const char *key, *data, *mac;
    } rows[] = {
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "dddddddddddddddddddddddddddddddddddddddddddddddddd"
         "dddddddddddddddddddddddddddddddddddddddddddddddddd",
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {"0102030405060708090a0b0c0d0e0f10111213141516171819",
         "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
         "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
         "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t key[64], data[64], out[FN_HASH];
        size_t key_len = unhex(key, sizeof key, rows[i].key);
        size_t len = unhex(data, sizeof data, rows[i].data);
        assert(fn_hmac(out, key, key_len, data, len) == FN_OK);
        assert(equals_hex(out, sizeof out, rows[i].mac));
    }
    uint8_t key[131], out[FN_HASH];
    memset(key, 0xaa, sizeof key);
    const char *text = "Test Using Larger Than Block-Size Key - Hash Key First";
    assert(fn_hmac(out, key, sizeof key, text, strlen(text)) == FN_OK);
    assert(equals_hex(out, sizeof out,
                      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
    text = "This is a test using a larger than block-size key and a larger than block-size data. "
           "The key needs to be hashed before being used by the HMAC algorithm.";
    assert(fn_hmac(out, key, sizeof key, text, strlen(text)) == FN_OK);
    assert(equals_hex(out, sizeof out,
                      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"));
}

/* RFC 5869, A.1 to A.3. */
static void test_hkdf(void)
{
    uint8_t ikm[80], salt[80], info[80], prk[FN_HASH], okm[82];
    memset(ikm, 0x0b, 22);
    for (uint8_t i = 0; i < 13; i++)
        salt[i] = i;
    for (uint8_t i = 0; i < 10; i++)
        info[i] = (uint8_t)(0xf0 + i);
    assert(fn_hkdf_extract(prk, salt, 13, ikm, 22) == FN_OK);
    assert(equals_hex(prk, 32, "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"));
    assert(fn_hkdf_expand(okm, 42, prk, info, 10) == FN_OK);
    assert(equals_hex(okm, 42,
                      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
                      "34007208d5b887185865"));
    for (uint8_t i = 0; i < 80; i++) {
        ikm[i] = i;
        salt[i] = (uint8_t)(0x60 + i);
        info[i] = (uint8_t)(0xb0 + i);
    }
    assert(fn_hkdf_extract(prk, salt, 80, ikm, 80) == FN_OK);
    assert(equals_hex(prk, 32, "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244"));
    assert(fn_hkdf_expand(okm, 82, prk, info, 80) == FN_OK);
    assert(equals_hex(okm, 82,
                      "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
                      "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
                      "cc30c58179ec3e87c14c01d5c1f3434f1d87"));
    memset(ikm, 0x0b, 22);
    assert(fn_hkdf_extract(prk, NULL, 0, ikm, 22) == FN_OK);
    assert(equals_hex(prk, 32, "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04"));
    assert(fn_hkdf_expand(okm, 42, prk, NULL, 0) == FN_OK);
    assert(equals_hex(okm, 42,
                      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
                      "9d201395faa4b61a96c8"));
    assert(fn_hkdf_expand(okm, 255 * FN_HASH + 1, prk, NULL, 0) == FN_E_ARGUMENT);
    assert(fn_hkdf_expand(okm, 1, prk, info, FN_HKDF_INFO + 1) == FN_E_ARGUMENT);
}

/* FIPS 180-4's example, in one piece and in two. */
static void test_sha256(void)
{
    uint8_t out[FN_HASH];
    for (size_t cut = 0; cut <= 3; cut++) {
        assert(fn_sha256(out, "abc", cut, &"abc"[cut], 3 - cut) == FN_OK);
        assert(equals_hex(out, sizeof out,
                          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    }
}

static void test_secrets(void)
{
    uint8_t a[32] = {0}, b[32] = {0};
    assert(fn_random(a, sizeof a) == FN_OK && fn_random(b, sizeof b) == FN_OK);
    assert(!fn_equal(a, b, sizeof a) && fn_equal(a, a, sizeof a));
    fn_wipe(a, sizeof a);
    memset(b, 0, sizeof b);
    assert(fn_equal(a, b, sizeof a));
}

int main(void)
{
    test_hmac();
    test_hkdf();
    test_sha256();
    test_secrets();
    return 0;
}
