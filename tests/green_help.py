"""What the tests of green servers share."""

from __future__ import annotations

import socket

import links
from fastnet.socketserver import BaseRequestHandler, StreamRequestHandler


class Echo(BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(8192):
            self.request.send(data)


class Lines(StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


def dial(server):
    family = server.address_family
    sock = socket.socket(family)
    sock.settimeout(links.SOON)
    sock.connect(server.server_address)
    return sock


def read_all(sock, wanted=None):
    got = bytearray()
    while wanted is None or len(got) < wanted:
        block = sock.recv(1 << 20)
        if not block:
            break
        got += block
    return bytes(got)


def once(function):
    """A handler class from a function of (self, request)."""

    class Once(BaseRequestHandler):
        def handle(self):
            function(self, self.request)

    return Once
