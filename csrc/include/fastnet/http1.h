/* http1.h: the heads and chunked bodies of HTTP/1.x messages (RFC 9112, RFC 9110).
 *
 * A parser looks at one message. It does no I/O, allocates nothing and copies nothing: it is
 * shown the message's bytes from the first on, each time with what has come since, and
 * remembers how far it has looked, so that byte by byte costs no more than whole. Views are
 * offsets from the first byte, valid for as long as the caller keeps those bytes.
 *
 * Whatever two parsers could read differently is refused: bare CR or LF in framing, folded
 * lines, blanks before a colon, two lengths, a length with a transfer coding, signs and blanks in
 * lengths, a transfer coding that is not "chunked" alone, bytes outside the grammar in methods,
 * targets, names and values; in requests also a tab, or blanks at the end, in the two fields that
 * frame, and a length said twice. `refusal` then is the status to answer with, `reason` says why in
 * a few words for the log and the reply, and the connection must be closed.
 *
 * Results: FN_HTTP_DONE (1), FN_HTTP_MORE (0), or FN_E_PROTOCOL, FN_E_LIMIT.  A result is final:
 * asking again repeats it.  What is refused, and after which byte, depends on the bytes alone and
 * not on how they were cut: a line is looked at when its end has come or a limit has passed.
 */
#ifndef FASTNET_HTTP1_H
#define FASTNET_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fastnet/status.h"

enum { FN_HTTP_MORE = 0, FN_HTTP_DONE = 1 };

enum { FN_HTTP_FIELDS_MAX = 256 }; /* what `limits.fields` may be at most */

/* Field names that a server or client looks at, found while they are parsed. */
typedef enum fn_http_name {
    FN_HTTP_OTHER,
    FN_HTTP_HOST,
    FN_HTTP_CONNECTION,
    FN_HTTP_CONTENT_LENGTH,
    FN_HTTP_CONTENT_TYPE,
    FN_HTTP_TRANSFER_ENCODING,
    FN_HTTP_EXPECT,
    FN_HTTP_DATE,
    FN_HTTP_SERVER,
    FN_HTTP_UPGRADE,
    FN_HTTP_TRAILER,
    FN_HTTP_TE,
    FN_HTTP_KEEP_ALIVE,
    FN_HTTP_PROXY_CONNECTION,
    FN_HTTP_CONTENT_ENCODING,
    FN_HTTP_LOCATION,
    FN_HTTP_SET_COOKIE,
    FN_HTTP_COOKIE,
    FN_HTTP_ACCEPT,
    FN_HTTP_ACCEPT_ENCODING,
    FN_HTTP_ACCEPT_LANGUAGE,
    FN_HTTP_USER_AGENT,
} fn_http_name;

typedef struct fn_http_span {
    uint32_t at, len;
} fn_http_span;

typedef struct fn_http_field {
    fn_http_span name, value; /* the value without blanks around it */
    uint8_t known;            /* an fn_http_name */
    bool underscore;          /* the name has '_': CGI would confuse it with '-' */
} fn_http_field;

typedef struct fn_http_limits {
    uint32_t line;   /* bytes of the first line without its end (414 beyond) */
    uint32_t field;  /* bytes of one field line (431) */
    uint32_t fields; /* field lines, trailers counted apart (431) */
    uint32_t head;   /* bytes of the head, as in `size` (431; 414 within the first line) */
    bool loose;      /* responses only: accept what the world's servers send and no client can
                        misread: an empty reason without its blank, LF alone as a line's end */
} fn_http_limits;

/* How a message's body is framed; NO_BODY for a length of zero too. */
typedef enum fn_http_framing {
    FN_HTTP_NO_BODY,
    FN_HTTP_LENGTH,
    FN_HTTP_CHUNKED,
    FN_HTTP_TO_END, /* a response: until the connection ends */
} fn_http_framing;

typedef struct fn_http_head {
    /* The result, valid after FN_HTTP_DONE. */
    uint32_t size; /* bytes of the head, its empty line included */
    uint8_t minor; /* HTTP/1.minor: 0 or 1 (higher minors count as 1) */
    uint8_t framing;
    bool keep_alive;      /* what the message says and its version means */
    bool expect_continue; /* a 1.1 request with "Expect: 100-continue" and a body */
    bool upgrade;         /* "Connection: upgrade" with an Upgrade field */
    bool has_length;      /* Content-Length was given; also where there is no body (0, HEAD …) */
    uint64_t length;      /* what it says, at most INT64_MAX; 0 without it */
    /* A request's. The target in its parts: an absolute-form's authority replaces Host. `path` is
     * empty for an absolute-form without one (it means "/") and for CONNECT, `authority` for an
     * empty Host and for HTTP/1.0 without one. The target holds printable ASCII but '#' and is
     * otherwise as it came: its escapes and dots are the caller's to judge. */
    fn_http_span method, target, path, query, authority;
    bool has_query;
    bool is_head;     /* the method is HEAD */
    bool is_connect;  /* authority-form; refused with 501 unless the caller wants it */
    bool is_asterisk; /* "OPTIONS *" */
    bool absolute;    /* absolute-form: authority is the target's, not Host's */
    /* A response's. */
    uint16_t status;
    fn_http_span phrase;

    uint16_t count;
    uint16_t refusal; /* after an error: 400, 413, 414, 417, 431, 501 or 505 */
    const char *reason;

    /* The parser's own. */
    uint32_t seen;  /* bytes that have been looked at for an end of line */
    uint32_t start; /* where the present line starts */
    uint8_t state;
    uint16_t marks;
    fn_http_field fields[FN_HTTP_FIELDS_MAX];
} fn_http_head;

/* Begins a message; cheap: touches no more than it must. */
void fn_http_head_reset(fn_http_head *h);

/* A request's head in data[0..len): all bytes that have come, from the request's first on. One
 * empty line before it is skipped (RFC 9112 2.2) and counted in `size`. */
int fn_http_request(fn_http_head *h, const fn_http_limits *limits, const uint8_t *data, size_t len);

/* A response's head. `to_head` says that it answers a HEAD, `to_connect` a CONNECT: both decide
 * its framing. 1xx responses are responses without a body; the caller goes on with the next. */
int fn_http_response(fn_http_head *h, const fn_http_limits *limits, const uint8_t *data, size_t len,
                     bool to_head, bool to_connect);

/* What the extensions and trailers of one chunked body may take together, in bytes (431 beyond):
 * a bound for each line alone would let a body of small chunks be nothing but extensions. */
enum { FN_HTTP_EXTRA_MAX = 16384 };

/* A chunked body. Extensions are checked and skipped, trailers checked (and those that frame,
 * route or authenticate refused) and skipped. Blanks beside a size or in an extension, which the
 * grammar suffers there, are refused. */
typedef struct fn_http_chunks {
    uint64_t left;    /* of the present chunk's data; in trailers the parser's own */
    uint64_t total;   /* of data so far */
    uint64_t most;    /* data beyond this is FN_E_LIMIT (413); UINT64_MAX for none */
    uint32_t line;    /* bytes of extensions and trailers so far */
    uint16_t refusal; /* as in fn_http_head */
    uint8_t state;
    uint8_t digits;
    const char *reason;
} fn_http_chunks;

void fn_http_chunks_reset(fn_http_chunks *c, uint64_t most);

/* Looks at data[0..len). *used becomes the bytes consumed; *body, *body_len the piece of data
 * found among them (body_len 0: none), always the last thing consumed. FN_HTTP_DONE: the body
 * has ended, and what follows *used is the next message's. FN_HTTP_MORE with *used < len: call
 * again with the rest. */
int fn_http_chunks_next(fn_http_chunks *c, const uint8_t *data, size_t len, size_t *used,
                        const uint8_t **body, size_t *body_len);

/* Whether a field's value or a name may be sent: no CR, LF, NUL or other controls but tab; a name
 * is a token. Latin-1 bytes are allowed in values. */
bool fn_http_value_ok(const uint8_t *data, size_t len);
bool fn_http_name_ok(const uint8_t *data, size_t len);

/* Which known name this is, in any case. */
fn_http_name fn_http_lookup(const uint8_t *name, size_t len);

#endif
