"""What a client may send to a server of calls, and a server to a client, that nobody should."""

from __future__ import annotations

import os
import socket
import struct
import threading

import pytest

import fn1wire
import links
from fastnet import Limits, errors, rpc
from rpc_kit import KEY, SOON, entered, serving

pytest.importorskip("msgspec")

CALL, NOTIFY, CANCEL, MORE, RESULT, ERROR, ITEM, END = range(1, 9)
MESSAGE, DATA, CREDIT, FN1_CANCEL, PING, PONG, FN1_ERROR, CLOSE = range(1, 9)


def frame(kind, flags=0, stream=0, payload=b"", message=0, offset=0):
    head = struct.pack("<BBHIIIQ", kind, flags, 0, stream, len(payload), message, offset)
    return head + payload


def head(kind, call=1, name=b"", payload=b"", codec=2, flags=0, value=0, zero=0):
    fixed = struct.pack("<BBHIIHH", kind, codec, flags, call, value, len(name), zero)
    return fixed + name + payload


def message(meta, sizes=(), body=None, stream=0):
    envelope = struct.pack("<IHH", len(meta), len(sizes), 2)
    envelope += b"".join(struct.pack("<Q", size) for size in sizes) + meta
    inline = body is not None
    return frame(MESSAGE, int(inline), stream, envelope + (body or b""))


class Peer:
    """One end of a connection, spoken by hand."""

    def __init__(self, sock, role=b"C", speak=True):
        self.sock = sock
        sock.settimeout(SOON)
        if speak:
            name = struct.pack("<HH", 1, 3) + b"rpc"
            sock.sendall(fn1wire.preface(role=role, extensions=name, window=0))

    def send(self, *frames):
        self.sock.sendall(b"".join(frames))

    def exactly(self, n):
        data = b""
        while len(data) < n:
            part = self.sock.recv(n - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def preface(self):
        fixed = self.exactly(32)
        self.exactly(struct.unpack_from("<H", fixed, 8)[0])

    def frame(self):
        kind, _, _, stream, length, _, offset = struct.unpack("<BBHIIIQ", self.exactly(24))
        return kind, stream, self.exactly(length), offset

    def answer(self):
        """Kind, call and payload of the next message of rpc."""
        while True:
            kind, _, payload, _ = self.frame()
            if kind == FN1_ERROR:
                raise ConnectionError(payload[4:].decode())
            if kind == MESSAGE:
                meta = payload[8:]
                return meta[0], struct.unpack_from("<I", meta, 4)[0], meta[16:]

    def refusal(self):
        """The words with which the other end refuses."""
        try:
            while True:
                self.answer()
        except ConnectionError as error:
            return str(error)


@pytest.fixture
def raw():
    """(peer, server, handlers): a connection to a server, spoken by hand."""
    with serving(limits=Limits(message_bytes=1 << 24)) as (server, handlers):
        with socket.create_connection(server.address) as sock:
            peer = Peer(sock)
            peer.preface()
            yield peer, server, handlers
        with rpc.RPCClient(server.address) as client:
            assert client.add(2, 3) == 5  # others are unharmed


def test_a_call_by_hand(raw):
    peer, _, _ = raw
    call = message(head(CALL, 7, b"add", b"\x92\x02\x03"))
    for byte in call:
        peer.send(bytes([byte]))
    assert peer.answer() == (RESULT, 7, b"\x05")
    peer.send(call, call[:-1] + b"\x04")
    assert peer.answer() == (RESULT, 7, b"\x05")
    assert peer.answer() == (RESULT, 7, b"\x06")


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (message(b"short"), "metadata of a call"),
        (message(head(0)), "metadata of a call"),
        (message(head(9)), "metadata of a call"),
        (message(head(CALL)), "metadata of a call"),
        (message(head(CANCEL, name=b"x")), "metadata of a call"),
        (message(head(CALL, name=b"x", codec=4)), "metadata of a call"),
        (message(head(CALL, name=b"x", flags=4)), "metadata of a call"),
        (message(head(CALL, name=b"x", zero=1)), "metadata of a call"),
        (message(head(CALL, name=b"x")[:16]), "metadata of a call"),
        (message(head(RESULT)), "an answer came to a server"),
        (message(head(CALL, name=b"add", flags=1)), "without the payload"),
        (frame(DATA, stream=3, payload=b"x"), "stream that is not open"),
        (message(head(CALL, name=b"add"), [10]), "stream that is not open"),
        (message(head(CALL, name=b"add"), [10], stream=129), "stream that is not open"),
        (message(head(CALL, name=b"a"), [9], b"123456789", 3), "more than its credit"),
        (message(head(CALL, name=b"a"), [1 << 25], stream=3), "larger than its receiver"),
        (message(bytes(200_000)), "metadata is longer"),
        (frame(CREDIT), "stream that is not open"),
        (frame(99, payload=b"x"), "unknown type"),
    ],
)
def test_what_is_refused(raw, frames, words):
    peer, _, _ = raw
    peer.send(frames)
    assert words in peer.refusal()


def test_oversized_frames_before_and_after_the_preface():
    with serving() as (server, _):
        for first in (b"\x93FN1" + bytes(2000), b"GET / HTTP/1.1\r\n\r\n"):
            with socket.create_connection(server.address) as sock:
                Peer(sock, speak=False).send(first)
                links.wait_until(lambda: server.stats()["open"] == 0)
        with socket.create_connection(server.address) as sock:
            peer = Peer(sock)
            peer.preface()
            peer.send(struct.pack("<BBHIIIQ", MESSAGE, 0, 0, 0, 1 << 30, 0, 0))
            assert "longer than its receiver" in peer.refusal()


def test_payloads_that_mean_nothing(raw):
    peer, _, _ = raw
    bombs = [
        (2, b"\xc1"),
        (2, b"\x91" * 20_000 + b"\x01"),
        (2, b"\xdd\xff\xff\xff\xff"),
        (2, b"\xdf\xff\xff\xff\xff"),
        (2, b"\xc6\xff\xff\xff\xff"),
        (2, b"\x91\xc7\x02\x4e\x05\x00"),
        (2, b"\x91\xd4\x4e\x00"),
        (2, b"\x05"),
        (1, b"[" * 30_000),
        (1, b'{"a":' * 18_000 + b"1" + b"}" * 18_000),
        (1, b"[1"),
        (1, b"\xff"),
        (3, b"\x80\x05N."),
        (0, b""),
    ]
    for number, (codec, payload) in enumerate(bombs, 1):
        peer.send(message(head(CALL, number, b"echo", payload, codec=codec)))
        kind, call, _ = peer.answer()
        assert (kind, call) == (ERROR, number)
    peer.send(message(head(CALL, 99, b"add", b"\x92\x02\x03")))
    assert peer.answer() == (RESULT, 99, b"\x05")


def test_arguments_that_are_none(raw):
    peer, _, handlers = raw
    odd = [
        (0, b"\x81\xa1a\x01"),  # a map
        (0, b"\xa2ab"),  # text
        (2, b"\x92\x90"),  # names: half of two
        (2, b"\x91\x90"),  # one of two
        (2, b"\x92\x90\x90"),  # no map of names
        (2, b"\x92\xa1a\x80"),  # text, and names
        (2, b"\x92\x90\x81\x01\x02"),  # a number for a name
    ]
    for number, (flags, payload) in enumerate(odd, 1):
        peer.send(message(head(CALL, number, b"note", payload, flags=flags)))
        assert peer.answer()[:2] == (ERROR, number)
    assert handlers.log == []


def test_streams_that_are_opened_and_left(raw):
    peer, _, _ = raw
    for stream in range(1, 129):
        peer.send(message(head(CALL, stream, b"echo"), [1 << 24], stream=stream))
    peer.send(message(head(CALL, 500, b"add", b"\x92\x02\x03")))
    assert peer.answer() == (RESULT, 500, b"\x05")  # all streams wait, small calls do not
    peer.send(message(head(CALL, 1, b"echo"), [1 << 24], stream=1))
    assert "where the protocol does not allow it" in peer.refusal()


def test_unknown_cancels_and_credit_are_passed_over(raw):
    peer, _, _ = raw
    peer.send(
        message(head(CANCEL, 77)),
        message(head(MORE, 78, value=1 << 31)),
        frame(CREDIT, stream=5, offset=100),
        frame(FN1_CANCEL, 1, stream=5),
        frame(PING, offset=42),
        frame(200, payload=b"from a later version"),
        message(head(CALL, 7, b"add", b"\x92\x02\x03")),
    )
    assert peer.answer() == (RESULT, 7, b"\x05")


def test_a_client_that_takes_no_answers(raw):
    peer, server, _ = raw
    calls = b"".join(message(head(CALL, n, b"zeros", b"\x91\xcd\x1f\x40")) for n in range(2000))
    writer = threading.Thread(target=lambda: peer.sock.sendall(calls))
    writer.start()
    with rpc.RPCClient(server.address) as client:
        for _ in range(20):
            assert client.add(1, 1) == 2
    assert server.stats()["calls"] < 1500  # it has stopped reading
    reader = threading.Thread(target=drain, args=(peer.sock,))
    reader.start()
    writer.join(SOON)
    assert not writer.is_alive()
    peer.sock.shutdown(socket.SHUT_RDWR)
    reader.join(SOON)


def drain(sock):
    try:
        while sock.recv(1 << 16):
            pass
    except OSError:
        pass


def test_half_open_handshakes_push_each_other_out():
    limits = Limits(pending=8, handshake_timeout=SOON)
    with serving(authkey=KEY, limits=limits) as (server, _):
        silent = [socket.create_connection(server.address) for _ in range(40)]
        with rpc.RPCClient(server.address, authkey=KEY) as client:
            assert client.add(1, 2) == 3
            links.wait_until(lambda: server.stats()["open"] <= 9)
        for sock in silent:
            sock.close()


def test_silent_peers_are_closed_by_the_deadline():
    with serving(limits=Limits(handshake_timeout=0.05)) as (server, _):
        with socket.create_connection(server.address) as sock:
            sock.settimeout(SOON)
            while sock.recv(100):
                pass
        with rpc.RPCClient(server.address) as client:
            assert client.add(1, 2) == 3


# ------------------------------------------------------------ servers that do wrong


def impostor(*frames, close=True):
    """A server that answers the first call with those frames; its address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listener:
            sock, _ = listener.accept()
            with sock:
                peer = Peer(sock, b"S")
                peer.preface()
                peer.frame()
                peer.send(*frames)
                if close:
                    sock.shutdown(socket.SHUT_WR)
                drain(sock)

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()


@pytest.mark.parametrize(
    ("frames", "error", "words"),
    [
        ([], rpc.ConnectionLost, "the peer ended"),
        ([message(head(CALL, 1, b"x"))], errors.ProtocolError, "a call came to a client"),
        ([message(head(RESULT, 1, payload=b"\xc1"))], errors.ProtocolError, "cannot be decoded"),
        ([message(head(RESULT, 1, codec=3))], errors.ProtocolError, "not asked for"),
        ([message(head(ERROR, 1, payload=b"\x05"))], errors.ProtocolError, "malformed error"),
        ([message(head(ERROR, 1, payload=b"\x95\xa3a.b\x90\xa0\xa0\x90"))], rpc.RemoteError, "a.b"),
        ([message(b"x")], errors.ProtocolError, "metadata of a call"),
        ([frame(FN1_ERROR, payload=b"\x01\0\0\0go away")], errors.ProtocolError, "go away"),
        ([frame(CLOSE)], rpc.ConnectionLost, "closed the connection"),
        ([message(head(RESULT, 99, payload=b"\x01"))], rpc.ConnectionLost, "ended"),
    ],
)
def test_servers_that_do_wrong(frames, error, words):
    with rpc.RPCClient(impostor(*frames)) as client:
        with pytest.raises(error, match=words):
            client.add(1, 2)


def test_an_error_that_names_a_module_imports_nothing():
    payload = b"\x95\xb6antigravity.Something\xc0"[:-1]
    payload = b"\x95\xb5antigravity.Something\x90\xa0\xa0\x90"
    with rpc.RPCClient(impostor(message(head(ERROR, 1, payload=payload)))) as client:
        with pytest.raises(rpc.RemoteError, match=r"antigravity\.Something"):
            client.add(1, 2)
    import sys

    assert "antigravity" not in sys.modules


def test_streams_that_lie():
    one = message(head(ITEM, 1, payload=b"\x01"))
    for frames in (
        [one, one],
        [one, message(head(END, 1, codec=0, value=0))],
    ):
        with rpc.RPCClient(impostor(*frames)) as client:
            with pytest.raises(errors.ProtocolError):
                list(client.add(1, 2))
    short = [one, message(head(END, 1, codec=0, value=5))]
    with rpc.RPCClient(impostor(*short)) as client:
        with pytest.raises(rpc.ConnectionLost):
            list(client.add(1, 2))


def test_a_server_that_is_killed():
    source = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import rpc_kit, time\n"
        "with rpc_kit.serving() as (server, handlers):\n"
        "    print(server.address[1], flush=True)\n"
        "    time.sleep(60)\n"
    )
    folder = os.path.dirname(os.path.dirname(__file__))
    with links.program(source, folder) as child:
        port = int(child.stdout.readline())
        with rpc.RPCClient(("127.0.0.1", port)) as client:
            futures = [client.submit("forever") for _ in range(5)]
            assert client.add(1, 1) == 2
            child.kill()
            for future in futures:
                with pytest.raises(rpc.ConnectionLost):
                    future.result(SOON)


def test_a_client_that_vanishes():
    with serving() as (server, handlers):
        with socket.create_connection(server.address) as sock:
            peer = Peer(sock)
            peer.preface()
            peer.send(message(head(CALL, 1, b"forever", b"\x90")))
            entered(handlers)
        entered(handlers)  # the client has vanished: it is stopped
        assert handlers.log == ["stopped"]


@pytest.mark.memory
def test_messages_that_are_given_up_while_they_wait_leave_nothing():
    limits = Limits(in_flight_bytes=1 << 20)
    with serving(limits=limits) as (server, _):
        with socket.create_connection(server.address) as sock:
            peer = Peer(sock)
            peer.preface()
            peer.send(message(head(CALL, 1, b"echo"), [1 << 20], stream=1))  # is under way
            meta = head(CALL, 2, b"echo", bytes(50_000))
            given_up = message(meta, [1 << 20], stream=2) + frame(FN1_CANCEL, stream=2)
            peer.send(given_up * 10)
            before = resident()
            for _ in range(200):
                peer.send(given_up * 10)
            peer.send(message(head(CALL, 3, b"add", b"\x92\x02\x03")))
            assert peer.answer() == (RESULT, 3, b"\x05")
            assert resident() - before < 50 << 20  # of 100 MB that were announced


def resident():
    """Bytes of memory that this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
