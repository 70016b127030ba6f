/* Fuzzes frames with tags: from a peer that has the key, and from somebody who
 * changes what it sends.
 *
 *     0  flags   1   bit 0: a link; bit 1: which suite; bits 4-6: pieces - 1
 *     1  place   2   where one bit is changed, modulo what there is
 *     3  size    1   bytes that one read brings, less one
 *        bytes       a preface and frames without tags, which are added here
 *
 * Oracle: with right tags the machine says of whole frames what it says of the
 * same frames without a key; whole, in pieces and one at a time alike.  With
 * one bit changed behind the preface, it says a beginning of that.
 */
#include "../tests/feed.h"

enum { INPUT_MAX = 40000, TAGS = 80000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t secret[FN_HASH] = "the secret of one direction ...";

static size_t tag(struct fn1_seal *s, enum fn1_tagged kind, uint8_t *out, size_t len)
{
    assert(fn1_seal_begin(s, kind) == FN_OK);
    fn1_seal_update(s, out, len);
    assert(fn1_seal_tag(s, out + len) == FN_OK);
    return len + FN_MAC_TAG;
}

/* Whole frames, with tags; how much of the input they were, and whether a rule
 * of keyed ends alone refuses one. */
static size_t add_tags(const uint8_t *in, size_t size, enum fn_suite suite, uint8_t *out,
                       size_t *used, bool *special)
{
    struct fn1_seal s;
    size_t at = *used, len = at;
    memcpy(out, in, at);
    assert(fn1_seal_init(&s, suite, secret) == FN_OK);
    while (size - at >= FN1_HEAD_SIZE) {
        size_t n = fn_load32(in + at + 8);
        if (n > size - at - FN1_HEAD_SIZE)
            break;
        *special = *special || in[at] == FN1_AUTH || (in[at] == FN1_MESSAGE && n > FN1_SHORT_MAX);
        memcpy(out + len, in + at, FN1_HEAD_SIZE + n);
        if (n <= FN1_SHORT_MAX) {
            len += tag(&s, FN1_TAG_SHORT, out + len, FN1_HEAD_SIZE + n);
        } else {
            len += tag(&s, FN1_TAG_HEAD, out + len, FN1_HEAD_SIZE);
            memcpy(out + len, in + at + FN1_HEAD_SIZE, n);
            len += tag(&s, FN1_TAG_CHUNK, out + len, n); /* no input is longer than a chunk */
        }
        at += FN1_HEAD_SIZE + n;
    }
    fn1_seal_fini(&s);
    *used = at;
    return len;
}

static bool begins(const struct feed_trace *all, const struct feed_trace *part)
{
    for (size_t i = 0; i < part->events; i++)
        if (i >= all->events || part->event[i].event != all->event[i].event ||
            part->event[i].digest != all->event[i].digest)
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct feed_trace plain, keyed, other;
    static uint8_t tagged[TAGS];
    struct fn1_preface p;
    if (size < 4 || size > INPUT_MAX)
        return 0;
    struct feed how = {
        .link = data[0] & 1,
        .ahead = 200,
        .limits = {.fragment = 65536, .envelope = 512, .segments = 8, .message = 65536},
    };
    enum fn_suite suite = data[0] & 2 ? FN_AES_256_GMAC : FN_HMAC_SHA256;
    size_t place = fn_load16(data + 1), step = (size_t)data[3] + 1, single = 1;
    int max = 1 + (data[0] >> 4 & 7);
    data += 4;
    size -= 4;
    int64_t first = fn1_preface_decode(data, size, &p);
    if (first < 0 || size / FN1_HEAD_SIZE * FN_MAC_TAG + size + 64 > TAGS)
        return 0;
    size_t used = (size_t)first;
    bool special = p.flags & FN1_KEYED; /* without a key, nothing is read behind such a preface */
    size_t len = add_tags(data, size, suite, tagged, &used, &special);
    feed_bytes(&how, data, used, NULL, 0, FEED_PIECES, &plain);
    how.suite = suite;
    how.secret = secret;
    feed_bytes(&how, tagged, len, NULL, 0, FEED_PIECES, &keyed);
    assert(special || feed_same(&plain, &keyed));
    feed_bytes(&how, tagged, len, &step, 1, max, &other);
    assert(feed_same(&keyed, &other));
    feed_bytes(&how, tagged, len, &single, 1, max, &other);
    assert(feed_same(&keyed, &other));
    if (len == (size_t)first)
        return 0;
    tagged[(size_t)first + place / 8 % (len - (size_t)first)] ^= (uint8_t)(1u << place % 8);
    feed_bytes(&how, tagged, len, &step, 1, max, &other);
    assert(begins(&keyed, &other));
    assert(keyed.end != FN_E_MORE || other.end == FN_E_FN1_TAG || other.end == FN_E_MORE);
    return 0;
}
