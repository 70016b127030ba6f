"""Compiles the C reference once per source text, into a cache under the temporary directory."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "array_ref.c"
FLAGS = ["-O2", "-std=gnu11", "-Wall", "-Wextra"]


def compiler() -> str | None:
    """The C compiler: ``$CC``, or the first of cc, gcc, clang that exists."""
    wanted = os.environ.get("CC")
    for name in [wanted] if wanted else ["cc", "gcc", "clang"]:
        found = shutil.which(name)
        if found:
            return found
    return None


def cache_dir() -> Path:
    """Where compiled references are kept: a directory that only this user can write."""
    path = Path(tempfile.gettempdir()) / f"fastnet-bench-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    owner = path.stat()
    if owner.st_uid != os.getuid() or owner.st_mode & 0o022:
        raise PermissionError(f"{path} belongs to someone else or is writable by others")
    return path


def build() -> Path:
    """Path of the executable; compiled when this source has not been compiled before."""
    cc = compiler()
    if cc is None:
        raise FileNotFoundError("the C reference needs a C compiler: install gcc or clang")
    digest = hashlib.sha256(SOURCE.read_bytes() + " ".join([cc, *FLAGS]).encode()).hexdigest()
    target = cache_dir() / f"array_ref-{digest[:16]}"
    if not target.exists():
        draft = target.with_suffix(f".{os.getpid()}")
        subprocess.run([cc, *FLAGS, "-o", str(draft), str(SOURCE)], check=True)
        draft.rename(target)
    return target


if __name__ == "__main__":
    print(build())
