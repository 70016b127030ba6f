"""The key-value server of recipe 11.6, over fastnet.rpc instead of XML-RPC.

    python examples/rpc_keyvalue.py serve PORT
    python examples/rpc_keyvalue.py use PORT

The class is the recipe's but for its server: RPCServer in place of SimpleXMLRPCServer, and
`register_function` as there. Values may be anything that MessagePack holds, and NumPy arrays.
"""

import sys

import numpy as np

from fastnet.rpc import RPCClient, RPCServer


class KeyValueServer:
    _rpc_methods_ = ("get", "set", "delete", "exists", "keys")

    def __init__(self, address):
        self._data = {}
        self._serv = RPCServer(address)
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
        print("listening on port", self._serv.address[1], flush=True)
        self._serv.serve_forever()


def use(port):
    with RPCClient(("localhost", port)) as s:
        s.set("foo", "bar")
        s.set("spam", [1, 2, 3])
        print(s.keys())
        print(s.get("foo"))
        print(s.get("spam"))
        s.delete("spam")
        print(s.exists("spam"))
        s.set("array", np.arange(5))
        print(s.get("array") * 2)
        try:
            s.get("nothing")
        except KeyError as error:
            print("KeyError", error)


if __name__ == "__main__":
    role, port = sys.argv[1], int(sys.argv[2])
    if role == "serve":
        KeyValueServer(("localhost", port)).serve_forever()
    else:
        use(port)
