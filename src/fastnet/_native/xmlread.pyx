"""Messages of XML-RPC as Python's objects (xmlrpc.h).

What is not in the canonical form is None here: the standard library's reader
then says what it means, or how it is wrong.
"""

import binascii
import datetime
import xmlrpc.client as standard

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t

from fastnet import errors

from fastnet._native.core_xml cimport (
    FN_XMLRPC_ARRAY,
    FN_XMLRPC_BASE64,
    FN_XMLRPC_BOOLEAN,
    FN_XMLRPC_DEEP,
    FN_XMLRPC_DEPTH,
    FN_XMLRPC_DOUBLE,
    FN_XMLRPC_END,
    FN_XMLRPC_FAULT,
    FN_XMLRPC_FOREIGN,
    FN_XMLRPC_INT,
    FN_XMLRPC_LEAVE,
    FN_XMLRPC_METHOD,
    FN_XMLRPC_NAME,
    FN_XMLRPC_NIL,
    FN_XMLRPC_STRING,
    FN_XMLRPC_STRUCT,
    fn_xmlrpc,
    fn_xmlrpc_event,
    fn_xmlrpc_init,
    fn_xmlrpc_next,
    fn_xmlrpc_unescape,
)

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

DEPTH = FN_XMLRPC_DEPTH

cdef object Binary = standard.Binary
cdef object DateTime = standard.DateTime
cdef object Fault = standard.Fault
cdef object from_base64 = binascii.a2b_base64

# Programs teach the standard library other types through this table; what they changed counts.
cdef object Unmarshaller = standard.Unmarshaller
cdef dict USUAL = {
    "nil": Unmarshaller.end_nil,
    "boolean": Unmarshaller.end_boolean,
    "int": Unmarshaller.end_int,
    "i4": Unmarshaller.end_int,
    "i8": Unmarshaller.end_int,
    "double": Unmarshaller.end_double,
    "string": Unmarshaller.end_string,
    "name": Unmarshaller.end_string,
    "array": Unmarshaller.end_array,
    "struct": Unmarshaller.end_struct,
    "base64": Unmarshaller.end_base64,
    "dateTime.iso8601": Unmarshaller.end_dateTime,
    "value": Unmarshaller.end_value,
    "params": Unmarshaller.end_params,
    "fault": Unmarshaller.end_fault,
    "methodName": Unmarshaller.end_methodName,
}


cdef bint untouched() except -1:
    if standard.Unmarshaller is not Unmarshaller:
        return False
    cdef dict table = Unmarshaller.dispatch
    for tag, function in USUAL.items():
        if table.get(tag) is not function:
            return False
    return True


# ------------------------------------------------------------------------- values

cdef object text_of(fn_xmlrpc *x):
    """The text of the last event; None when a reference in it is foreign."""
    cdef bytes other
    cdef int64_t size
    if x.plain:
        return PyUnicode_DecodeUTF8(<const char *> x.text, x.size, "strict")
    other = PyBytes_FromStringAndSize(NULL, x.size)
    size = fn_xmlrpc_unescape(x.text, x.size, <uint8_t *> PyBytes_AS_STRING(other))
    if size < 0:
        raise ValueError("a foreign reference")
    return PyUnicode_DecodeUTF8(PyBytes_AS_STRING(other), size, "strict")


cdef object bytes_of(fn_xmlrpc *x):
    return PyBytes_FromStringAndSize(<const char *> x.text, x.size)


cdef int two(const uint8_t *p) noexcept:
    cdef int one = p[0] - 48, other = p[1] - 48
    return one * 10 + other if 0 <= one <= 9 and 0 <= other <= 9 else -1


cdef object moment(fn_xmlrpc *x, bint use_datetime):
    """A date; of the one form that strptime reads without a second thought."""
    cdef const uint8_t *p = x.text
    cdef int year, rest
    if not use_datetime:
        value = DateTime.__new__(DateTime)
        value.value = text_of(x).strip()
        return value
    if x.size != 17 or p[8] != b"T" or p[11] != b":" or p[14] != b":":
        raise ValueError("a date in another form")
    year, rest = two(p), two(p + 2)
    if year < 0 or rest < 0:
        raise ValueError("a date in another form")
    return datetime.datetime(year * 100 + rest, two(p + 4), two(p + 6),
                             two(p + 9), two(p + 12), two(p + 15))


cdef object binary(fn_xmlrpc *x, bint use_bytes):
    data = from_base64(bytes_of(x))
    if use_bytes:
        return data
    value = Binary.__new__(Binary)
    value.data = data
    return value


cdef object scalar(fn_xmlrpc *x, fn_xmlrpc_event event, bint use_datetime, bint use_bytes):
    if event == FN_XMLRPC_INT:
        return x.number
    if event == FN_XMLRPC_STRING:
        return text_of(x)
    if event == FN_XMLRPC_DOUBLE:
        return float(bytes_of(x))
    if event == FN_XMLRPC_BOOLEAN:
        return x.number != 0
    if event == FN_XMLRPC_NIL:
        return None
    if event == FN_XMLRPC_BASE64:
        return binary(x, use_bytes)
    return moment(x, use_datetime)


# ----------------------------------------------------------------------- documents

cdef class Document:
    """What has been read of a message."""

    cdef readonly object method
    cdef readonly list values
    cdef readonly bint fault

    cdef bint read(self, fn_xmlrpc *x, bint use_datetime, bint use_bytes) except -1:
        """Whether the whole message was canonical."""
        cdef list outer = []  # (container, name that waits for its value) of each level
        cdef object into = self.values, name = None, value
        cdef fn_xmlrpc_event event
        while True:
            event = fn_xmlrpc_next(x)
            if event == FN_XMLRPC_NAME:
                name = text_of(x)
                continue
            if event == FN_XMLRPC_LEAVE:
                into, name = outer.pop()
                continue
            if event == FN_XMLRPC_FOREIGN or event == FN_XMLRPC_END:
                return event == FN_XMLRPC_END
            if event == FN_XMLRPC_METHOD:
                self.method = text_of(x)
                continue
            if event == FN_XMLRPC_FAULT:
                self.fault = True
                continue
            if event == FN_XMLRPC_DEEP:
                raise errors.LimitError(
                    f"an XML-RPC message has more than {DEPTH} arrays and structs in each other"
                )
            if event == FN_XMLRPC_ARRAY:
                value = []
            elif event == FN_XMLRPC_STRUCT:
                value = {}
            else:
                value = scalar(x, event, use_datetime, use_bytes)
            if type(into) is list:
                (<list> into).append(value)
            else:
                (<dict> into)[name] = value
            if event == FN_XMLRPC_ARRAY or event == FN_XMLRPC_STRUCT:
                outer.append((into, name))
                into = value


cdef object result(Document document):
    if not document.fault:
        return tuple(document.values), document.method
    if type(document.values[0]) is not dict:
        return None
    raise Fault(**document.values[0])


def decode(data, bint use_datetime=False, bint use_bytes=False):
    """The values of a whole message and its method's name, or None when it is not canonical.

    Parameters:
        data: bytes, bytearray or text; anything else is not canonical.
        use_datetime, use_bytes: datetime in place of DateTime, bytes of Binary.

    Raises:
        xmlrpc.client.Fault: the message is one.
        LimitError: arrays and structs are nested beyond DEPTH.
    """
    cdef fn_xmlrpc x
    cdef Document document
    cdef Py_ssize_t size = 0
    cdef const char *start
    if type(data) is bytearray:
        data = bytes(data)
    if type(data) is bytes:
        start, size = PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)
    elif type(data) is str:
        try:
            start = PyUnicode_AsUTF8AndSize(data, &size)
        except UnicodeError:
            return None
    else:
        return None
    if not untouched():
        return None
    document = Document()
    document.values = []
    fn_xmlrpc_init(&x, start, size)
    try:
        if not document.read(&x, use_datetime, use_bytes):
            return None
    except ValueError:  # no number, no date, no UTF-8, no base64
        return None
    return result(document)
