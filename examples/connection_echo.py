"""Recipe 11.7: communicating between interpreters.

    python connection_echo.py server 25000      echoes objects, to whoever has the key
    python connection_echo.py client 25000      says hello, and some more

Port 0 lets the system choose.
"""

import sys
import traceback

from fastnet.connection import Client, Listener


def echo_client(conn):
    try:
        while True:
            msg = conn.recv()
            conn.send(msg)
    except EOFError:
        print("Connection closed")


def echo_server(address, authkey):
    serv = Listener(address, authkey=authkey)
    print("listening on port", serv.address[1], flush=True)
    while True:
        try:
            client = serv.accept()
            echo_client(client)
        except Exception:
            traceback.print_exc()


def client(address, authkey):
    c = Client(address, authkey=authkey)
    c.send("hello")
    print(c.recv())
    c.send(42)
    print(c.recv())
    c.send([1, 2, 3, 4, 5])
    print(c.recv())
    c.close()


if __name__ == "__main__":
    what, port = sys.argv[1], int(sys.argv[2])
    if what == "server":
        echo_server(("127.0.0.1", port), authkey=b"peekaboo")
    else:
        client(("127.0.0.1", port), authkey=b"peekaboo")
