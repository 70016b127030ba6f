"""The slides' SocketServer: one handler, and servers of every kind to plug it into.

    python slides_socketserver.py plain 8000        one client after the other
    python slides_socketserver.py forking 8000      a process for each
    python slides_socketserver.py threading 8000    a thread for each
    python slides_socketserver.py mixin 8000        a mix-in added to a server of one's own
    python slides_socketserver.py restricted 8000   refuses who does not come from this machine

Port 0 lets the system choose.  The restricted server also takes the address
that it lets in: python slides_socketserver.py restricted 8000 10.0.0.1
"""

import sys
import time

from fastnet import socketserver as SocketServer


class TimeHandler(SocketServer.BaseRequestHandler):
    def handle(self):
        self.request.sendall((time.ctime() + "\n").encode())


class RestrictedTCPServer(SocketServer.TCPServer):
    allowed = "127.0.0.1"

    # Restrict connections to loopback interface
    def verify_request(self, request, addr):
        host, _port = addr
        if host != self.allowed:
            return False
        else:
            return True


class ThreadedRestrictedServer(SocketServer.ThreadingMixIn, RestrictedTCPServer):
    pass


class ForkedTimeServer(SocketServer.ForkingMixIn, SocketServer.TCPServer):
    pass


SERVERS = {
    "plain": SocketServer.TCPServer,
    "forking": SocketServer.ForkingTCPServer,
    "threading": SocketServer.ThreadingTCPServer,
    "mixin": ThreadedRestrictedServer,
    "forking-mixin": ForkedTimeServer,
    "restricted": RestrictedTCPServer,
}

if __name__ == "__main__":
    kind = sys.argv[1] if sys.argv[1:] else "plain"
    port = int(sys.argv[2]) if sys.argv[2:] else 8000
    if sys.argv[3:]:
        RestrictedTCPServer.allowed = sys.argv[3]
    serv = SERVERS[kind](("127.0.0.1", port), TimeHandler)
    print("listening on port", serv.server_address[1], flush=True)
    serv.serve_forever()
