/* http1_head.h: what requests' and responses' heads have in common, for http1_*.c alone.
 *
 * A head is read line by line: a line is looked at when its end has come, so what is refused, and
 * when, depends on the bytes alone and never on how they were cut.  The search for the end goes
 * on where it stopped and never beyond what the limits allow.
 */
#ifndef FASTNET_HTTP1_HEAD_H
#define FASTNET_HTTP1_HEAD_H

#include "fastnet/http1.h"

/* fn_http_head.state */
enum { FN_HTTP_AT_START, FN_HTTP_AT_LINE, FN_HTTP_AT_FIELDS, FN_HTTP_AT_END, FN_HTTP_BROKEN };

/* fn_http_head.marks: what the fields have said so far */
enum {
    FN_HTTP_SAW_HOST = 1,
    FN_HTTP_SAW_CLOSE = 2,
    FN_HTTP_SAW_KEEP_ALIVE = 4,
    FN_HTTP_SAW_UPGRADE_OPTION = 8,
    FN_HTTP_SAW_UPGRADE = 16,
    FN_HTTP_SAW_CHUNKED = 32,
    FN_HTTP_SAW_OTHER_CODING = 64,
    FN_HTTP_SAW_CONTINUE = 128,
    FN_HTTP_SAW_OTHER_EXPECTATION = 256,
    FN_HTTP_IS_RESPONSE = 512,
};

/* Notes why, ends the parsing, returns the status. */
int fn_http_refuse(fn_http_head *h, uint16_t refusal, const char *reason);

/* The status that an earlier call ended with. */
int fn_http_ended(const fn_http_head *h);

/* The present line without its end, if that has come: FN_HTTP_DONE, FN_HTTP_MORE or an error. */
int fn_http_line(fn_http_head *h, const fn_http_limits *limits, const uint8_t *data, size_t len,
                 fn_http_span *line);

/* "HTTP/1.x" at p[0..8): h->minor is set, or the head refused. */
int fn_http_version(fn_http_head *h, const uint8_t *p);

/* All lines up to and with the empty one. */
int fn_http_fields(fn_http_head *h, const fn_http_limits *limits, const uint8_t *data, size_t len);

/* What the last field means for the message's framing and its connection. */
int fn_http_field_meaning(fn_http_head *h, const uint8_t *data, const fn_http_span *line);

/* The rules that requests and responses share once all fields are there: a length and a coding
 * exclude each other, a coding is "chunked" alone; keep_alive and upgrade are set. */
int fn_http_conclude(fn_http_head *h);

#endif
