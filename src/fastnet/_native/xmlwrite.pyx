"""Python's objects as messages of XML-RPC (xmlrpc_text.h).

Exactly the standard types are written, byte for byte as the standard library
writes them.  With anything else among them the message is None here: the
standard library's writer then finds a way, or the words for what is wrong.
"""

import datetime
import xmlrpc.client as standard

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.mem cimport PyMem_Free
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t

from fastnet._native.core_mp cimport fn_buf, fn_buf_append, fn_buf_fini, fn_buf_init
from fastnet._native.core_xml cimport (
    fn_xmlrpc_put,
    fn_xmlrpc_put_base64,
    fn_xmlrpc_put_int,
    fn_xmlrpc_put_text,
)
from fastnet._native.status cimport check

cdef extern from "Python.h":
    enum:
        PY_SSIZE_T_MAX
        Py_DTSF_ADD_DOT_0

    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    char *PyOS_double_to_string(double value, char code, int precision, int flags,
                                int *kind) except NULL

cdef enum:
    LEVELS = 100  # of arrays and structs in each other; deeper ones are left to others

BARE, CALL, RESPONSE = range(3)

cdef object Binary = standard.Binary
cdef object DateTime = standard.DateTime
cdef object Fault = standard.Fault
cdef object moment = datetime.datetime
cdef tuple NUMBERS = (standard.MAXINT, standard.MININT)

# Programs teach the standard library other types through this table; what they changed counts.
cdef object Marshaller = standard.Marshaller
cdef dict USUAL = {
    type(None): Marshaller.dump_nil,
    bool: Marshaller.dump_bool,
    int: Marshaller.dump_long,
    float: Marshaller.dump_double,
    str: Marshaller.dump_unicode,
    bytes: Marshaller.dump_bytes,
    bytearray: Marshaller.dump_bytes,
    tuple: Marshaller.dump_array,
    list: Marshaller.dump_array,
    dict: Marshaller.dump_struct,
    moment: Marshaller.dump_datetime,
    DateTime: Marshaller.dump_instance,
    Binary: Marshaller.dump_instance,
}


cdef bint untouched() except -1:
    if standard.Marshaller is not Marshaller:
        return False
    cdef dict table = Marshaller.dispatch
    for kind, function in USUAL.items():
        if table.get(kind) is not function:
            return False
    return True


class _Foreign(Exception):
    """Something among the values is not ours to write."""


cdef class Writer:
    """A message while it is written."""

    cdef fn_buf buf
    cdef bint allow_none

    def __cinit__(self, bint allow_none):
        fn_buf_init(&self.buf, PY_SSIZE_T_MAX)
        self.allow_none = allow_none

    def __dealloc__(self):
        fn_buf_fini(&self.buf)

    cdef int markup(self, const char *text) except -1:
        check(fn_xmlrpc_put(&self.buf, text))
        return 0

    cdef int text(self, object value, bint escape) except -1:
        cdef Py_ssize_t size = 0
        cdef const char *data
        try:
            data = PyUnicode_AsUTF8AndSize(value, &size)
        except UnicodeError:  # a lone surrogate
            raise _Foreign from None
        if escape:
            check(fn_xmlrpc_put_text(&self.buf, <const uint8_t *> data, size))
        else:
            check(fn_buf_append(&self.buf, data, size))
        return 0

    # ---------------------------------------------------------------------- values

    cdef int string(self, object value) except -1:
        self.markup(b"<value><string>")
        self.text(value, True)
        return self.markup(b"</string></value>\n")

    cdef int integer(self, object value) except -1:
        cdef int overflow = 0
        cdef long long number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow or not -0x80000000 <= number <= 0x7fffffff:
            raise _Foreign
        self.markup(b"<value><int>")
        check(fn_xmlrpc_put_int(&self.buf, number))
        return self.markup(b"</int></value>\n")

    cdef int double(self, double value) except -1:
        cdef char *text = PyOS_double_to_string(value, b"r", 0, Py_DTSF_ADD_DOT_0, NULL)
        try:
            self.markup(b"<value><double>")
            self.markup(text)
        finally:
            PyMem_Free(text)
        return self.markup(b"</double></value>\n")

    cdef int binary(self, object value) except -1:
        cdef const uint8_t[::1] view
        self.markup(b"<value><base64>\n")
        if len(value):
            view = value
            check(fn_xmlrpc_put_base64(&self.buf, &view[0], view.shape[0]))
        return self.markup(b"</base64></value>\n")

    cdef int date(self, object text) except -1:
        if type(text) is not str:
            raise _Foreign
        self.markup(b"<value><dateTime.iso8601>")
        self.text(text, False)
        return self.markup(b"</dateTime.iso8601></value>\n")

    cdef int array(self, object value, int level) except -1:
        if level == LEVELS:
            raise _Foreign
        self.markup(b"<value><array><data>\n")
        for item in value:
            self.value(item, level + 1)
        return self.markup(b"</data></array></value>\n")

    cdef int struct(self, dict value, int level) except -1:
        if level == LEVELS:
            raise _Foreign
        self.markup(b"<value><struct>\n")
        for name, item in value.items():
            if type(name) is not str:
                raise _Foreign
            self.markup(b"<member>\n<name>")
            self.text(name, True)
            self.markup(b"</name>\n")
            self.value(item, level + 1)
            self.markup(b"</member>\n")
        return self.markup(b"</struct></value>\n")

    cdef int value(self, object value, int level) except -1:
        kind = type(value)
        if kind is str:
            return self.string(value)
        if kind is int:
            return self.integer(value)
        if kind is float:
            return self.double(value)
        if kind is bool:
            return self.markup(b"<value><boolean>1</boolean></value>\n" if value else
                               b"<value><boolean>0</boolean></value>\n")
        if kind is list or kind is tuple:
            return self.array(value, level)
        if kind is dict:
            return self.struct(value, level)
        if value is None and self.allow_none:
            return self.markup(b"<value><nil/></value>")
        if kind is bytes or kind is bytearray:
            return self.binary(value)
        return self.instance(value, kind)

    cdef int instance(self, object value, object kind) except -1:
        if kind is Binary and type(value.data) is bytes:
            return self.binary(value.data)
        if kind is DateTime:
            return self.date(value.value)
        if kind is moment:
            return self.date("%04d%02d%02dT%02d:%02d:%02d" % (
                value.year, value.month, value.day, value.hour, value.minute, value.second))
        raise _Foreign

    # ------------------------------------------------------------------- documents

    cdef int content(self, object values) except -1:
        if isinstance(values, Fault):
            self.markup(b"<fault>\n")
            self.struct({"faultCode": values.faultCode, "faultString": values.faultString}, 0)
            return self.markup(b"</fault>\n")
        self.markup(b"<params>\n")
        for value in <tuple> values:
            self.markup(b"<param>\n")
            self.value(value, 0)
            self.markup(b"</param>\n")
        return self.markup(b"</params>\n")

    cdef int document(self, object values, int kind, object method) except -1:
        if kind == BARE:
            return self.content(values)
        self.markup(b"<?xml version='1.0'?>\n")
        if kind == CALL:
            self.markup(b"<methodCall>\n<methodName>")
            self.text(method, False)
            self.markup(b"</methodName>\n")
            self.content(values)
            return self.markup(b"</methodCall>\n")
        self.markup(b"<methodResponse>\n")
        self.content(values)
        return self.markup(b"</methodResponse>\n")


def encode(values, int kind, method=None, bint allow_none=False, bint as_bytes=True):
    """A message in UTF-8 as bytes, or as text; None when something in it is not standard.

    Parameters:
        values: a tuple or a Fault.
        kind: BARE, CALL or RESPONSE; a Fault is never in a CALL.
        method: the name of the method that a CALL calls; not escaped.
        allow_none: whether None may be among the values.
    """
    cdef Writer writer
    if type(values) is not tuple and not isinstance(values, Fault):
        return None
    if kind == CALL and type(method) is not str:
        return None
    if (standard.MAXINT, standard.MININT) != NUMBERS or not untouched():
        return None
    writer = Writer(allow_none)
    try:
        writer.document(values, kind, method)
    except _Foreign:
        return None
    if as_bytes:
        return PyBytes_FromStringAndSize(<char *> writer.buf.data, writer.buf.write)
    return PyUnicode_DecodeUTF8(<char *> writer.buf.data, writer.buf.write, "strict")
