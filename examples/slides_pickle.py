"""The slides' programs with pickle: to a file, to a string, and through XML-RPC.

    python slides_pickle.py files               pickle.dump and load, dumps and loads
    python slides_pickle.py server 15000        addserv.py
    python slides_pickle.py client 15000        adds lists, as pickles, through it

Port 0 lets the system choose.  Whoever can send a pickle can run code: the
server trusts its clients.
"""

import pickle
import sys
import tempfile

import fastnet.xmlrpc.client as xmlrpclib
from fastnet.xmlrpc.server import SimpleXMLRPCServer


def files():
    someobj = {"name": "ACME", "shares": [100, 50], "price": 490.1}
    with tempfile.TemporaryFile() as f:
        pickle.dump(someobj, f)
        f.seek(0)
        print(pickle.load(f))
    s = pickle.dumps(someobj, pickle.HIGHEST_PROTOCOL)
    print(pickle.loads(s) == someobj)


# addserv.py
def add(px, py):
    x = pickle.loads(px.data)
    y = pickle.loads(py.data)
    return pickle.dumps(x + y)


def server(port):
    serv = SimpleXMLRPCServer(("127.0.0.1", port), logRequests=False)
    print("listening on port", serv.server_address[1], flush=True)
    serv.register_function(add)
    serv.serve_forever()


def client(port):
    with xmlrpclib.ServerProxy(f"http://127.0.0.1:{port}") as serv:
        a = [1, 2, 3]
        b = [4, 5]
        r = serv.add(pickle.dumps(a), pickle.dumps(b))
        c = pickle.loads(r.data)
        print(c)


if __name__ == "__main__":
    {"files": files, "server": server, "client": client}[sys.argv[1]](*map(int, sys.argv[2:]))
