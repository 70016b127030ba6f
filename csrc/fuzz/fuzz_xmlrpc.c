/* Fuzzes the reader of XML-RPC: the whole input is the message.
 *
 * Oracle: events nest, texts lie in the message and survive being written
 * again (xmlfeed.h); the same message flush against an unreadable page gives
 * the same, and without its last byte it is never whole, unless that byte is
 * white space.
 */
#include "../tests/xmlfeed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct xmlwalk whole, again;
    xml_walk(data, size, &whole);
    struct guarded g = guarded_copy(data, size, true);
    xml_walk(g.data, size, &again);
    assert(whole.last == again.last && whole.events == again.events);
    guarded_free(&g);
    if (whole.last == FN_XMLRPC_END && !strchr(" \r\n\t", data[size - 1])) {
        xml_walk(data, size - 1, &again);
        assert(again.last == FN_XMLRPC_FOREIGN);
    }
    return 0;
}
