"""The slides' HTTP server: examples/slides_http_server.py."""

from __future__ import annotations

import urllib.request

import links
import recipe_programs as programs


def test_files_over_http(tmp_path, monkeypatch):
    (tmp_path / "index.html").write_bytes(b"<h1>hello")
    (tmp_path / "large").write_bytes(b"x" * 1_000_000)
    monkeypatch.chdir(tmp_path)
    with programs.started("slides_http_server.py", 0) as (_, port):
        with programs.connect(port) as first:  # says nothing, and holds up nobody
            for path, expected in (("", b"<h1>hello"), ("large", b"x" * 1_000_000)):
                url = f"http://127.0.0.1:{port}/{path}"
                with urllib.request.urlopen(url, timeout=links.SOON) as reply:
                    assert reply.read() == expected
            # The slides' request by hand, with the line ends that they send.
            with programs.connect(port) as sock:
                sock.sendall(b"GET /index.html HTTP/1.0\n\n")
                head, _, body = programs.everything(sock).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.0 200 OK\r\n")
            assert body == b"<h1>hello"
            first.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert programs.everything(first).endswith(b"<h1>hello")
