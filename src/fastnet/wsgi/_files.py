"""Files as bodies: ``wsgi.file_wrapper``."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator
from typing import Any

from fastnet._native.wsgiexchange import Exchange

__all__ = ["FileWrapper", "plain_file", "send"]


_PIECE = 256 * 1024  # bytes; who takes them in less than `Limits.send_timeout` is alive


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

    def __iter__(self) -> Iterator[bytes]:
        while data := self.filelike.read(self._size()):
            yield data
            if self.most is not None:
                self.most -= len(data)

    def _size(self) -> int:
        return self.block_size if self.most is None else min(self.block_size, self.most)

    def close(self) -> None:
        """Closes the file-like object, if it can be."""
        if hasattr(self.filelike, "close"):
            self.filelike.close()


def plain_file(filelike: Any) -> tuple[int, int] | None:
    """(offset, bytes that follow) of a regular file at its present position, or None."""
    try:
        state = os.fstat(filelike.fileno())
        offset = filelike.tell()
    except (AttributeError, OSError, ValueError):
        return None
    if not stat.S_ISREG(state.st_mode) or not isinstance(offset, int):
        return None
    return offset, max(0, state.st_size - offset)


async def send(
    transport: Any, exchange: Exchange, file: Any, offset: int, count: int, patience: float | None
) -> None:
    """Sends a part of a file as the body of a reply whose head was sent.

    Parameters:
        patience: seconds in which the peer must take a piece; None waits for ever.
    """
    loop = asyncio.get_running_loop()
    sent = 0
    error: BaseException | None = None
    try:
        while sent < count:
            async with asyncio.timeout(patience):
                piece = min(count - sent, _PIECE)
                taken = await loop.sendfile(transport, file, offset + sent, piece)
            sent += taken
            if taken < piece:  # the file has become shorter
                break
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
        exchange.end_file(sent, None)
        raise
    exchange.end_file(sent, error)
