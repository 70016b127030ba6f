"""Compiles the C programs once per source text, into a cache under the temporary directory."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra")
LOAD = ("load.c", "load_stream.c", "load_udp.c", "common.c")


@dataclass(frozen=True)
class Program:
    """What one executable is made of."""

    sources: tuple[str, ...]
    flags: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()


PROGRAMS = {
    "array_ref": Program(("array_ref.c", "common.c")),
    "mac_ref": Program(("array_ref.c", "mac_io.c", "common.c"), ("-DWITH_MAC",), ("-lcrypto",)),
    "echo_ref": Program(("echo_ref.c", "common.c")),
    "udp_ref": Program(("udp_ref.c", "common.c")),
    "http_ref": Program(("http_ref.c", "common.c")),
    "http_drain": Program(("http_drain.c", "common.c")),
    "load": Program(LOAD),
    "tls_load": Program((*LOAD, "tls_io.c"), ("-DWITH_TLS",), ("-lssl", "-lcrypto")),
}


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


def build(name: str = "array_ref") -> Path:
    """Path of the executable ``name``; compiled when these sources have not been before.

    Raises `FileNotFoundError` without a compiler and `subprocess.CalledProcessError` when it
    fails, for ``mac_ref`` and ``tls_load`` where OpenSSL's headers are missing.
    """
    cc = compiler()
    if cc is None:
        raise FileNotFoundError("the C reference needs a C compiler: install gcc or clang")
    program = PROGRAMS[name]
    command = [cc, *FLAGS, *program.flags]
    texts = [(HERE / source).read_bytes() for source in program.sources]
    texts += [header.read_bytes() for header in sorted(HERE.glob("*.h"))]
    digest = hashlib.sha256(b"".join(texts) + " ".join(command).encode()).hexdigest()
    target = cache_dir() / f"{name}-{digest[:16]}"
    if not target.exists():
        draft = target.with_suffix(f".{os.getpid()}")
        sources = [str(HERE / source) for source in program.sources]
        subprocess.run([*command, "-o", str(draft), *sources, *program.libraries], check=True)
        draft.rename(target)
    return target


if __name__ == "__main__":
    for each in PROGRAMS:
        print(build(each))
