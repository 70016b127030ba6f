"""Messages: in C where they are canonical, else as the standard library does it."""

from __future__ import annotations

import xmlrpc.client as standard
from collections.abc import Callable
from typing import Any

from fastnet import errors
from fastnet._native.xmlread import DEPTH, decode
from fastnet._native.xmlwrite import BARE, CALL, RESPONSE, encode

Marshallable = Any
Parser = tuple[standard.ExpatParser, standard.Unmarshaller]

_UTF8 = (None, "", "utf-8")
_DTD = (
    "an XML-RPC message may not have a document type declaration: "
    "its entities could expand without end"
)
_DEEP = f"an XML-RPC message has more than {DEPTH} elements in each other"
# Elements around one array in another: value, array, data. Structs: value, struct, member.
_ELEMENTS = 3 * DEPTH + 16


class DocumentRefused(errors.ProtocolError, standard.ResponseError):
    """A message was not read any further: it has a DTD, or is nested too deeply, or is too long."""


class Guard:
    """An unmarshaller behind a look at how deep the elements are."""

    def __init__(self, target: standard.Unmarshaller) -> None:
        self._start, self._end, self._depth = target.start, target.end, 0
        self.data, self.xml = target.data, target.xml

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self._depth += 1
        if self._depth > _ELEMENTS:
            raise DocumentRefused(_DEEP)
        self._start(tag, attributes)

    def end(self, tag: str) -> None:
        """An element ends."""
        self._depth -= 1
        self._end(tag)


def _refuse_dtd(*_: Any) -> None:
    raise DocumentRefused(_DTD)


class ExpatParser(standard.ExpatParser):
    """The standard library's parser, which refuses a DTD where it begins."""

    def __init__(self, target: Any) -> None:
        guard: Any = Guard(target)
        super().__init__(guard)
        parser = self._parser  # type: ignore[attr-defined]
        parser.StartDoctypeDeclHandler = _refuse_dtd
        parser.EntityDeclHandler = _refuse_dtd


def getparser(use_datetime: bool = False, use_builtin_types: bool = False) -> Parser:
    """A parser to feed with a message's bytes, and the unmarshaller that has its values then.

    Parameters:
        use_datetime, use_builtin_types: as for `loads`.
    """
    target = standard.Unmarshaller(use_datetime=use_datetime, use_builtin_types=use_builtin_types)
    return ExpatParser(target), target


def _loads_any(data: Any, use_datetime: bool, use_builtin_types: bool) -> tuple[Any, str | None]:
    parser, target = getparser(use_datetime, use_builtin_types)
    parser.feed(data)
    parser.close()
    return target.close(), target.getmethodname()


def loads(
    data: Any, use_datetime: bool = False, use_builtin_types: bool = False
) -> tuple[tuple[Any, ...], str | None]:
    """The values of a message, and the name of its method or None.

    Parameters:
        data: the whole message, bytes or text.
        use_datetime: whether dates become `datetime.datetime`, not `DateTime`.
        use_builtin_types: that, and bytes in place of `Binary`.

    Raises:
        Fault: the message is one.
        DocumentRefused: it has a DTD, or more than 1000 arrays and structs in each other.
        Exception: it is malformed; what the standard library raises then.
    """
    use_datetime = bool(use_builtin_types or use_datetime)
    try:
        found = decode(data, use_datetime, bool(use_builtin_types))
    except errors.LimitError as error:
        raise DocumentRefused(str(error)) from None
    if found is not None:
        return found
    return _loads_any(data, use_datetime, use_builtin_types)


def _kind(params: Any, methodname: Any, methodresponse: Any) -> int | None:
    """How dumps() wraps these; None when the standard library has something to say."""
    if isinstance(params, standard.Fault):
        return RESPONSE if not methodname else None
    if methodname:
        return CALL if not methodresponse else None
    if methodresponse:
        return RESPONSE if len(params) == 1 else None
    return BARE


def dumps(
    params: Any,
    methodname: str | None = None,
    methodresponse: bool | None = None,
    encoding: str | None = None,
    allow_none: bool = False,
) -> str:
    """A message, as text.

    Parameters:
        params: a tuple of values, or a `Fault`.
        methodname: the method to call; makes a call of the values.
        methodresponse: whether to make an answer of the one value.
        encoding: what the message says that it is encoded in; UTF-8 if None.
        allow_none: whether None may be among the values.

    Raises:
        TypeError, OverflowError: a value cannot be sent.
        AssertionError: params is neither, or an answer has not one value.
    """
    if (encoding in _UTF8 and type(params) is tuple) or isinstance(params, standard.Fault):
        kind = _kind(params, methodname, methodresponse)
        if kind is not None and encoding in _UTF8:
            text = encode(params, kind, methodname, bool(allow_none), False)
            if text is not None:
                return text
    return standard.dumps(params, methodname, methodresponse, encoding, allow_none)


def dumps_bytes(
    params: Any,
    methodname: str | None,
    methodresponse: bool | None,
    encoding: str,
    allow_none: bool,
) -> bytes:
    """What `dumps` gives, in that encoding; characters that it lacks become references."""
    if encoding == "utf-8" and (type(params) is tuple or isinstance(params, standard.Fault)):
        kind = _kind(params, methodname, methodresponse)
        if kind is not None:
            data = encode(params, kind, methodname, bool(allow_none))
            if data is not None:
                return data
    text = standard.dumps(params, methodname, methodresponse, encoding, allow_none)
    return text.encode(encoding, "xmlcharrefreplace")


def answer(
    call: Callable[[str, tuple[Any, ...]], Any],
    data: Any,
    encoding: str,
    allow_none: bool,
    use_builtin_types: bool,
) -> bytes:
    """Calls what a message asks for; the answer is a value, or the fault that was raised."""
    try:
        params, method = loads(data, use_builtin_types=use_builtin_types)
        response = (call(method, params),)  # type: ignore[arg-type]
        return dumps_bytes(response, None, True, encoding, allow_none)
    except standard.Fault as fault:
        return dumps_bytes(fault, None, None, encoding, allow_none)
    except BaseException as error:
        said = standard.Fault(1, f"{type(error)}:{error}")
        return dumps_bytes(said, None, None, encoding, allow_none)
