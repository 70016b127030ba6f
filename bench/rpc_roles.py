"""Servers of run_rpc.py, one per process: ``python rpc_roles.py KIND CPU`` says its port.

Each serves ``add``, ``size`` (of an array), ``big`` (an array of 64 MiB) and ``nap``.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

KEY = b"bench key of thirty-two bytes ..."


def add(a: Any, b: Any) -> Any:
    return a + b


def size(array: Any) -> int:
    return int(array.nbytes)


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def fastnet(key: bytes | None) -> None:
    import numpy as np

    from fastnet import Tuning, rpc

    array = np.ones(1 << 23)

    def big() -> Any:
        return array

    server = rpc.RPCServer(("127.0.0.1", 0), authkey=key, tuning=Tuning(spin=150e-6))
    for function in (add, size, nap, big):
        server.register_function(function)
    print(server.address[1], flush=True)
    server.serve_forever()


def recipe() -> None:
    """The recipe's own handler, on the standard library."""
    import pickle
    from multiprocessing.connection import Listener
    from threading import Thread

    functions = {"add": add}

    def handle(connection: Any) -> None:
        try:
            while True:
                name, args, kwargs = pickle.loads(connection.recv())
                connection.send(pickle.dumps(functions[name](*args, **kwargs)))
        except EOFError:
            pass

    listener = Listener(("127.0.0.1", 0), authkey=KEY)
    print(listener.address[1], flush=True)
    while True:
        Thread(target=handle, args=(listener.accept(),), daemon=True).start()


def rpyc() -> None:
    import rpyc as library
    from rpyc.utils.server import ThreadedServer

    class Service(library.Service):  # type: ignore[misc]
        exposed_add = staticmethod(add)

    server = ThreadedServer(Service, hostname="127.0.0.1", port=0)
    print(server.port, flush=True)
    server.start()


def pyro() -> None:
    import Pyro5.api as library

    @library.expose
    class Service:
        def add(self, a: Any, b: Any) -> Any:
            return a + b

    daemon = library.Daemon(host="127.0.0.1", port=0)
    daemon.register(Service, "service")
    print(daemon.locationStr.rpartition(":")[2], flush=True)
    daemon.requestLoop()


def arrays() -> None:
    """Takes arrays for ever, and answers each with one byte's worth of array."""
    import numpy as np

    from fastnet import arrays as library

    one = np.zeros(1, np.uint8)
    with library.listen(("127.0.0.1", 0)) as listener:
        print(listener.address[1], flush=True)
        while True:
            with listener.accept() as stream:
                for _ in stream:
                    stream.send(one)


KINDS = {
    "fastnet-key": lambda: fastnet(KEY),
    "fastnet": lambda: fastnet(None),
    "recipe": recipe,
    "rpyc": rpyc,
    "pyro5": pyro,
    "arrays": arrays,
}

if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[2])})
    KINDS[sys.argv[1]]()
