"""The slides' TCP servers, on plain sockets.

    python slides_tcp_server.py hello 9000       says hello to one client after the other
    python slides_tcp_server.py options 9000     the same, on a port that was just in use
    python slides_tcp_server.py threaded 9000    a thread for each client, echoing
    python slides_tcp_server.py forking 9000     a process for each client, echoing
    python slides_tcp_server.py select 9000      one loop for all clients, echoing

Port 0 lets the system choose.
"""

import os
import select
import signal
import socket as options
import sys
import threading
from socket import AF_INET, SOCK_STREAM

from fastnet.sockets import Socket as socket


def listening(port, reuse=False):
    s = socket(AF_INET, SOCK_STREAM)
    if reuse:
        s.setsockopt(options.SOL_SOCKET, options.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    s.listen(5)
    print("listening on port", s.getsockname()[1], flush=True)
    return s


def hello(port, reuse=False):
    s = listening(port, reuse)
    while True:
        c, a = s.accept()
        print("Received connection from", a)
        c.send(("Hello %s\n" % a[0]).encode())
        c.close()


def handle_client(c):
    while True:
        data = c.recv(8192)
        if not data:
            break
        c.sendall(data)
    c.close()


def threaded(port):
    s = listening(port)
    while True:
        c, _a = s.accept()
        t = threading.Thread(target=handle_client, args=(c,))
        t.start()


def forking(port):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Leave no zombies
    s = listening(port)
    while True:
        c, _a = s.accept()
        if os.fork() == 0:
            # Child process. Manage client
            handle_client(c)
            os._exit(0)
        else:
            # Parent process. Clean up and go
            # back to wait for more connections
            c.close()


def asynchronous(port):
    s = listening(port)
    clients = []  # List of all active client sockets
    outgoing = {}  # What is still to be sent to each
    while True:
        # Look for activity on any of my sockets
        waiting = [c for c in outgoing if outgoing[c]]
        input, output, _err = select.select([s, *clients], waiting, clients)
        # Process all sockets with input
        for i in input:
            if i is s:
                c, _a = s.accept()
                c.setblocking(False)
                clients.append(c)
                outgoing[c] = b""
                continue
            data = i.recv(8192)
            outgoing[i] += data
            if not data:
                clients.remove(i)
        # Process all sockets ready for output
        for o in output:
            nsent = o.send(outgoing[o])
            outgoing[o] = outgoing[o][nsent:]
        # Close what has ended and has got everything
        for c in [c for c in outgoing if c not in clients and not outgoing[c]]:
            del outgoing[c]
            c.close()


VARIANTS = {
    "hello": hello,
    "options": lambda port: hello(port, reuse=True),
    "threaded": threaded,
    "forking": forking,
    "select": asynchronous,
}

if __name__ == "__main__":
    variant = sys.argv[1] if sys.argv[1:] else "hello"
    VARIANTS[variant](int(sys.argv[2]) if sys.argv[2:] else 9000)
