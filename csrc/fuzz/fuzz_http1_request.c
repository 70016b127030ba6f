/* Fuzzes the heads of HTTP/1.x requests.
 *
 *     0  limits 1   bits 0-1: of the line, 2-3: of a field, 4-5: of fields, 6-7: of the head
 *     1  first  1   bytes that come at first
 *     2  piece  1   bytes that come each time after that, less one
 *        bytes      the request
 *
 * Oracle: what is said of the head, or why it is refused, is the same whole, in pieces and byte by
 * byte; all views lie inside it; what is accepted has none of the bytes that end a line.
 */
#include "../tests/http1feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t choose(unsigned bits, uint32_t large)
{
    const uint32_t sizes[4] = {large, large / 2, large / 16, large / 64};
    return sizes[bits & 3];
}

static void check_views(const fn_http_head *h, const uint8_t *data)
{
    assert(h->method.len && h->target.len && h->size >= 4);
    assert(memcmp(data + h->size - 4, "\r\n\r\n", 4) == 0);
    assert(fn_http_name_ok(data + h->method.at, h->method.len));
    assert(fn_http_value_ok(data + h->target.at, h->target.len));
    for (size_t i = 0; i < h->count; i++) {
        const fn_http_field *f = &h->fields[i];
        assert(fn_http_name_ok(data + f->name.at, f->name.len));
        assert(fn_http_value_ok(data + f->value.at, f->value.len));
        assert(fn_http_lookup(data + f->name.at, f->name.len) == f->known);
    }
    assert(h->framing != FN_HTTP_TO_END);
    assert(!(h->has_length && h->framing == FN_HTTP_CHUNKED));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static fn_http_head h;
    uint64_t whole, other;
    size_t shown;
    if (size < 3)
        return 0;
    fn_http_limits limits = {.line = choose(data[0], 1024),
                             .field = choose(data[0] >> 2u, 1024),
                             .fields = choose(data[0] >> 4u, 256),
                             .head = choose(data[0] >> 6u, 4096)};
    struct http1_how how = {.limits = &limits};
    size_t first = data[1], piece = (size_t)data[2] + 1;
    data += 3;
    size -= 3;
    int st = http1_feed(&how, &h, data, size, first, piece, &whole, &shown);
    assert(http1_feed(&how, &h, data, size, 0, 1, &other, &shown) == st && whole == other);
    assert(http1_feed(&how, &h, data, size, size, 1, &other, &shown) == st && whole == other);
    if (st == FN_HTTP_DONE)
        check_views(&h, data);
    return 0;
}
