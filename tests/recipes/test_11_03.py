"""Recipe 11.3, creating a UDP server: examples/udp_time_server.py."""

from __future__ import annotations

import socket
import time

import links
import recipe_programs as programs


def test_the_time_server():
    with programs.started("udp_time_server.py", 0) as (_, port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(links.SOON)
            for message in (b"", b"what time is it?"):
                s.sendto(message, ("localhost", int(port)))
                answer, address = s.recvfrom(8192)
                assert time.strptime(answer.decode("ascii"), "%a %b %d %H:%M:%S %Y")
                assert address == ("127.0.0.1", int(port))
