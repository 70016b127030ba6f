"""How many keyed handshakes one processor serves: run as ``python handshakes.py COUNT``.

The listener accepts on one processor, clients connect from another. Clients and the kernel's half
of their work cost as much as the server, so the figure is per second of the server's processor
time, its system calls included; the wall-clock rate is printed beside it.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from fastnet import arrays
from process import cpus

KEY = bytes(range(32))
CLIENTS = 4


def _clients(address: tuple[str, int], each: int) -> None:
    def work() -> None:
        for _ in range(each):
            arrays.connect(address, authkey=KEY).abort()

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measure(count: int) -> tuple[float, float]:
    """Handshakes per second of the server's processor time, and of the clock."""
    server_cpu, client_cpu = cpus()
    each = count // CLIENTS
    listener = arrays.listen(("127.0.0.1", 0), authkey=KEY)
    child = os.fork()
    if child == 0:
        try:
            os.sched_setaffinity(0, {client_cpu})
            _clients(listener.address, each)
        finally:
            os._exit(0)
    os.sched_setaffinity(0, {server_cpu})
    with listener:
        listener.accept(timeout=30).abort()
        used, began = time.process_time(), time.perf_counter()
        for _ in range(each * CLIENTS - 1):
            listener.accept(timeout=30).abort()
        used, took = time.process_time() - used, time.perf_counter() - began
    os.waitpid(child, 0)
    done = each * CLIENTS - 1
    return done / used, done / took


if __name__ == "__main__":
    print(*measure(int(sys.argv[1])))
