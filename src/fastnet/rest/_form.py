"""Forms: url-encoded here, multipart through the package of that name."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import IO, Any

from fastnet.rest._body import (
    MULTIPART,
    URLENCODED,
    BodyLimits,
    Environ,
    content_length,
    content_type,
    parse_pairs,
    read_body,
)
from fastnet.rest._errors import BadRequest, ContentTooLarge, UnsupportedMediaType

__all__ = ["Form", "Upload", "read_form"]

_SPOOL = 64 * 1024  # bytes of a file that stay in memory
_CHUNK = 64 * 1024


class Upload:
    """A file that came with a form.  It is gone when the reply has been sent.

    Attributes:
        name: of the form's field.
        filename: as the client calls it: anything at all, so never a path to
            open.  `basename` is its last part.
        content_type: as the client calls it.
        size: in bytes.
        file: a binary file, at its beginning.
    """

    __slots__ = ("content_type", "file", "filename", "name", "size")

    def __init__(self, name: str, filename: str, content_type: str) -> None:
        self.name = name
        self.filename = filename
        self.content_type = content_type
        self.size = 0
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(_SPOOL)  # noqa: SIM115

    @property
    def basename(self) -> str:
        """The file name's last part, without the characters that lead elsewhere; may be empty."""
        last = self.filename.replace("\\", "/").rpartition("/")[2]
        last = "".join(c for c in last if c.isprintable())
        return "" if last in (".", "..") else last

    def read(self) -> bytes:
        """All its bytes; ValueError once it is closed."""
        self.file.seek(0)
        return self.file.read()

    def save_as(self, path: str | os.PathLike[str]) -> int:
        """Writes it to a file of that path; returns how many bytes."""
        self.file.seek(0)
        with open(path, "wb") as target:
            shutil.copyfileobj(self.file, target)
        return self.size

    def close(self) -> None:
        """Lets its memory or temporary file go."""
        self.file.close()


class Form:
    """What a form holds.

    Attributes:
        pairs: names and values of the text fields, in the form's order.
        uploads: the files, likewise.
    """

    __slots__ = ("pairs", "uploads")

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []
        self.uploads: list[Upload] = []

    def close(self) -> None:
        """Closes the files."""
        for upload in self.uploads:
            upload.close()


def read_form(environ: Environ, limits: BodyLimits) -> Form:
    """Reads a form from the body; one that holds nothing when the body is something else."""
    form = Form()
    kind, options = content_type(environ)
    if kind == URLENCODED:
        body = read_body(environ, limits.body_bytes)
        form.pairs = parse_pairs(body.decode("utf-8", "replace"), limits.fields, "form")
    elif kind == MULTIPART and content_length(environ) != 0:
        try:
            _read_multipart(environ, options, limits, form)
        except BaseException:
            form.close()
            raise
    return form


def _read_multipart(
    environ: Environ, options: dict[str, str], limits: BodyLimits, form: Form
) -> None:
    try:
        import multipart
    except ImportError:
        errors = environ.get("wsgi.errors")
        if errors is not None:
            errors.write("fastnet.rest: multipart forms need the package multipart\n")
        raise UnsupportedMediaType("multipart/form-data is not taken here") from None
    boundary = options.get("boundary", "")
    if not (boundary.isascii() and 1 <= len(boundary) <= 200):
        raise BadRequest("multipart/form-data needs a boundary of 1 to 200 characters")
    length = content_length(environ)
    most = limits.upload_bytes + limits.body_bytes
    if length is not None and length > most:
        raise ContentTooLarge(f"a form of {length} bytes; at most {most} are taken")
    try:
        parser = multipart.PushMultipartParser(
            boundary,
            content_length=-1 if length is None else length,
            max_segment_count=limits.parts,
        )
        store = _Store(form, limits)
        for event in parser.parse_blocking(environ["wsgi.input"].read, _CHUNK):
            if event is None:
                store.end()
            elif isinstance(event, multipart.MultipartSegment):
                store.begin(event)
            else:
                store.take(event)
    except multipart.ParserLimitReached as error:
        raise ContentTooLarge(f"the multipart form is too large: {error}") from None
    except multipart.MultipartError as error:
        raise BadRequest(f"the multipart form makes no sense: {error}") from None


class _Store:
    """Where the parts of a multipart form go: text into memory, files to where there is room."""

    def __init__(self, form: Form, limits: BodyLimits) -> None:
        self._form = form
        self._text_left = limits.body_bytes
        self._files_left = limits.upload_bytes
        self._limits = limits
        self._upload: Upload | None = None
        self._parts: list[bytes] = []
        self._name = ""
        self._charset = "utf-8"

    def begin(self, segment: Any) -> None:
        """A part begins."""
        self._name = segment.name or ""
        if segment.filename is None:
            self._charset = segment.charset or "utf-8"
            return
        kind = segment.content_type or "application/octet-stream"
        self._upload = Upload(self._name, segment.filename, kind)
        self._form.uploads.append(self._upload)

    def take(self, data: bytes) -> None:
        """Some of its bytes."""
        if self._upload is None:
            self._text_left -= len(data)
            if self._text_left < 0:
                most = self._limits.body_bytes
                raise ContentTooLarge(f"the form's text fields are beyond {most} bytes")
            self._parts.append(bytes(data))
            return
        self._files_left -= len(data)
        if self._files_left < 0:
            raise ContentTooLarge(f"the files are beyond {self._limits.upload_bytes} bytes")
        self._upload.file.write(data)
        self._upload.size += len(data)

    def end(self) -> None:
        """It is whole."""
        if self._upload is not None:
            self._upload.file.seek(0)
            self._upload = None
            return
        try:
            text = b"".join(self._parts).decode(self._charset)
        except (LookupError, ValueError):
            name, charset = self._name[:80], self._charset[:40]
            raise BadRequest(f"the field {name!r} is not text in {charset!r}") from None
        self._parts = []
        self._form.pairs.append((self._name, text))
