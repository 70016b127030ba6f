"""``fastnet keygen``: makes keys; and reading them for the other commands."""

from __future__ import annotations

import argparse

from fastnet.cli import _report
from fastnet.cli._report import Failure


def run(args: argparse.Namespace) -> int:
    """Runs ``fastnet keygen``."""
    from fastnet import auth

    key = auth.generate_key()
    if args.path is None:
        print(auth.format_key(key))
        return 0
    try:
        auth.save_key(args.path, key)
    except FileExistsError:
        raise Failure(f"{args.path} exists already, and a key is never overwritten") from None
    except OSError as error:
        raise Failure(f"cannot write {args.path}: {_report.system(error)}") from None
    _report.note(f"a new key is in {args.path}; copy it to the other end over a safe way (scp -p)")
    return 0


def load(path: str | None) -> bytes | None:
    """The key in a file, None without a file; raises Failure with what to do."""
    if path is None:
        return None
    from fastnet import auth

    try:
        return auth.load_key(path)
    except ValueError as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"cannot use the key in {path}: {error.strerror}") from None
