"""Measures what the array transport promises and prints one table: wanted, measured, verdict.

Run it as ``python bench/run_arrays.py`` with the interpreter that has fastnet installed; the
README beside this file says how to read the result.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import arrays_rows
from arrays_links import links
from arrays_rows import Proof, default_congestion
from harness import HarnessError, cpus
from table import Row, render_rows

SECTIONS: dict[str, Callable[[Proof], list[Row]]] = {
    "transfer": arrays_rows.transfer,
    "stream": arrays_rows.stream,
    "pool": arrays_rows.pool,
    "peers": arrays_rows.peers,
    "small": arrays_rows.small,
    "strided": arrays_rows.strided,
    "busy": arrays_rows.busy,
    "memory": arrays_rows.memory,
    "import": arrays_rows.import_time,
    "links": links,
}


def machine() -> dict[str, Any]:
    """What the figures depend on and a reader cannot see."""
    server, client = cpus()
    return {
        "kernel": platform.release(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "server_cpu": server,
        "client_cpu": client,
        "congestion_control": default_congestion(),
        "load": os.getloadavg()[0],
    }


@contextlib.contextmanager
def raised_priority(wanted: bool) -> Iterator[None]:
    """Lets the contestants go before other people's work, as far as we may.

    Where the kernel groups tasks by session (``sched_autogroup_enabled``) a nice value counts only
    within the session, so the group's own is lowered too, and put back afterwards.
    """
    group = Path("/proc/self/autogroup")
    before = None
    if wanted:
        with contextlib.suppress(OSError):
            os.nice(-15)
        with contextlib.suppress(OSError, IndexError):
            before = group.read_text().split()[-1]
            group.write_text("-15")
    try:
        yield
    finally:
        if before is not None:
            with contextlib.suppress(OSError):
                group.write_text(before)


def sections(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = sorted(set(names) - set(SECTIONS))
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no such section: {', '.join(unknown)} (there are {', '.join(SECTIONS)})"
        )
    return names


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, 256 MiB for 1 GiB")
    parser.add_argument("--only", type=sections, default=list(SECTIONS), metavar="SECTION,...")
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything measured, as JSON")
    parser.add_argument("--strict", action="store_true", help="exit 1 unless all rows are met")
    parser.add_argument(
        "--priority", action="store_true", help="go before other work on this machine, if permitted"
    )
    return parser.parse_args()


def measure(proof: Proof, names: list[str]) -> list[Row]:
    """All sections in turn; one that fails becomes a row that says so, the others go on."""
    rows: list[Row] = []
    for name in names:
        try:
            rows += SECTIONS[name](proof)
        except HarnessError as exc:
            print(f"  {exc}", file=sys.stderr)
            first = str(exc).splitlines()[0]
            rows.append(
                Row(name, f"{name}: the whole section", None, None, note=first, failed=True)
            )
    return rows


def main() -> int:
    options = arguments()
    if importlib.util.find_spec("fastnet") is None:
        print(f"fastnet is not installed for {sys.executable}", file=sys.stderr)
        return 2
    proof = Proof(quick=options.quick, say=lambda text: print(text, flush=True))
    facts = machine()
    print("  ".join(f"{key} {value}" for key, value in facts.items()), flush=True)
    with raised_priority(options.priority):
        rows = measure(proof, options.only)
    print()
    print(render_rows(rows))
    if options.json:
        document = {
            "machine": facts,
            "quick": options.quick,
            "rows": [row.as_dict() for row in rows],
            "runs": {label: results.as_dict() for label, results in proof.results.items()},
        }
        options.json.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    missed = [row for row in rows if row.verdict in ("MISSED", "FAILED")]
    return 1 if options.strict and missed else 0


if __name__ == "__main__":
    sys.exit(main())
