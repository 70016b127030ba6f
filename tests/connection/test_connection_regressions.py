"""fastnet.connection: what once went wrong."""

from __future__ import annotations

import contextlib
import socket
import struct

import pytest

from connection_kit import KEY
from fastnet import AuthenticationError
from fastnet.connection import Client, Listener, Pipe, _challenge
from fastnet.connection._negotiation import Negotiation
from links import SOON, Background


def meet(listener):
    """A client comes in."""
    connecting = Background(Client, listener.address, authkey=KEY, timeout=SOON)
    with listener.accept(), connecting.result():
        pass


# ------------------------------------------------------------------------ handshakes


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, MemoryError])
def test_an_interrupted_handshake_lets_nobody_in(keep, listener, monkeypatch, error):
    """Whatever ends a handshake half-way, the peer has not shown that it has the key."""
    stranger = keep(socket.create_connection(listener.address, timeout=SOON))

    def interrupt(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(_challenge, "_verify_challenge", interrupt)
        stranger.sendall(struct.pack("!i", 40) + b"{sha256}" + bytes(32))
        with pytest.raises(error):
            listener.accept(SOON)
    with contextlib.suppress(OSError):
        stranger.sendall(b"\0")
    with pytest.raises(TimeoutError):
        listener.accept(0.05)
    assert listener._reception.pending() == 0
    meet(listener)


def test_a_negotiation_that_failed_stays_failed(keep):
    """Complete is what came to its end, not what cannot go on."""

    def steps():
        yield b"hello", False
        raise KeyboardInterrupt

    one, two = map(keep, socket.socketpair())
    negotiation = Negotiation(one, steps())
    with pytest.raises(KeyboardInterrupt):
        negotiation.advance()
    for _ in range(2):
        with pytest.raises(AuthenticationError, match="interrupted"):
            negotiation.advance()
    assert two.recv(9, socket.MSG_WAITALL) == b"\0\0\0\5hello"


@pytest.mark.parametrize("timeout", [SOON, None])
def test_a_timeout_on_the_listening_socket_stops_no_handshake(listener, timeout):
    """It is how programs bound the standard library's accept; it waits for no second peer."""
    listener._listener._socket.settimeout(timeout)
    connecting = Background(Client, listener.address, authkey=KEY, timeout=SOON / 2)
    with listener.accept(), connecting.result():
        assert listener._listener._socket.gettimeout() == timeout


def test_a_path_that_is_gone_leaves_no_handshake_open(keep, tmp_path):
    listener = Listener(str(tmp_path / "here"), authkey=KEY)
    stranger = keep(socket.socket(socket.AF_UNIX))
    stranger.connect(listener.address)
    with pytest.raises(TimeoutError):
        listener.accept(0.05)
    (tmp_path / "here").unlink()
    with pytest.raises(FileNotFoundError):
        listener.close()
    assert listener._reception.pending() == 0


# ------------------------------------------------------------------------ descriptors


class Closing:
    """Closes a connection while it is sent over it, and the descriptor's number is taken again."""

    def __init__(self, conn, keep):
        self._conn = conn
        self._keep = keep

    def __reduce__(self):
        self._conn.close()
        self.taken = list(map(self._keep, socket.socketpair()))
        return str, ()


def test_a_connection_closed_while_it_pickles_writes_to_nobody(keep):
    one, two = map(keep, Pipe())
    number, thing = one.fileno(), Closing(one, keep)
    with pytest.raises(OSError, match="handle is closed"):
        one.send(thing)
    assert number in {sock.fileno() for sock in thing.taken}
    for sock in thing.taken:
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)
    with pytest.raises(EOFError):
        two.recv()
