"""Files that are sent: ``.npy`` mapped, the members of ``.npz`` read one after another.

A mapped file that shrinks would end the process with SIGBUS when a vanished page is touched. So
no page of a mapping is touched here: the array's pages are handed to the kernel's send call, for
which a vanished page is the error EFAULT. Arrays so small that the sender copies them into a
buffer of its own are read instead.
"""

from __future__ import annotations

import lzma
import os
import tokenize
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from fastnet.cli import _npy
from fastnet.cli._report import Failure

MAPPED_FROM = 1 << 20  # bytes; far beyond any buffer that a sender gathers small arrays in
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
# Everything that the readers of numpy and zipfile raise over damaged files.
DAMAGE = (
    ValueError,
    TypeError,
    KeyError,
    OverflowError,
    EOFError,
    RuntimeError,  # an encrypted member; NotImplementedError: an unknown compression
    SyntaxError,
    tokenize.TokenError,
    lzma.LZMAError,
    zipfile.BadZipFile,
    zlib.error,
)


class Source(ABC):
    """One array to come: ``name`` as it is sent, ``label`` for messages, ``nbytes`` about."""

    nbytes: int

    def __init__(self, name: str, label: str) -> None:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise Failure(f"{label}: the name is not UTF-8") from None
        self.name = name
        self.label = label

    @abstractmethod
    def opened(self) -> AbstractContextManager[Any]:
        """Context manager that gives the array. Raises Failure when the file is damaged."""


class NpyFile(Source):
    """A ``.npy`` file; its header is checked at once, so that mistakes come before connecting."""

    def __init__(self, path: str, read: bool = False) -> None:
        super().__init__(os.path.basename(path).removesuffix(".npy"), path)
        self.path = path
        self._read = read
        self.nbytes = self._map().nbytes

    def _map(self) -> Any:
        from numpy.lib import format as npy

        with _reading(self.path):
            return npy.open_memmap(self.path, mode="r", max_header_size=_npy.MAX_HEADER)

    @contextmanager
    def opened(self) -> Iterator[Any]:
        import numpy as np

        with _file(self.path) as file:
            mapped = self._map()
            needed = mapped.offset + mapped.nbytes
            if not os.path.samestat(os.fstat(file.fileno()), os.stat(self.path)):
                raise Failure(f"{self.path} was replaced while it was being opened")
            if self._read or mapped.nbytes < MAPPED_FROM:
                del mapped
                with _reading(self.path):
                    array = np.load(file, allow_pickle=False, max_header_size=_npy.MAX_HEADER)
            else:
                array = np.asarray(mapped)
            try:
                yield array
            except (OSError, EOFError, Failure):  # EFAULT, when the kernel met a page that is gone
                self._complete(file, needed)
                raise
            self._complete(file, needed)  # the rest of the last page there is reads as zeros

    def _complete(self, file: Any, needed: int) -> None:
        if os.fstat(file.fileno()).st_size < needed:
            raise Failure(f"{self.path} shrank while it was being sent")


class NpzMember(Source):
    """An array in a ``.npz`` file: its bytes are inflated straight into the one array."""

    def __init__(self, path: str, member: str, nbytes: int) -> None:
        stem = os.path.basename(path).removesuffix(".npz")
        super().__init__(f"{stem}/{member.removesuffix('.npy')}", f"{path}, {member}")
        self._path = path
        self._member = member
        self.nbytes = nbytes

    @contextmanager
    def opened(self) -> Iterator[Any]:
        yield self._inflated()

    def _inflated(self) -> Any:
        from numpy.lib import format as npy

        with _reading(self.label), zipfile.ZipFile(self._path) as archive:
            with archive.open(self._member) as stream:
                array = npy.read_array(stream, allow_pickle=False, max_header_size=_npy.MAX_HEADER)
                stream.read(1)  # reaching the end is what compares the checksum
                return array


def _file(path: str) -> Any:
    try:
        return open(path, "rb")
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}") from None


@contextmanager
def _reading(label: str) -> Iterator[None]:
    """Turns what a reader raises over a missing or damaged file into one line."""
    try:
        yield
    except DAMAGE as error:
        text = str(error)
        if "bject" in text and ("allow_pickle" in text or "Python objects" in text):
            raise Failure(f"{label} holds Python objects, which are not sent") from None
        if "mmap length" in text:
            text = "the file is shorter than its header says"
        raise Failure(f"{label} is damaged: {text or 'it ends early'}") from None
    except OSError as error:
        raise Failure(f"cannot read {label}: {error.strerror or error}") from None
    except MemoryError:
        raise Failure(f"{label} does not fit into memory") from None


def collect(paths: list[str], read: bool = False) -> list[Source]:
    """A source for every array in the files, which are told apart by content, not by name.

    ``read``: even large ``.npy`` files are read, not mapped. Raises Failure when a file is missing
    or damaged, or two arrays would have the same name.
    """
    sources: list[Source] = []
    for path in paths:
        sources += _of(path, read)
    seen: dict[str, str] = {}
    for source in sources:
        if source.name in seen:
            raise Failure(
                f"{seen[source.name]} and {source.label} would both arrive as {source.name!r}"
            )
        seen[source.name] = source.label
    return sources


def _of(path: str, read: bool) -> list[Source]:
    with _file(path) as file, _reading(path):
        magic = file.read(len(_npy.MAGIC))
    if magic == _npy.MAGIC:
        return [NpyFile(path, read)]
    if magic.startswith(ZIP_MAGICS):
        return list(_members(path))
    raise Failure(f"{path} is neither a .npy nor a .npz file")


def _members(path: str) -> Iterator[Source]:
    with _reading(path), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    for member in members:
        if not member.filename.endswith(".npy"):
            raise Failure(f"{path} holds {member.filename!r}, which is not an array")
        yield NpzMember(path, member.filename, member.file_size)
