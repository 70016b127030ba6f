"""The slides' programs with XML-RPC: functions, an instance, binary data.

    python slides_xmlrpc.py server 8080      add and its like, and an instance
    python slides_xmlrpc.py client 8080      the slides' session

Port 0 lets the system choose.
"""

import sys

import fastnet.xmlrpc.client as xmlrpclib
from fastnet.xmlrpc.server import SimpleXMLRPCServer


def add(x, y):
    return x + y


def foo(x):
    return ["foo", x]


def bar(data):
    # "You can't shove a string of raw binary data through an XML-RPC call": Binary goes through.
    return xmlrpclib.Binary(data.data[::-1])


class SomeObject:
    def greet(self, name):
        return f"hello {name}"

    def _hidden(self):
        return "never called from outside"


def server(port):
    s = SimpleXMLRPCServer(("127.0.0.1", port), logRequests=False)
    print("listening on port", s.server_address[1], flush=True)
    s.register_function(add)
    s.register_function(foo)
    s.register_function(bar)
    obj = SomeObject()
    s.register_instance(obj)
    s.serve_forever()


def client(port):
    with xmlrpclib.ServerProxy(f"http://localhost:{port}") as s:
        print(s.add(3, 5))
        print(s.add("Hello", "World"))
        print(s.foo(2.5))
        print(s.bar(xmlrpclib.Binary(b"\0\1\2\xff")).data)
        print(s.greet("world"))
        try:
            s._hidden()
        except xmlrpclib.Fault as fault:
            print("refused:", fault.faultString)


if __name__ == "__main__":
    {"server": server, "client": client}[sys.argv[1]](int(sys.argv[2]))
