"""Conditional requests and ranges: RFC 9110, sections 13 and 14."""

from __future__ import annotations

import email.utils
import os
import re
import time
from datetime import UTC
from typing import Any

__all__ = ["Ranges", "Version", "not_modified", "precondition_failed", "wanted_ranges"]

Environ = dict[str, Any]
Ranges = list[tuple[int, int]]  # first byte and the one after the last
_TAG = re.compile(r'\s*((?:W/)?"[^"\x00-\x20\x7f]*")\s*(?:,|$)')
_SPEC = re.compile(r"([0-9]{0,19})-([0-9]{0,19})").fullmatch
_MOST = 32  # ranges of one request
_FRESH = 2.0  # seconds in which a file may change again without its time changing


class Version:
    """What tells one state of a file from another: its entity tag and time.

    The tag is weak while the file is so fresh that it could change again
    unnoticed (section 8.8.1).
    """

    __slots__ = ("modified", "modified_text", "strong", "tag")

    def __init__(self, found: os.stat_result) -> None:
        self.strong = time.time() - found.st_mtime > _FRESH
        tag = f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
        self.tag = tag if self.strong else f"W/{tag}"
        self.modified = max(0, int(found.st_mtime))
        try:
            self.modified_text = email.utils.formatdate(self.modified, usegmt=True)
        except (ValueError, OverflowError):  # a time beyond the year 9999
            self.modified, self.modified_text = 0, email.utils.formatdate(0, usegmt=True)


def _tags(header: str) -> list[str] | None:
    """The entity tags of a list; None when it is none."""
    found, place = [], 0
    while place < len(header):
        match = _TAG.match(header, place)
        if match is None:
            return None
        found.append(match[1])
        place = match.end()
    return found


def _any_matches(header: str, version: Version, strong: bool) -> bool:
    if header.strip() == "*":
        return True
    tags = _tags(header) or []
    if strong:
        return version.strong and version.tag in tags
    mine = version.tag.removeprefix("W/")
    return any(tag.removeprefix("W/") == mine for tag in tags)


def _date(text: str | None) -> int | None:
    """Seconds since 1970; None for what is no date."""
    if not text:
        return None
    try:
        found = email.utils.parsedate_to_datetime(text)
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        return int(found.timestamp())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def precondition_failed(environ: Environ, version: Version) -> bool:
    """Whether If-Match or else If-Unmodified-Since says that nothing is to be done: 412."""
    header = environ.get("HTTP_IF_MATCH")
    if header is not None:
        return not _any_matches(header, version, strong=True)
    since = _date(environ.get("HTTP_IF_UNMODIFIED_SINCE"))
    return since is not None and version.modified > since


def not_modified(environ: Environ, version: Version) -> bool:
    """Whether If-None-Match or else If-Modified-Since says that the client has it: 304."""
    header = environ.get("HTTP_IF_NONE_MATCH")
    if header is not None:
        return _any_matches(header, version, strong=False)
    since = _date(environ.get("HTTP_IF_MODIFIED_SINCE"))
    return since is not None and version.modified <= since


def _if_range_holds(environ: Environ, version: Version) -> bool:
    header = environ.get("HTTP_IF_RANGE")
    if header is None:
        return True
    header = header.strip()
    if header.startswith(('"', "W/")):
        return version.strong and header == version.tag
    return version.strong and _date(header) == version.modified


def wanted_ranges(environ: Environ, version: Version, size: int) -> Ranges | None:
    """Which bytes are asked for: None for all of them, an empty list when there are none such.

    Ranges that overlap or touch are joined.  A header that makes no sense,
    or asks for more than 32 ranges, is as if it were not there (section 14.2).
    """
    header = environ.get("HTTP_RANGE")
    if header is None or not _if_range_holds(environ, version):
        return None
    unit, equals, specs = header.partition("=")
    parts = [part.strip(" \t") for part in specs.split(",", _MOST)]
    if unit.strip().lower() != "bytes" or not equals or len(parts) > _MOST:
        return None
    found: Ranges = []
    for part in filter(None, parts):
        match = _SPEC(part)
        if match is None or part == "-":
            return None
        first, last = match.groups()
        if first and last and int(last) < int(first):
            return None
        if first:
            start, stop = int(first), min(int(last) + 1, size) if last else size
        else:
            start, stop = max(0, size - int(last)), size
        if start < stop:
            found.append((start, stop))
    if not any(parts):
        return None
    return _joined(found)


def _joined(ranges: Ranges) -> Ranges:
    """The ranges in their order, unless some overlap: then sorted and joined."""
    in_order = sorted(ranges)
    joined: Ranges = []
    for start, stop in in_order:
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(stop, joined[-1][1])
        else:
            joined.append((start, stop))
    return ranges if len(joined) == len(ranges) else joined
