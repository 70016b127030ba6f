"""Measures what the array transport promises and prints one table: wanted, measured, verdict.

Run it as ``python bench/run_arrays.py`` with the interpreter that has fastnet installed; the
README beside this file says how to read the result.
"""

from __future__ import annotations

import sys

import arrays_rows
from arrays_links import links
from arrays_loops import loops
from arrays_rows import Proof
from proof import Sections, arguments, prove, say

SECTIONS: Sections = {
    "transfer": arrays_rows.transfer,
    "stream": arrays_rows.stream,
    "loops": loops,
    "keys": arrays_rows.keys,
    "handshakes": arrays_rows.handshakes,
    "pool": arrays_rows.pool,
    "peers": arrays_rows.peers,
    "small": arrays_rows.small,
    "strided": arrays_rows.strided,
    "busy": arrays_rows.busy,
    "memory": arrays_rows.memory,
    "import": arrays_rows.import_time,
    "links": links,
}


def main() -> int:
    options = arguments(__doc__, SECTIONS, "fewer rounds, 256 MiB for 1 GiB").parse_args()
    return prove(Proof(quick=options.quick, say=say), SECTIONS, options)


if __name__ == "__main__":
    sys.exit(main())
