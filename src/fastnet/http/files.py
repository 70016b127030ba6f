"""Files over HTTP: a WSGI application that serves a directory, and nothing else.

Files, and single ranges of them, go through the server's ``wsgi.file_wrapper``, so
that the system can move their bytes.  Ranges and conditional requests as RFC 9110 has them.
"""

from __future__ import annotations

import errno
import mimetypes
import os
import stat
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from fastnet.http import _listing
from fastnet.http._beneath import Beneath, Refused
from fastnet.http._bodies import Held, Parts, Piece, Whole, byteranges
from fastnet.http._conditions import (
    Version,
    not_modified,
    precondition_failed,
    wanted_ranges,
)

__all__ = ["Files"]

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
_BLOCK = 256 * 1024
_STATUS = {
    200: "200 OK",
    206: "206 Partial Content",
    301: "301 Moved Permanently",
    304: "304 Not Modified",
    400: "400 Bad Request",
    403: "403 Forbidden",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    412: "412 Precondition Failed",
    416: "416 Range Not Satisfiable",
    503: "503 Service Unavailable",
}
_BY_ERRNO = {
    errno.EACCES: 403,
    errno.EPERM: 403,
    errno.EMFILE: 503,
    errno.ENFILE: 503,
    errno.ENOMEM: 503,
}
# What the standard library would otherwise announce as what they are when unpacked.
_PACKED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
_TEXTS = ("text/", "application/javascript", "application/json", "application/xml")


class _Root(Beneath):
    """The directory, which whoever looks something up in it keeps open.

    Closed at once, its descriptor's number might be another directory's by
    the time that a thread on its way down uses it.
    """

    root = -1  # should it never be opened

    def __del__(self) -> None:
        self.close()


class Files:
    """Serves the files beneath a directory.

    Parameters:
        directory: which.  It is opened now; OSError when it cannot be.
        listing: whether a directory without an index is shown as a page of
            links; 404 otherwise.
        index: names of files that stand for the directory they are in.
        hidden: whether names that begin with a dot are served; ``.well-known``
            always is.
        charset: added to the types of texts; None for nothing.
        types: media types by suffix (``".md"``), before the system's.
        cache_control: the Cache-Control header; None for none.
        headers: more headers for every reply with a file.

    No path leads out of the directory: neither ``..``, however written, nor
    a link.  Links that stay inside are followed.  Pipes, devices and sockets
    are not there.  `close` gives the directory back; replies under way go on.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        listing: bool = False,
        index: Sequence[str] = ("index.html",),
        hidden: bool = False,
        charset: str | None = "utf-8",
        types: Mapping[str, str] | None = None,
        cache_control: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._root: _Root | None = _Root(directory)
        self._listing = listing
        self._index = [os.fsencode(name) for name in index]
        self._hidden = hidden
        self._charset = charset
        self._types = mimetypes.MimeTypes()
        for suffix, kind in (types or {}).items():
            self._types.add_type(kind, suffix.lower())
        self._headers: Headers = [("X-Content-Type-Options", "nosniff"), *headers]
        if cache_control is not None:
            self._headers.append(("Cache-Control", cache_control))

    def close(self) -> None:
        """Closes the directory; what is asked for from now on is a 404."""
        self._root = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answers a request."""
        method = environ["REQUEST_METHOD"]
        if method not in ("GET", "HEAD"):
            if method == "OPTIONS":
                start_response("204 No Content", [("Allow", "GET, HEAD, OPTIONS")])
                return []
            return _plain(environ, start_response, 405, [("Allow", "GET, HEAD, OPTIONS")])
        path: str = environ.get("PATH_INFO") or ""
        if not path and environ.get("SCRIPT_NAME"):  # a mount point without its slash
            return self._to_directory(environ, start_response)
        names = self._names(path)
        if names is None:
            return _plain(environ, start_response, 404)
        try:
            descriptor, found = self._open(names)
        except OSError as error:
            return self._failed(environ, start_response, error)
        held = Held(descriptor)
        try:
            return self._opened(environ, start_response, held, found, names)
        finally:
            held.close()

    # ------------------------------------------------------------------------ paths

    def _names(self, path: str) -> list[bytes] | None:
        """A path's components; None for a path that names nothing here."""
        if not path.startswith("/"):
            return None
        if "\0" in path or "\\" in path:
            return None
        *names, last = path.encode("latin-1").split(b"/")[1:]
        if last:
            names.append(last)
        for name in names:
            if name in (b"", b".", b".."):
                return None
            if name.startswith(b".") and not self._hidden and name != b".well-known":
                return None
        return names

    def _open(self, names: list[bytes]) -> tuple[int, os.stat_result]:
        root = self._root
        if root is None:
            raise Refused(errno.EBADF, "the directory is closed")
        return root.open(names)

    def _failed(self, environ: Environ, start_response: Any, error: OSError) -> list[bytes]:
        status = _BY_ERRNO.get(error.errno or 0, 404)
        extra = [("Retry-After", "1")] if status == 503 else []
        return _plain(environ, start_response, status, extra)

    def _to_directory(self, environ: Environ, start_response: Any) -> list[bytes]:
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        target = "/" + urllib.parse.quote(path.encode("latin-1")).strip("/") + "/"
        query = environ.get("QUERY_STRING")
        if query:
            target += "?" + urllib.parse.quote(query.encode("latin-1"), "!$&'()*+,;=:@/?%-._~")
        return _plain(environ, start_response, 301, [("Location", target)])

    # ---------------------------------------------------------------- what is found

    def _opened(
        self,
        environ: Environ,
        start_response: Any,
        held: Held,
        found: os.stat_result,
        names: list[bytes],
    ) -> Iterable[bytes]:
        slash = environ["PATH_INFO"].endswith("/")
        if stat.S_ISDIR(found.st_mode):
            if not slash:
                return self._to_directory(environ, start_response)
            return self._directory(environ, start_response, held, names)
        if slash:
            return _plain(environ, start_response, 404)
        return self._file(environ, start_response, held, found, names[-1])

    def _directory(
        self, environ: Environ, start_response: Any, held: Held, names: list[bytes]
    ) -> Iterable[bytes]:
        for index in self._index:
            try:
                inner, found = self._open([*names, index])
            except OSError:
                continue
            opened = Held(inner)
            try:
                if stat.S_ISREG(found.st_mode):
                    return self._file(environ, start_response, opened, found, index)
            finally:
                opened.close()
        if not self._listing:
            return _plain(environ, start_response, 404)
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        try:
            text = _listing.page(held.fileno(), path, self._hidden)
        except OSError as error:
            return self._failed(environ, start_response, error)
        headers = [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(text))),
            ("Cache-Control", "no-cache"),
        ]
        start_response(_STATUS[200], headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [text]

    def _type(self, name: bytes) -> str:
        kind, encoding = self._types.guess_type(os.fsdecode(name).replace(":", "_"))
        if encoding is not None:
            return _PACKED.get(encoding, "application/octet-stream")
        if kind is None:
            return "application/octet-stream"
        if self._charset and kind.startswith(_TEXTS):
            return f"{kind}; charset={self._charset}"
        return kind

    # ------------------------------------------------------------------------ files

    def _file(
        self,
        environ: Environ,
        start_response: Any,
        held: Held,
        found: os.stat_result,
        name: bytes,
    ) -> Iterable[bytes]:
        """The reply; a body takes the descriptor over."""
        version, size, kind = Version(found), found.st_size, self._type(name)
        headers = [("ETag", version.tag), ("Last-Modified", version.modified_text)]
        headers += [("Accept-Ranges", "bytes"), *self._headers]
        if precondition_failed(environ, version):
            return _plain(environ, start_response, 412)
        if not_modified(environ, version):
            start_response(_STATUS[304], headers)
            return []
        head = environ["REQUEST_METHOD"] == "HEAD"
        ranges = None if head else wanted_ranges(environ, version, size)
        if ranges is None:
            headers += [("Content-Type", kind), ("Content-Length", str(size))]
            start_response(_STATUS[200], headers)
            return [] if head else _wrapped(environ, held, 0, size)
        if not ranges:
            extra = [("Content-Range", f"bytes */{size}"), ("Accept-Ranges", "bytes")]
            return _plain(environ, start_response, 416, extra)
        if len(ranges) == 1:
            start, stop = ranges[0]
            headers += [
                ("Content-Type", kind),
                ("Content-Range", f"bytes {start}-{stop - 1}/{size}"),
                ("Content-Length", str(stop - start)),
            ]
            start_response(_STATUS[206], headers)
            return _wrapped(environ, held, start, stop)
        pieces, length, kind = byteranges(ranges, size, kind)
        headers += [("Content-Type", kind), ("Content-Length", str(length))]
        start_response(_STATUS[206], headers)
        return Parts(held.take(), pieces)


def _wrapped(environ: Environ, held: Held, start: int, stop: int) -> Iterable[bytes]:
    wrapper = environ.get("wsgi.file_wrapper")
    if wrapper is None or start == stop:
        pieces: list[Piece] = [(start, stop)] if start < stop else []
        return Parts(held.take(), pieces)
    file = Whole(held.take(), start, stop)
    try:
        wrapped: Iterable[bytes] = wrapper(file, _BLOCK)
    except BaseException:
        file.close()
        raise
    return wrapped


def _plain(
    environ: Environ, start_response: Any, status: int, extra: Headers | None = None
) -> list[bytes]:
    body = f"{_STATUS[status]}\n".encode()
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        *(extra or ()),
    ]
    start_response(_STATUS[status], headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
