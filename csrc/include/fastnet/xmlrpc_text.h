/* xmlrpc_text.h: the texts inside XML-RPC's elements, both ways.
 *
 * Reading: a text in which xmlrpc.h saw references has them replaced.
 *
 * Writing: byte for byte what Python's own xmlrpc.client writes: '&', '<' and
 * '>' as references and nothing else, base64 in lines of 76 characters, each
 * ended by a newline (RFC 2045's limit).
 *
 * All of it appends to the caller's buffer, whose cap bounds it: 0, or the
 * buffer's error with some of the text perhaps appended.
 */
#ifndef FASTNET_XMLRPC_TEXT_H
#define FASTNET_XMLRPC_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fastnet/buf.h"

/* Replaces the references of text[0..size); out has room for size bytes, and
 * may be text itself.  The bytes written, or -1 when something is no reference
 * that XML 1.0 allows without a DTD: section 4.1, and 2.2 for the characters. */
int64_t fn_xmlrpc_unescape(const uint8_t *text, size_t size, uint8_t *out);

/* Markup as it is. */
static inline int fn_xmlrpc_put(struct fn_buf *b, const char *markup)
{
    return fn_buf_append(b, markup, strlen(markup));
}

int fn_xmlrpc_put_text(struct fn_buf *b, const uint8_t *text, size_t size);
int fn_xmlrpc_put_int(struct fn_buf *b, int64_t number);
int fn_xmlrpc_put_base64(struct fn_buf *b, const uint8_t *data, size_t size);

#endif
