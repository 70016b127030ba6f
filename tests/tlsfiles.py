"""Certificates as files, and peers that speak TLS badly: for tests only."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import trustme


class Files:
    """An authority, a server's and a client's certificate, and those of a stranger."""

    def __init__(self, folder: Any) -> None:
        ours, others = trustme.CA(), trustme.CA()
        self.folder = folder
        self.ca = self._write("ca.pem", ours.cert_pem)
        self.other_ca = self._write("other-ca.pem", others.cert_pem)
        names = {
            "server": ours.issue_cert("localhost", "127.0.0.1"),
            "client": ours.issue_cert("client.example"),
            "impostor": others.issue_cert("client.example"),
        }
        for name, issued in names.items():
            chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
            setattr(self, name, self._write(f"{name}.pem", chain))
            setattr(self, f"{name}_key", self._write(f"{name}.key", issued.private_key_pem))
            both = chain + issued.private_key_pem.bytes()
            setattr(self, f"{name}_both", self._write(f"{name}-both.pem", both))

    def _write(self, name: str, content: Any) -> str:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.bytes())
        return str(path)


def hello() -> bytes:
    """The first flight of an honest client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    out = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def strict(context: ssl.SSLContext) -> ssl.SSLContext:
    """Makes a client tell a truncated connection from one that ended."""
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


def connect(address: Any, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A TLS client that reports truncation."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    sock = socket.socket(family)
    sock.settimeout(20)
    try:
        sock.connect(address)
        return context.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False)
    except BaseException:
        leave(sock)
        raise


def read_all(sock: ssl.SSLSocket) -> bytes:
    """Everything up to the peer's close-notify."""
    found = b""
    while data := sock.recv(65536):
        found += data
    return found


def leave(sock: socket.socket) -> None:
    """Ends a connection, also where a forked server holds a copy of this end."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    sock.close()


@contextlib.contextmanager
def client(address: Any, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """connect(), and leave() afterwards."""
    sock = connect(address, context)
    try:
        yield sock
    finally:
        leave(sock)


class Serving:
    """with Serving(server): it serves in a thread, and is shut down and closed afterwards."""

    def __init__(self, server: Any, threads: int = 1, interval: float = 0.02) -> None:
        self.server = server
        self.threads = [
            threading.Thread(target=server.serve_forever, args=(interval,), daemon=True)
            for _ in range(threads)
        ]

    def __enter__(self) -> Any:
        for thread in self.threads:
            thread.start()
        return self.server

    def __exit__(self, *_: object) -> None:
        try:
            for thread in self.threads:
                while thread.is_alive():
                    self.server.shutdown()
                    thread.join(0.1)
        finally:
            self.server.server_close()
