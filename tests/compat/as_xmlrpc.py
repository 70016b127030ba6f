"""Runs the interpreter's own test_xmlrpc or test_docxmlrpc, unmodified, against fastnet.xmlrpc.

python as_xmlrpc.py test_xmlrpc|test_docxmlrpc [unittest's options]
"""

import importlib
import sys
import unittest
import xmlrpc

import fastnet.xmlrpc.client
import fastnet.xmlrpc.server

for name in ("client", "server"):
    module = getattr(fastnet.xmlrpc, name)
    sys.modules[f"xmlrpc.{name}"] = module
    setattr(xmlrpc, name, module)

if __name__ == "__main__":
    tests = importlib.import_module(f"test.{sys.argv.pop(1)}")
    ours = (
        getattr(tests, "xmlrpclib", None),
        tests.DocXMLRPCServer.__module__ if hasattr(tests, "DocXMLRPCServer") else None,
    )
    assert fastnet.xmlrpc.client in ours or "fastnet.xmlrpc.server" in ours
    unittest.main(tests)
