"""Messages: the same values, bytes and exceptions as the standard library's, whoever reads them."""

from __future__ import annotations

import datetime
import xmlrpc.client as standard

import pytest

import xmlrpc_kit as kit
from fastnet._native import xmlread, xmlwrite
from fastnet.xmlrpc import _codec, client

SPLICES = [
    *(b" ", b"\r\n", b"]]>", b"1", b"\xc3\xa9", b"\xed\xa0\x80", b"\xef\xbf\xbe", b"&#13;"),
    *(b"<!-- x -->", b"<![CDATA[a<b]]>", b"<?x y?>", b"&#65;", b"&lt;", b"&x;", b"<x/>"),
    *(b"<nil/>", b"<value>", b"</value>", b"<i8>", b"</i8>", b" a='b'"),
]


def same_reading(data, **options):
    theirs = kit.outcome(standard.loads, data, **options)
    assert kit.outcome(client.loads, data, **options) == theirs, data


def changed(values, data):
    """A message with something in it moved, lost, repeated or new."""
    out, random = bytearray(data), values.random
    for _ in range(random.randrange(1, 3)):
        at, how = random.randrange(len(out) + 1), random.randrange(4)
        if how == 0:
            out[at:at] = random.choice(SPLICES)
        elif how == 1:
            out[at : at + 1] = bytes([random.choice(b"<>&;/ai0 \r\n\0\xff]")])
        elif how == 2:
            del out[at : at + random.randrange(9)]
        else:
            start = random.randrange(len(out) + 1)
            out[at:at] = out[start : start + random.randrange(40)]
    return bytes(out)


@pytest.mark.parametrize("seed", range(4))
def test_random_messages(seed):
    values = kit.Values(seed)
    for _ in range(400):
        params = tuple(values.value() for _ in range(values.random.randrange(4)))
        if values.random.random() < 0.1:
            params = standard.Fault(values.value(3), values.value(3))
        options = values.random.choice(
            [{}, {"methodname": "a.b"}, {"methodname": "x<y"}, {"methodresponse": True}]
        )
        options = {"allow_none": values.random.random() < 0.8, **options}
        if values.random.random() < 0.1:
            options["encoding"] = values.random.choice(["utf-8", "latin-1", "ascii"])
        theirs = kit.outcome(standard.dumps, params, **options)
        assert kit.outcome(client.dumps, params, **options) == theirs
        if theirs[0] == "returned":
            check_reading(values, standard.dumps(params, **options), params, options)


def check_reading(values, text, params, options):
    encoding = options.get("encoding") or "utf-8"
    how = values.random.choice([{}, {"use_datetime": True}, {"use_builtin_types": True}])
    same_reading(text, **how)
    data = text.encode(encoding, "xmlcharrefreplace")
    named, response = options.get("methodname"), options.get("methodresponse")
    none = options["allow_none"]
    assert _codec.dumps_bytes(params, named, response, encoding, none) == data
    same_reading(data, **how)
    same_reading(changed(values, data), **how)


MEMBER = "<member><name>{}</name><value>{}</value></member>"
WRAP = "<params><param>{}</param></params>"
VALUES = [
    *("<value>text</value>", "<value/>", "<value></value>", "<value> \n</value>", "text", ""),
    *("<value><int> 7 </int></value>", "<value><int>+7</int></value>", "<value><i1>7</i1></value>"),
    *("<value><int>007</int></value>", "<value><int>1_0</int></value>", "<value><int/></value>"),
    "<value><i8>9223372036854775808</i8></value>",
    "<value><biginteger>1</biginteger></value>",
    *("<value><double>1e400</double></value>", "<value><double>1.e5.</double></value>"),
    *("<value><double>nan</double></value>", "<value><double> 1 </double></value>"),
    *("<value><boolean>2</boolean></value>", "<value><boolean> 1</boolean></value>"),
    *("<value><nil></nil></value>", "<value><ex:nil/></value>", "<value><nil/>x</value>"),
    *("<value><base64>Y</base64></value>", "<value><base64>!Y!WJj!</base64></value>"),
    *("<value><base64>é</base64></value>", "<value><base64/></value>"),
    "<value><dateTime.iso8601>2024-01-01T00:00:00</dateTime.iso8601></value>",
    "<value><dateTime.iso8601> 20240101T00:00:00 </dateTime.iso8601></value>",
    "<value><dateTime.iso8601>20240230T00:00:00</dateTime.iso8601></value>",
    "<value><dateTime.iso8601>20240101T00:00:60</dateTime.iso8601></value>",
    "<value><dateTime.iso8601>00000101T00:00:00</dateTime.iso8601></value>",
    "<value><dateTime.iso8601>20240101T00:00:0é</dateTime.iso8601></value>",
    *("<value><string>a\r\nb\rc</string></value>", "<value><string>&#13;</string></value>"),
    *("<value><string>a]]>b</string></value>", "<value><string>]]&gt;</string></value>"),
    *("<value><string>&#0;</string></value>", "<value><string>&nbsp;</string></value>"),
    *("<value><string>\ufffe</string></value>", "<value><string>&#xFFFE;</string></value>"),
    *("<value><string>\U0001fffe</string></value>", "<value><string>\x7f\x80</string></value>"),
    *("<value><string>a<!-- c -->b</string></value>", "<value><![CDATA[<>]]></value>"),
    *("<value><unknown>1</unknown></value>", "<value><int a='1'>1</int></value>"),
    *("<value><array><data/></array></value>", "<value><array/></value>"),
    "<value><struct/></value>",
    f"<value><struct>{MEMBER.format('a', 1)}{MEMBER.format('a', 2)}</struct></value>",
    "<value><struct><member><value>1</value><name>a</name></member></struct></value>",
    "<value><struct><member><name>a</name></member></struct></value>",
]
DOCUMENTS = [
    *("", " ", "<", "<params/>", "<params></params>", "\ufeff<params/>", " <params/> ", "<x/>"),
    *("<methodCall><methodName>a</methodName></methodCall>", "<methodCall></methodCall>"),
    "<methodCall><methodName> a&lt;b </methodName><params/></methodCall>",
    "<methodResponse></methodResponse>",
    "<?xml version='1.0' encoding='UTF-8' standalone='yes'?><params/>",
    "<?xml version='1.1'?><params/>",
    "<?xml version='1.0' encoding='nonsense'?><params/>",
    "<?xml version='1.0' encoding='utf-8'?><params/>",
    *("<params/><params/>", "<params/>x", "<params/><!-- -->", "<fault/>"),
    "<fault><value>text</value></fault>",
    "<fault><value><struct></struct></value></fault>",
    "<fault><value><struct>"
    + MEMBER.format("faultCode", 1)
    + MEMBER.format("faultString", 2)
    + MEMBER.format("other", 3)
    + "</struct></value></fault>",
]


def test_the_catalogue():
    for text in [*map(WRAP.format, VALUES), *DOCUMENTS]:
        for options in ({}, {"use_datetime": True}, {"use_builtin_types": True}):
            same_reading(text, **options)
            same_reading(text.encode(), **options)
            same_reading(bytearray(text.encode("utf-16")), **options)
            same_reading(memoryview(text.encode()), **options)
    for data in (None, 7, ["<params/>"], kit.Text("<params/>")):
        same_reading(data)


def test_what_programs_write_is_read_in_c():
    values = kit.Values(7, odd=0)
    for _ in range(200):
        params = (values.value(), values.value())
        data = xmlwrite.encode(params, xmlwrite.CALL, "a", True)
        rare = any(word in data for word in (b">nan<", b">inf<", b">-inf<", b" x<y "))
        assert rare or xmlread.decode(data) is not None
    spec = WRAP.format("<value><i4>41</i4></value>").replace("><", ">\r\n  <")
    assert xmlread.decode(f'<?xml version="1.0"?>\r\n{spec}'.encode()) == ((41,), None)


def test_wrong_arguments_are_wrong_in_the_same_way():
    for params in ([1], 1, None, (1, 2), (), "x"):
        for options in ({}, {"methodname": 7}, {"methodresponse": True}, {"encoding": 7}):
            theirs = kit.outcome(standard.dumps, params, **options)
            assert kit.outcome(client.dumps, params, **options) == theirs


def test_recursion():
    ring: list = []
    ring.append(ring)
    deep: list = []
    for _ in range(300):
        deep = [deep]
    for value in (ring, {"a": ring}, deep):
        theirs = kit.outcome(standard.dumps, (value,))
        assert kit.outcome(client.dumps, (value,)) == theirs
    same_reading(standard.dumps((deep,)))


def test_what_a_program_taught_the_standard_library_counts(monkeypatch):
    def dump_i8(_, value, write):
        write(f"<value><i8>{value}</i8></value>")

    monkeypatch.setitem(standard.Marshaller.dispatch, int, dump_i8)
    monkeypatch.setitem(standard.Unmarshaller.dispatch, "i8", lambda self, data: self.append("!"))
    text = client.dumps((1 << 40,))
    assert f"<i8>{1 << 40}</i8>" in text
    assert client.loads(text) == (("!",), None)
    monkeypatch.undo()
    monkeypatch.setattr(standard, "MAXINT", 1 << 50)
    assert str(1 << 40) in client.dumps((1 << 40,))


def test_the_classes_are_the_standard_ones():
    for name in ("Binary", "DateTime", "Error", "Fault", "ProtocolError", "ResponseError"):
        assert getattr(client, name) is getattr(standard, name)
    public = {name for name in vars(standard) if not name.startswith("_")}
    assert all(hasattr(client, name) for name in public)
    assert client.escape("<&>") == standard.escape("<&>")
    with pytest.raises(AttributeError):
        _ = client.nothing
    for value in (client.Binary(b"x"), datetime.datetime(2024, 1, 1)):
        ((back,), _) = client.loads(client.dumps((value,)))
        assert back == value


def test_the_parser_can_be_fed():
    parser, target = client.getparser(use_builtin_types=True)
    data = client.dumps((b"x", 1), "add").encode()
    for i in range(0, len(data), 7):
        parser.feed(data[i : i + 7])
    parser.close()
    assert target.close() == (b"x", 1)
    assert target.getmethodname() == "add"
