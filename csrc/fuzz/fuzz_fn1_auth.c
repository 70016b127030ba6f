/* Fuzzes the handshake: what a stranger can say to an end that has a key.
 *
 *     0  flags   1   bit 0: to a client; bit 1: the proof is made right where
 *                    that is possible; bit 2: a server that looks keys up;
 *                    bit 3: and finds none
 *     1  sizes   1   bytes that one read brings, less one
 *        bytes       what the peer sends
 *
 * Oracle: nobody is ever let in, nothing but FN1_EV_KEY is heard of, no more
 * than a preface is held, and the answer is the same whether the bytes come
 * whole, as the size says, or one at a time.
 */
#include "../tests/check.h"

#include "fastnet/bytes.h"
#include "fastnet/link.h"
#include "fastnet/status.h"

enum { TO_CLIENT = 1, MAKE_RIGHT = 2, BY_ID = 4, UNKNOWN = 8 };

static const uint8_t key[32] = "a key that no fuzzer can know...";
static const struct fn1_view view = {key, sizeof key};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The binder of a client's preface, which nobody could make without the key. */
static void make_right(uint8_t *bytes, size_t size)
{
    struct fn1_preface p;
    uint8_t psk[FN_HASH], bind[FN_HASH];
    int64_t n = fn1_preface_decode(bytes, size, &p);
    if (n < FN1_PREFACE_SIZE + FN1_PROOF)
        return;
    assert(fn1_auth_psk(psk, view) == FN_OK);
    assert(fn_hkdf_expand(bind, sizeof bind, psk, "fn1 binder", 10) == FN_OK);
    assert(fn_hmac(bytes + n - FN1_PROOF, bind, sizeof bind, bytes, (size_t)n - FN1_PROOF) ==
           FN_OK);
}

/* What the server's preface is good for, by the codec alone. */
static void judge(const uint8_t *bytes, size_t size)
{
    static const uint8_t offered[] = {FN_AES_256_GMAC, FN_HMAC_SHA256};
    struct fn1_preface p;
    struct fn1_keys keys;
    uint8_t psk[FN_HASH], mine[64] = {0};
    uint32_t code;
    struct guarded g = guarded_copy(bytes, size, true);
    if (fn1_preface_decode(g.data, size, &p) > 0) {
        assert(fn1_auth_psk(psk, view) == FN_OK);
        assert(fn1_auth_accept((struct fn1_view){mine, sizeof mine}, (struct fn1_view){offered, 2},
                               &p, psk, &keys, &code) < 0);
    }
    guarded_free(&g);
}

static int feed(const uint8_t *bytes, size_t size, unsigned flags, size_t step)
{
    struct fn_link l;
    bool by_id = !(flags & TO_CLIENT) && flags & BY_ID;
    struct fn_link_options options = {
        .role = flags & TO_CLIENT ? FN1_CLIENT : FN1_SERVER,
        .limits = {.fragment = UINT32_MAX, .envelope = 65536, .segments = 8, .message = UINT64_MAX},
        .fragment = 1 << 20,
        .ahead_max = 4096,
        .stage_max = 4096,
        .application = "fuzz",
        .keyed = true,
        .key = by_id ? (struct fn1_view){NULL, 0} : view};
    assert(fn_link_init(&l, -1, &options) == FN_OK);
    size_t at = 0;
    int event;
    for (;;) {
        event = fn_link_step(&l);
        if (event == FN1_EV_KEY) {
            assert(by_id && l.session.key_id_len <= FN1_KEY_ID_MAX);
            event = fn_link_key(&l, flags & UNKNOWN ? (struct fn1_view){NULL, 0} : view);
        }
        if (event == FN_LINK_REPLY)
            continue;
        if (event != FN_E_MORE || at == size)
            break;
        struct iovec iov[2];
        assert(fn_link_want(&l, iov, 2) == 1 && iov[0].iov_len <= FN1_PREFACE_MAX);
        size_t n = fn_minz(fn_minz(step, iov[0].iov_len), size - at);
        memcpy(iov[0].iov_base, bytes + at, n);
        fn_link_got(&l, n);
        at += n;
    }
    assert(event < 0 && !fn1_session_is_open(&l.session));
    assert(l.rx.in.capacity <= 2 * FN1_PREFACE_MAX);
    fn_link_fini(&l);
    return event;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 4096)
        return 0;
    unsigned flags = data[0];
    size_t step = (size_t)data[1] + 1;
    uint8_t *bytes = malloc(size);
    memcpy(bytes, data + 2, size -= 2);
    if (flags & MAKE_RIGHT)
        make_right(bytes, size);
    int whole = feed(bytes, size, flags, SIZE_MAX);
    assert(feed(bytes, size, flags, step) == whole);
    assert(feed(bytes, size, flags, 1) == whole);
    judge(bytes, size);
    free(bytes);
    return 0;
}
