"""Sockets whose sending is the C loop, and whose receiving looks again before it sleeps.

A `Socket` is a `socket.socket`: the same methods, results and exceptions.
What differs is what a call costs.

- `sendall` stays in C until all is sent or the timeout is over.
- `recv` and `recv_into` take what is there in one system call; where nothing
  is, they look again for a bounded time (the spin) before they sleep, since a
  sleep and a wake-up cost more than most answers take.  A socket whose spins
  find nothing spins less and less often.
- A call in progress keeps its descriptor: closing the socket in another thread
  cannot make it read another connection's bytes.

`socket.makefile` works through these methods, so files over a `Socket` profit.
"""

from __future__ import annotations

import _socket
import socket
import sys
from typing import TYPE_CHECKING, Any

from fastnet._native import sockio
from fastnet._native.sockstate import State

__all__ = ["Socket", "create_connection", "socketpair"]

# Python makes an enum member of these each time; the base class does not.
_family: Any = vars(_socket.socket).get("family")
_type: Any = vars(_socket.socket).get("type")
_proto: Any = vars(_socket.socket).get("proto")

# With one of these set, only the system knows when a wait is over.
_WAITS = tuple(
    getattr(socket, name)
    for name in ("SO_RCVLOWAT", "SO_RCVTIMEO", "SO_SNDTIMEO")
    if hasattr(socket, name)
)


class Socket(socket.socket):
    """A `socket.socket` with the C core's transfers.

    Parameters:
        family, type, proto, fileno: as for `socket.socket`.
        spin: seconds that `recv` and `recv_into` look again before they sleep,
            0 for never, at most 1; None takes `Tuning`'s own choice: 150
            microseconds, or 0 where there is one CPU.

    Raises ValueError for a spin out of range, and what `socket.socket` raises.
    """

    __slots__ = ("_state",)
    _state: State

    def __init__(
        self,
        family: int = -1,
        type: int = -1,
        proto: int = -1,
        fileno: int | None = None,
        *,
        spin: float | None = None,
    ) -> None:
        self._state = _state(spin)
        super().__init__(family, type, proto, fileno)
        if fileno is not None:
            self._state.plain = _has_own_waits(self)

    if not TYPE_CHECKING:  # their types are those of socket.socket
        recv = sockio.recv
        recv_into = sockio.recv_into
        send = sockio.send
        sendall = sockio.sendall

    @classmethod
    def from_socket(cls, sock: socket.socket, *, spin: float | None = None) -> Socket:
        """Takes over a socket: its descriptor and its timeout.

        The old object is left detached, as after `detach`; files made from it
        no longer work.

        Parameters:
            sock: any socket but a TLS one.
            spin: as for the class.

        Raises TypeError for a TLS socket, whose bytes only OpenSSL may write.
        """
        ssl = sys.modules.get("ssl")
        if ssl is not None and isinstance(sock, ssl.SSLSocket):
            raise TypeError("a TLS socket's descriptor cannot be taken over")
        timeout = sock.gettimeout()
        family, kind, proto = sock.family, sock.type, sock.proto
        _state(spin)  # a ValueError must not cost the caller the socket
        taken = cls(family, kind, proto, fileno=sock.detach(), spin=spin)
        taken.settimeout(timeout)
        return taken

    @property
    def spin(self) -> float:
        """Seconds that receiving looks again before it sleeps; may be set, None as above."""
        return self._state.spin

    @spin.setter
    def spin(self, seconds: float | None) -> None:
        self._state.spin = _state(seconds).spin

    def accept(self) -> tuple[Socket, Any]:
        """Waits for a connection; returns a `Socket` for it and the peer's address.

        Raises what `socket.socket.accept` does.
        """
        fd, address = self._accept()  # type: ignore[attr-defined]
        sock = Socket.__new__(Socket)
        sock._state = state = State()
        state.spin = self._state.spin
        state.plain = self._state.plain  # the system hands these options on
        socket.socket.__init__(
            sock, _family.__get__(self), _type.__get__(self), _proto.__get__(self), fileno=fd
        )
        if socket.getdefaulttimeout() is None and (_INHERITS or self.gettimeout()):
            sock.setblocking(True)
        return sock, address

    def dup(self) -> Socket:
        """A second socket object over the same connection, with the same timeout and spin."""
        sock = super().dup()
        sock.spin = self.spin
        return sock

    def setsockopt(self, *args: Any) -> None:
        """As `socket.socket.setsockopt`.

        SO_RCVLOWAT, SO_RCVTIMEO and SO_SNDTIMEO make the socket use the
        system's own waits from then on.
        """
        super().setsockopt(*args)
        if args[:1] == (socket.SOL_SOCKET,) and args[1] in _WAITS:
            self._state.plain = True

    def _real_close(self, _ss: Any = _socket.socket) -> None:
        # socket.socket's hook for the close that counts.
        if not self._state.adopt(self):
            _ss.close(self)


# Elsewhere an accepted socket is non-blocking if its listener is (accept(2)).
_INHERITS = not sys.platform.startswith("linux")


def _state(spin: float | None) -> State:
    state = State()
    if spin is not None:
        if not 0 <= spin <= 1:
            raise ValueError(f"spin must be None or between 0 and 1 second, not {spin!r}")
        state.spin = float(spin)
    return state


def _has_own_waits(sock: socket.socket) -> bool:
    for option in _WAITS:
        try:
            value = sock.getsockopt(socket.SOL_SOCKET, option, 16)
        except OSError:
            continue  # this kind of socket has no such option
        if value.strip(b"\0") not in (b"", b"\1"):
            return True
    return False


class _Unset:
    def __repr__(self) -> str:
        return "<the default timeout>"


_DEFAULT_TIMEOUT: Any = _Unset()


def create_connection(
    address: tuple[str | None, int],
    timeout: float | None = _DEFAULT_TIMEOUT,
    source_address: tuple[str, int] | None = None,
    *,
    all_errors: bool = False,
    spin: float | None = None,
) -> Socket:
    """Connects to a TCP service, trying each address of the host in turn.

    As `socket.create_connection`, but the result is a `Socket`, and
    TCP_NODELAY is set: a request should not wait for the acknowledgement of
    the one before.

    Parameters:
        address: host and port.
        timeout: seconds for each attempt, and then the socket's timeout; left
            out, `socket.getdefaulttimeout()`.
        source_address: host and port to connect from.
        all_errors: raise an ExceptionGroup of every failure, not the last one.
        spin: as for `Socket`.

    Raises OSError, or an ExceptionGroup of them with all_errors.
    """
    host, port = address
    errors: list[OSError] = []
    for family, kind, proto, _, target in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        sock = None
        try:
            sock = Socket(family, kind, proto, spin=spin)
            if timeout is not _DEFAULT_TIMEOUT:
                sock.settimeout(timeout)
            if source_address:
                sock.bind(source_address)
            sock.connect(target)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except OSError as error:
            if not all_errors:
                errors.clear()
            errors.append(error)
            if sock is not None:
                sock.close()
        except BaseException:
            if sock is not None:
                sock.close()
            raise
    try:
        if not errors:
            raise OSError(f"{host!r} has no address")
        if all_errors:
            raise ExceptionGroup("create_connection failed", errors)
        raise errors[0]
    finally:
        errors.clear()  # an error's traceback holds this frame, and the frame the error


def socketpair(
    family: int | None = None,
    type: int = socket.SOCK_STREAM,
    proto: int = 0,
    *,
    spin: float | None = None,
) -> tuple[Socket, Socket]:
    """Two connected sockets, as `socket.socketpair` makes them.

    Parameters:
        family, type, proto: as there; by default Unix where there is such a thing.
        spin: as for `Socket`.
    """
    _state(spin)
    one, two = socket.socketpair(family, type, proto)
    return Socket.from_socket(one, spin=spin), Socket.from_socket(two, spin=spin)
