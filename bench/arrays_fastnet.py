"""fastnet's own contestants."""

from __future__ import annotations

import ssl
from typing import Any

import numpy as np

import fastnet
import fastnet.arrays
from arrays_stdlib import SocketRole
from roles import Role, agree, checksum, make_array

# Loaded on first access; touched here so that the memory row counts transfers and not imports.
send_from, recv_into = fastnet.send_from, fastnet.recv_into


class Raw(SocketRole):
    """`fastnet.send_from` and `fastnet.recv_into` over a plain socket."""

    def send(self) -> None:
        send_from(self.array, self.sock)

    def receive(self) -> Any:
        recv_into(self.array, self.sock)
        return self.array


class StreamRole(Role):
    """A stream of `fastnet.arrays`."""

    def listen(self) -> str:
        self.listener = fastnet.arrays.listen((self.host, 0))
        return str(self.listener.address[1])

    def accept(self) -> None:
        self.stream = self.listener.accept(timeout=30)

    def connect(self, where: str) -> None:
        self.stream = fastnet.arrays.connect((self.host, int(where)))

    def send(self) -> None:
        self.stream.send(self.array)

    def close(self) -> None:
        # The other end is closing too, or has gone: nothing more is to be delivered.
        self.stream.abort()
        if self.side == "server":
            self.listener.close()


class StreamOut(StreamRole):
    """Received into an array that exists."""

    def receive(self) -> Any:
        return self.stream.recv(out=self.array)


class StreamKeyed(StreamOut):
    """The same with a key."""

    suite = ""

    def listen(self) -> str:
        self.listener = fastnet.arrays.listen(
            (self.host, 0), authkey=bytes(range(32)), suites=[self.suite]
        )
        return str(self.listener.address[1])

    def connect(self, where: str) -> None:
        self.stream = fastnet.arrays.connect((self.host, int(where)), authkey=bytes(range(32)))


class StreamGmac(StreamKeyed):
    """Authenticated by GMAC."""

    suite = "aes-256-gmac"


class StreamHmac(StreamKeyed):
    """Authenticated by HMAC."""

    suite = "hmac-sha256"


class StreamTls(StreamOut):
    """Over TLS 1.3 with `ssl`: encrypted as well, since TLS does not come without."""

    def listen(self) -> str:
        import trustme

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        trustme.CA().issue_cert("localhost").configure_cert(context)
        self.listener = fastnet.arrays.listen((self.host, 0), ssl_context=context)
        return str(self.listener.address[1])

    def connect(self, where: str) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.stream = fastnet.arrays.connect((self.host, int(where)), ssl_context=context)


class StreamPool(StreamRole):
    """Received into memory of the pool; the array is dropped before the next is asked for."""

    def prepare(self) -> None:
        self.array = make_array(self.size if self.side == "client" else 8, self.layout())

    def receive(self) -> Any:
        return self.stream.recv()


class Items(StreamRole):
    """Many small arrays with `send_items`, taken one by one from the stream's iterator."""

    def connect(self, where: str) -> None:
        super().connect(where)
        self.arrays = [self.array] * self.count

    def accept(self) -> None:
        super().accept()
        self.incoming = iter(self.stream)

    def send(self) -> None:
        self.stream.send_items(self.arrays)

    def receive(self) -> Any:
        array: np.ndarray[Any, Any] | None = None
        left = self.count
        for array in self.incoming:
            left -= 1
            if not left:
                return array
        raise EOFError("the sender closed early")

    def receive_checked(self) -> str:
        return agree(checksum(next(self.incoming)) for _ in range(self.count))
