"""Runs the interpreter's own test_xmlrpc or test_docxmlrpc, unmodified, against fastnet.xmlrpc.

python as_xmlrpc.py test_xmlrpc|test_docxmlrpc [unittest's options]

From the first line on, xmlrpc.client and xmlrpc.server are fastnet's for whoever imports them.
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
    if tests.__name__ == "test.test_xmlrpc":
        assert tests.xmlrpclib is fastnet.xmlrpc.client
        assert tests.xmlrpc.server is fastnet.xmlrpc.server
    else:
        assert tests.DocXMLRPCServer is fastnet.xmlrpc.server.DocXMLRPCServer
    unittest.main(tests)
