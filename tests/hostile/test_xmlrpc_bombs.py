"""Messages that are small and mean a lot: bombs, holes, depths, and what is no text."""

from __future__ import annotations

import time
import xmlrpc.client as standard

import pytest

import links
import xmlrpc_kit as kit
from fastnet.xmlrpc import client, server

HEAD = "<?xml version='1.0'?>\n"
CALL = "<methodCall><methodName>a</methodName><params><param><value>{}</value></param></params>"
CALL += "</methodCall>"


def laughs(levels=12):
    entities = ["<!ENTITY e0 'lol'>"]
    for n in range(1, levels):
        entities.append(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10}'>")
    return f"{HEAD}<!DOCTYPE x [{''.join(entities)}]>" + CALL.format(f"&e{levels - 1};")


BOMBS = {
    "billion laughs": laughs(),
    "quadratic": f"{HEAD}<!DOCTYPE x [<!ENTITY a '{'x' * 50_000}'>]>" + CALL.format("&a;" * 5000),
    "parameter entities": f"{HEAD}<!DOCTYPE x [<!ENTITY % a 'x'><!ENTITY % b '%a;%a;'> %b; ]>"
    + CALL.format("x"),
    "external entity": f"{HEAD}<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"
    + CALL.format("&a;"),
    "external DTD": f"{HEAD}<!DOCTYPE x SYSTEM 'http://127.0.0.1:9/x.dtd'>" + CALL.format("x"),
    "a harmless DTD": f"{HEAD}<!DOCTYPE methodCall>" + CALL.format("x"),
    "default attributes": f"{HEAD}<!DOCTYPE x [<!ATTLIST value a CDATA '{'x' * 9999}'>]>"
    + CALL.format("x"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_dtd_is_refused(name):
    for data in (BOMBS[name], BOMBS[name].encode(), BOMBS[name].encode("utf-16")):
        with pytest.raises(client.DocumentRefused, match="document type declaration") as caught:
            client.loads(data)
        assert isinstance(caught.value, standard.ResponseError)
        parser, _ = client.getparser()
        with pytest.raises(client.DocumentRefused, match="document type declaration"):
            parser.feed(data)
    answer = server.SimpleXMLRPCDispatcher()._marshaled_dispatch(BOMBS[name].encode())
    with pytest.raises(client.Fault, match="document type declaration"):
        client.loads(answer)


# Memory's high-water mark belongs to a process, so a new one looks at each message.
MEASURE = """
import sys
import links
from fastnet.xmlrpc import client, server
data = eval(sys.argv[1])
dispatcher = server.SimpleXMLRPCDispatcher()
dispatcher._marshaled_dispatch(b"<!DOCTYPE x><x/>")
before = links.resident("VmHWM")
for _ in range(3):
    answer = dispatcher._marshaled_dispatch(data)
print(links.resident("VmHWM") - before)
assert b"<fault>" in answer
"""


@pytest.mark.memory
@pytest.mark.parametrize(
    "source",
    [
        "b'<!DOCTYPE x [<!ENTITY a \"' + b'x' * 100_000 + b'\">]><x>' + b'&a;' * 100_000 + b'</x>'",
        "b'<params>' + b'<param><value><array><data>' * 200_000",
        "b'<params><param>' + b'<value><array><data>' * 200_000",
        "b'<x>' * 1_000_000",
        "b'<!-- -->' + b'<x>' * 1_000_000",
    ],
)
def test_memory(source, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", links.__file__.rpartition("/")[0])
    assert int(links.run(MEASURE, source)) < 10 << 20


def nested(levels, comment=""):
    data = "<value><array><data>" * levels + "</data></array></value>" * levels
    return f"{comment}<params><param>{data}</param></params>"


def test_depth():
    for comment in ("", "<!-- not canonical -->"):
        values, _ = client.loads(nested(1000, comment))
        depth = 0
        while values:
            values, depth = values[0], depth + 1
        assert depth == 1000
        for levels in (1100, 100_000):
            with pytest.raises(client.DocumentRefused, match="in each other"):
                client.loads(nested(levels, comment))


def test_numbers_and_sizes():
    cases = [
        "<int>" + "9" * 5000 + "</int>",
        "<int>-" + "0" * 5000 + "</int>",
        "<i8>" + "1" * 19 + "</i8>",
        "<double>" + "1" * 5000 + "</double>",
        "<double>1e" + "9" * 5000 + "</double>",
        "<dateTime.iso8601>" + "2" * 5000 + "</dateTime.iso8601>",
        "<base64>" + "=" * 5000 + "</base64>",
        "<boolean>" + "1" * 5000 + "</boolean>",
    ]
    for value in cases:
        for options in ({}, {"use_builtin_types": True}):
            theirs = kit.outcome(standard.loads, CALL.format(value), **options)
            assert kit.outcome(client.loads, CALL.format(value), **options) == theirs


def test_what_is_no_text():
    for bad in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\0"):
        data = CALL.encode().replace(b"{}", b"a" + bad + b"b")
        theirs = kit.outcome(standard.loads, data)
        assert theirs[0] == "raised"
        assert kit.outcome(client.loads, data) == theirs
    for text in ("\ud800", "\udc80\ud800", "a\0b", "\x1f"):
        assert client.dumps((text,), "a") == standard.dumps((text,), "a")
        theirs = kit.outcome(standard.loads, CALL.format(text))
        assert kit.outcome(client.loads, CALL.format(text)) == theirs


def test_time_is_linear():
    """Openings without end, references without end, names without end: each looked at once."""
    for piece in ("<value>", "&#65;", "<", "&", "]]", "<!--", "<struct><member>", " "):
        for data in (piece * 200_000, CALL.format(piece * 200_000)):
            began = time.monotonic()
            kit.outcome(client.loads, data)
            assert time.monotonic() - began < 30  # quadratic would be minutes


def test_a_server_lives_through_it_all():
    with kit.served() as (running, url):
        for bomb in BOMBS.values():
            answer, data = kit.posted(running, bomb.encode())
            assert answer.status == 200
            assert b"document type declaration" in data
        for data in (nested(50_000).encode(), b"\xff" * 1000, b"<" * 100_000, b""):
            answer, said = kit.posted(running, data)
            assert answer.status == 200
            assert b"<fault>" in said
        with client.ServerProxy(url) as calls:
            assert calls.add(1, 2) == 3
