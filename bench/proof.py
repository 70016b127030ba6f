"""What every proof shares: options, the machine, sections in turn, one table, JSON.

A *proof* is an object with ``results``, what has been measured so far by label, each with an
``as_dict()``. A *section* is a function that takes it and returns rows.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from process import HarnessError, cpus
from table import Row, render_rows

Sections = Mapping[str, Callable[[Any], list[Row]]]


def default_congestion() -> str:
    try:
        return Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    except OSError:
        return "unknown"


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


def arguments(description: str, sections: Sections, quick: str) -> argparse.ArgumentParser:
    """The options of every proof; ``quick`` says what that one leaves out."""

    def names(text: str) -> list[str]:
        wanted = [name.strip() for name in text.split(",") if name.strip()]
        unknown = sorted(set(wanted) - set(sections))
        if unknown:
            raise argparse.ArgumentTypeError(
                f"no such section: {', '.join(unknown)} (there are {', '.join(sections)})"
            )
        return wanted

    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--only", type=names, default=list(sections), metavar="SECTION,...")
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything measured, as JSON")
    parser.add_argument("--strict", action="store_true", help="exit 1 unless all rows are met")
    parser.add_argument(
        "--priority", action="store_true", help="go before other work on this machine, if permitted"
    )
    return parser


def measure(proof: Any, sections: Sections, names: list[str]) -> list[Row]:
    """All sections in turn; one that fails becomes a row that says so, the others go on."""
    rows: list[Row] = []
    for name in names:
        try:
            rows += sections[name](proof)
        except HarnessError as exc:
            print(f"  {exc}", file=sys.stderr)
            first = str(exc).splitlines()[0]
            rows.append(
                Row(name, f"{name}: the whole section", None, None, note=first, failed=True)
            )
    return rows


def say(text: str) -> None:
    print(text, flush=True)


def prove(proof: Any, sections: Sections, options: argparse.Namespace) -> int:
    """Measures what the options ask for, prints the table and returns the exit code."""
    if importlib.util.find_spec("fastnet") is None:
        print(f"fastnet is not installed for {sys.executable}", file=sys.stderr)
        return 2
    facts = machine()
    say("  ".join(f"{key} {value}" for key, value in facts.items()))
    with raised_priority(options.priority):
        rows = measure(proof, sections, options.only)
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
