"""Runs classes of the interpreter's own multiprocessing suite, unmodified, on fastnet.connection.

python as_multiprocessing.py START_METHOD CLASS...

The names of multiprocessing.connection are bound to fastnet's before anything else of
multiprocessing is imported: here and, through a sitecustomize on PYTHONPATH, in every process
that the suite starts.
"""

import os
import sys
import tempfile
import unittest

CUSTOMIZE = """
import multiprocessing.connection as standard
import fastnet.connection as ours
for name in dir(ours):
    if not name.startswith("__") and hasattr(standard, name):
        setattr(standard, name, getattr(ours, name))
"""
METHOD = "AS_MULTIPROCESSING_METHOD"

if __name__ == "__main__":
    os.environ[METHOD] = sys.argv[1]
    exec(CUSTOMIZE, {})

from test import _test_multiprocessing  # noqa: E402

# Into this module, also where a spawned child imports it again.
_test_multiprocessing.install_tests_in_module_dict(globals(), os.environ[METHOD])


def main(wanted):
    import multiprocessing.connection

    import fastnet.connection

    assert multiprocessing.connection.Listener is fastnet.connection.Listener
    assert multiprocessing.connection.wait is fastnet.connection.wait
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, "sitecustomize.py"), "w") as file:
            file.write(CUSTOMIZE)
        paths = [directory, *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
        unittest.main(argv=[sys.argv[0], "-v", *(name for name in wanted if name in globals())])


if __name__ == "__main__":
    main(sys.argv[2:])
