"""What a path between two ends that have a key can do to their bytes, and what they make of it."""

from __future__ import annotations

import contextlib
import socket
import threading

import numpy as np
import pytest

import fastnet
import fn1keyed
import fn1wire
import links
from fastnet import AuthenticationError, arrays
from fn1keyed import AES_256_GMAC, HMAC_SHA256, Keyed

KEY = bytes(range(32))


class Path:
    """Between a client and a listener: passes all on, but what `change` does to the bytes.

    change(bytes so far, piece) -> piece; of what the client sends.
    """

    def __init__(self, target, change):
        self.change = change
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = self.listening.getsockname()
        self.thread = links.Background(self._run, target)

    def _run(self, target):
        inside = self.listening.accept()[0]
        outside = socket.create_connection(target)
        back = threading.Thread(target=self._pump, args=(outside, inside, None), daemon=True)
        back.start()
        self._pump(inside, outside, self.change)
        back.join(links.SOON)
        inside.close()
        outside.close()
        self.listening.close()

    @staticmethod
    def _pump(source, sink, change):
        seen = 0
        with contextlib.suppress(OSError):
            while piece := source.recv(1 << 16):
                given = piece if change is None else change(seen, bytearray(piece))
                seen += len(piece)
                sink.sendall(given)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def flip(place):
    def change(seen, piece):
        if seen <= place < seen + len(piece):
            piece[place - seen] ^= 0x10
        return piece

    return change


@pytest.mark.parametrize("suite", ["hmac-sha256", "aes-256-gmac"])
@pytest.mark.parametrize("place", [600, 900, 200_000, 900_000, 3_000_000])
@pytest.mark.parametrize("strided", [False, True])
def test_an_array_that_was_changed_is_not_received(suite, place, strided, keep):
    listening = keep(arrays.listen(("127.0.0.1", 0), authkey=KEY, suites=[suite]))
    path = Path(listening.address, flip(place))
    connecting = links.Background(arrays.connect, path.address, authkey=KEY)
    server = keep(listening.accept(links.SOON))
    client = keep(connecting.result())
    value = np.full(4_000_000, 7, "u1").reshape(2000, 2000)
    sending = links.Background(send_all, client, value)
    out = np.full((2000, 4000) if strided else (2000, 2000), 1, "u1")
    view = out[:, ::2] if strided else out
    with pytest.raises(AuthenticationError, match="not what the peer sent"):
        server.recv(out=view, timeout=links.SOON)
    # Nothing is left of what came; what was never reached is as it was.
    assert set(np.unique(view)) <= {0, 1}
    if place > 1000:
        assert view[0, 0] == 0
    if strided:
        assert (out[:, 1::2] == 1).all()
    with pytest.raises(fastnet.Error, match="cannot be used any more"):
        server.recv(timeout=0)
    with pytest.raises(fastnet.Error):
        server.send(value)
    server.abort()
    assert isinstance(sending.result(), fastnet.Error | OSError)
    client.abort()
    path.thread.result()


def send_all(stream, value):
    """Sends until it hears that it is of no use."""
    try:
        for _ in range(50):
            stream.send(value, timeout=links.SOON)
        stream.close()
    except (fastnet.Error, OSError) as error:
        return error
    return None


def test_the_end_inside_an_array_leaves_nothing_either(keep):
    """Whoever cuts the connection must not be able to leave bytes behind that nobody verified."""
    listening = keep(arrays.listen(("127.0.0.1", 0), authkey=KEY))
    wire = keep(Keyed(socket.create_connection(listening.address)))
    shaking = links.Background(wire.shake, KEY)
    server = keep(listening.accept(links.SOON))
    shaking.result()
    frames = fn1keyed.array(np.full(500_000, 9, "u1"))
    wire.send(frames[0])
    wire.sock.sendall(wire.sealing.frame(frames[1])[:400_000])
    wire.close()
    out = np.ones(500_000, "u1")
    with pytest.raises(fastnet.IncompleteTransfer):
        server.recv(out=out, timeout=links.SOON)
    assert not (out == 9).any()
    assert out[0] == 0


@pytest.mark.parametrize("cut", [100_000, 263_000])
def test_a_time_out_inside_an_array(cut, keep):
    """What comes after it would not be in its place any more, however right its tag."""
    listening = keep(arrays.listen(("127.0.0.1", 0), authkey=KEY))
    wire = keep(Keyed(socket.create_connection(listening.address)))
    shaking = links.Background(wire.shake, KEY)
    server = keep(listening.accept(links.SOON))
    shaking.result()
    frames = fn1keyed.array(np.arange(600_000) % 251)
    data = wire.sealing.frame(frames[0]) + wire.sealing.frame(frames[1])
    out = np.ones(600_000, "i8")
    wire.sock.sendall(data[:cut])
    with pytest.raises(fastnet.TransferTimeout):
        server.recv(out=out, timeout=0.2)
    assert out[0] == 0
    sending = links.Background(wire.sock.sendall, data[cut:])
    for _ in range(2):
        with pytest.raises(fastnet.Error, match="cannot be used any more"):
            server.recv(timeout=links.SOON)
    server.abort()
    with contextlib.suppress(ConnectionError):
        sending.result()


@pytest.mark.parametrize("suite", [HMAC_SHA256, AES_256_GMAC])
def test_a_relay_that_adds_a_frame_of_its_own(suite, keep):
    """Passing a handshake on gives nobody its keys."""
    extra = fn1keyed.Seal(suite, bytes(32)).frame(fn1wire.frame(fn1wire.PING))

    def add(seen, piece):
        return piece + extra if seen + len(piece) > 20_000 else piece

    listening = keep(arrays.listen(("127.0.0.1", 0), authkey=KEY, suites=[fn1keyed.NAMES[suite]]))
    path = Path(listening.address, add)
    connecting = links.Background(arrays.connect, path.address, authkey=KEY)
    server = keep(listening.accept(links.SOON))
    client = keep(connecting.result())
    client.send(np.arange(3000))
    client.send(np.arange(3))
    with pytest.raises(AuthenticationError):
        list(server.items(timeout=links.SOON))
    server.abort()
    client.abort()
    path.thread.result()


def test_a_session_that_is_sent_to_somebody_else(keep):
    """All that a client said to one listener, said again to another with the same key."""
    record = bytearray()

    def keep_it(seen, piece):
        record.extend(piece)
        return piece

    one = keep(arrays.listen(("127.0.0.1", 0), authkey=KEY))
    path = Path(one.address, keep_it)
    connecting = links.Background(arrays.connect, path.address, authkey=KEY)
    server = keep(one.accept(links.SOON))
    client = keep(connecting.result())
    client.send(np.arange(1000))
    closing = links.Background(client.close)
    assert server.recv(timeout=links.SOON).size == 1000
    server.close()
    closing.result()
    path.thread.result()
    two = keep(arrays.listen(("127.0.0.1", 0), authkey=KEY))
    with socket.create_connection(two.address) as replaying:
        replaying.sendall(bytes(record))
        for _ in range(200):
            with pytest.raises(TimeoutError):
                two.accept(0.02)
            if two.stats()["bad_peers"]:
                break
    assert two.stats()["bad_peers"] == 1
    assert two.stats()["accepted"] == 0
