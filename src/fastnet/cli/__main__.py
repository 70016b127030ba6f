"""``python -m fastnet.cli``: the same as ``fastnet``."""

import sys

from fastnet.cli import main

if __name__ == "__main__":
    sys.exit(main())
