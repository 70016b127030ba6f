"""Measures what the servers promise and prints one table: wanted, measured, verdict.

Run it as ``python bench/run_servers.py`` with the interpreter that has fastnet installed; the
README beside this file says how to read the result.
"""

from __future__ import annotations

import sys

import servers_rows
import servers_special
from proof import Sections, arguments, prove, say
from servers_rows import Proof

SECTIONS: Sections = {
    "echo": servers_rows.echo,
    "calls": servers_special.system_calls,
    "protocol": servers_rows.protocol,
    "streams": servers_rows.streams,
    "blocking": servers_rows.blocking,
    "pingpong": servers_special.pingpong,
    "udp": servers_rows.udp,
    "tls": servers_rows.tls,
    "idle": servers_special.idle,
    "events": servers_special.events,
}


def main() -> int:
    parser = arguments(__doc__, SECTIONS, "fewer and shorter turns")
    parser.add_argument(
        "--match",
        default="",
        metavar="TEXT",
        help='of the sections, only comparisons with this in their title, "64 x 1 KiB" for one',
    )
    options = parser.parse_args()
    proof = Proof(quick=options.quick, match=options.match, say=say)
    return prove(proof, SECTIONS, options)


if __name__ == "__main__":
    sys.exit(main())
