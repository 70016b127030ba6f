"""Recipe 11.9: authenticating clients simply.

    python client_authentication.py serve 20000
    python client_authentication.py connect 20000
    python client_authentication.py connect 20000 "another key"

The recipe shows the two functions; the echo server and the client around them are its own.
The digest is SHA-256: MD5, which the recipe had by default, is gone from Python's hmac.
"""

import sys
from socket import AF_INET, SOCK_STREAM

from fastnet.auth import client_authenticate, server_authenticate
from fastnet.sockets import Socket as socket

secret_key = b"peekaboo"


def echo_handler(client_sock):
    if not server_authenticate(client_sock, secret_key):
        print("refused a client", flush=True)
        client_sock.close()
        return
    while True:
        msg = client_sock.recv(8192)
        if not msg:
            break
        client_sock.sendall(msg)
    client_sock.close()


def echo_server(address):
    s = socket(AF_INET, SOCK_STREAM)
    s.bind(address)
    s.listen(5)
    print("listening on port", s.getsockname()[1], flush=True)
    while True:
        c, _ = s.accept()
        echo_handler(c)


def echo_client(address, key):
    s = socket(AF_INET, SOCK_STREAM)
    s.connect(address)
    client_authenticate(s, key)
    try:
        s.send(b"Hello World")
        resp = s.recv(1024)
    except ConnectionError:  # it was refused, and what was sent came too late
        resp = b""
    print("got:", resp)
    s.close()


if __name__ == "__main__":
    address = ("127.0.0.1", int(sys.argv[2]) if sys.argv[2:] else 20000)
    if sys.argv[1:2] == ["connect"]:
        echo_client(address, sys.argv[3].encode() if sys.argv[3:] else secret_key)
    else:
        echo_server(address)
