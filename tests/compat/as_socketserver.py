"""Runs the interpreter's own test_socketserver, unmodified, against fastnet.socketserver.

python as_socketserver.py [unittest's options]
"""

import importlib.util
import sys
import unittest

found = importlib.util.find_spec("fastnet.socketserver")
spec = importlib.util.spec_from_file_location("socketserver", found.origin)
module = sys.modules["socketserver"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)

if __name__ == "__main__":
    from test import test_socketserver

    assert test_socketserver.socketserver is module
    unittest.main(test_socketserver)
