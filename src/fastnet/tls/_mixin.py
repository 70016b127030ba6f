"""TLS for server classes of `socketserver`'s shape."""

from __future__ import annotations

import os
import select
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

from fastnet.tls._contexts import Password, Path, server_context
from fastnet.tls._gate import Gate, hang_up

if TYPE_CHECKING:
    import socketserver

    _Server = socketserver.TCPServer
else:
    _Server = object

_POLL = 0.5  # seconds; the longest that a serving loop looks away from the deadlines
_FAREWELL = 1.0  # seconds that a handler's thread or process gives a slow peer for the last record


class SSLMixin(_Server):
    """Adds TLS to a server class for streams.  Name it first:

        class Server(SSLMixin, ThreadingTCPServer):
            pass

        Server(address, Handler, certfile="server.pem", keyfile="server.key")

    It works with the classes of `fastnet.socketserver` and of the standard
    library's `socketserver`, `http.server` and `xmlrpc.server`, with threads,
    with processes and with neither.  A handler's `request` is an
    `ssl.SSLSocket` whose handshake is complete.  Green servers take their context
    from here and see to the handshakes themselves; their handlers' `request` is a
    `fastnet.green.GreenTLSSocket`.

    Handshakes go on side by side in whatever thread is in `serve_forever`
    or `handle_request`, and none of them waits for a peer: one that stalls
    costs a descriptor until its deadline, and no thread or process.  `fileno`
    is therefore readable when an accept *or a handshake* can go on; a loop of
    your own waits for that and calls `get_request`.  The listening socket
    itself is `server.socket`.

    When a handler is done the connection ends as TLS asks for (RFC 8446,
    section 6.1), so that the client can tell the end from a cut wire.

    Parameters:
        certfile, keyfile: the server's certificate and key, as `server_context`
            takes them.
        password: of an encrypted key.
        ca_certs: PEM file of the authorities by which clients are checked.
        cert_reqs: `ssl.CERT_REQUIRED` (the default where `ca_certs` is given)
            turns clients without a certificate away; `ssl.CERT_OPTIONAL`
            checks those that show one; `ssl.CERT_NONE` asks nobody.
        ssl_context: a context instead of all these.
        handshake_timeout: seconds from the accept to the end of the handshake,
            to within half a second; None has no end.
        All others go to the server class.

    Attributes:
        max_handshakes: handshakes at once, 64.  When there are as many, peers
            wait in the listener's queue until the oldest is a quarter of a
            second old, and is ended in favour of the next.

    Raises:
        TypeError: neither `certfile` nor `ssl_context`, or both; or the server
            is for datagrams.
        ValueError, OSError: as `server_context`.
    """

    max_handshakes: int = 64
    _gate: Gate | None = None

    def __init__(
        self,
        *args: Any,
        certfile: Path | None = None,
        keyfile: Path | None = None,
        password: Password | None = None,
        ca_certs: Path | None = None,
        cert_reqs: ssl.VerifyMode | int | None = None,
        ssl_context: ssl.SSLContext | None = None,
        handshake_timeout: float | None = 5.0,
        **kwargs: Any,
    ) -> None:
        if self.socket_type != socket.SOCK_STREAM:
            raise TypeError(f"{type(self).__name__} is for datagrams, and TLS needs a stream")
        if handshake_timeout is not None and not handshake_timeout > 0:
            raise ValueError(f"handshake_timeout is None or above 0, not {handshake_timeout!r}")
        files = (certfile, keyfile, password, ca_certs, cert_reqs)
        if ssl_context is None:
            ssl_context = _context(certfile, keyfile, password, ca_certs, cert_reqs)
        elif any(given is not None for given in files):
            raise TypeError("give either ssl_context or certfile and what belongs to it")
        self.ssl_context = ssl_context
        self.handshake_timeout = handshake_timeout
        self._gate_lock = threading.Lock()
        # In which threads, of which process, get_request must not wait.
        self._looping = threading.local()
        super().__init__(*args, **kwargs)

    # -------------------------------------------------------------------- serving

    def fileno(self) -> int:
        """A descriptor that is readable when `get_request` has something to do; -1 when closed."""
        if self._accepts_elsewhere():
            return super().fileno()
        return -1 if self.socket.fileno() < 0 else self._own_gate().fileno()

    def serve_forever(self, poll_interval: float | None = 0.5) -> None:
        """Handles requests until `shutdown`; as the server class does it.

        Parameters:
            poll_interval: as there, but no longer than half a second, since
                handshakes have deadlines.
        """
        if self._accepts_elsewhere():
            super().serve_forever(poll_interval)  # type: ignore[arg-type]
            return
        before = getattr(self._looping, "pid", None)
        self._looping.pid = os.getpid()
        try:
            super().serve_forever(_POLL if poll_interval is None else min(poll_interval, _POLL))
        finally:
            self._looping.pid = before

    def service_actions(self) -> None:
        """Ends handshakes that took too long, after what the server class does."""
        super().service_actions()
        gate = self._gate
        if gate is not None and gate.pid == os.getpid():
            gate.tidy()

    def get_request(self) -> tuple[Any, Any]:
        """The next connection whose handshake is complete, and its client's address.

        In `serve_forever` it raises BlockingIOError when there is none yet.
        Elsewhere it waits until one is complete or has failed, and then raises
        ConnectionAbortedError: so `handle_request` sees to one client, good or bad.
        A green server raises RuntimeError: it speaks TLS in `serve_forever` only.
        """
        if self._accepts_elsewhere():
            return super().get_request()
        return self._own_gate().next(super().get_request, not self._in_loop())

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Makes a handler, which handles the request."""
        gate = self._gate
        if gate is not None and gate.pid != os.getpid():  # in a process for this request alone
            self._gate = None
            gate.forget()
        super().finish_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Ends a connection: TLS first, then the server class's part."""
        if isinstance(request, ssl.SSLSocket):
            _farewell(request, 0 if self._in_loop() else _FAREWELL)
            hang_up(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Ends the handshakes under way, then closes the server."""
        with self._gate_lock:
            gate, self._gate = self._gate, None
        if gate is not None:
            gate.close() if gate.pid == os.getpid() else gate.forget()
        super().server_close()

    def handle_handshake_error(self, sock: Any, address: Any, error: BaseException) -> None:
        """Called when a handshake failed, before the connection is closed; does nothing here.

        Whoever scans ports causes this all day, so it is for a counter or a
        quiet log.  It runs in the serving thread.

        Parameters:
            sock: the connection; not to be used for anything but asking it things.
            address: the client's.
            error: `ssl.SSLError` for what is no TLS or no accepted certificate,
                `OSError` for a connection that broke, `fastnet.TransferTimeout`
                at the deadline, `fastnet.LimitError` for one that made room.
        """

    # ------------------------------------------------------------------- in here

    def _in_loop(self) -> bool:
        """Whether this is a thread in serve_forever, not one (or a process) of one request."""
        return getattr(self._looping, "pid", None) == os.getpid()

    def _accepts_elsewhere(self) -> bool:
        """Whether this is a green server, which takes connections through TLS itself."""
        return getattr(self, "_accepts_in_c", False)

    def _own_gate(self) -> Gate:
        gate = self._gate
        if gate is not None and gate.pid == os.getpid():
            return gate
        with self._gate_lock:
            gate = self._gate
            if gate is not None and gate.pid != os.getpid():  # a worker forked from a server
                gate.forget()
                gate = None
            if gate is None:
                gate = self._gate = Gate(
                    self.socket,
                    self._wrap,
                    self._report,
                    self.handshake_timeout,
                    self.max_handshakes,
                )
            return gate

    def _wrap(self, sock: socket.socket) -> ssl.SSLSocket:
        return self.ssl_context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)

    def _report(self, sock: Any, address: Any, error: BaseException) -> None:
        try:
            self.handle_handshake_error(sock, address, error)
        except Exception:
            self.handle_error(sock, address)  # the hook's own mistake


def _context(
    certfile: Path | None,
    keyfile: Path | None,
    password: Password | None,
    ca_certs: Path | None,
    cert_reqs: ssl.VerifyMode | int | None,
) -> ssl.SSLContext:
    if certfile is None:
        raise TypeError("TLS needs certfile= (and keyfile=) or ssl_context=")
    wanted = None if cert_reqs is None else ssl.VerifyMode(cert_reqs)
    if wanted and ca_certs is None:
        raise ValueError("cert_reqs needs ca_certs, the authorities to check clients by")
    context = server_context(certfile, keyfile, password=password, client_ca=ca_certs)
    if wanted is not None:
        context.verify_mode = wanted
    return context


def _farewell(sock: ssl.SSLSocket, seconds: float) -> None:
    """Sends the record that ends TLS, and waits for no answer to it.

    A peer that has stopped reading leaves no room for it; `seconds` is how long
    to wait for that to change.
    """
    deadline = time.monotonic() + seconds
    try:
        sock.setblocking(False)
        while True:
            try:
                sock.unwrap()
                return
            except ssl.SSLWantWriteError:
                left = deadline - time.monotonic()
                poll = select.poll()
                poll.register(sock, select.POLLOUT)
                if left <= 0 or not poll.poll(left * 1000):
                    return
    except (OSError, ValueError):
        pass  # sent, and the peer has not answered yet; or broken, closed, ended by the handler
