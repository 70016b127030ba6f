/* Fuzzes the heads of HTTP/1.x responses.
 *
 *     0  flags  1   bit 0: loose, 1: to HEAD, 2: to CONNECT, 3: small limits
 *     1  first  1   bytes that come at first
 *     2  piece  1   bytes that come each time after that, less one
 *        bytes      the response
 *
 * Oracle: what is said of the head is the same whole, in pieces and byte by byte; what the strict
 * rules accept the loose ones accept too, and say the same of it.
 */
#include "../tests/http1feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static fn_http_head h;
    uint64_t whole, other;
    size_t shown;
    if (size < 3)
        return 0;
    fn_http_limits limits = HTTP1_LIMITS;
    if (data[0] & 8)
        limits = (fn_http_limits){.line = 40, .field = 50, .fields = 4, .head = 150};
    limits.loose = data[0] & 1;
    struct http1_how how = {
        .limits = &limits, .response = true, .to_head = data[0] & 2, .to_connect = data[0] & 4};
    size_t first = data[1], piece = (size_t)data[2] + 1;
    data += 3;
    size -= 3;
    int st = http1_feed(&how, &h, data, size, first, piece, &whole, &shown);
    assert(http1_feed(&how, &h, data, size, 0, 1, &other, &shown) == st && whole == other);
    assert(http1_feed(&how, &h, data, size, size, 1, &other, &shown) == st && whole == other);
    if (st != FN_HTTP_DONE)
        return 0;
    assert(h.status >= 100 && h.status <= 999);
    assert(h.framing != FN_HTTP_TO_END || !h.keep_alive);
    if (!limits.loose) {
        limits.loose = true;
        assert(http1_feed(&how, &h, data, size, size, 1, &other, &shown) == st && whole == other);
    }
    return 0;
}
