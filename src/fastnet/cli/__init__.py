"""The ``fastnet`` command.

``recv``, ``send``, ``keygen``, ``serve``, ``call``, ``talk``, ``bench`` …

Each subcommand is a module of its own, imported only when it is the one that runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status.

    ``argv``: the words after the program's name; None takes those of the process.

    Returns 0; 1 after one line on stderr that says what went wrong; 2 for wrong usage; 130 after
    Ctrl-C; 141 when nobody reads the output any more, like a program ended by SIGPIPE.
    """
    from fastnet.cli import _parser, _report

    try:
        args = _parser.build().parse_args(argv)
        return int(import_module(args.module).run(args))
    except SystemExit as stop:  # argparse has said its piece; SIGTERM ends `recv` like this too
        return stop.code if isinstance(stop.code, int) else 1
    except KeyboardInterrupt:
        return 130
    except _report.OutputClosed:
        return 141
    except Exception as error:
        status = _report.explain(error)
        if status is None:
            raise
        return status
