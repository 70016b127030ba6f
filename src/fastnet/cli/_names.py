"""Names that come from a peer, made into paths that cannot leave the folder.

A name is one or more parts joined by ``/``: ``weights`` is written as ``weights.npy``,
``run/weights`` (a member of ``run.npz``) as ``run/weights.npy``. Whatever else a part holds, it
names an entry of its own folder and nothing beyond.
"""

from __future__ import annotations

MAX_PARTS = 8
MAX_BYTES = 200  # of a part: leaves room in the 255 that file systems allow for what we add
SUFFIX = ".npy"


class RefusedName(Exception):
    """A name that is not used for a file; the text says why."""


def parts(name: str) -> tuple[str, ...]:
    """The folders and the file, with its suffix, for a name. Raises RefusedName."""
    found = tuple(name.split("/"))
    if len(found) > MAX_PARTS:
        raise RefusedName(f"more than {MAX_PARTS} parts")
    for part in found:
        _check(part)
    *folders, leaf = found
    return (*folders, leaf if leaf.endswith(SUFFIX) else leaf + SUFFIX)


def _check(part: str) -> None:
    if not part:
        raise RefusedName("an empty part: it begins or ends with '/', or has two of them")
    if part.startswith("."):
        raise RefusedName("a part that begins with a dot")
    if "\\" in part:
        raise RefusedName("a backslash")
    if not part.isprintable():  # NUL, line breaks, terminal commands, lone surrogates
        raise RefusedName("characters that cannot be printed")
    if len(part.encode()) > MAX_BYTES:
        raise RefusedName(f"a part longer than {MAX_BYTES} bytes")
