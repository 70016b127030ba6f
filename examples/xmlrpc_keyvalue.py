"""Recipe 11.6: a key-value server with XML-RPC.

    python xmlrpc_keyvalue.py serve 15000    the server
    python xmlrpc_keyvalue.py wsgi 15000     the same service as a WSGI application
    python xmlrpc_keyvalue.py use 15000      the recipe's session with either

Port 0 lets the system choose.
"""

import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

from fastnet.xmlrpc.client import ServerProxy
from fastnet.xmlrpc.server import SimpleXMLRPCServer, XMLRPCApp


class KeyValueServer:
    _rpc_methods_ = ("get", "set", "delete", "exists", "keys")

    def __init__(self, serv):
        self._data = {}
        self._serv = serv
        for name in self._rpc_methods_:
            self._serv.register_function(getattr(self, name))

    def get(self, name):
        return self._data[name]

    def set(self, name, value):
        self._data[name] = value

    def delete(self, name):
        del self._data[name]

    def exists(self, name):
        return name in self._data

    def keys(self):
        return list(self._data)

    def serve_forever(self):
        self._serv.serve_forever()


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


def serve(port):
    serv = SimpleXMLRPCServer(("127.0.0.1", port), allow_none=True, logRequests=False)
    kvserv = KeyValueServer(serv)
    print("listening on port", serv.server_address[1], flush=True)
    kvserv.serve_forever()


def wsgi(port):
    app = XMLRPCApp(allow_none=True)
    KeyValueServer(app)
    # Any WSGI server will do; this one is in every Python.
    with make_server("127.0.0.1", port, app, handler_class=Quiet) as server:
        print("listening on port", server.server_port, flush=True)
        server.serve_forever()


def use(port):
    with ServerProxy(f"http://localhost:{port}", allow_none=True) as s:
        s.set("foo", "bar")
        s.set("spam", [1, 2, 3])
        print(s.keys())
        print(s.get("foo"))
        print(s.get("spam"))
        s.delete("spam")
        print(s.exists("spam"))


if __name__ == "__main__":
    {"serve": serve, "wsgi": wsgi, "use": use}[sys.argv[1]](int(sys.argv[2]))
