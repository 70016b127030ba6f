"""Files over HTTP: what is served, in which form, and that nothing else is."""

from __future__ import annotations

import email
import email.utils
import errno
import gc
import os
import socket
import time
import wsgiref.util

import pytest

from app_kit import call, environment, run, served
from fastnet.http import _beneath
from fastnet.http.files import Files

OLD = 1_600_000_000  # long enough ago for strong tags
DATA = bytes(range(256)) * 4  # 1024 bytes


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "served"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "indexed").mkdir()
    for name, content in {
        "data.bin": DATA,
        "a.txt": b"text",
        "empty": b"",
        "sub/é ü.html": b"<p>",
        "sub/deep/x.tar.gz": b"gz",
        "indexed/index.html": b"<h1>index",
        ".secret": b"secret",
        "a%2e.js": b"js",
    }.items():
        (folder / name).write_bytes(content)
        os.utime(folder / name, (OLD, OLD))
    (tmp_path / "outside").write_bytes(b"outside")
    return folder


@pytest.fixture
def files(root):
    with Files(root) as found:
        yield found


def test_what_is_served(files):
    for target, body, kind in (
        ("/a.txt", b"text", "text/plain; charset=utf-8"),
        ("/data.bin", DATA, "application/octet-stream"),
        ("/empty", b"", "application/octet-stream"),
        ("/sub/%C3%A9%20%C3%BC.html", b"<p>", "text/html; charset=utf-8"),
        ("/sub/deep/x.tar.gz", b"gz", "application/gzip"),
        ("/indexed/", b"<h1>index", "text/html; charset=utf-8"),
    ):
        reply = call(files, "GET", target)
        assert (reply.status, reply.body, reply["Content-Type"]) == (200, body, kind), target
        assert reply["X-Content-Type-Options"] == "nosniff"
        assert reply["Last-Modified"] == email.utils.formatdate(OLD, usegmt=True)
        head = call(files, "HEAD", target)
        assert (head.status, head.pairs) == (200, reply.pairs)
        wrapped = environment("GET", target, **{"wsgi.file_wrapper": wsgiref.util.FileWrapper})
        assert run(files, wrapped).body == body
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        reply = call(files, method, "/a.txt", b"x")
        assert (reply.status, reply["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert call(files, "OPTIONS", "/a.txt").status == 204


def test_options(root):
    types = {".txt": "text/x"}
    with Files(root, charset=None, types=types, hidden=True, cache_control="max-age=60") as files:
        reply = call(files, "GET", "/a.txt")
        assert (reply["Content-Type"], reply["Cache-Control"]) == ("text/x", "max-age=60")
        assert call(files, "GET", "/.secret").body == b"secret"
    with pytest.raises(OSError):
        Files(root / "nothing")
    with pytest.raises(NotADirectoryError):
        Files(root / "a.txt")
    assert call(files, "GET", "/a.txt").status == 404  # closed


def test_directories(files, root):
    reply = call(files, "GET", "/sub?a=%0d%0a")
    assert (reply.status, reply["Location"]) == (301, "/sub/?a=%0d%0a")
    assert call(files, "GET", "/sub", SCRIPT_NAME="/m")["Location"] == "/m/sub/"
    assert call(files, "GET", "", SCRIPT_NAME="/m")["Location"] == "/m/"
    assert call(files, "GET", "/sub/").status == 404  # no listing
    assert call(files, "GET", "/a.txt/").status == 404
    for name in (b'<b>&".txt', b"javascript:x", b"bad\xff", b"\n", b".hidden"):
        with open(os.path.join(os.fsencode(root), b"sub", name), "wb"):
            pass
    os.mkfifo(root / "sub" / "pipe")
    with Files(root, listing=True) as files:
        text = call(files, "GET", "/sub/").text
        assert '<a href="./deep/">deep/</a>' in text
        assert '<a href="./%3Cb%3E%26%22.txt">&lt;b&gt;&amp;&quot;.txt</a>' in text
        assert '<a href="./javascript%3Ax">' in text
        assert '<a href="./bad%FF">bad\ufffd</a>' in text
        assert "hidden" not in text
        assert "pipe" not in text
        assert '<a href="../">' in text
        assert '<a href="../">' not in call(files, "GET", "/").text
        assert call(files, "GET", "/indexed/").body == b"<h1>index"
        assert call(files, "GET", "/sub/bad%FF").status == 200
        assert call(files, "HEAD", "/sub/").status == 200
        (root / "<i>").mkdir()
        assert "<i>" not in call(files, "GET", "/%3Ci%3E/").text


AWAY = [
    "/..", "/../outside", "/../served/a.txt", "/sub/../../outside", "/sub/../a.txt", "/./a.txt",
    "/%2e%2e/outside", "/%2E%2E/outside", "/.%2e/outside", "/%2e%2e%2foutside",
    "/sub%2f..%2f..%2foutside",
    "/..%5coutside", "/sub\\..\\..\\outside", "\\a.txt", "/..%00/outside", "/a.txt%00.html", "/%00",
    "//a.txt", "/sub//deep/x.tar.gz", "//etc/passwd", "/%2fetc/passwd", "/etc/passwd", "/.secret",
    "/sub/.hidden", "/.git/config", "a.txt", "", "*", "http://x/a.txt", "/a%2e.js",
    "/%252e%252e/outside",
    "/out", "/out-rel", "/out-dir/outside", "/out-up/outside", "/loop", "/proc-self",
    "/root-abs/a.txt",
    "/pipe", "/null", "/socket", "/nothing", "/a.txt/x", "/sub/deep/x.tar.gz/", "/" + "a" * 300,
    "/" + "a/" * 3000, "/\u00c0\u00ae\u00c0\u00ae/outside", "/\u00e0\u0080\u00ae",
    "/.../a.txt", "/~root",
]  # fmt: skip


def test_no_way_out(root, files):
    links_ = {
        "out": "/etc/passwd", "out-rel": "../outside", "out-dir": "..", "loop": "loop",
        "proc-self": "/proc/self/environ", "root-abs": str(root), "out-up": "sub/../../",
        "inside": "sub/deep/x.tar.gz", "inside-dir": "sub/deep/../deep", "sub/up": "../a.txt",
        "chain": "inside",
    }  # fmt: skip
    for name, target in links_.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(root / "socket"))
    if os.geteuid() == 0:
        try:
            os.mknod(root / "null", 0o20666, os.makedev(1, 3))
        except PermissionError:
            pass
    for target in AWAY:
        for method in ("GET", "HEAD"):
            environ = environment(method, target)
            started = []
            # Not through the validator: it would itself refuse some of these paths.
            blocks = files(environ, lambda status, headers: started.append(status))  # noqa: B023
            body = b"".join(blocks)
            assert started == ["404 Not Found"], target
            assert body in (b"", b"404 Not Found\n")
    for target in ("/inside", "/inside-dir/x.tar.gz", "/chain"):
        assert call(files, "GET", target).body == b"gz"
    assert call(files, "GET", "/sub/up").body == b"text"


def test_a_directory_that_moves_away_stays_what_it_is(root, files):
    root.rename(root.parent / "elsewhere")
    root.mkdir()
    (root / "a.txt").write_bytes(b"another")
    assert call(files, "GET", "/a.txt").body == b"text"


# ------------------------------------------------------------------- conditions, ranges

DATE = email.utils.formatdate(OLD, usegmt=True)
BEFORE, AFTER = (email.utils.formatdate(OLD + n, usegmt=True) for n in (-1, 1))
TAG = f'"{OLD * 10**9:x}-{len(DATA):x}"'
CONDITIONS = [
    ({"NONE_MATCH": TAG}, 304), ({"NONE_MATCH": f"W/{TAG}"}, 304), ({"NONE_MATCH": "*"}, 304),
    ({"NONE_MATCH": f'"a", W/"b,c" ,{TAG}'}, 304), ({"NONE_MATCH": '"a"'}, 200),
    ({"NONE_MATCH": "a"}, 200), ({"NONE_MATCH": '"' * 5000}, 200), ({"NONE_MATCH": ""}, 200),
    ({"MODIFIED_SINCE": DATE}, 304), ({"MODIFIED_SINCE": AFTER}, 304),
    ({"MODIFIED_SINCE": BEFORE}, 200), ({"MODIFIED_SINCE": "yesterday"}, 200),
    ({"MODIFIED_SINCE": "Mon, 99 Foo 99999999999999999999 00:00:00 GMT"}, 200),
    ({"NONE_MATCH": '"a"', "MODIFIED_SINCE": DATE}, 200), ({"MATCH": TAG}, 200),
    ({"MATCH": "*"}, 200), ({"MATCH": f"W/{TAG}"}, 412), ({"MATCH": '"a"'}, 412),
    ({"UNMODIFIED_SINCE": DATE}, 200), ({"UNMODIFIED_SINCE": BEFORE}, 412),
    ({"UNMODIFIED_SINCE": "x"}, 200), ({"MATCH": TAG, "UNMODIFIED_SINCE": BEFORE}, 200),
    ({"MATCH": TAG, "NONE_MATCH": TAG}, 304), ({"MATCH": '"a"', "NONE_MATCH": TAG}, 412),
]  # fmt: skip


def test_conditions(files):
    for headers, status in CONDITIONS:
        given = {f"HTTP_IF_{name}": value for name, value in headers.items()}
        for method in ("GET", "HEAD"):
            reply = call(files, method, "/data.bin", **given)
            assert reply.status == status, headers
            if status == 304:
                assert (reply["ETag"], reply["Last-Modified"]) == (TAG, DATE)


N = len(DATA)
EVEN = range(0, 64, 2)
RANGES = [
    ("bytes=0-0", [(0, 1)]), ("bytes=0-", [(0, N)]), ("bytes=10-19", [(10, 20)]),
    ("bytes=-5", [(N - 5, N)]), ("bytes=-5000", [(0, N)]), ("bytes=1000-9999", [(1000, N)]),
    ("BYTES = 1-2", [(1, 3)]), ("bytes= 1-2 ,, ", [(1, 3)]), ("bytes=0-1,2-3", [(0, 4)]),
    ("bytes=5-9,0-6", [(0, 10)]), ("bytes=0-1, 9-9", [(0, 2), (9, 10)]),
    ("bytes=9-9,0-1", [(9, 10), (0, 2)]), ("bytes=0-1,9999-", [(0, 2)]),
    ("bytes=0-0,2-2,4-4,-1", [(0, 1), (2, 3), (4, 5), (N - 1, N)]),
    (f"bytes={N}-", []), ("bytes=-0", []), ("bytes=9999-99999", []),
    ("bytes=" + "9" * 19 + "-", []), ("bytes=" + "9" * 20 + "-", None), ("bytes=5-4", None),
    ("bytes=-", None), ("bytes=", None), ("bytes=,", None), ("bytes", None), ("bytes=a-b", None),
    ("bytes=1", None), ("bytes=+1-2", None), ("bytes=1-2-3", None), ("bytes=0x1-2", None),
    ("bytes=\u0661-2", None), ("lines=0-1", None), ("bytes=0-1;x", None), ("", None),
    ("bytes=" + ",".join(f"{n}-{n}" for n in EVEN), [(n, n + 1) for n in EVEN]),
    ("bytes=" + ",".join(f"{n}-{n}" for n in [*EVEN, 64]), None),
    ("bytes=" + "0-," * 100_000, None),
]  # fmt: skip


def parts_of(reply):
    message = email.message_from_bytes(
        b"Content-Type: " + reply["Content-Type"].encode() + b"\r\n\r\n" + reply.body
    )
    return [
        (part["Content-Range"], part["Content-Type"], part.get_payload(decode=True))
        for part in message.get_payload()
    ]


def test_ranges(files):
    wrapper = {"wsgi.file_wrapper": wsgiref.util.FileWrapper}
    for header, ranges in RANGES:
        for more in ({}, wrapper):
            reply = call(files, "GET", "/data.bin", HTTP_RANGE=header, **more)
            if ranges is None:
                assert (reply.status, reply.body) == (200, DATA), header[:60]
            elif not ranges:
                assert (reply.status, reply["Content-Range"]) == (416, f"bytes */{N}"), header
            elif len(ranges) == 1:
                start, stop = ranges[0]
                assert reply.status == 206, header
                assert reply["Content-Range"] == f"bytes {start}-{stop - 1}/{N}"
                assert reply.body == DATA[start:stop]
            else:
                kind = "application/octet-stream"
                assert reply.status == 206
                assert parts_of(reply) == [
                    (f"bytes {a}-{b - 1}/{N}", kind, DATA[a:b]) for a, b in ranges
                ], header
    assert call(files, "HEAD", "/data.bin", HTTP_RANGE="bytes=0-1").status == 200
    assert call(files, "GET", "/empty", HTTP_RANGE="bytes=0-").status == 416


def test_if_range(files, root):
    for header, status in (
        (TAG, 206), (DATE, 206), (f"W/{TAG}", 200), ('"a"', 200), (AFTER, 200), ("x", 200),
    ):  # fmt: skip
        reply = call(files, "GET", "/data.bin", HTTP_RANGE="bytes=0-1", HTTP_IF_RANGE=header)
        assert reply.status == status, header
    now = time.time() + 3600  # a file whose time says that it may change yet
    os.utime(root / "data.bin", (now, now))
    tag = call(files, "GET", "/data.bin")["ETag"]
    assert tag.startswith('W/"')
    assert call(files, "GET", "/data.bin", HTTP_IF_NONE_MATCH=tag).status == 304
    assert call(files, "GET", "/data.bin", HTTP_RANGE="bytes=0-1", HTTP_IF_RANGE=tag).status == 200


# ---------------------------------------------------------------------- hard times


def test_a_file_that_changes_while_it_is_sent(files, root):
    for size, expected in ((10, 10), (5000, N)):
        for more in ({}, {"wsgi.file_wrapper": wsgiref.util.FileWrapper}):
            (root / "data.bin").write_bytes(DATA)
            started = []
            blocks = files(
                environment("GET", "/data.bin", **more),
                lambda *args: started.append(args),  # noqa: B023
            )
            os.truncate(root / "data.bin", size)
            assert len(b"".join(blocks)) == expected  # never more than was announced
            blocks.close()


def test_descriptors_are_given_back(files, monkeypatch):
    """The conftest counts them; here are the ways that a reply may end."""
    request = {"wsgi.file_wrapper": wsgiref.util.FileWrapper}
    for more in ({}, request, {"HTTP_RANGE": "bytes=0-1,5-6"}, {"HTTP_RANGE": "bytes=3-5"}):
        blocks = files(environment("GET", "/data.bin", **more), lambda *args: None)
        blocks.close()  # unread
        blocks.close()
        blocks = files(environment("GET", "/data.bin", **more), lambda *args: None)
        next(iter(blocks))
        blocks.close()
        with pytest.raises(ZeroDivisionError):
            files(environment("GET", "/data.bin", **more), lambda *args: 1 / 0)
    bad = {"wsgi.file_wrapper": lambda *args: 1 / 0}
    with pytest.raises(ZeroDivisionError):
        files(environment("GET", "/data.bin", **bad), lambda *args: None)
    gc.collect()


def test_failures_of_the_system(files, monkeypatch):
    def fails(number):
        def opens(*args, **options):
            raise OSError(number, os.strerror(number))

        return opens

    for number, status in (
        (errno.EACCES, 403), (errno.EMFILE, 503), (errno.ENFILE, 503), (errno.ENAMETOOLONG, 404),
        (errno.EIO, 404), (errno.ELOOP, 404),
    ):  # fmt: skip
        with monkeypatch.context() as patched:
            patched.setattr(_beneath.os, "open", fails(number))
            reply = call(files, "GET", "/a.txt")
        assert reply.status == status
    assert call(files, "GET", "/a.txt").status == 200


def test_over_a_socket(root):
    (root / "large").write_bytes(DATA * 1000)
    with Files(root, listing=True) as files, served(files) as client:
        for method, path, headers, status, body in (
            ("GET", "/large", {}, 200, DATA * 1000),
            ("GET", "/large", {"Range": "bytes=-3"}, 206, DATA[-3:]),
            ("GET", "/a.txt", {}, 200, b"text"),
            ("GET", "/%2e%2e/outside", {}, 404, b"404 Not Found\n"),
        ):
            client.request(method, path, headers=headers)
            reply = client.getresponse()
            assert (reply.status, reply.read()) == (status, body)
            client.close()
