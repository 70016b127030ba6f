"""Files as bodies: ``wsgi.file_wrapper``."""

from __future__ import annotations

import asyncio
import io
import os
import stat
import tempfile
from typing import Any, Self

from fastnet._native.wsgiexchange import Exchange

__all__ = ["FileWrapper", "plain_file", "send"]


class FileWrapper:
    """An iterable over a file-like object, which the server may send without reading it.

    Parameters:
        filelike: has ``read(size)``, and is closed with the reply.
        block_size: bytes to read at a time, where it must be read.
    """

    def __init__(self, filelike: Any, block_size: int = 64 * 1024) -> None:
        self.filelike = filelike
        self.block_size = block_size
        self.most: int | None = None  # bytes that the reply's Content-Length allows

    def __iter__(self) -> Self:  # its own iterator: who has that may close it, as wsgiref's
        return self

    def __next__(self) -> bytes:
        size = self.block_size if self.most is None else min(self.block_size, self.most)
        data: bytes = self.filelike.read(size)
        if not data:
            raise StopIteration
        if self.most is not None:
            self.most -= len(data)
        return data

    def close(self) -> None:
        """Closes the file-like object, if it can be."""
        if hasattr(self.filelike, "close"):
            self.filelike.close()


def plain_file(filelike: Any) -> tuple[int, int] | None:
    """(offset, bytes that follow) of a regular file at its present position, or None.

    Only of Python's own files, and of classes that say so of themselves by a true attribute
    `reads_its_descriptor`: others have descriptors too, of bytes that are not those that they
    read, as gzip's.
    """
    named = isinstance(filelike, tempfile._TemporaryFileWrapper)
    inner = filelike.file if named else filelike
    raw = inner.raw if type(inner) in (io.BufferedReader, io.BufferedRandom) else inner
    if type(raw) is not io.FileIO and not getattr(type(raw), "reads_its_descriptor", False):
        return None
    try:
        state = os.fstat(filelike.fileno())
        offset = filelike.tell()
    except (AttributeError, OSError, ValueError):
        return None
    if not stat.S_ISREG(state.st_mode) or not isinstance(offset, int):
        return None
    if not state.st_size:  # or one of /proc, which has no size before it is read
        return None
    return offset, max(0, state.st_size - offset)


async def send(
    transport: Any, exchange: Exchange, file: Any, offset: int, count: int, patience: float | None
) -> None:
    """Sends a part of a file as the body of a reply whose head was sent.

    Parameters:
        patience: seconds in which the peer must take something; None waits for ever.
    """
    transport._file_bytes = sent = 0
    error: BaseException | None = None
    try:
        if count:
            sent = await _watched(transport, file, offset, count, patience)
    except TimeoutError as failure:
        exchange.gone = True
        error = failure
        transport.abort()
    except (ConnectionError, RuntimeError) as failure:
        exchange.gone = True
        error = failure
    except Exception as failure:
        error = failure
    except BaseException:  # cancelled: the server ends
        exchange.gone = True
        exchange.end_file(transport._file_bytes, None)
        raise
    exchange.end_file(sent or transport._file_bytes, error)


async def _watched(
    transport: Any, file: Any, offset: int, count: int, patience: float | None
) -> int:
    """Sends a part of a file; the bytes that went.

    Raises:
        TimeoutError: the peer takes nothing any more.
    """
    loop = asyncio.get_running_loop()
    sending = loop.create_task(loop.sendfile(transport, file, offset, count))
    before = transport._confirmed()
    try:
        while not sending.done():
            await asyncio.wait({sending}, timeout=patience)
            taken = transport._confirmed()
            if taken == before and not sending.done():
                raise TimeoutError("the client takes no more of a file")
            before = taken
    finally:
        sending.cancel()
        await asyncio.wait({sending})  # the file stays open for so long
    return sending.result()
