"""Runs what the interpreter's own test_wsgiref has of servers, unmodified, against fastnet.wsgi.

python as_wsgiref.py [unittest's options]

Its other tests are of wsgiref's handlers, headers and utilities, or replace the server's socket.
"""

import sys
import unittest
import wsgiref.simple_server

import fastnet.wsgi

for name in ("WSGIRequestHandler", "WSGIServer", "make_server"):
    setattr(wsgiref.simple_server, name, getattr(fastnet.wsgi, name))

if __name__ == "__main__":
    from test import test_wsgiref

    assert test_wsgiref.make_server is fastnet.wsgi.make_server
    options = [*sys.argv, "IntegrationTests.test_interrupted_write"]
    unittest.main(test_wsgiref, argv=options)
