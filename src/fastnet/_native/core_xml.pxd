# The declarations of the C core for XML-RPC: xmlrpc.h and xmlrpc_text.h.

from libc.stdint cimport int64_t, uint8_t

from fastnet._native.core_mp cimport fn_buf


cdef extern from "fastnet/xmlrpc.h" nogil:
    enum:
        FN_XMLRPC_DEPTH

    ctypedef enum fn_xmlrpc_event "enum fn_xmlrpc_event":
        FN_XMLRPC_FOREIGN
        FN_XMLRPC_DEEP
        FN_XMLRPC_END
        FN_XMLRPC_METHOD
        FN_XMLRPC_FAULT
        FN_XMLRPC_NIL
        FN_XMLRPC_BOOLEAN
        FN_XMLRPC_INT
        FN_XMLRPC_DOUBLE
        FN_XMLRPC_STRING
        FN_XMLRPC_BASE64
        FN_XMLRPC_DATETIME
        FN_XMLRPC_ARRAY
        FN_XMLRPC_STRUCT
        FN_XMLRPC_NAME
        FN_XMLRPC_LEAVE

    ctypedef struct fn_xmlrpc "struct fn_xmlrpc":
        const uint8_t *text
        size_t size
        int64_t number
        bint plain
        bint ascii

    void fn_xmlrpc_init(fn_xmlrpc *x, const void *data, size_t size) noexcept
    fn_xmlrpc_event fn_xmlrpc_next(fn_xmlrpc *x) noexcept


cdef extern from "fastnet/xmlrpc_text.h" nogil:
    int64_t fn_xmlrpc_unescape(const uint8_t *text, size_t size, uint8_t *out) noexcept
    int fn_xmlrpc_put(fn_buf *b, const char *markup) noexcept
    int fn_xmlrpc_put_text(fn_buf *b, const uint8_t *text, size_t size) noexcept
    int fn_xmlrpc_put_int(fn_buf *b, int64_t number) noexcept
    int fn_xmlrpc_put_base64(fn_buf *b, const uint8_t *data, size_t size) noexcept
