"""Recipe 11.11, second form: the server, for workers that are programs of their own.

    python passing_descriptors_server.py /tmp/servconn 15000
    python passing_descriptors_worker.py /tmp/servconn

A worker connects to the Unix socket with the key, and says its pid; the system confirms that it
runs as the same user.
"""

import socket
import sys

from fastnet.fdpass import check_peer, send_handle

try:
    from fastnet.connection import Listener
except ModuleNotFoundError:
    from multiprocessing.connection import Listener


def server(work_address, port):
    # Wait for the worker to connect
    work_serv = Listener(work_address, authkey=b"peekaboo")
    print("waiting for a worker", flush=True)
    worker = work_serv.accept()
    worker_pid = worker.recv()
    assert check_peer(worker).pid == worker_pid

    # Now run a TCP/IP server and send clients to worker
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
    s.bind(("127.0.0.1", port))
    s.listen(1)
    print("listening on port", s.getsockname()[1], flush=True)
    while True:
        client, addr = s.accept()
        print("SERVER: Got connection from", addr, flush=True)
        send_handle(worker, client.fileno(), worker_pid)
        client.close()


if __name__ == "__main__":
    try:
        server(sys.argv[1], int(sys.argv[2]))
    except KeyboardInterrupt:
        pass
