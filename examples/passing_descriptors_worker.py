"""Recipe 11.11, second form: the worker; see passing_descriptors_server.py."""

import os
import sys
from socket import AF_INET, SOCK_STREAM, socket

from fastnet.fdpass import recv_handle

try:
    from fastnet.connection import Client
except ModuleNotFoundError:
    from multiprocessing.connection import Client


def worker(server_address):
    serv = Client(server_address, authkey=b"peekaboo")
    serv.send(os.getpid())
    while True:
        try:
            fd = recv_handle(serv)
        except EOFError:  # the server has gone
            break
        print("WORKER: GOT FD", fd, flush=True)
        with socket(AF_INET, SOCK_STREAM, fileno=fd) as client:
            while True:
                msg = client.recv(1024)
                if not msg:
                    break
                print(f"WORKER: RECV {msg!r}", flush=True)
                client.send(msg)
    serv.close()


if __name__ == "__main__":
    worker(sys.argv[1])
