"""A directory as a page: every name escaped, nothing followed."""

from __future__ import annotations

import html
import os
import urllib.parse

__all__ = ["page"]

_MOST = 20_000  # names on a page


def page(descriptor: int, path: str, hidden: bool) -> bytes:
    """The page.

    Parameters:
        descriptor: the directory's.
        path: what the page calls it.
        hidden: whether names that begin with a dot are shown.
    """
    names: list[str] = []
    more = False
    with os.scandir(descriptor) as entries:
        for entry in entries:
            if entry.name.startswith(".") and not hidden:
                continue
            if len(names) == _MOST:
                more = True
                break
            if entry.is_dir(follow_symlinks=False):
                names.append(f"{entry.name}/")
            elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
                names.append(entry.name)
    names.sort(key=lambda name: (not name.endswith("/"), name.lower()))
    title = html.escape(f"Directory listing for {path}")
    rows = [] if path == "/" else ['<li><a href="../">../</a></li>']
    rows += [f"<li>{_link(name)}</li>" for name in names]
    if more:
        rows.append(f"<li>and more than {_MOST} others</li>")
    text = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}'
        f"</title>\n</head>\n<body>\n<h1>{title}</h1>\n<ul>\n{chr(10).join(rows)}\n</ul>\n"
        "</body>\n</html>\n"
    )
    return text.encode("utf-8", "replace")


def _link(name: str) -> str:
    # "./" so that no name is taken for a scheme, as in "javascript:".
    target = "./" + urllib.parse.quote(os.fsencode(name))
    shown = os.fsencode(name).decode("utf-8", "replace")
    return f'<a href="{html.escape(target)}">{html.escape(shown)}</a>'
