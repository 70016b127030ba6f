"""Recipe 11.11, first form: a server passes its connections to a worker over a pipe.

    python passing_descriptors.py 15000

`traget=` is `target=`; the processes end when their pipe does.  Try it with:
fastnet talk 127.0.0.1:15000
"""

import multiprocessing
import socket
import sys

from fastnet.fdpass import recv_handle, send_handle


def worker(in_p, out_p):
    out_p.close()
    while True:
        try:
            fd = recv_handle(in_p)
        except EOFError:  # the server has gone
            break
        print("CHILD: GOT FD", fd, flush=True)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=fd) as s:
            while True:
                msg = s.recv(1024)
                if not msg:
                    break
                print(f"CHILD: RECV {msg!r}", flush=True)
                s.send(msg)


def server(address, in_p, out_p, worker_pid):
    in_p.close()
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
    s.bind(address)
    s.listen(1)
    print("listening on port", s.getsockname()[1], flush=True)
    while True:
        client, addr = s.accept()
        print("SERVER: Got connection from", addr, flush=True)
        send_handle(out_p, client.fileno(), worker_pid)
        client.close()


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    c1, c2 = multiprocessing.Pipe()
    worker_p = multiprocessing.Process(target=worker, args=(c1, c2))
    worker_p.start()
    address = ("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 15000)
    server_p = multiprocessing.Process(target=server, args=(address, c1, c2, worker_p.pid))
    server_p.start()
    c1.close()
    c2.close()
    try:
        server_p.join()
        worker_p.join()
    except KeyboardInterrupt:
        server_p.terminate()
        server_p.join()
        worker_p.join()
