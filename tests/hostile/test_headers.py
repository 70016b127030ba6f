"""Array metadata that lies, overflows or is out of all proportion."""

from __future__ import annotations

import os
import socket

import numpy as np
import pytest

import fastnet
import fn1wire
import links
from fastnet import Limits, ProtocolError
from fn1wire import Field, atom, header, named, structure, subarray

U1 = atom("|u1")
BIG = 1 << 63


def nested(depth, leaf=U1):
    for _ in range(depth):
        leaf = structure([Field("a", leaf, 0)], 1)
    return leaf


def subs(depth, leaf=U1):
    for _ in range(depth):
        leaf = subarray((1,), leaf)
    return leaf


BROKEN = {
    "empty": b"",
    "cut": header(U1, (3,))[:-1],
    "cut in the shape": header(U1, (3,))[:15],
    "more": header(U1, (3,)) + b"x",
    "format": header(U1, (3,), form=2),
    "format 0": header(U1, (3,), form=0),
    "order": header(U1, (3,), order=b"A"),
    "dimensions": header(U1, (1,) * 65),
    "dimensions missing": header(U1, (3,), ndim=2),
    "dimensions 255": header(U1, (3,), ndim=255),
    "flags": header(U1, (3,), flags=4),
    "all flags": header(U1, (3,), flags=255),
    "name without flag": header(U1, (3,), flags=0, name=b"x"),
    "meta without flag": header(U1, (3,), flags=0, meta=b"1"),
    "name too short": header(U1, (3,), name=b"abc", lengths=(len(U1), 4, 0)),
    "dtype too short": header(U1, (3,), lengths=(len(U1) + 1, 0, 0)),
    "name no utf-8": header(U1, (3,), name=b"\xff\xfe"),
    "name a surrogate": header(U1, (3,), name=b"\xed\xa0\x80"),
    "meta no json": header(U1, (3,), meta=b"{"),
    "meta nothing": header(U1, (3,), meta=b""),
    "meta no utf-8": header(U1, (3,), meta=b'"\xff"'),
    "meta utf-16": header(U1, (3,), meta='"x"'.encode("utf-16")),
    "meta NaN": header(U1, (3,), meta=b"NaN"),
    "meta Infinity": header(U1, (3,), meta=b"[-Infinity]"),
    "meta with more": header(U1, (3,), meta=b"1 2"),
    "meta single quotes": header(U1, (3,), meta=b"{'a': 1}"),
    "meta nested": header(U1, (3,), meta=b"[" * 30_000 + b"]" * 30_000),
    "meta nested objects": header(U1, (3,), meta=b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    "meta with a number too long": header(U1, (3,), meta=b"9" * 60_000),
}

LARGE = {
    "overflow": header(U1, (BIG, 2)),
    "overflow of three": header(U1, (1 << 32, 1 << 32, 1 << 32)),
    "overflow by itemsize": header(atom("<f8"), (1 << 61,)),
    "overflow beside nothing": header(U1, (0, BIG, BIG)),
    "wraps to the size": header(U1, ((1 << 64) - 1, 3)),
    "beyond the limit": header(U1, ((64 << 30) + 1,)),
    "largest": header(U1, (BIG - 1,)),
    "all ones": header(U1, ((1 << 64) - 1,)),
}

DTYPES = {
    "nothing": b"",
    "tag": b"x" + U1[1:],
    "object": atom("|O"),
    "object of 8": atom("|O8"),
    "StringDType": atom("|T16"),
    "text": atom("float64"),
    "text without size": atom("|u"),
    "text with a sign": atom("|u+1"),
    "text with zero first": atom("|u01"),
    "text with more": atom("|u1,"),
    "text with a comma": atom("<i4,<i4"),
    "text no order": atom("u1"),
    "text native order": atom("=i4"),
    "text with NUL": atom(b"|u1\0"),
    "text no ascii": atom(b"|u\xb9"),
    "text of 255": atom("|S" + "1" * 253),
    "size of no such type": atom("<i3"),
    "size 0": atom("<i0"),
    "size 16": atom("<i16"),
    "float of 5": atom("<f5"),
    "complex of 4": atom("<c4"),
    "bool of 2": atom("|b2"),
    "size huge": atom("|S2147483648"),
    "size huge in characters": atom("<U999999999"),
    "size overflows": atom("|S99999999999999999999"),
    "unit": atom("<M8[xx]"),
    "unit open": atom("<M8[ns"),
    "unit empty": atom("<M8[]"),
    "unit zero": atom("<M8[0s]"),
    "unit negative": atom("<M8[-1s]"),
    "unit huge": atom("<M8[99999999999s]"),
    "unit with a divisor": atom("<M8[s/10]"),
    "unit of an int": atom("<i8[ns]"),
    "date of 4": atom("<M4"),
    "name empty": named("", 2),
    "name order": named("bfloat16", 2, b"x"),
    "name size 0": named("bfloat16", 0),
    "name size lies": named("bfloat16", 4),
    "name size lies down": named("float8_e5m2", 2),
    "name size huge": named("bfloat16", 0xFFFFFFFF),
    "name with a path": named("../../etc", 2),
    "name with a space": named("b float", 2),
    "name no ascii": b"n<" + b"\2\0\0\0\1\xff",
    "name cut": named("bfloat16", 2)[:-1],
    "sub of none": subarray((), U1),
    "sub cut": subarray((3,), U1)[:-2],
    "sub of nothing": subarray((3,), b""),
    "sub of 65": subarray((1,) * 65, U1),
    "sub huge": subarray((1 << 31,), U1),
    "sub product huge": subarray((1 << 16, 1 << 16), U1),
    "sub of object": subarray((2,), atom("|O8")),
    "fields missing": structure([], 4, count=3),
    "fields cut": structure([Field("a", U1, 0)], 1)[:-1],
    "fields with more": structure([Field("a", U1, 0)], 1) + b"x",
    "field beyond": structure([Field("a", U1, 1)], 1),
    "field far beyond": structure([Field("a", U1, 0xFFFFFFFF)], 1),
    "field too large": structure([Field("a", atom("<i8"), 0)], 4),
    "itemsize huge": structure([Field("a", U1, 0)], 1 << 31),
    "flags": structure([Field("a", U1, 0)], 1, aligned=2),
    "field of object": structure([Field("a", atom("|O8"), 0)], 8),
    "nested object": structure([Field("a", structure([Field("b", atom("|O8"), 0)], 8), 0)], 8),
    "same name twice": structure([Field("a", U1, 0), Field("a", U1, 1)], 2),
    "title like a name": structure([Field("a", U1, 0), Field("b", U1, 1, "a")], 2),
    "name no utf-8": b"s\0" + b"\1\0\0\0\1\0" + b"\1\0\xff\xff\0\0\0\0" + b"\xff" + U1,
    "title no utf-8": b"s\0" + b"\1\0\0\0\1\0" + b"\1\0\1\0\0\0\0\0" + b"a\xff" + U1,
    "aligned lies": structure([Field("a", U1, 0), Field("b", atom("<i8"), 1)], 9, aligned=1),
    "too many fields": structure([Field(f"f{i}", U1, i) for i in range(3000)], 3000),
    "fields in all": structure(
        [Field(f"f{i}", structure([Field(f"g{j}", U1, j) for j in range(40)], 40), 40 * i)
         for i in range(30)], 1200
    ),
    "too deep": nested(17),
    "far too deep": nested(3000),
    "subs too deep": subs(17),
    "subs far too deep": subs(9000),
    "a bomb": subarray((1 << 10,), subarray((1 << 10,), subarray((1 << 10,), subarray((2,), U1)))),
}  # fmt: skip


def lie(head, size):
    """A message whose envelope agrees with what the header claims."""
    return fn1wire.frame(fn1wire.MESSAGE, fn1wire.envelope(head, (size,)))


def refuse(stream, wire, text):
    wire.sock.sendall(text)
    with pytest.raises(ProtocolError) as caught:
        stream.recv(timeout=links.SOON)
    with pytest.raises(fastnet.Error):
        stream.recv(timeout=links.SOON)
    assert wire.error()[0] in (1, 2)
    return caught.value


@pytest.mark.parametrize("kind", BROKEN)
def test_headers(kind, raw_pair):
    refuse(*raw_pair(), fn1wire.message(BROKEN[kind], b"abc"))


@pytest.mark.parametrize("size", [0, 3, 1 << 20, (1 << 64) - 3, BIG - 1])
@pytest.mark.parametrize("kind", LARGE)
def test_sizes(kind, size, raw_pair):
    before = links.resident()
    refuse(*raw_pair(), lie(LARGE[kind], size))
    assert links.growth(before) < 4 << 20


@pytest.mark.parametrize("kind", DTYPES)
def test_dtypes(kind, raw_pair):
    refuse(*raw_pair(), lie(header(DTYPES[kind], (3,)), 3))


@pytest.mark.parametrize("kind", ["object of 8", "field of object", "nested object"])
def test_objects_are_refused_by_the_core(kind, raw_pair):
    error = refuse(*raw_pair(), lie(header(DTYPES[kind], (1,)), 8))
    assert "kind" in str(error)


@pytest.mark.parametrize("way", ["peek", "iterate", "out"])
def test_any_way_to_receive(way, raw_pair):
    stream, wire = raw_pair()
    wire.sock.sendall(fn1wire.message(header(atom("|O8"), (1,)), bytes(8)))
    use = {
        "peek": stream.peek,
        "iterate": lambda: next(iter(stream)),
        "out": lambda: stream.recv(out=np.zeros(8, "u1")),
    }[way]
    with pytest.raises(ProtocolError):
        use()
    assert wire.error()[0] == 1


def test_the_size_of_the_body_must_agree(raw_pair):
    for size in (0, 2, 4, 1 << 40):
        refuse(*raw_pair(limits=Limits(array_bytes=None)), lie(header(U1, (3,)), size))


def test_a_claim_is_not_memory(raw_pair):
    """Of an array that is announced but never sent, no memory is touched."""
    stream, wire = raw_pair()
    before = links.resident()
    wire.sock.sendall(lie(header(U1, (16 << 30,)), 16 << 30))
    wire.sock.sendall(fn1wire.frame(fn1wire.DATA, bytes(1 << 20)))
    info = stream.peek(timeout=links.SOON)
    assert info.nbytes == 16 << 30
    with pytest.raises((fastnet.TransferTimeout, MemoryError)):
        stream.recv(timeout=0.1)
    assert links.growth(before) < 16 << 20


def test_a_claim_beyond_the_machine(raw_pair):
    """What the limit allows but the machine has not is a MemoryError, and not lost."""
    stream, wire = raw_pair(limits=Limits(array_bytes=None))
    size = 1 << 62
    wire.sock.sendall(lie(header(U1, (size,)), size))
    for _ in range(2):
        with pytest.raises(MemoryError):
            stream.recv(timeout=links.SOON)
    assert stream.peek().nbytes == size


def test_zero_bytes_of_anything(raw_pair):
    """Shapes without items are fine as long as their extents do not overflow."""
    stream, wire = raw_pair()
    for number, shape in enumerate([(0,), (0, 1 << 40), (1 << 20, 0, 5)]):
        wire.sock.sendall(fn1wire.message(header(atom("<f8"), shape), b"", number=number))
        assert stream.recv(timeout=links.SOON).shape == shape
    wire.sock.sendall(fn1wire.message(header(atom("|V0"), (3,)), b"", number=3))
    assert stream.recv(timeout=links.SOON).nbytes == 0


def test_a_shape_that_costs_nothing_to_send(raw_pair):
    """Items of no bytes, in a number that NumPy cannot hold."""
    stream, wire = raw_pair()
    head = header(atom("|V0"), (1 << 62, 1 << 62))
    wire.sock.sendall(fn1wire.message(head, b""))
    with pytest.raises((ProtocolError, MemoryError, ValueError)):
        stream.recv(timeout=links.SOON)


def test_every_byte_of_a_structures_header_changed(listen):
    """A deep look at the dtype decoder: success or one clear exception, every time."""
    dtype = np.dtype(
        [(("t", "a"), "<f4", (2,)), ("b", [("c", "S3"), ("d", "<M8[25s]")]), ("e", "u1")],
        align=True,
    )
    head = header(fn1wire.describe(dtype), (1,), name=b"n", meta=b'{"a":1}')
    listener = listen()
    outcomes = {"good": 0, "bad": 0}
    for at in range(len(head)):
        for change in (1, 0x10, 0xFF):
            text = bytearray(head)
            text[at] ^= change
            with fn1wire.Wire(socket.create_connection(listener.address)) as wire:
                body = np.zeros(1, dtype).tobytes()
                wire.sock.sendall(fn1wire.preface() + fn1wire.message(bytes(text), body))
                stream = listener.accept(links.SOON)
                try:
                    assert stream.recv(timeout=links.SOON).nbytes == len(body)
                    outcomes["good"] += 1
                except (ProtocolError, TypeError):
                    outcomes["bad"] += 1
                stream.abort()
    assert outcomes["bad"] > outcomes["good"] > 0


def test_random_dtypes(listen):
    """Random trees of random tags."""
    listener = listen()
    for _ in range(150):
        text = bytearray(os.urandom(60))
        text[0] = ord("anrs"[_ % 4])
        with fn1wire.Wire(socket.create_connection(listener.address)) as wire:
            wire.sock.sendall(fn1wire.preface() + lie(header(bytes(text), ()), 8))
            stream = listener.accept(links.SOON)
            with pytest.raises((ProtocolError, TypeError)):
                stream.recv(timeout=links.SOON)
            stream.abort()


def test_the_listener_goes_on_serving(listen, keep):
    """All of the above at one listener, with an honest peer in between and at the end."""
    listener = listen()
    client, server = (keep(stream) for stream in links.joined(listener))
    for kind, head in {**BROKEN, **LARGE}.items():
        with fn1wire.Wire(socket.create_connection(listener.address)) as wire:
            wire.sock.sendall(fn1wire.preface() + lie(head, 3))
            stream = listener.accept(links.SOON)
            with pytest.raises(ProtocolError):
                stream.recv(timeout=links.SOON)
            stream.abort()
        client.send(np.ones(3), name=kind)
        assert server.recv_item(timeout=links.SOON).name == kind
    assert listener.stats()["open"] == 1
