"""The slides' UDP server and client.

python slides_udp.py serve 10000      port 0 lets the system choose
python slides_udp.py connect 10000
"""

import sys
from socket import AF_INET, SOCK_DGRAM

from fastnet.sockets import Socket as socket

maxsize = 8192


def server(port):
    s = socket(AF_INET, SOCK_DGRAM)
    s.bind(("127.0.0.1", port))
    print("listening on port", s.getsockname()[1], flush=True)
    while True:
        _data, addr = s.recvfrom(maxsize)
        resp = b"Get off my lawn!"
        s.sendto(resp, addr)


def client(port):
    s = socket(AF_INET, SOCK_DGRAM)
    msg = b"Hello World"
    s.sendto(msg, ("127.0.0.1", port))
    data, addr = s.recvfrom(maxsize)
    print(data.decode(), "from", addr)
    s.close()


if __name__ == "__main__":
    word = sys.argv[1] if sys.argv[1:] else "serve"
    port = int(sys.argv[2]) if sys.argv[2:] else 10000
    client(port) if word == "connect" else server(port)
