"""Measures what fastnet.connection promises over multiprocessing.connection, and prints one table.

Run it as ``python bench/run_connection.py`` with the interpreter that has fastnet installed; the
README beside this file says how to read the result.
"""

from __future__ import annotations

import functools
import statistics
import sys

from arrays_rows import MIB, Proof, ratio_row
from harness import Contestant, Results, python_contestant
from proof import Sections, arguments, prove, say
from table import Row

STANDARD, OURS = "stdlib both ends", "fastnet both ends"
LISTENS, CONNECTS = "fastnet listens, stdlib connects", "stdlib listens, fastnet connects"
PAIRS = {
    STANDARD: ("stdlib", "stdlib"),
    OURS: ("fastnet", "fastnet"),
    LISTENS: ("fastnet", "stdlib"),
    CONNECTS: ("stdlib", "fastnet"),
}
SAME = 1.0


def contestants(role: str, size: int, count: int, family: str) -> list[Contestant]:
    return [
        python_contestant(
            name,
            f"connection_roles:{role}",
            size=size,
            count=count,
            family=family,
            server=server,
            client=client,
        )
        for name, (server, client) in PAIRS.items()
    ]


def rows(
    proof: Proof, section: str, what: str, role: str, size: int, count: int, wanted: float
) -> list[Row]:
    found = []
    for family, bound in (("tcp", wanted), ("unix", None)):
        label = f"{what}, {'TCP' if family == 'tcp' else 'Unix socket'}"
        results = proof.compare(label, contestants(role, size, count, family), STANDARD)
        found.append(ratio_row(section, f"{label}: {OURS}", results, OURS, STANDARD, bound))
        for name in (LISTENS, CONNECTS):
            found.append(ratio_row(section, f"{label}: {name}", results, name, STANDARD, SAME))
        if count > 1:
            found.append(latency(section, label, results, count))
    return found


def latency(section: str, label: str, results: Results, count: int) -> Row:
    """Microseconds of one exchange with fastnet at both ends."""
    times = [r[OURS] / count * 1e6 for r in results.rounds]
    spread = (min(times), max(times))
    return Row(section, f"{label}: one exchange", None, statistics.median(times), "us", spread)


def bulk(section: str, what: str, role: str, wanted: float, proof: Proof) -> list[Row]:
    return rows(proof, section, f"64 MiB, {what}", role, 64 * MIB, 1, wanted)


def pingpong(proof: Proof) -> list[Row]:
    return rows(proof, "pingpong", "64 B there and back", "PingPong", 64, 500, 3.0)


SECTIONS: Sections = {
    "into": functools.partial(bulk, "into", "send_bytes to recv_bytes_into", "BytesInto", 6.0),
    "bytes": functools.partial(bulk, "bytes", "send_bytes to recv_bytes", "Bytes", 3.0),
    "objects": functools.partial(bulk, "objects", "send(array) to recv", "Objects", 4.0),
    "pingpong": pingpong,
}


def main() -> int:
    options = arguments(__doc__ or "", SECTIONS, "fewer rounds").parse_args()
    return prove(Proof(quick=options.quick, say=say), SECTIONS, options)


if __name__ == "__main__":
    sys.exit(main())
