"""Recipe 11.3: creating a UDP server.

python udp_time_server.py 20000     port 0 lets the system choose
"""

import sys
import time

from fastnet.socketserver import BaseRequestHandler, UDPServer


class TimeHandler(BaseRequestHandler):
    def handle(self):
        print("Got connection from", self.client_address)
        # Get message and client socket
        _msg, sock = self.request
        resp = time.ctime()
        sock.sendto(resp.encode("ascii"), self.client_address)


if __name__ == "__main__":
    port = int(sys.argv[1]) if sys.argv[1:] else 20000
    serv = UDPServer(("127.0.0.1", port), TimeHandler)
    print("listening on port", serv.server_address[1], flush=True)
    serv.serve_forever()
