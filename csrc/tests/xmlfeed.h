/* xmlfeed.h: walks a message of XML-RPC and checks what must hold of every one. */
#ifndef FASTNET_TESTS_XMLFEED_H
#define FASTNET_TESTS_XMLFEED_H

#include "check.h"
#include "fastnet/xmlrpc.h"
#include "fastnet/xmlrpc_text.h"

struct xmlwalk {
    enum fn_xmlrpc_event last; /* END, FOREIGN or DEEP */
    size_t events;
    unsigned deepest;
    char log[256]; /* a letter for each of the first events */
    int64_t number;
    uint8_t text[256]; /* the last text, references replaced */
    int64_t text_size;
};

static inline char xml_letter(enum fn_xmlrpc_event event)
{
    static const char letters[] = {
        [FN_XMLRPC_FOREIGN] = '?', [FN_XMLRPC_DEEP] = '!',   [FN_XMLRPC_END] = '.',
        [FN_XMLRPC_METHOD] = 'M',  [FN_XMLRPC_FAULT] = 'F',  [FN_XMLRPC_NIL] = 'n',
        [FN_XMLRPC_BOOLEAN] = 'b', [FN_XMLRPC_INT] = 'i',    [FN_XMLRPC_DOUBLE] = 'd',
        [FN_XMLRPC_STRING] = 's',  [FN_XMLRPC_BASE64] = 'x', [FN_XMLRPC_DATETIME] = 't',
        [FN_XMLRPC_ARRAY] = '[',   [FN_XMLRPC_STRUCT] = '{', [FN_XMLRPC_NAME] = 'k',
        [FN_XMLRPC_LEAVE] = ')',
    };
    return letters[event];
}

static inline bool xml_has_text(enum fn_xmlrpc_event event)
{
    return event == FN_XMLRPC_METHOD || event == FN_XMLRPC_NAME || event == FN_XMLRPC_STRING ||
           event == FN_XMLRPC_DOUBLE || event == FN_XMLRPC_BASE64 || event == FN_XMLRPC_DATETIME;
}

/* A text lies in the message; replaced and written again it says the same. */
static inline void xml_check_text(const struct fn_xmlrpc *x, const uint8_t *data, size_t size,
                                  struct xmlwalk *w)
{
    assert(x->size == 0 ||
           (x->text >= data && x->size <= size && x->text + x->size <= data + size));
    uint8_t *out = malloc(x->size + 1), *again = malloc(x->size * 5 + 1);
    assert(out && again);
    int64_t n = fn_xmlrpc_unescape(x->text, x->size, out);
    assert(n <= (int64_t)x->size && (n == (int64_t)x->size || !x->plain));
    w->text_size = n;
    if (n > 0)
        memcpy(w->text, out, n < 256 ? (size_t)n : 256);
    if (n >= 0) {
        struct fn_buf b;
        fn_buf_init(&b, x->size * 5 + 1);
        assert(fn_xmlrpc_put_text(&b, out, (size_t)n) == 0);
        assert(fn_xmlrpc_unescape(fn_buf_head(&b), fn_buf_len(&b), again) == n);
        assert(memcmp(again, out, (size_t)n) == 0);
        fn_buf_fini(&b);
    }
    free(out);
    free(again);
}

static inline void xml_walk(const void *message, size_t size, struct xmlwalk *w)
{
    const uint8_t *data = message;
    struct fn_xmlrpc x;
    unsigned depth = 0;
    memset(w, 0, sizeof *w);
    fn_xmlrpc_init(&x, data, size);
    do {
        w->last = fn_xmlrpc_next(&x);
        if (w->events < sizeof w->log - 1)
            w->log[w->events] = xml_letter(w->last);
        assert(++w->events <= size + 1); /* each event takes a byte at least */
        depth += w->last == FN_XMLRPC_ARRAY || w->last == FN_XMLRPC_STRUCT;
        w->deepest = depth > w->deepest ? depth : w->deepest;
        assert(w->last != FN_XMLRPC_LEAVE || depth > 0);
        depth -= w->last == FN_XMLRPC_LEAVE;
        assert(depth <= FN_XMLRPC_DEPTH);
        if (xml_has_text(w->last))
            xml_check_text(&x, data, size, w);
        if (w->last == FN_XMLRPC_INT || w->last == FN_XMLRPC_BOOLEAN)
            w->number = x.number;
    } while (w->last > FN_XMLRPC_END);
    assert(w->last != FN_XMLRPC_END || depth == 0);
}

#endif
