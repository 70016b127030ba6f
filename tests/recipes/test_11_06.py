"""Recipe 11.6, XML-RPC: examples/xmlrpc_keyvalue.py; the slides' programs: slides_xmlrpc.py."""

from __future__ import annotations

import xmlrpc.client

import pytest

import recipe_programs as programs


@pytest.mark.parametrize("how", ["serve", "wsgi"])
def test_the_key_value_server(how):
    with programs.started("xmlrpc_keyvalue.py", how, 0) as (_, port):
        assert programs.finished("xmlrpc_keyvalue.py", "use", port).splitlines() == [
            "['foo', 'spam']",
            "bar",
            "[1, 2, 3]",
            "False",
        ]
        with xmlrpc.client.ServerProxy(f"http://127.0.0.1:{port}", allow_none=True) as theirs:
            assert theirs.get("foo") == "bar"
            with pytest.raises(xmlrpc.client.Fault, match="KeyError"):
                theirs.get("spam")


def test_the_slides():
    with programs.started("slides_xmlrpc.py", "server", 0) as (_, port):
        assert programs.finished("slides_xmlrpc.py", "client", port).splitlines() == [
            "8",
            "HelloWorld",
            "['foo', 2.5]",
            r"b'\xff\x02\x01\x00'",
            "hello world",
            "refused: <class 'Exception'>:method \"_hidden\" is not supported",
        ]
