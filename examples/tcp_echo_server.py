"""Recipe 11.2: creating a TCP server.

    python tcp_echo_server.py handler 20000     a BaseRequestHandler
    python tcp_echo_server.py stream 20000      a StreamRequestHandler, line by line
    python tcp_echo_server.py threading 20000   a thread for each client
    python tcp_echo_server.py forking 20000     a process for each client
    python tcp_echo_server.py pool 20000        16 threads made beforehand, one server
    python tcp_echo_server.py options 20000     a socket option set before binding
    python tcp_echo_server.py socket 20000      no server class at all

Port 0 lets the system choose.  Try it with: fastnet talk 127.0.0.1:20000
"""

import socket
import sys
from socket import AF_INET, SOCK_STREAM
from threading import Thread

from fastnet.sockets import Socket
from fastnet.socketserver import (
    BaseRequestHandler,
    ForkingTCPServer,
    StreamRequestHandler,
    TCPServer,
    ThreadingTCPServer,
)

NWORKERS = 16


class EchoHandler(BaseRequestHandler):
    def handle(self):
        print("Got connection from", self.client_address)
        while True:
            msg = self.request.recv(8192)
            if not msg:
                break
            self.request.send(msg)


class EchoLineHandler(StreamRequestHandler):
    def handle(self):
        print("Got connection from", self.client_address)
        for line in self.rfile:
            self.wfile.write(line)


def serve(serv):
    print("listening on port", serv.server_address[1], flush=True)
    serv.serve_forever()


def pool(port):
    serv = TCPServer(("127.0.0.1", port), EchoHandler)
    for n in range(NWORKERS):
        t = Thread(target=serv.serve_forever)
        t.daemon = True
        t.start()
    serve(serv)


def options(port):
    serv = TCPServer(("127.0.0.1", port), EchoHandler, bind_and_activate=False)
    serv.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
    serv.server_bind()
    serv.server_activate()
    serve(serv)


def echo_handler(address, client_sock):
    print("Got connection from {}".format(address))
    while True:
        msg = client_sock.recv(8192)
        if not msg:
            break
        client_sock.sendall(msg)
    client_sock.close()


def echo_server(address, backlog=5):
    sock = Socket(AF_INET, SOCK_STREAM)
    sock.bind(address)
    sock.listen(backlog)
    print("listening on port", sock.getsockname()[1], flush=True)
    while True:
        client_sock, client_addr = sock.accept()
        echo_handler(client_addr, client_sock)


VARIANTS = {
    "handler": lambda port: serve(TCPServer(("127.0.0.1", port), EchoHandler)),
    "stream": lambda port: serve(TCPServer(("127.0.0.1", port), EchoLineHandler)),
    "threading": lambda port: serve(ThreadingTCPServer(("127.0.0.1", port), EchoHandler)),
    "forking": lambda port: serve(ForkingTCPServer(("127.0.0.1", port), EchoHandler)),
    "pool": pool,
    "options": options,
    "socket": lambda port: echo_server(("127.0.0.1", port)),
}

if __name__ == "__main__":
    variant = sys.argv[1] if sys.argv[1:] else "handler"
    port = int(sys.argv[2]) if sys.argv[2:] else 20000
    VARIANTS[variant](port)
