"""Write valid examples of what the fuzzers read, for them to begin with.

    python csrc/fuzz/make_corpus.py DIRECTORY

makes DIRECTORY/fn1, fn1_keyed, fn1_auth, arraymsg, mpframe, picklescan, http1_request,
http1_response, http1_chunks and xmlrpc. The layouts are those of fn1.h, fn1_auth.h, arraymsg.h,
mpframe.h and http1.h; the bytes before them are what fuzz_<name>.c says.
Files are named by what they hold.
"""

import datetime
import pickle
import struct
import sys
import xmlrpc.client
from pathlib import Path

MESSAGE, DATA, CREDIT, CANCEL, PING, PONG, ERROR, CLOSE = range(1, 9)


def preface(role: bytes = b"C", ext: bytes = b"", vmin: int = 1, vmax: int = 1,
            flags: int = 0) -> bytes:  # fmt: skip
    fixed = struct.pack("<BBcBHHIQQ", vmin, vmax, role, flags, len(ext), 0, 1 << 20, 0, 1 << 40)
    return b"\x93FN1" + fixed + ext


def extension(kind: int, value: bytes) -> bytes:
    return struct.pack("<HH", kind, len(value)) + value


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, message: int = 0,
          offset: int = 0) -> bytes:  # fmt: skip
    return struct.pack("<BBHIIIQ", kind, flags, 0, 0, len(payload), message, offset) + payload


def envelope(meta: bytes, sizes: list[int]) -> bytes:
    head = struct.pack("<IHH", len(meta), len(sizes), 1)
    return head + struct.pack(f"<{len(sizes)}Q", *sizes) + meta


def message(number: int, meta: bytes, sizes: list[int], fragment: int = 0) -> bytes:
    """One message, inline or (fragment > 0) cut into DATA frames."""
    body = bytes(i % 251 for i in range(sum(sizes)))
    if not fragment:
        return frame(MESSAGE, envelope(meta, sizes) + body, flags=1, message=number)
    out = frame(MESSAGE, envelope(meta, sizes), message=number)
    for at in range(0, len(body), fragment):
        out += frame(DATA, body[at : at + fragment], message=number, offset=at)
    return out


def fn1_examples() -> dict[str, bytes]:
    named = preface(ext=extension(1, b"arrays") + extension(900, b"?"))
    text = struct.pack("<I", 3) + b"too many connections"
    plain = preface()
    return {
        "preface": plain,
        "extensions": named,
        "versions": preface(vmax=9),
        "inline": plain + message(0, b"meta", [10, 0, 3]),
        "empty": plain + message(0, b"", []) + message(1, b"", [0]),
        "fragments": plain + message(0, b"m", [50, 30], fragment=16),
        "large": plain + message(0, b"m", [3000], fragment=1024) + frame(CLOSE),
        "long_runs": plain + message(0, b"", [1]) * 2 + message(0, b"", [2048]),
        "ping": plain + frame(PING, offset=77) + frame(PONG, offset=78),
        "credit": plain + frame(CREDIT, offset=4096),
        "cancel": plain + frame(MESSAGE, envelope(b"", [9]), message=4) + frame(CANCEL, message=4),
        "error": plain + frame(ERROR, text),
        "close": plain + frame(CLOSE) + b"x",
        "skipped": plain + frame(200, b"later versions", flags=255) + message(0, b"", [4]),
        "too_large": plain + frame(MESSAGE, envelope(b"", [1 << 62, 1 << 62])),
        "swarm": named + b"".join(message(n, b"x", [n]) for n in range(12)) + frame(CLOSE),
    }


def auth_examples() -> dict[str, bytes]:
    """What either end may say first; proofs are made right, or not, by the fuzzer."""
    nonce, proof = extension(4, bytes(range(32))), extension(5, bytes(32))
    name, auth = extension(1, b"fuzz"), frame(9, bytes(32)) + bytes(16)
    offer = extension(2, b"key") + extension(3, b"\2\1")
    hello = preface(ext=name + offer + nonce + proof, flags=1)
    reply = preface(b"S", ext=name + extension(3, b"\1") + nonce + proof, flags=1)
    no_nonce = preface(ext=offer + proof, flags=1)
    refused = preface(b"S", ext=extension(6, struct.pack("<I", 7)), flags=1)
    out = {}
    for number, flags in {"server": 0, "right": 2, "by_id": 6, "unknown": 14}.items():
        out[f"{number}_hello"] = bytes([flags, 40]) + hello + auth
        out[f"{number}_no_nonce"] = bytes([flags, 7]) + no_nonce
        out[f"{number}_long_id"] = bytes([flags, 9]) + preface(
            ext=extension(2, bytes(64)) + extension(3, bytes(range(16))) + nonce + proof, flags=1
        )
    out["server_keyless"] = b"\0\5" + preface() + message(0, b"m", [3])
    out["client_reply"] = b"\1\20" + reply + auth
    out["client_refused"] = b"\1\3" + refused
    out["client_keyless"] = b"\1\3" + preface(b"S")
    return out


def atom(typestring: bytes) -> bytes:
    return b"a" + bytes([len(typestring)]) + typestring


def named(order: bytes, itemsize: int, name: bytes) -> bytes:
    return b"n" + order + struct.pack("<IB", itemsize, len(name)) + name


def subarray(extents: list[int], element: bytes) -> bytes:
    return b"r" + struct.pack(f"<B{len(extents)}I", len(extents), *extents) + element


def structure(itemsize: int, fields: list[tuple[int, bytes, bytes | None, bytes]]) -> bytes:
    out = b"s" + struct.pack("<BIH", 0, itemsize, len(fields))
    for offset, name, title, dtype in fields:
        title_len = 65535 if title is None else len(title)
        out += struct.pack("<HHI", len(name), title_len, offset) + name + (title or b"") + dtype
    return out


def header(dtype: bytes, shape: list[int], name: bytes = b"", meta: bytes = b"",
           order: bytes = b"C") -> bytes:  # fmt: skip
    flags = bool(name) | bool(meta) << 1
    fixed = struct.pack("<BcBBHHI", 1, order, len(shape), flags, len(dtype), len(name), len(meta))
    return fixed + struct.pack(f"<{len(shape)}Q", *shape) + dtype + name + meta


def dtype_examples() -> dict[str, bytes]:
    typestrings = [b"|b1", b"<i8", b">u4", b"<f2", b"<c16", b"|S5", b"<U7", b"|V12", b"<m8",
                   b"<M8[ns]", b"<M8[25s]"]  # fmt: skip
    examples = {"atom_" + s[1:2].decode() + str(i): atom(s) for i, s in enumerate(typestrings)}
    pair = structure(16, [(0, b"x", None, atom(b"<f8")), (8, b"y", b"height", atom(b"<f8"))])
    nested = atom(b"<f4")
    for _ in range(15):
        nested = subarray([1], nested)
    return examples | {
        "named": named(b"<", 2, b"bfloat16"),
        "subarray": subarray([2, 3], atom(b"<f4")),
        "structure": pair,
        "nested": structure(64, [(0, b"points", None, subarray([4], pair))]),
        "deep": nested,
        "no_fields": structure(8, []),
        "object": atom(b"|O8"),
    }


def arraymsg_examples() -> dict[str, bytes]:
    examples = {name: header(dtype, [2, 3]) for name, dtype in dtype_examples().items()}
    f8 = atom(b"<f8")
    examples |= {
        "scalar": header(f8, []),
        "zero": header(f8, [5, 0]),
        "fortran": header(f8, [3, 4], order=b"F"),
        "name_and_meta": header(f8, [10], b"velocity", b'{"unit": "m/s"}'),
        "many_dimensions": header(f8, [1] * 64),
        "overflow": header(f8, [1 << 32, 1 << 32]),
    }
    return examples


def mpframe_examples() -> dict[str, bytes]:
    def short(n: int) -> bytes:
        return struct.pack("!i", n) + bytes(n)

    return {
        "frames": short(3) + short(0) + short(100),
        "long_form": struct.pack("!iQ", -1, 5) + b"hello" + short(1),
        "too_long": short(20) + struct.pack("!iQ", -1, 1 << 40),
        "negative": short(1) + struct.pack("!i", -2),
        "huge": struct.pack("!iQ", -1, (1 << 64) - 1),
        "cut": struct.pack("!iQ", -1, 5)[:7],
    }


def picklescan_examples() -> dict[str, bytes]:
    small = [1, -70000, 1 << 70, 1.5, None, True, "text", b"bytes", bytearray(b"x"), {1: (2,)}, {3}]
    run = b"\xf0\x40\0"  # 64 KiB of zeros, see fuzz_picklescan.c
    examples = {f"protocol{n}": pickle.dumps(small, n) for n in range(6)}
    return examples | {
        "binbytes": b"\x80\x05B" + struct.pack("<I", 65536) + run + b"\x94.",
        "binbytes8": b"\x80\x05](\x8e" + struct.pack("<Q", 65536) + run + b"\x94K\1e.",
        "bytearray8": b"\x80\x05\x96" + struct.pack("<Q", 65536) + run + b"\x94.",
        "two": b"\x80\x05" + 2 * (b"\x96" + struct.pack("<Q", 65536) + run) + b"\x86.",
        "claim": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + run,
        "buffer": b"\x80\x05\x97.",
        "extension": b"\x80\x02\x82\1.",
    }


def xmlrpc_examples() -> dict[str, bytes]:
    values: dict[str, object] = {
        "int": -7, "double": 1.5e300, "text": "a<b>&\xe9\u20ac", "binary": b"abc" * 30,
        "date": datetime.datetime(2024, 2, 29, 12, 30, 59), "nil": None, "boolean": True,
        "array": [1, [2, []], "x"], "struct": {"a": {"b": 1}, "": [{}]},
    }  # fmt: skip
    dumps = xmlrpc.client.dumps
    out = {name: dumps((v,), "add", allow_none=True).encode() for name, v in values.items()}
    references = dumps(("\xe9\u20ac",)).encode("ascii", "xmlcharrefreplace")
    return out | {
        "response": dumps((values["struct"],), methodresponse=True).encode(),
        "fault": dumps(xmlrpc.client.Fault(4, "Too many parameters.")).encode(),
        "references": references + b"&#x41;&lt;",
        "untyped": b"<params><param><value> x </value></param></params>",
        "dtd": b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><params></params>",
    }


def http1_request_examples() -> dict[str, bytes]:
    get = b"GET /a/b?c=d HTTP/1.1\r\nHost: a.b:80\r\n"
    post = b"POST / HTTP/1.1\r\nHost: [::1]\r\n"
    return {
        "get": get + b"User-Agent: x\r\nAccept: */*\r\nX_Y:\t\xe4 \r\n\r\nGET",
        "empty_line": b"\r\nOPTIONS * HTTP/1.0\r\n\r\n",
        "absolute": b"HEAD https://a%41.b:1/p?q HTTP/1.9\r\nHost: c\r\nConnection: close\r\n\r\n",
        "connect": b"CONNECT a:443 HTTP/1.1\r\nHost:\r\n\r\n",
        "length": post + b"Content-Length: 12\r\nExpect: 100-continue\r\n\r\n",
        "chunked": post + b"Transfer-Encoding: chunked\r\nCookie: a=b\r\n\r\n",
        "codings": post + b"Transfer-Encoding: gzip;q=1, chunked\r\n\r\n",
        "both": post + b"Content-Length: 1, 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "upgrade": get + b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "bad": get + b" folded\r\nbare\nA : b\r\n\r\n",
        "version": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    }


def http1_response_examples() -> dict[str, bytes]:
    return {
        "length": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nDate: x\r\n\r\nabc",
        "lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\nContent-Length: 3\r\n\r\n",
        "chunked": b"HTTP/1.1 404 n\xf6 \r\nTransfer-Encoding: chunked\r\n\r\n",
        "to_end": b"HTTP/1.0 200 \r\nConnection: keep-alive\r\n\r\n",
        "interim": b"HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n",
        "loose": b"HTTP/1.1 304\nServer: x\nSet-Cookie: y\r\n\n",
    }


def http1_chunks_examples() -> dict[str, bytes]:
    return {
        "plain": b"5\r\nhello\r\n0A\r\n0123456789\r\n0\r\n\r\nGET",
        "extensions": b'1;a;b=c;d="e \\" \t"\r\nx\r\n00;z\r\n\r\n',
        "trailers": b"0\r\nA: b\r\nX-Sum:\t\xe4\r\n\r\n",
        "forbidden": b"0\r\nContent-Length: 1\r\n\r\n",
        "huge": b"ffffffffffffffff\r\nabc",
    }


def write(directory: Path, examples: dict[str, bytes]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in examples.items():
        (directory / name).write_bytes(content)


def main(directory: Path) -> None:
    fn1 = {}
    for name, sent in fn1_examples().items():
        fn1[f"rx_{name}"] = bytes([0x22, 2, 0, 16, 200]) + sent
        fn1[f"link_{name}"] = bytes([0x75, 0, 40]) + sent
    arraymsg = {f"array_{name}": b"\0" + b for name, b in arraymsg_examples().items()}
    arraymsg |= {f"dtype_{name}": b"\x80" + b for name, b in dtype_examples().items()}
    frames = mpframe_examples().items()
    mpframe = {f"{name}_{cap}": bytes([cap, 0, 2]) + b for name, b in frames for cap in (8, 63)}
    pickles = picklescan_examples().items()
    picklescan = {f"{name}_{n}": bytes([n]) + b for name, b in pickles for n in (13, 60)}
    write(directory / "xmlrpc", xmlrpc_examples())
    write(directory / "mpframe", mpframe)
    write(directory / "picklescan", picklescan)
    write(directory / "fn1", fn1)
    keyed = {}
    for i, (name, sent) in enumerate(fn1_examples().items()):
        keyed[name] = bytes([0x71 | i % 2 << 1, i * 37 % 256, i % 3, 40]) + sent
    keyed["long"] = b"\x73\1\0\77" + preface() + message(0, b"m", [20000], fragment=17000)
    keyed["long_skipped"] = b"\x71\0\4\77" + preface() + frame(200, bytes(17000)) + frame(CLOSE)
    write(directory / "fn1_keyed", keyed)
    for name, least, examples in (
        ("http1_request", b"\0", http1_request_examples()),
        ("http1_response", b"\1", http1_response_examples()),
        ("http1_chunks", b"\77", http1_chunks_examples()),
    ):
        small = {f"{key}_small": b"\x0a\5\2" + b for key, b in examples.items()}
        large = {key: least + b"\x14\6" + b for key, b in examples.items()}
        write(directory / name, small | large)
    write(directory / "fn1_auth", auth_examples())
    write(directory / "arraymsg", arraymsg)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
