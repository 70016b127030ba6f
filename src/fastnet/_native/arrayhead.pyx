"""Array metadata (arraymsg.h): headers written and read."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

from fastnet._native.core cimport (
    FN_ARRAY_FIXED,
    FN_ARRAY_HAS_META,
    FN_ARRAY_HAS_NAME,
    FN_DTYPE_MAX,
    FN_MAXDIM,
    fn_array_decode,
    fn_array_encode,
    fn_array_head,
    fn_array_limits,
    fn_dtype_check,
)
from fastnet._native.status cimport check


def encode_header(str order, tuple shape, bytes description, name, meta):
    """The metadata of one array, as bytes.

    order is "C" or "F"; name and meta are encoded bytes or None.  Raises
    ValueError for what the format cannot hold.
    """
    cdef fn_array_head head
    cdef bytes tail = description + (name or b"") + (meta or b"")
    cdef bytes out
    cdef Py_ssize_t fixed
    cdef int i
    if len(shape) > FN_MAXDIM:
        raise ValueError(f"an array of {len(shape)} dimensions; at most {FN_MAXDIM} can be sent")
    if len(description) > FN_DTYPE_MAX:
        raise ValueError(f"the dtype's description takes {len(description)} bytes; at most "
                         f"{FN_DTYPE_MAX} can be sent")
    head.order = <char> ord(order)
    head.ndim = <int> len(shape)
    head.flags = (FN_ARRAY_HAS_NAME if name is not None else 0) | (
        FN_ARRAY_HAS_META if meta is not None else 0)
    for i in range(head.ndim):
        head.shape[i] = shape[i]
    head.dtype.len = len(description)
    head.name.len = len(name) if name is not None else 0
    head.meta.len = len(meta) if meta is not None else 0
    fixed = FN_ARRAY_FIXED + 8 * head.ndim
    out = PyBytes_FromStringAndSize(NULL, fixed + len(tail))
    fn_array_encode(<uint8_t *> PyBytes_AS_STRING(out), &head)
    memcpy(PyBytes_AS_STRING(out) + fixed, PyBytes_AS_STRING(tail), len(tail))
    return out


cdef fn_array_limits make_limits(tuple limits) except *:
    cdef fn_array_limits out
    out.bytes, out.meta, out.name, out.fields, out.depth = limits
    return out


def check_description(bytes description, tuple limits):
    """The itemsize of a well-formed dtype description; raises ProtocolError or LimitError.

    limits: bytes, meta, name, fields, depth (arraymsg.h).
    """
    cdef fn_array_limits c_limits = make_limits(limits)
    cdef uint64_t itemsize = 0
    check(fn_dtype_check(<const uint8_t *> PyBytes_AS_STRING(description),
                         PyBytes_GET_SIZE(description), &c_limits, &itemsize))
    return itemsize


def decode_header(bytes header, tuple limits):
    """The Head of encoded metadata, without its dtype; raises ProtocolError or LimitError."""
    cdef fn_array_limits c_limits = make_limits(limits)
    cdef fn_array_head head
    check(fn_array_decode(<const uint8_t *> PyBytes_AS_STRING(header), PyBytes_GET_SIZE(header),
                          &c_limits, &head))
    return make_head(&head)


cdef class Head:
    """What a message says of its array.

    description: the dtype's description; dtype: what it stands for, or None
    when `problem` (an exception) says why it means nothing here.  name and
    meta are encoded bytes or None.
    """


cdef Head make_head(const fn_array_head *c):
    cdef Head head = Head.__new__(Head)
    head.description = (<const char *> c.dtype.data)[:c.dtype.len]
    head.shape = tuple([c.shape[i] for i in range(c.ndim)])
    head.order = "F" if c.order == b"F" else "C"
    head.name = (<const char *> c.name.data)[:c.name.len] if c.flags & FN_ARRAY_HAS_NAME else None
    head.meta = (<const char *> c.meta.data)[:c.meta.len] if c.flags & FN_ARRAY_HAS_META else None
    head.nbytes = c.nbytes
    head.itemsize = c.itemsize
    head.dtype = None
    head.problem = None
    return head
