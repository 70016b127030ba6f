"""Recipe 11.8: remote procedure calls, by pickle and by JSON.

    python examples/rpc_pickle.py serve PORT [json]
    python examples/rpc_pickle.py call PORT [json]

The recipe's RPCHandler and RPCProxy come with fastnet.rpc. Over the recipe's own: the handler looks
functions up before it calls them, so that a wrong name is an error of the caller and not the end of
the connection; the connections are those of multiprocessing.
"""

import sys
from multiprocessing.connection import Client, Listener
from threading import Thread

from fastnet.rpc import JSONHandler, JSONProxy, RPCHandler, RPCProxy


# Some remote functions
def add(x, y):
    return x + y


def sub(x, y):
    return x - y


def rpc_server(handler, address, authkey):
    sock = Listener(address, authkey=authkey)
    print("listening on port", sock.address[1], flush=True)
    while True:
        client = sock.accept()
        t = Thread(target=handler.handle_connection, args=(client,))
        t.daemon = True
        t.start()


def serve(port, kind):
    # Register with a handler
    handler = JSONHandler() if kind == "json" else RPCHandler()
    handler.register_function(add)
    handler.register_function(sub)
    # Run the server
    rpc_server(handler, ("localhost", port), authkey=b"peekaboo")


def call(port, kind):
    c = Client(("localhost", port), authkey=b"peekaboo")
    proxy = JSONProxy(c) if kind == "json" else RPCProxy(c)
    print(proxy.add(2, 3))
    print(proxy.sub(2, 3))
    try:
        print(proxy.sub([1, 2], 4))
    except (TypeError, RuntimeError) as error:
        print(type(error).__name__, error)
    c.close()


if __name__ == "__main__":
    role, port, *kind = sys.argv[1:]
    (serve if role == "serve" else call)(int(port), *(kind or ["pickle"]))
