"""The slides' HTTP server: the files of the current directory, a thread for each client.

    python slides_http_server.py 8080

Port 0 lets the system choose.
"""

import sys

from fastnet.http.server import HTTPServer, SimpleHTTPRequestHandler
from fastnet.socketserver import ThreadingMixIn


class ThreadedHTTPServer(ThreadingMixIn, HTTPServer):
    pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if sys.argv[1:] else 8080
    serv = ThreadedHTTPServer(("127.0.0.1", port), SimpleHTTPRequestHandler)
    print("listening on port", serv.server_address[1], flush=True)
    serv.serve_forever()
