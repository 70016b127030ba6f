/* xmlrpc.h: reads the forms of XML-RPC that programs really send.
 *
 * XML-RPC (xmlrpc.com/spec.md) is XML, and XML is large: encodings, comments,
 * CDATA, processing instructions, DTDs with entities that expand.  Nearly every
 * message uses none of it.  This reader knows the canonical form and nothing
 * else: UTF-8, the specification's elements in their order, without attributes
 * or spaces inside tags, the five named references and numeric ones.  Whatever
 * differs, well-formed or not, is FN_XMLRPC_FOREIGN, and the caller gives the
 * whole message to a real XML parser; so this reader never has to decide
 * what an unusual message means, or how it is wrong.
 *
 *     fn_xmlrpc_init, then fn_xmlrpc_next until END, FOREIGN or DEEP:
 *     call      METHOD value* END
 *     response  value* END
 *     fault     FAULT value END
 *     value     NIL | BOOLEAN | INT | DOUBLE | STRING | BASE64 | DATETIME
 *             | ARRAY value* LEAVE
 *             | STRUCT (NAME value)* LEAVE
 *
 * Texts are views into the message; nothing is allocated or copied, nothing
 * recurses, and nesting beyond FN_XMLRPC_DEPTH is reported, not followed.
 * The message is whole: HTTP has a length for it.
 */
#ifndef FASTNET_XMLRPC_H
#define FASTNET_XMLRPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* Arrays and structs inside each other.  The standard library of Python
     * cannot write more than half of this with its usual recursion limit. */
    FN_XMLRPC_DEPTH = 1000
};

enum fn_xmlrpc_event {
    FN_XMLRPC_FOREIGN, /* not the canonical form, or not the whole message */
    FN_XMLRPC_DEEP,    /* nested beyond FN_XMLRPC_DEPTH */
    FN_XMLRPC_END,     /* the whole message was read */
    FN_XMLRPC_METHOD,  /* text */
    FN_XMLRPC_FAULT,   /* the value that follows is a fault's */
    FN_XMLRPC_NIL,
    FN_XMLRPC_BOOLEAN,  /* number is 0 or 1 */
    FN_XMLRPC_INT,      /* number; at most 18 digits, more are foreign */
    FN_XMLRPC_DOUBLE,   /* text, of digits, signs, '.' and 'e'; may still be no number */
    FN_XMLRPC_STRING,   /* text */
    FN_XMLRPC_BASE64,   /* text, ASCII, not checked further */
    FN_XMLRPC_DATETIME, /* text, ASCII, not checked further */
    FN_XMLRPC_ARRAY,
    FN_XMLRPC_STRUCT,
    FN_XMLRPC_NAME, /* text: a member's name */
    FN_XMLRPC_LEAVE /* the array or struct that was entered last has ended */
};

struct fn_xmlrpc {
    const uint8_t *text; /* of the last event */
    size_t size;
    int64_t number;
    bool plain; /* text has no references */
    bool ascii; /* text has no byte above 0x7f */

    /* inner */
    const uint8_t *at, *end;
    uint8_t state, root;
    bool fault;
    unsigned depth;
    uint8_t structs[FN_XMLRPC_DEPTH / 8]; /* a bit for each level: struct or array */
};

/* data[0..size) stays where it is until the last event was used. */
void fn_xmlrpc_init(struct fn_xmlrpc *x, const void *data, size_t size);

enum fn_xmlrpc_event fn_xmlrpc_next(struct fn_xmlrpc *x);

#endif
