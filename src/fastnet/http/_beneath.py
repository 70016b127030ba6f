"""Opening files beneath a directory, whatever their names say and links point to.

A path is walked component by component, each opened relative to the one
before and never through a link; links are read and walked likewise, so that
one may point anywhere inside, and none outside.  Renaming directories
meanwhile does not lead out: what is open stays what it is.
"""

from __future__ import annotations

import errno
import os
import stat

__all__ = ["Beneath", "Refused"]

_LINKS = 40  # what the system itself allows
_DEPTH = 256  # open directories on one path
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Non-blocking: should the name be a pipe's by now, opening must not wait for its writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class Refused(OSError):
    """A path that leads nowhere that may be served; its errno says why."""


class Beneath:
    """A directory, and what lies beneath it.

    Parameters:
        directory: its path, looked up once: renaming it later changes nothing.

    Raises OSError when it cannot be opened or is no directory.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Closes the directory; nothing can be opened any more."""
        root, self.root = self.root, -1
        if root >= 0:
            os.close(root)

    def open(self, names: list[bytes]) -> tuple[int, os.stat_result]:
        """Opens a regular file or directory for reading.

        Parameters:
            names: the components of its path; none is the directory itself.

        Returns the descriptor, which is the caller's, and its fstat.  Raises
        OSError: `Refused` with EXDEV for what leads out, ELOOP for too many
        links, EINVAL for what is neither file nor directory.
        """
        if self.root < 0:
            raise Refused(errno.EBADF, "the directory is closed")
        walk = _Walk(self.root, names)
        try:
            return walk.run()
        finally:
            walk.close()


class _Walk:
    """One way down: the directories that are open, and the components that are left."""

    def __init__(self, root: int, names: list[bytes]) -> None:
        self._root = root
        self._open: list[int] = []
        self._left = names[::-1]
        self._links = 0

    def close(self) -> None:
        while self._open:
            os.close(self._open.pop())

    def _here(self) -> int:
        return self._open[-1] if self._open else self._root

    def run(self) -> tuple[int, os.stat_result]:
        while self._left:
            name = self._left.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                self._up()
                continue
            found = os.stat(name, dir_fd=self._here(), follow_symlinks=False)
            if stat.S_ISLNK(found.st_mode):
                self._follow(name)
            elif stat.S_ISDIR(found.st_mode):
                self._down(name)
            elif self._left:
                raise Refused(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            elif stat.S_ISREG(found.st_mode):
                return self._file(name)
            else:
                raise Refused(errno.EINVAL, "neither a file nor a directory")
        here = os.open(".", _DIRECTORY, dir_fd=self._here())
        return _checked(here, stat.S_ISDIR)

    def _up(self) -> None:
        if not self._open:
            raise Refused(errno.EXDEV, "leads out of the directory")
        os.close(self._open.pop())

    def _down(self, name: bytes) -> None:
        if len(self._open) == _DEPTH:
            raise Refused(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        self._open.append(os.open(name, _DIRECTORY, dir_fd=self._here()))

    def _follow(self, name: bytes) -> None:
        self._links += 1
        if self._links > _LINKS:
            raise Refused(errno.ELOOP, os.strerror(errno.ELOOP))
        target = os.readlink(name, dir_fd=self._here())
        if target.startswith(b"/"):
            raise Refused(errno.EXDEV, "an absolute link")
        self._left += target.split(b"/")[::-1]

    def _file(self, name: bytes) -> tuple[int, os.stat_result]:
        return _checked(os.open(name, _FILE, dir_fd=self._here()), stat.S_ISREG)


def _checked(descriptor: int, kind: object) -> tuple[int, os.stat_result]:
    try:
        found = os.fstat(descriptor)
        if not kind(found.st_mode):  # type: ignore[operator]
            raise Refused(errno.EINVAL, "another file by now")
        return descriptor, found
    except BaseException:
        os.close(descriptor)
        raise
