"""Received arrays become files: written under a temporary name, then renamed.

Everything happens relative to descriptors of folders that were opened without following links, so
a name cannot lead out of the folder, whatever is moved about meanwhile. A file's space is
allocated before its array arrives: a full disk is then an error here, where without that it would
be SIGBUS while the array is written through the mapping.
"""

from __future__ import annotations

import errno
import mmap
import os
import secrets
import threading
from types import TracebackType
from typing import Any, Self

from fastnet.cli import _names, _npy
from fastnet.cli._report import Failure, reason

MAPPED_FROM = 1 << 20  # bytes; smaller arrays are received in memory, then written
ZEROS = 1 << 20  # bytes written at a time where space cannot be allocated otherwise

# The name is at fault, not the disk: another name would do.
NAME_ERRORS = frozenset(
    {errno.EEXIST, errno.EISDIR, errno.EILSEQ, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR}
)


class Refused(Exception):
    """An array that is not written; the text says why. The next one may well be."""


def allocate(fd: int, nbytes: int) -> None:
    """Gives a file ``nbytes`` that the disk really has, else raises OSError (ENOSPC, EFBIG)."""
    try:
        os.posix_fallocate(fd, 0, nbytes)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
        block = bytes(min(nbytes, ZEROS))
        for start in range(0, nbytes, ZEROS):
            write_at(fd, memoryview(block)[: nbytes - start], start)


def write_at(fd: int, data: Any, position: int) -> None:
    """Writes all of a buffer of bytes at ``position``."""
    view = memoryview(data)
    while len(view):
        done = os.pwrite(fd, view, position)
        view = view[done:]
        position += done


class Part:
    """One file in the making: fill ``array``, then `commit` or `discard`, once.

    ``path``: where the file will be, for messages.
    """

    def __init__(self, folder: Folder, where: tuple[str, ...], header: bytes, like: Any) -> None:
        self.path = os.path.join(folder.path, *where)
        self.array: Any = None
        self._folder = folder
        self._leaf = where[-1]
        self._temporary = f".{self._leaf}.{secrets.token_hex(4)}.part"
        self._header = header
        self._mapped = like.nbytes >= MAPPED_FROM
        self._fd = self._parent = -1
        try:
            self._parent = folder._descend(where[:-1])
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            self._fd = os.open(self._temporary, flags, 0o666, dir_fd=self._parent)
            allocate(self._fd, len(header) + like.nbytes)
            write_at(self._fd, header, 0)
            self.array = self._memory(like)
        except BaseException:
            self.discard()
            raise

    def _memory(self, like: Any) -> Any:
        import numpy as np

        if not self._mapped:
            return np.empty(like.shape, like.dtype, like.order)
        pages = mmap.mmap(self._fd, len(self._header) + like.nbytes)
        start = len(self._header)
        return np.ndarray(like.shape, like.dtype, buffer=pages, offset=start, order=like.order)

    def commit(self) -> None:
        """Puts the file in place of whatever had its name. Raises Refused, Failure."""
        try:
            with self._folder._errors(self.path):
                if not self._mapped and self.array.nbytes:
                    flat = self.array.reshape(-1, order="A").view("u1")
                    write_at(self._fd, flat, len(self._header))
                if self._folder.sync:
                    os.fsync(self._fd)
                os.rename(
                    self._temporary,
                    self._leaf,
                    src_dir_fd=self._parent,
                    dst_dir_fd=self._parent,
                )
                self._temporary = ""
                if self._folder.sync:
                    os.fsync(self._parent)
        finally:
            self.discard()

    def discard(self) -> None:
        """Removes the temporary file unless it has become the file; harmless when repeated."""
        self.array = None
        with self._folder._lock:
            self._folder._parts.discard(self)
            fd, parent, temporary = self._fd, self._parent, self._temporary
            self._fd = self._parent = -1
            self._temporary = ""
        if temporary and parent >= 0:
            try:
                os.unlink(temporary, dir_fd=parent)
            except OSError:
                pass  # never made, or gone
        for descriptor in (fd, parent):
            if descriptor >= 0:
                os.close(descriptor)


class _Errors:
    """Turns the system's errors about ``path`` into Refused or Failure."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError):
            if error.errno in NAME_ERRORS:
                raise Refused(f"{self.path}: {error.strerror}") from None
            raise Failure(f"cannot write {self.path}: {error.strerror}") from None


class Folder:
    """The folder that receives; made if it is missing.

    ``sync``: a file is on the disk before it gets its name. Raises Failure when the folder cannot
    be made or written.
    """

    _errors = _Errors

    def __init__(self, path: str, sync: bool = False) -> None:
        self.path = path
        self.sync = sync
        self._lock = threading.Lock()
        self._parts: set[Part] = set()
        self._open = True
        try:
            os.makedirs(path, exist_ok=True)
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            if not os.access(path, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        except OSError as error:
            raise Failure(f"cannot write to {path}: {reason(error)}") from None

    def create(self, name: str, like: Any) -> Part:
        """Starts the file for an array with the name ``name``.

        ``like``: has the array's dtype, shape, order ("C" or "F") and nbytes. Raises Refused when
        the name or the dtype cannot be used, Failure when the disk is full or failing.
        """
        try:
            where = _names.parts(name)
        except _names.RefusedName as error:
            raise Refused(f"the name {name[:100]!r} has {error}") from None
        described = _npy.descr(like.dtype)
        if described is None:
            raise Refused(f"{name}: .npy files cannot hold the dtype {like.dtype}")
        header = _npy.header(described, like.shape, like.order)
        with self._errors(os.path.join(self.path, *where)):
            part = Part(self, where, header, like)
        with self._lock:
            if self._open:
                self._parts.add(part)
                return part
        part.discard()
        raise Refused(f"{name}: the receiver is closing")

    def _descend(self, folders: tuple[str, ...]) -> int:
        """Descriptor of a subfolder, made if missing; links are not followed."""
        here = os.dup(self._fd)
        for name in folders:
            try:
                try:
                    os.mkdir(name, 0o777, dir_fd=here)
                except FileExistsError:
                    pass
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
                below = os.open(name, flags, dir_fd=here)
            finally:
                os.close(here)
            here = below
        return here

    def close(self) -> None:
        """Removes what is unfinished."""
        with self._lock:
            parts = list(self._parts) if self._open else []
            was_open, self._open = self._open, False
        for part in parts:
            part.discard()
        if was_open:
            os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
