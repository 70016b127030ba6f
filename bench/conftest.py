"""Makes this directory's modules importable whatever import mode pytest is in."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
