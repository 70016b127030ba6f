"""Runs the interpreter's own test_httpservers, unmodified, against fastnet.http.server.

python as_http_server.py [unittest's options]
"""

import http
import http.server  # the one that ours is made of
import importlib.util
import sys
import unittest

found = importlib.util.find_spec("fastnet.http.server")
spec = importlib.util.spec_from_file_location("http.server", found.origin)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
sys.modules["http.server"] = http.server = module

if __name__ == "__main__":
    from test import test_httpservers

    assert test_httpservers.server is module
    assert test_httpservers.HTTPServer is module.HTTPServer
    unittest.main(test_httpservers)
