"""The slides' TCP clients: what sockets do with parts, ends, times, and as files.

    python slides_tcp_client.py 9000

Talks to an echoing server of slides_tcp_server.py (threaded, forking or select).
"""

import pickle
import sys
from socket import AF_INET, SHUT_WR, SO_SNDBUF, SOCK_STREAM, SOL_SOCKET

from fastnet.sockets import Socket as socket


def connected(port):
    s = socket(AF_INET, SOCK_STREAM)
    s.connect(("127.0.0.1", port))  # Connect
    return s


def rest(s):
    # Closing with data unread would reset the connection
    s.shutdown(SHUT_WR)
    while s.recv(65536):
        pass
    s.close()


def request(port):
    s = connected(port)
    s.send(b"GET /index.html HTTP/1.0\n\n")  # Send request
    data = s.recv(10000)  # Get response
    s.close()
    print("response:", data)


def partial_write(port):
    s = connected(port)
    s.setsockopt(SOL_SOCKET, SO_SNDBUF, 8192)
    s.setblocking(False)
    data = bytes(10_000_000)
    nsent = s.send(data)
    print("sent only a part:", 0 < nsent < len(data))
    s.setblocking(True)
    rest(s)


def partial_read(port):
    s = connected(port)
    s.sendall(b"Hello World\n")
    data = s.recv(5)
    print("read at most what was asked for:", len(data) <= 5)
    rest(s)


def reassembly(port):
    s = connected(port)
    s.sendall(b"one message in pieces")
    s.shutdown(SHUT_WR)
    fragments = []  # List of chunks
    done = False
    while not done:
        chunk = s.recv(4)  # Get a chunk
        if not chunk:
            break  # EOF. No more data
        fragments.append(chunk)
    # Reassemble the message
    message = b"".join(fragments)
    print("reassembled:", message)
    print("end of data:", s.recv(1000))
    s.close()


def timeouts(port):
    s = connected(port)
    s.settimeout(0.1)  # Timeout of 0.1 seconds
    try:
        s.recv(1000)
    except TimeoutError as e:
        print("timeout:", e)
    s.settimeout(None)
    s.close()


def non_blocking(port):
    s = connected(port)
    s.setblocking(False)
    try:
        s.recv(1000)
    except BlockingIOError as e:
        print("non-blocking:", e.strerror)
    s.close()


def files(port):
    s = connected(port)
    f = s.makefile("rw")
    f.writelines(["Hello\n", "World\n"])
    f.flush()
    print("lines:", f.readline().strip(), f.readline().strip())
    f.close()
    f = s.makefile("rwb")
    pickle.dump([1, 2, {"three": 4.0}], f)
    f.flush()
    print("pickled:", pickle.load(f))
    f.close()
    s.close()


PROGRAMS = [request, partial_write, partial_read, reassembly, timeouts, non_blocking, files]

if __name__ == "__main__":
    port = int(sys.argv[1]) if sys.argv[1:] else 9000
    for program in PROGRAMS:
        program(port)
