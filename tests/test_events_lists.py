"""fastnet.events: handlers that come, go, share a descriptor or change theirs."""

from __future__ import annotations

import collections
import errno
import os
import resource
import socket

import pytest

import links
from fastnet import events
from test_events import OURS, Probe

pytestmark = pytest.mark.parametrize("kind", OURS)


@pytest.fixture
def probe(keep):
    """probe(...) makes a handler that is closed afterwards."""
    return lambda *args: keep(Probe(*args))


@pytest.fixture
def loop(kind, keep):
    """A loop without handlers."""
    return keep(events.EventLoop([], poller=kind))


def test_one_that_leaves_is_not_called_again(loop, probe):
    log = []
    probes = [probe(log, number) for number in range(6)]
    for one in probes:
        one.sends = True
        one.peer.send(b"x")
    loop.handlers[:] = probes

    def leave():
        log.append("leaves")
        loop.handlers.remove(probes[1])
        loop.handlers.remove(probes[4])
        loop.handlers.insert(0, loop.handlers.pop())

    probes[1].handle_receive = leave
    assert loop.run_once() == 9
    assert [entry[0] for entry in log if entry != "leaves"] == [0, 2, 3, 5, 0, 2, 3, 5]
    probes[4].receives = True
    loop.handlers.append(probes[4])
    assert loop.run_once() == 2
    assert [entry[:2] for entry in log[-2:]] == [(4, "receive"), (4, "send")]


def test_lists_that_change_in_every_way(loop):
    everybody = [Probe() for _ in range(60)]
    with links.closing(*everybody):
        for start in range(40):
            here = everybody[start : start + 20]
            here.insert(start % 20, everybody[(start * 7) % 60])
            if start % 3 == 0:
                here.reverse()
            loop.handlers[:] = here
            for one in everybody:
                one.log.clear()
                one.peer.send(b"x")
            called = {id(one) for one in here}
            assert loop.run_once() == len(called)
            assert all((len(one.log) == 1) == (id(one) in called) for one in everybody)
            for one in everybody:
                if not one.log:
                    one.sock.recv(100)
        assert loop.stats()["handlers"] == 21


def test_one_that_is_in_the_list_twice(loop, probe):
    twice, other = probe(), probe()
    loop.handlers[:] = [twice, other, twice]
    twice.peer.send(b"a")
    assert loop.run_once() == 1
    loop.handlers.remove(twice)
    twice.peer.send(b"b")
    assert loop.run_once() == 1
    loop.handlers.remove(twice)
    twice.peer.send(b"c")
    assert loop.run_once(0) == 0
    assert [data for _, _, data in twice.log] == [b"a", b"b"]


@pytest.mark.parametrize("container", [set, collections.deque, tuple, dict.fromkeys])
def test_handlers_in_something_else_than_a_list(kind, probe, container):
    probes = [probe() for _ in range(3)]
    handlers = container(probes)
    with events.EventLoop(handlers, poller=kind) as loop:
        for one in probes:
            one.peer.send(b"x")
        assert loop.run_once() == 3
        if isinstance(handlers, set):
            probes[0].handle_receive = lambda: handlers.clear()
            probes[0].peer.send(b"x")
            assert loop.run_once() == 1
            probes[1].peer.send(b"x")
            assert loop.run_once(0) == 0


def test_two_handlers_of_one_descriptor(loop, probe):
    reader, writer = probe([], "reader"), probe([], "writer")
    writer.fileno = reader.fileno
    writer.receives = False
    loop.handlers[:] = [reader, writer]
    assert loop.run_once(0) == 0
    writer.sends = True
    assert loop.run_once() == 1
    reader.peer.send(b"x")
    assert loop.run_once() == 1
    loop.handlers.remove(reader)
    reader.peer.send(b"x")
    assert loop.run_once(0) == 0
    loop.handlers.insert(0, reader)
    assert loop.run_once() == 1
    loop.handlers.remove(writer)
    reader.peer.send(b"x")
    assert loop.run_once() == 1
    assert len(reader.log) == 3
    assert len(writer.log) == 1


def test_two_readers_of_one_descriptor(loop, probe):
    one, two = probe(), probe()
    two.fileno = one.fileno
    called = []
    one.handle_receive = lambda: called.append("one")
    two.handle_receive = lambda: called.append("two")
    loop.handlers[:] = [two, one]
    one.peer.send(b"x")
    assert loop.run_once() == 2
    assert called == ["two", "one"]


class Connecting(Probe):
    """Takes another connection when this one ends; its descriptor keeps its number."""

    def __init__(self):
        super().__init__()
        self.others = []

    def handle_receive(self):
        if not self.sock.recv(100):
            number = self.sock.fileno()
            self.close()
            self.sock, self.peer = socket.socketpair()
            if self.sock.fileno() != number:
                self.sock, self.peer = self.peer, self.sock
            self.others.append(self.sock.fileno())


def test_a_connection_made_anew_under_the_same_number(kind, keep):
    handler = keep(Connecting())
    number = handler.sock.fileno()
    loop = keep(events.EventLoop([handler], poller=kind))
    thread = links.Background(loop.run)
    for count in range(1, 51):
        handler.peer.shutdown(socket.SHUT_WR)
        links.wait_until(lambda: len(handler.others) == count)  # noqa: B023
    loop.stop()
    thread.result()
    assert handler.others == [number] * 50


def test_a_descriptor_whose_number_changes(loop, probe):
    handler, other = probe(), probe()
    loop.handlers.append(handler)
    handler.peer.send(b"x")
    assert loop.run_once() == 1
    handler.sock, other.sock = other.sock, handler.sock
    handler.peer.send(b"old")
    assert loop.run_once(0) == 0
    other.peer.send(b"new")
    assert loop.run_once() == 1
    assert handler.log[-1][2] == b"new"


def test_an_old_connection_that_a_copy_keeps_open(kind, keep, probe):
    gone, stays = probe(), probe()
    loop = keep(events.EventLoop([gone, stays], poller=kind))
    assert loop.run_once(0) == 0
    copy = keep(gone.sock.dup())
    gone.sock.close()  # epoll goes on watching the copy, which has no handler
    loop.handlers.remove(gone)
    gone.peer.send(b"for nobody")
    stays.peer.send(b"x")
    assert loop.run_once() == 1
    turns = loop.stats()["turns"]
    assert loop.run_once(0.05) == 0
    assert loop.stats()["turns"] - turns < 20
    assert copy.recv(100) == b"for nobody"


def test_a_closed_handler_that_is_still_in_the_list(loop, probe):
    handler = probe()
    loop.handlers.append(handler)
    handler.handle_receive = handler.sock.close
    handler.peer.send(b"x")
    with pytest.raises(ValueError, match="closed but still in the list"):
        loop.run()
    with pytest.raises(ValueError, match=r"fileno\(\) is -1"):
        loop.run()
    handler.receives = False
    assert loop.run_once(0) == 0


def test_a_descriptor_closed_behind_its_handlers_back(loop, probe):
    handler, other = probe(), probe()
    loop.handlers[:] = [other, handler]
    handler.handle_receive = lambda: os.close(handler.sock.fileno())
    handler.peer.send(b"x")
    with pytest.raises(OSError) as caught:
        loop.run()
    assert caught.value.errno == errno.EBADF
    assert "Probe object" in caught.value.__notes__[0]
    handler.sock.detach()
    loop.handlers.remove(handler)
    other.peer.send(b"x")
    assert loop.run_once() == 1


def test_what_is_not_a_descriptor(loop, probe):
    handler = probe()
    loop.handlers.append(handler)
    handler.fileno = lambda: "seven"
    with pytest.raises(TypeError, match="not an integer: 'seven'"):
        loop.run_once(0)
    loop.handlers[:] = [events.EventHandler()]
    assert loop.run_once(0) == 0
    loop.handlers[0].wants_to_send = lambda: True
    with pytest.raises(TypeError, match=r"EventHandler must define fileno\(\)"):
        loop.run_once(0)
    loop.handlers[:] = [object()]
    with pytest.raises(AttributeError, match="wants_to_receive"):
        loop.run_once(0)


def test_selects_range(kind, loop, probe):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.skip("this machine allows too few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    handler = probe()
    far = os.dup2(handler.sock.fileno(), 1100)
    try:
        handler.fileno = lambda: far
        loop.handlers.append(handler)
        handler.peer.send(b"x")
        if kind == "select":
            with pytest.raises(ValueError, match="out of select's range"):
                loop.run_once(0)
        else:
            assert loop.run_once() == 1
    finally:
        os.close(far)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
