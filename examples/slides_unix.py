"""The slides' Unix domain sockets: the same programs, with a file name for an address.

python slides_unix.py serve /tmp/foo       a stream at /tmp/foo, datagrams at /tmp/foo.dgram
python slides_unix.py connect /tmp/foo
"""

import os
import sys
from socket import AF_UNIX, SOCK_DGRAM, SOCK_STREAM
from threading import Thread

from fastnet.sockets import Socket as socket


def stream(path):
    s = socket(AF_UNIX, SOCK_STREAM)
    s.bind(path)  # Server binding
    s.listen(5)
    print("listening at", path, flush=True)
    while True:
        c, _a = s.accept()
        c.sendall(c.recv(8192).upper())
        c.close()


def datagrams(path):
    s = socket(AF_UNIX, SOCK_DGRAM)
    s.bind(path)
    while True:
        data, addr = s.recvfrom(8192)
        s.sendto(data.upper(), addr)


def client(path):
    s = socket(AF_UNIX, SOCK_STREAM)
    s.connect(path)  # Client connection
    s.sendall(b"hello over a stream")
    print(s.recv(8192).decode())
    s.close()
    s = socket(AF_UNIX, SOCK_DGRAM)
    s.bind(path + ".client")  # An answer needs somewhere to go
    s.sendto(b"hello in a datagram", path + ".dgram")
    print(s.recv(8192).decode())
    s.close()
    os.unlink(path + ".client")


if __name__ == "__main__":
    word = sys.argv[1] if sys.argv[1:] else "serve"
    path = sys.argv[2] if sys.argv[2:] else "/tmp/foo"
    if word == "connect":
        client(path)
    else:
        Thread(target=datagrams, args=(path + ".dgram",), daemon=True).start()
        stream(path)
