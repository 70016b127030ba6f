"""A status of the core as an exception (csrc/include/fastnet/status.h)."""

import os

from fastnet import errors

from fastnet._native.core cimport (
    FN_CLASS_AUTH,
    FN_CLASS_LIMIT,
    FN_CLASS_PROTOCOL,
    FN_CLASS_SYSTEM,
    FN_E_EOF,
    FN_E_TIMEOUT,
    FN_E_STALL,
    fn_status_class,
    fn_status_text,
)


cdef int64_t fail(int64_t status) except -1:
    raise exception(status)


def exception(int64_t status, *, transferred=None, expected=None):
    """The exception for a negative status.

    transferred and expected, in bytes, go into the message and the
    attributes of the same names, where the transfer knows them.
    """
    cdef int kind = fn_status_class(status)
    text = fn_status_text(status).decode()
    if transferred is not None:
        of = "" if expected is None else f" of {expected}"
        text = f"{text} after {transferred}{of} bytes"
    if status == FN_E_EOF:
        return errors.IncompleteTransfer(text, transferred or 0, expected)
    if status == FN_E_TIMEOUT or status == FN_E_STALL:
        return errors.TransferTimeout(text, transferred or 0, expected)
    if kind == FN_CLASS_SYSTEM:
        error = OSError(-status, os.strerror(-status))
        if transferred is not None:
            error.transferred = transferred
            error.expected = expected
        return error
    if kind == FN_CLASS_LIMIT:
        return errors.LimitError(text)
    if kind == FN_CLASS_PROTOCOL:
        return errors.ProtocolError(text)
    if kind == FN_CLASS_AUTH:
        return errors.AuthenticationError(text)
    return errors.Error(text)
