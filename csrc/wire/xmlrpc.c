/* Theory in xmlrpc.h. */
#include "fastnet/xmlrpc.h"

#include <string.h>

enum state {
    START,
    BODY,   /* <params>, <fault>, or the end of a call */
    PARAMS, /* <param> or </params> */
    ITEM,   /* <value> or </data> */
    MEMBER, /* <member> or </struct> */
    VALUE,  /* <value> */
    AFTER,  /* what closes around the value that has ended */
    CLOSE   /* the root's end */
};

enum root { BARE, CALL, RESPONSE };

/* What a byte of text is to the reader. */
enum byte { USUAL, REFERENCE, LESS, GREATER, HIGH, FOREIGN };

#define FOUR(x) x, x, x, x
#define SIXTEEN(x) FOUR(x), FOUR(x), FOUR(x), FOUR(x)

/* Control characters are not XML, and XML turns carriage returns into newlines. */
static const uint8_t bytes[256] = {
    FOUR(FOREIGN),       FOUR(FOREIGN), FOREIGN,         USUAL /* tab */,
    USUAL /* newline */, FOREIGN,       FOUR(FOREIGN),   SIXTEEN(FOREIGN),
    ['&'] = REFERENCE,   ['<'] = LESS,  ['>'] = GREATER, [0x80] = SIXTEEN(HIGH),
    SIXTEEN(HIGH),       SIXTEEN(HIGH), SIXTEEN(HIGH),   SIXTEEN(HIGH),
    SIXTEEN(HIGH),       SIXTEEN(HIGH), SIXTEEN(HIGH),
};

void fn_xmlrpc_init(struct fn_xmlrpc *x, const void *data, size_t size)
{
    memset(x, 0, sizeof *x);
    x->at = data;
    x->end = size ? x->at + size : x->at;
}

/* ----------------------------------------------------------------------- words */

static const uint8_t *past_space(const struct fn_xmlrpc *x)
{
    const uint8_t *p = x->at;
    while (p < x->end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
        p++;
    return p;
}

static bool here(struct fn_xmlrpc *x, const char *word, size_t n)
{
    if ((size_t)(x->end - x->at) < n || memcmp(x->at, word, n) != 0)
        return false;
    x->at += n;
    return true;
}

static bool after_space(struct fn_xmlrpc *x, const char *word, size_t n)
{
    const uint8_t *p = past_space(x);
    if ((size_t)(x->end - p) < n || memcmp(p, word, n) != 0)
        return false;
    x->at = p + n;
    return true;
}

#define HERE(x, word) here(x, word, sizeof(word) - 1)
#define NEXT(x, word) after_space(x, word, sizeof(word) - 1)

/* U+FFFE and U+FFFF are UTF-8 and not XML. */
static bool is_noncharacter(const uint8_t *p, const uint8_t *end)
{
    return end - p >= 3 && p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe;
}

/* A text up to the next tag, which must come. */
static bool text(struct fn_xmlrpc *x)
{
    const uint8_t *p = x->at;
    x->text = p;
    x->plain = x->ascii = true;
    for (; p < x->end; p++) {
        switch ((enum byte)bytes[*p]) {
        case USUAL:
            break;
        case REFERENCE:
            x->plain = false;
            break;
        case GREATER: /* "]]>" may not stand in a text */
            if (p - x->text >= 2 && p[-1] == ']' && p[-2] == ']')
                return false;
            break;
        case HIGH:
            x->ascii = false;
            if (is_noncharacter(p, x->end))
                return false;
            break;
        case FOREIGN:
            return false;
        case LESS:
            x->size = (size_t)(p - x->text);
            x->at = p;
            return true;
        }
    }
    return false;
}

static bool ascii(struct fn_xmlrpc *x)
{
    return text(x) && x->plain && x->ascii;
}

/* ---------------------------------------------------------------------- values */

static enum fn_xmlrpc_event scalar(struct fn_xmlrpc *x, bool ok, enum fn_xmlrpc_event event)
{
    x->state = AFTER;
    return ok && NEXT(x, "</value>") ? event : FN_XMLRPC_FOREIGN;
}

static bool digits(struct fn_xmlrpc *x)
{
    bool negative = x->at < x->end && *x->at == '-';
    x->at += negative;
    const uint8_t *first = x->at;
    int64_t n = 0;
    while (x->at < x->end && *x->at >= '0' && *x->at <= '9' && x->at - first < 18)
        n = n * 10 + (*x->at++ - '0');
    x->number = negative ? -n : n;
    return x->at > first;
}

static enum fn_xmlrpc_event integer(struct fn_xmlrpc *x, const char *close, size_t n)
{
    return scalar(x, digits(x) && here(x, close, n), FN_XMLRPC_INT);
}

#define INTEGER(x, close) integer(x, close, sizeof(close) - 1)

static bool looks_like_number(const struct fn_xmlrpc *x)
{
    for (size_t i = 0; i < x->size; i++) {
        uint8_t c = x->text[i];
        if (!((c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E'))
            return false;
    }
    return x->size > 0;
}

static enum fn_xmlrpc_event enter(struct fn_xmlrpc *x, bool is_struct)
{
    if (x->depth == FN_XMLRPC_DEPTH)
        return FN_XMLRPC_DEEP;
    uint8_t bit = (uint8_t)(1u << x->depth % 8);
    uint8_t *byte = &x->structs[x->depth++ / 8];
    *byte = (uint8_t)(is_struct ? *byte | bit : *byte & ~bit);
    x->state = is_struct ? MEMBER : ITEM;
    return is_struct ? FN_XMLRPC_STRUCT : FN_XMLRPC_ARRAY;
}

static bool in_struct(const struct fn_xmlrpc *x)
{
    return x->depth && x->structs[(x->depth - 1) / 8] >> (x->depth - 1) % 8 & 1;
}

static enum fn_xmlrpc_event leave(struct fn_xmlrpc *x, bool ok)
{
    x->depth--;
    return scalar(x, ok, FN_XMLRPC_LEAVE);
}

static enum fn_xmlrpc_event boolean(struct fn_xmlrpc *x)
{
    x->number = x->at < x->end && *x->at == '1';
    return scalar(x, HERE(x, "0</boolean>") || HERE(x, "1</boolean>"), FN_XMLRPC_BOOLEAN);
}

/* What follows <value> and is a tag. */
static enum fn_xmlrpc_event typed(struct fn_xmlrpc *x)
{
    if (HERE(x, "<int>"))
        return INTEGER(x, "</int>");
    if (HERE(x, "<string>"))
        return scalar(x, text(x) && HERE(x, "</string>"), FN_XMLRPC_STRING);
    if (HERE(x, "<struct>"))
        return enter(x, true);
    if (HERE(x, "<array>"))
        return NEXT(x, "<data>") ? enter(x, false) : FN_XMLRPC_FOREIGN;
    if (HERE(x, "<double>"))
        return scalar(x, ascii(x) && looks_like_number(x) && HERE(x, "</double>"),
                      FN_XMLRPC_DOUBLE);
    if (HERE(x, "<boolean>"))
        return boolean(x);
    if (HERE(x, "<nil/>"))
        return scalar(x, true, FN_XMLRPC_NIL);
    if (HERE(x, "<base64>"))
        return scalar(x, ascii(x) && HERE(x, "</base64>"), FN_XMLRPC_BASE64);
    if (HERE(x, "<dateTime.iso8601>"))
        return scalar(x, ascii(x) && HERE(x, "</dateTime.iso8601>"), FN_XMLRPC_DATETIME);
    if (HERE(x, "<i4>"))
        return INTEGER(x, "</i4>");
    if (HERE(x, "<i8>"))
        return INTEGER(x, "</i8>");
    x->size = 0;
    x->plain = x->ascii = true;
    return scalar(x, HERE(x, "<string/>"), FN_XMLRPC_STRING);
}

/* <value> was read.  Without a type it is a string, spaces and all. */
static enum fn_xmlrpc_event value(struct fn_xmlrpc *x)
{
    const uint8_t *p = past_space(x);
    if (x->end - p >= 2 && p[0] == '<' && p[1] != '/') {
        x->at = p;
        return typed(x);
    }
    x->state = AFTER;
    return text(x) && HERE(x, "</value>") ? FN_XMLRPC_STRING : FN_XMLRPC_FOREIGN;
}

/* ----------------------------------------------------------------- the document */

static enum fn_xmlrpc_event item(struct fn_xmlrpc *x)
{
    if (NEXT(x, "<value>"))
        return value(x);
    if (NEXT(x, "</data>"))
        return leave(x, NEXT(x, "</array>"));
    return FN_XMLRPC_FOREIGN;
}

static enum fn_xmlrpc_event member(struct fn_xmlrpc *x)
{
    x->state = VALUE;
    if (NEXT(x, "<member>"))
        return NEXT(x, "<name>") && text(x) && HERE(x, "</name>") ? FN_XMLRPC_NAME
                                                                  : FN_XMLRPC_FOREIGN;
    if (NEXT(x, "</struct>"))
        return leave(x, true);
    return FN_XMLRPC_FOREIGN;
}

/* Closes what is around a value; false when it is something else. */
static bool close_around(struct fn_xmlrpc *x)
{
    if (x->depth) {
        x->state = in_struct(x) ? MEMBER : ITEM;
        return !in_struct(x) || NEXT(x, "</member>");
    }
    x->state = x->fault ? CLOSE : PARAMS;
    return x->fault ? NEXT(x, "</fault>") : NEXT(x, "</param>");
}

static bool declaration(struct fn_xmlrpc *x)
{
    static const char *const forms[] = {
        "<?xml version='1.0'?>",
        "<?xml version=\"1.0\"?>",
        "<?xml version='1.0' encoding='utf-8'?>",
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>",
        "<?xml version='1.0' encoding='UTF-8'?>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (here(x, forms[i], strlen(forms[i])))
            return true;
    return x->at < x->end && x->at[0] == '<' && !HERE(x, "<?");
}

static enum fn_xmlrpc_event start(struct fn_xmlrpc *x)
{
    x->state = BODY;
    if (!declaration(x))
        return FN_XMLRPC_FOREIGN;
    if (NEXT(x, "<methodCall>")) {
        x->root = CALL;
        return NEXT(x, "<methodName>") && text(x) && HERE(x, "</methodName>") ? FN_XMLRPC_METHOD
                                                                              : FN_XMLRPC_FOREIGN;
    }
    if (NEXT(x, "<methodResponse>"))
        x->root = RESPONSE;
    return fn_xmlrpc_next(x);
}

static enum fn_xmlrpc_event finish(struct fn_xmlrpc *x)
{
    bool ok = x->root == BARE ||
              (x->root == CALL ? NEXT(x, "</methodCall>") : NEXT(x, "</methodResponse>"));
    x->at = past_space(x);
    return ok && x->at == x->end ? FN_XMLRPC_END : FN_XMLRPC_FOREIGN;
}

static enum fn_xmlrpc_event params(struct fn_xmlrpc *x)
{
    if (NEXT(x, "<param>"))
        return NEXT(x, "<value>") ? value(x) : FN_XMLRPC_FOREIGN;
    return NEXT(x, "</params>") ? finish(x) : FN_XMLRPC_FOREIGN;
}

static enum fn_xmlrpc_event body(struct fn_xmlrpc *x)
{
    if (NEXT(x, "<params>")) {
        x->state = PARAMS;
        return params(x);
    }
    if (x->root != CALL && NEXT(x, "<fault>")) {
        x->fault = true;
        x->state = VALUE;
        return FN_XMLRPC_FAULT;
    }
    if (NEXT(x, "<params/>"))
        return finish(x);
    return x->root == CALL ? finish(x) : FN_XMLRPC_FOREIGN;
}

enum fn_xmlrpc_event fn_xmlrpc_next(struct fn_xmlrpc *x)
{
    if (x->state == AFTER && !close_around(x))
        return FN_XMLRPC_FOREIGN;
    switch ((enum state)x->state) {
    case START:
        return start(x);
    case BODY:
        return body(x);
    case PARAMS:
        return params(x);
    case ITEM:
        return item(x);
    case MEMBER:
        return member(x);
    case VALUE:
        return NEXT(x, "<value>") ? value(x) : FN_XMLRPC_FOREIGN;
    case CLOSE:
        return finish(x);
    case AFTER:
        break;
    }
    return FN_XMLRPC_FOREIGN;
}
