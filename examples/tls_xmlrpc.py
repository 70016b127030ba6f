"""Recipe 11.10, second half: XML-RPC over TLS, with a client that checks its server.

    python tls_xmlrpc.py                       both ends, in one program
    python tls_xmlrpc.py serve FOLDER 20000    the server; tls_echo.py makes the certificates
    python tls_xmlrpc.py connect FOLDER 20000  a client

The server has the mixin in front of it, as the recipe's has.
"""

import sys
import tempfile
import threading

from fastnet.tls import SSLMixin, client_context
from fastnet.xmlrpc.client import SafeTransport, ServerProxy
from fastnet.xmlrpc.server import SimpleXMLRPCServer


class SSLSimpleXMLRPCServer(SSLMixin, SimpleXMLRPCServer):
    pass


class KeyValueServer:
    _rpc_methods_ = ("get", "set", "delete", "exists", "keys")

    def __init__(self, *args, **kwargs):
        self._data = {}
        self._serv = SSLSimpleXMLRPCServer(*args, allow_none=True, logRequests=False, **kwargs)
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


class VerifyCertSafeTransport(SafeTransport):
    """A transport that trusts one authority, and shows a certificate where it has one."""

    def __init__(self, cafile, certfile=None, keyfile=None):
        super().__init__(context=client_context(cafile=cafile, certfile=certfile, keyfile=keyfile))


def server(folder, port):
    return KeyValueServer(
        ("127.0.0.1", port),
        keyfile=f"{folder}/server.key",
        certfile=f"{folder}/server.pem",
        ca_certs=f"{folder}/ca.pem",
    )


def client(folder, port):
    transport = VerifyCertSafeTransport(
        f"{folder}/ca.pem", f"{folder}/client.pem", f"{folder}/client.key"
    )
    with ServerProxy(f"https://localhost:{port}/", transport=transport, allow_none=True) as s:
        s.set("foo", "bar")
        s.set("spam", [1, 2, 3])
        print("keys:", s.keys())
        print("foo is", s.get("foo"), "and spam is", s.get("spam"))
        s.delete("spam")
        print("spam exists:", s.exists("spam"))


def both():
    from tls_echo import certificates

    with tempfile.TemporaryDirectory() as folder:
        certificates(folder)
        kv = server(folder, 0)
        thread = threading.Thread(target=kv._serv.serve_forever)
        thread.start()
        try:
            client(folder, kv._serv.server_address[1])
        finally:
            kv._serv.shutdown()
            thread.join()
            kv._serv.server_close()


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["serve"]:
        kv = server(words[1], int(words[2]))
        print("listening on port", kv._serv.server_address[1], flush=True)
        kv._serv.serve_forever()
    elif words[:1] == ["connect"]:
        client(words[1], int(words[2]))
    else:
        both()
