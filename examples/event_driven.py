"""Event-driven I/O: recipe 11.12 of the Python Cookbook, on fastnet.

    python examples/event_driven.py [TIME ECHO TCP FIB]  # ports; 14000 15000 16000 17000

One thread serves the time and an echo over UDP, an echo over TCP, and Fibonacci numbers over
UDP, computed by a pool of threads.
"""

import sys
import time

from fastnet.events import (
    TCPClient,
    TCPServer,
    ThreadPoolHandler,
    UDPServer,
    event_loop,
)

HOST = "127.0.0.1"


class UDPTimeServer(UDPServer):
    def handle_receive(self):
        _, addr = self.sock.recvfrom(1)
        self.sock.sendto(time.ctime().encode("ascii"), addr)


class UDPEchoServer(UDPServer):
    def handle_receive(self):
        msg, addr = self.sock.recvfrom(8192)
        self.sock.sendto(msg, addr)


class TCPEchoClient(TCPClient):
    def wants_to_receive(self):
        return len(self.outgoing) < 65536  # a peer that reads nothing is not read either

    def handle_receive(self):
        data = self.sock.recv(8192)
        if not data:
            self.close()
        else:
            self.write(data)


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


class UDPFibServer(UDPServer):
    def __init__(self, address, pool):
        super().__init__(address)
        self.pool = pool

    def handle_receive(self):
        msg, addr = self.sock.recvfrom(128)
        try:
            n = min(int(msg), 25)
        except ValueError:
            return
        self.pool.run(fib, (n,), callback=lambda r: self.respond(r, addr))

    def respond(self, result, addr):
        self.sock.sendto(str(result).encode("ascii"), addr)


def main(ports):
    handlers = []
    with ThreadPoolHandler(16) as pool:
        handlers.append(UDPTimeServer((HOST, ports[0])))
        handlers.append(UDPEchoServer((HOST, ports[1])))
        handlers.append(TCPServer((HOST, ports[2]), TCPEchoClient, handlers))
        handlers.append(UDPFibServer((HOST, ports[3]), pool))
        for server in handlers:
            print(type(server).__name__, "on %s:%d" % server.sock.getsockname(), flush=True)
        handlers.append(pool)
        try:
            event_loop(handlers)
        except KeyboardInterrupt:
            pass
        finally:
            for handler in list(handlers):
                handler.close()


if __name__ == "__main__":
    main([int(port) for port in sys.argv[1:]] or [14000, 15000, 16000, 17000])
