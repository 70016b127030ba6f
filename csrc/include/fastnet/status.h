/* status.h: the one return channel of the core.
 *
 * Every fallible function returns an int or int64_t:
 *
 *     >= 0            a result (a count, an index, an event)
 *     -4095 .. -1     -errno, as the system gave it
 *     FN_E_*          the core's own conditions, below the system's range
 *
 * Nothing reads errno later: it is folded into the result where the system
 * call returns.  The core's conditions are listed once, in FN_STATUS_TABLE,
 * with the class that decides which exception the boundary raises and the
 * words that say what was wrong.
 */
#ifndef FASTNET_STATUS_H
#define FASTNET_STATUS_H

#include <errno.h>

enum fn_class {
    FN_CLASS_OK,       /* a result, no error */
    FN_CLASS_SYSTEM,   /* -errno */
    FN_CLASS_FLOW,     /* not an error: more bytes, end of stream, signal check */
    FN_CLASS_LIMIT,    /* the peer asked for more than this end allows */
    FN_CLASS_PROTOCOL, /* the peer broke the format */
    FN_CLASS_USAGE,    /* the caller broke the contract */
    FN_CLASS_AUTH      /* the peer has not the key, or its bytes are not the ones it sent */
};

#define FN_STATUS_BASE (-10000)

/* X(name, offset, class, text) */
#define FN_STATUS_TABLE(X)                                                                         \
    X(MORE, 0, FLOW, "more bytes are needed")                                                      \
    X(EOF, 1, FLOW, "the peer ended the connection")                                               \
    X(TIMEOUT, 2, FLOW, "the deadline passed")                                                     \
    X(CHECK, 3, FLOW, "time to look for signals")                                                  \
    X(CREDIT, 4, FLOW, "the peer's window is used up")                                             \
    X(STALL, 5, FLOW, "no byte moved for longer than the stall limit")                             \
    X(OVERFLOW, 100, LIMIT, "a size does not fit in 64 bits")                                      \
    X(BUF_CAP, 101, LIMIT, "a buffer would grow beyond its cap")                                   \
    X(FN1_PREFACE_SIZE, 102, LIMIT, "the preface is longer than 1024 bytes")                       \
    X(FN1_FRAGMENT, 103, LIMIT, "a frame is longer than its receiver accepts")                     \
    X(FN1_ENVELOPE, 104, LIMIT, "a message's metadata is longer than its receiver accepts")        \
    X(FN1_SEGMENTS, 105, LIMIT, "a message has more segments than its receiver accepts")           \
    X(FN1_MESSAGE, 106, LIMIT, "a message is larger than its receiver accepts")                    \
    X(FN1_WINDOW, 107, LIMIT, "the peer sent more than its credit")                                \
    X(ARRAY_NDIM, 110, LIMIT, "an array has more than 64 dimensions")                              \
    X(ARRAY_FIELDS, 111, LIMIT, "a structured dtype has more fields than this end accepts")        \
    X(ARRAY_DEPTH, 112, LIMIT, "a dtype is nested more deeply than this end accepts")              \
    X(ARRAY_BYTES, 113, LIMIT, "an array is larger than its receiver accepts")                     \
    X(ARRAY_META, 114, LIMIT, "an array's meta is longer than this end accepts")                   \
    X(ARRAY_NAME, 115, LIMIT, "an array's name is longer than this end accepts")                   \
    X(CONN_LIMIT, 120, LIMIT, "there are as many connections as this server allows")               \
    X(CONN_ADDRESS, 121, LIMIT, "there are as many connections from one address as allowed")       \
    X(CONN_IDLE, 122, LIMIT, "no byte moved for longer than the idle limit")                       \
    X(CONN_HANDSHAKE, 123, LIMIT, "the handshake took longer than its limit")                      \
    X(CONN_RATE, 124, LIMIT, "the peer takes bytes more slowly than the minimum rate")             \
    X(WRITE_BUFFER, 125, LIMIT, "more bytes wait to be written than the write buffer may hold")    \
    X(MP_SIZE, 130, LIMIT, "bad message length: more than this end accepts")                       \
    X(LIMIT, 140, LIMIT, "a message goes beyond a limit of this end")                              \
    X(FN1_MAGIC, 200, PROTOCOL, "the peer does not speak fn1 (wrong magic)")                       \
    X(FN1_VERSION, 201, PROTOCOL, "the peer speaks no version of fn1 that this end knows")         \
    X(FN1_ROLE, 202, PROTOCOL, "both ends claim the same fn1 role")                                \
    X(FN1_KEYED, 203, AUTH, "the peer has a key and this end has none")                            \
    X(FN1_EXTENSION, 204, PROTOCOL, "a preface extension is malformed")                            \
    X(FN1_RESERVED, 205, PROTOCOL, "a reserved field is not zero")                                 \
    X(FN1_TYPE, 206, PROTOCOL, "a frame has an unknown type")                                      \
    X(FN1_FLAGS, 207, PROTOCOL, "a frame has flags that its type does not allow")                  \
    X(FN1_LENGTH, 208, PROTOCOL, "a frame has a length that its type does not allow")              \
    X(FN1_ORDER, 209, PROTOCOL, "a frame came where the protocol does not allow it")               \
    X(FN1_OFFSET, 210, PROTOCOL, "a DATA frame's offset does not follow the bytes before it")      \
    X(FN1_STREAM, 211, PROTOCOL, "a frame names a stream that is not open")                        \
    X(FN1_TRUNCATED, 212, PROTOCOL, "an envelope is shorter than its own fields say")              \
    X(FN1_CLOSED, 213, PROTOCOL, "a frame came after CLOSE")                                       \
    X(FN1_APPLICATION, 214, PROTOCOL, "the peer speaks fn1 for another application, or for none")  \
    X(ARRAY_HEADER, 220, PROTOCOL, "array metadata is truncated or has bytes left over")           \
    X(ARRAY_FORMAT, 221, PROTOCOL, "array metadata has an unknown format version")                 \
    X(ARRAY_ORDER, 222, PROTOCOL, "an array's order is neither C nor F")                           \
    X(ARRAY_DTYPE, 223, PROTOCOL, "a dtype description is malformed")                              \
    X(ARRAY_KIND, 224, PROTOCOL, "a dtype is of a kind that may not be sent")                      \
    X(ARRAY_ITEMSIZE, 225, PROTOCOL, "a dtype's itemsize does not fit its description")            \
    X(ARRAY_NBYTES, 226, PROTOCOL, "an array's size does not match its shape and dtype")           \
    X(RPC_HEAD, 228, PROTOCOL, "the metadata of a call or an answer is malformed")                 \
    X(FN1_KEYLESS, 230, AUTH, "this end has a key and the peer has none")                          \
    X(FN1_HELLO, 231, AUTH, "what a peer with a key must say in its preface is not there")         \
    X(FN1_PROOF, 232, AUTH, "the peer does not have this key")                                     \
    X(FN1_REFUSED, 233, AUTH, "the peer does not accept this key or this key id")                  \
    X(FN1_SUITE, 234, AUTH, "the two ends have no suite in common")                                \
    X(FN1_TAG, 235, AUTH, "the tag is wrong: this is not what the peer sent")                      \
    X(MP_LENGTH, 240, PROTOCOL, "bad message length: below -1")                                    \
    X(PICKLE_BUFFER, 241, PROTOCOL, "a pickle refers to a buffer outside itself")                  \
    X(PICKLE_EXTENSION, 242, PROTOCOL, "a pickle uses the extension registry")                     \
    X(PICKLE_OPCODE, 243, PROTOCOL, "a pickle has an unknown opcode")                              \
    X(PROTOCOL, 250, PROTOCOL, "a message breaks the rules of its protocol")                       \
    X(POISONED, 300, USAGE, "an earlier transfer stopped inside a frame")                          \
    X(FORKED, 301, USAGE, "the stream belongs to the process that opened it")                      \
    X(CLOSED, 302, USAGE, "the stream is closed")                                                  \
    X(ARGUMENT, 303, USAGE, "an argument is outside its range")                                    \
    X(NOT_OWNER, 304, USAGE, "the reactor is in use by another thread")                            \
    X(FN1_EARLY, 305, USAGE, "the peer has not proved yet that it has the key")                    \
    X(CRYPTO, 306, USAGE, "OpenSSL refused an operation that keys need")                           \
    X(SELECT_RANGE, 310, USAGE, "a descriptor's number is beyond what select can watch; use epoll")

enum fn_status {
    FN_OK = 0,
#define FN_X(name, offset, class_, text) FN_E_##name = FN_STATUS_BASE - (offset),
    FN_STATUS_TABLE(FN_X)
#undef FN_X
};

/* The class of a status; FN_CLASS_OK for every non-negative value. */
enum fn_class fn_status_class(long long status);

/* A status in words, never NULL; static storage.  For -errno it is
 * "system error": the boundary asks the system for those. */
const char *fn_status_text(long long status);

#endif
