"""Ends of connections, and listeners."""

from __future__ import annotations

import socket

import pytest

from connection_kit import HOME, KEY
from fastnet.connection import Client, Connection, Listener, Pipe
from links import SOON


@pytest.fixture(params=["unix", "tcp", "pipe"])
def ends(request, keep):
    """(writer, reader)"""
    if request.param == "pipe":
        reader, writer = Pipe(duplex=False)
    elif request.param == "unix":
        writer, reader = Pipe()
    else:
        with Listener(("127.0.0.1", 0)) as listener:
            writer = Client(listener.address)
            reader = listener.accept(SOON)
    return keep(writer), keep(reader)


@pytest.fixture
def raw(keep):
    """A connection and the socket at its other end."""
    one, two = socket.socketpair()
    return keep(Connection(one.detach())), keep(two)


@pytest.fixture
def listener(keep):
    """Has the key."""
    return keep(Listener(HOME, authkey=KEY))


@pytest.fixture
def stranger(keep, listener):
    """Makes a raw connection to the listener."""

    def stranger():
        return keep(socket.create_connection(listener.address, timeout=SOON))

    return stranger
