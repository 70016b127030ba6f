"""The socket that a handler of a green server receives when the server speaks TLS.

Sources: RFC 8446 (TLS 1.3), the standard library's `ssl.SSLSocket` and `ssl.SSLObject`.
"""

from __future__ import annotations

import os
import socket
import ssl
from typing import Any, Literal, Self, overload

from fastnet.green._tlsio import TLSStream, end_of

__all__ = ["GreenTLSSocket"]

_PIECE = 64 * 1024  # bytes of a large send that are encrypted in one go
_RECORD = 16 * 1024  # most bytes that OpenSSL takes in one go (RFC 8446, section 5.1)


class GreenTLSSocket(TLSStream):
    """A connected stream socket that speaks TLS, and whose calls block one greenlet.

    It is to `GreenSocket` what `ssl.SSLSocket` is to `socket.socket`, and raises what
    that raises.  One greenlet may receive while another sends.  Where it differs:

    - `shutdown` says good-bye in TLS first, and never leaves a socket behind that
      goes on in plain text; after ``shutdown(SHUT_WR)`` one may still receive.
    - `close` says good-bye as well, and waits for nothing.
    - Sending waits only while more than 256 KiB are left to be written.

    Parameters:
        server: the green server; None gives an IPv4 socket.
        context: an `ssl.SSLContext`.
        sleep: lets other greenlets run for so many seconds.
        server_side: which end of TLS this is.
        server_hostname: at the client's end, the name to ask for and to check.
        suppress_ragged_eofs: whether `recv` gives b"" where the peer ended the
            connection without a good-bye, instead of raising `ssl.SSLEOFError`.

    A context that is not for this end of a connection is an `ssl.SSLError` or
    ValueError of the first call that needs it.
    """

    __slots__ = ()

    # ------------------------------------------------------------------ the handshake

    def do_handshake(self, block: bool = False) -> None:
        """Goes through the handshake; the socket's timeout is for all of it.

        Parameters:
            block: wait although the timeout is 0.

        Raises:
            ssl.SSLError: the peer speaks no TLS, or what it shows is not accepted.
            TimeoutError: it took too long.
            OSError: the connection broke.
        """
        tls = self._secured()
        timeout = None if block and self._timeout == 0 else self._timeout
        end = end_of(timeout)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                self._hand_over()
                self._fill(timeout, end, "The handshake operation timed out")
            except ssl.SSLError:
                self._try_to_hand_over()  # the alert that says why
                raise
            else:
                self._hand_over()
                return

    # --------------------------------------------------------------------- receiving

    @overload
    def read(self, len: int = ..., buffer: None = ...) -> bytes: ...
    @overload
    def read(self, len: int, buffer: Any) -> int: ...

    def read(self, len: int = 1024, buffer: Any = None) -> bytes | int:
        """Up to len bytes as soon as there are some, or how many went into buffer.

        b"" or 0 is the end.  Raises what `recv` raises.
        """
        tls = self._secured()
        if self._ahead or len == 0:
            kept: bytes | int = self._from_ahead(len, buffer)
            return kept
        timeout = self._timeout
        end: float | None = None
        try:
            if not (self._in.pending or tls.pending() or self._over):
                end = end_of(timeout)
                self._fill(timeout, end, "The read operation timed out")
            while True:
                try:
                    got: bytes | int = tls.read(len) if buffer is None else tls.read(len, buffer)
                except ssl.SSLWantReadError:
                    self._settle_answers()
                    if end is None:
                        end = end_of(timeout)
                    self._fill(timeout, end, "The read operation timed out")
                else:
                    if not got and (buffer is None or memoryview(buffer).nbytes):
                        self._over = True
                    self._settle_answers()
                    return got
        except ssl.SSLZeroReturnError:  # both ends have said good-bye
            self._over = True
            return b"" if buffer is None else 0
        except ssl.SSLEOFError:
            lenient = self.context.options & ssl.OP_IGNORE_UNEXPECTED_EOF
            if not (self.suppress_ragged_eofs or self._no_more or lenient):
                raise
            return b"" if buffer is None else 0
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError:
            self._try_to_hand_over()
            raise

    def recv(self, bufsize: int = 1024, flags: int = 0) -> bytes:
        """Up to bufsize bytes as soon as there are some; b"" at the end.

        Raises:
            TimeoutError: none came in time.
            ssl.SSLWantReadError: there are none, and the timeout is 0.
            ssl.SSLEOFError: the peer ended the connection without a good-bye
                (not with `suppress_ragged_eofs`).
            ssl.SSLError: what came is not TLS.
            ValueError: flags are not 0, or bufsize is negative.
            OSError: the connection broke, or is closed.
        """
        if self._plain:
            return self._from_ahead(bufsize, None) or super().recv(bufsize, flags)
        if flags:
            raise ValueError("non-zero flags not allowed in calls to recv() of a TLS socket")
        if bufsize < 0:
            raise ValueError("negative buffersize in recv")
        return self.read(bufsize)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """As recv, into a buffer, nbytes (0 and None: all of it) at most; how many they were."""
        with memoryview(buffer) as view:
            room = view.nbytes
        if nbytes and not 0 < nbytes <= room:
            raise ValueError(f"nbytes is {nbytes}, and the buffer has {room} bytes")
        if self._plain:
            kept: int = self._from_ahead(nbytes or room, buffer)
            return kept or super().recv_into(buffer, nbytes or 0, flags)
        if flags:
            raise ValueError("non-zero flags not allowed in calls to recv_into() of a TLS socket")
        got: int = self.read(nbytes or room, buffer)
        return got

    def pending(self) -> int:
        """How many bytes `recv` would give without looking at the connection."""
        return len(self._ahead) or (0 if self._tls is None else self._tls.pending())

    def _from_ahead(self, n: int, buffer: Any) -> Any:
        data, self._ahead = self._ahead[:n], self._ahead[n:]
        if buffer is None:
            return data
        with memoryview(buffer) as view, view.cast("B") as room:
            room[: len(data)] = data
        return len(data)

    # ----------------------------------------------------------------------- sending

    def write(self, data: Any) -> int:
        """Encrypts and sends up to 64 KiB of data; how many bytes it took.

        Raises:
            TimeoutError: the peer took too little of what is on its way; none was sent.
            ssl.SSLWantWriteError: the same, where the timeout is 0.
            OSError: the connection broke, or is closed.
        """
        self._secured()
        end = end_of(self._timeout)
        if type(data) is bytes and len(data) <= _RECORD:
            return self._send_some(data, self._timeout, end)
        with memoryview(data) as view, view.cast("B") as plain:
            return self._send_some(plain, self._timeout, end)

    def send(self, data: Any, flags: int = 0) -> int:
        """As write.  Raises ValueError for flags."""
        if self._plain:
            return super().send(data, flags)
        if flags:
            raise ValueError("non-zero flags not allowed in calls to send() of a TLS socket")
        return self.write(data)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Sends all of data; the timeout is for all of it.  Raises what `write` raises."""
        if self._plain:
            return super().sendall(data, flags)
        if flags:
            raise ValueError("non-zero flags not allowed in calls to sendall() of a TLS socket")
        timeout = self._timeout
        end = end_of(timeout)
        if type(data) is bytes and len(data) <= _RECORD:
            self._send_some(data, timeout, end)
            return None
        with memoryview(data) as view, view.cast("B") as plain:
            done = 0
            while done < len(plain):
                done += self._send_some(plain[done : done + _PIECE], timeout, end)
        return None

    def _send_some(self, data: Any, timeout: float | None, end: float | None) -> int:
        tls = self._secured()
        self._await_room(timeout, end)
        total = min(len(data), _PIECE)
        done = 0
        while done < total:
            try:
                done += tls.write(data if total <= _RECORD and not done else data[done:total])
            except ssl.SSLWantReadError:  # somebody sends before the handshake is complete
                self._hand_over()
                self._fill(timeout, end, "The write operation timed out")
        self._hand_over()
        return done

    # -------------------------------------------------------------------------- ends

    def shutdown(self, how: int) -> None:
        """SHUT_WR: good-bye in TLS, then the end after what waits; SHUT_RD: recv gives b""."""
        if how != socket.SHUT_RD:
            self._say_goodbye(keep=how == socket.SHUT_WR)
        self._no_more = self._no_more or how != socket.SHUT_WR
        super().shutdown(how)

    def unwrap(self) -> Self:
        """Ends TLS at both ends; returns the socket, which goes on in plain text.

        The timeout is for all of it.

        Raises:
            ValueError: TLS has ended already.
            ssl.SSLError: the peer still sends data, or left without a good-bye.
            TimeoutError, OSError: as recv.
        """
        if self._plain:
            raise ValueError(f"No SSL wrapper around {self}")
        tls = self._secured()
        timeout, end = self._timeout, end_of(self._timeout)
        self._goodbye = True
        while True:
            try:
                tls.unwrap()
            except ssl.SSLWantReadError:
                self._hand_over()
                self._fill(timeout, end, "The read operation timed out")
            else:
                break
        self._hand_over()
        self._tls = None
        self._plain = True
        self._ahead = self._in.read()  # what the peer said after its good-bye
        self.set_patience(self._timeout)
        return self

    def close(self) -> None:
        """Says good-bye and closes once all is written and makefile's files are closed."""
        if self._io_refs <= 0:
            self._say_goodbye(keep=False)
        super().close()

    def dup(self) -> socket.socket:
        """Not for TLS: the copy would speak in plain text.  Raises OSError."""
        raise OSError(95, os.strerror(95))

    def _say_goodbye(self, keep: bool) -> None:
        """Sends close-notify (RFC 8446, section 6.1); keep: the peer may still say something."""
        tls = self._tls
        if tls is None or self._goodbye or self.fileno() == -1:
            return
        self._goodbye = True
        if keep and (self._in.pending or tls.pending()):
            self._ahead += _all_of(tls)  # OpenSSL would throw it away
        try:
            tls.unwrap()
            self._over = True  # the peer's was there already
        except (ssl.SSLError, ValueError):
            pass  # it waits for the peer's; or the handshake is not complete, or has failed
        self._try_to_hand_over()

    # ------------------------------------------------------------------ what was agreed

    @overload
    def getpeercert(self, binary_form: Literal[False] = ...) -> dict[str, Any] | None: ...
    @overload
    def getpeercert(self, binary_form: bool) -> Any: ...

    def getpeercert(self, binary_form: bool = False) -> Any:
        """The peer's certificate, as `ssl.SSLSocket.getpeercert` gives it."""
        return self._secured().getpeercert(binary_form)

    def cipher(self) -> tuple[str, str, int] | None:
        """(name, protocol, bits) of the cipher, or None."""
        return None if self._tls is None else self._tls.cipher()

    def version(self) -> str | None:
        """The protocol's version, for example "TLSv1.3"; None before the handshake."""
        return None if self._tls is None else self._tls.version()

    def selected_alpn_protocol(self) -> str | None:
        """The protocol that was agreed on by ALPN, or None."""
        return None if self._tls is None else self._tls.selected_alpn_protocol()


def _all_of(tls: ssl.SSLObject) -> bytes:
    """Everything that has been received and can be decrypted."""
    found = []
    try:
        while block := tls.read(_RECORD):
            found.append(block)
    except ssl.SSLError:
        pass  # no more for now; an error will show itself to whoever reads
    return b"".join(found)
