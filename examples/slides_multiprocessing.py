"""The slides' programs with multiprocessing's connections: a pair is sent, its sum comes back.

    python slides_multiprocessing.py server 16000
    python slides_multiprocessing.py client 16000

Port 0 lets the system choose.
"""

import sys

from fastnet.connection import Client, Listener


# addserv.py
def add(x, y):
    return x + y


def server(port):
    serv = Listener(("127.0.0.1", port), authkey=b"12345")
    print("listening on port", serv.address[1], flush=True)
    c = serv.accept()
    while True:
        try:
            x, y = c.recv()  # Receive a pair
        except EOFError:
            break
        c.send(add(x, y))  # Send result of add(x,y)


def client(port):
    client = Client(("127.0.0.1", port), authkey=b"12345")
    a = [1, 2, 3]
    b = [4, 5]
    client.send((a, b))
    c = client.recv()
    print(c)


if __name__ == "__main__":
    {"server": server, "client": client}[sys.argv[1]](int(sys.argv[2]))
