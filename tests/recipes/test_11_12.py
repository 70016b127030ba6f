"""Recipe 11.12, event-driven I/O: examples/event_driven.py, and the recipe's own classes."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

import links
import recipe_loop
from fastnet import events

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "event_driven.py"


def asked(port, message):
    """What a datagram service answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(links.SOON)
        sock.sendto(message, ("127.0.0.1", port))
        return sock.recv(8192)


def echoed(port, message):
    """What a stream service sends back until it closes."""
    with socket.create_connection(("127.0.0.1", port), links.SOON) as sock:
        sock.sendall(message)
        got = b""
        while len(got) < len(message):
            got += sock.recv(65536)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
    return got


@pytest.mark.parametrize("poller", ["epoll", "select"])
def test_the_example(poller):
    with subprocess.Popen(
        [sys.executable, str(EXAMPLE), "0", "0", "0", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "FASTNET_POLLER": poller},
    ) as child:
        try:
            lines = [child.stdout.readline() for _ in range(4)]
            ports = [int(re.search(r":(\d+)$", line)[1]) for line in lines]
            assert time.strptime(asked(ports[0], b"x").decode())
            assert asked(ports[1], b"over there") == b"over there"
            assert echoed(ports[2], bytes(range(256)) * 400) == bytes(range(256)) * 400
            assert asked(ports[3], b"20") == b"6765"
            child.send_signal(signal.SIGINT)
            assert child.wait(links.SOON) == 0
            assert child.stdout.read() == ""
        finally:
            child.kill()


@pytest.mark.parametrize("poller", ["epoll", "select"])
def test_the_recipes_own_classes(poller):
    handlers = [recipe_loop.UDPTimeServer(("", 0)), recipe_loop.UDPEchoServer(("", 0))]
    handlers.append(recipe_loop.TCPServer(("", 0), recipe_loop.TCPEchoClient, handlers))
    ports = [handler.sock.getsockname()[1] for handler in handlers]
    loop = events.EventLoop(handlers, poller=poller)
    thread = links.Background(loop.run)
    with links.closing(loop, *(handler.sock for handler in handlers)):
        try:
            assert time.strptime(asked(ports[0], b"x").decode())
            assert asked(ports[1], b"over there") == b"over there"
            assert echoed(ports[2], b"abc" * 30_000) == b"abc" * 30_000
        finally:
            loop.stop()
            thread.result()
    assert len(handlers) == 3
