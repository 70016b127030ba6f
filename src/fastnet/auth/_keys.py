"""Keys as bytes and as files."""

from __future__ import annotations

import base64
import binascii
import errno
import os
import secrets
import stat

__all__ = ["KEY_BYTES", "check_key", "format_key", "generate_key", "load_key", "save_key"]

KEY_BYTES = 32
_LEAST, _MOST = 16, 4096  # bytes (csrc/include/fastnet/fn1_auth.h)
_PREFIX = "fastnet-key-1:"
_LONGEST_FILE = 8192  # bytes


def check_key(key: bytes | bytearray | memoryview) -> bytes:
    """A key as bytes.

    Raises:
        TypeError: not bytes.
        ValueError: shorter than 16 bytes, or longer than 4096.
    """
    if not isinstance(key, bytes | bytearray | memoryview):
        raise TypeError(f"a key is bytes, not {type(key).__name__}")
    if not _LEAST <= len(bytes(key)) <= _MOST:
        raise ValueError(
            f"a key has from {_LEAST} to {_MOST} bytes, not {len(bytes(key))}; "
            "fastnet.auth.generate_key() makes one"
        )
    return bytes(key)


def generate_key() -> bytes:
    """A new key: 32 bytes that nobody can guess."""
    return secrets.token_bytes(KEY_BYTES)


def format_key(key: bytes) -> str:
    """A key as the line of text that a key's file holds."""
    return _PREFIX + base64.b64encode(check_key(key)).decode("ascii")


def save_key(path: str | os.PathLike[str], key: bytes) -> None:
    """Writes a key to a new file that only its owner can read.

    The file holds one line of text.  ``fastnet keygen PATH`` does this with a
    new key.

    Raises:
        FileExistsError: a key is never overwritten.
        TypeError, ValueError: not a key.
        OSError: the file cannot be written.
    """
    line = format_key(key) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        os.unlink(path)  # half a key is none
        raise


def load_key(path: str | os.PathLike[str]) -> bytes:
    """Reads a key from a file that ``fastnet keygen`` or `save_key` made.

    Parameters:
        path: the file.  It must belong to this user or to root, and nobody
            else may be able to read or write it.

    Raises:
        PermissionError: others can read it, or it belongs to somebody else;
            the text says what to do.
        ValueError: it holds no key.
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        # of the open file: the name could be given to another one meanwhile
        _check_private(path, os.fstat(descriptor))
        content = os.read(descriptor, _LONGEST_FILE + 1)
    finally:
        os.close(descriptor)
    return _parse(path, content)


def _check_private(path: str | os.PathLike[str], status: os.stat_result) -> None:
    name = os.fspath(path)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{name} is no file that could hold a key")
    if status.st_uid not in (os.geteuid(), 0):
        raise PermissionError(
            errno.EPERM,
            f"the key belongs to another user (uid {status.st_uid}), who could change it; "
            "copy it to a file of your own",
            name,
        )
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise PermissionError(
            errno.EPERM,
            f"other users have access to the key (mode {stat.S_IMODE(status.st_mode):03o}); "
            "make a new one if they could have read it, and take the access away: "
            f"chmod 600 {name}",
            name,
        )


def _parse(path: str | os.PathLike[str], content: bytes) -> bytes:
    # No part of the content may get into a message.
    problem = ValueError(
        f"{os.fspath(path)} holds no key: it must be one line that begins with {_PREFIX!r}, "
        "as `fastnet keygen` writes it"
    )
    lines = content.split(b"\n")
    prefix = _PREFIX.encode("ascii")
    if len(content) > _LONGEST_FILE or not content.startswith(prefix) or any(lines[1:]):
        raise problem
    try:
        key = base64.b64decode(lines[0][len(prefix) :].strip(), validate=True)
    except binascii.Error:
        raise problem from None
    try:
        return check_key(key)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from None
