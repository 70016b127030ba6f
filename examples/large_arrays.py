"""Recipe 11.13: sending and receiving large arrays.

    python large_arrays.py                 both ends, in two processes
    python large_arrays.py serve 25000     one end: sends an array, then receives one
    python large_arrays.py connect 25000   the other end

The recipe's own send_from and recv_into are loops over memoryviews; here they
come from fastnet, with the same names and the same bytes on the wire.
"""

import sys
from multiprocessing import Process
from socket import AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket

import numpy

from fastnet import recv_into, send_from

COUNT = 50_000_000


def listening(port):
    s = socket(AF_INET, SOCK_STREAM)
    s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    s.listen(1)
    return s


def server(s, count):
    c, _addr = s.accept()
    with c:
        a = numpy.arange(0.0, float(count))
        print(f"sent {send_from(a, c)} bytes")
        b = numpy.zeros(shape=count, dtype=float)
        print(f"received {recv_into(b, c)} bytes")
        assert (b == 2 * a).all()


def client(port, count):
    c = socket(AF_INET, SOCK_STREAM)
    with c:
        c.connect(("127.0.0.1", port))
        a = numpy.zeros(shape=count, dtype=float)
        print(f"received {recv_into(a, c)} bytes: {a[:10]}")
        a *= 2
        print(f"sent {send_from(a, c)} bytes")


def both(count):
    with listening(0) as s:
        other = Process(target=client, args=(s.getsockname()[1], count))
        other.start()
        server(s, count)
        other.join()
    return other.exitcode


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["serve"]:
        with listening(int(words[1])) as s:
            print("listening on port", s.getsockname()[1], flush=True)
            server(s, int(words[2]) if words[2:] else COUNT)
    elif words[:1] == ["connect"]:
        client(int(words[1]), int(words[2]) if words[2:] else COUNT)
    else:
        sys.exit(both(int(words[0]) if words else COUNT))
