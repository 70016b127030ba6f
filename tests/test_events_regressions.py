"""fastnet.events: what other threads say while handlers are being asked is not lost."""

from __future__ import annotations

import threading

import pytest

import links
from fastnet import events
from test_events import OURS, Probe

SELDOM = 3600.0  # seconds between sweeps, which would find by themselves what is tested here


class Slow(Probe):
    """Takes its time to answer, once it is told to."""

    def __init__(self):
        super().__init__()
        self.hold, self.asked, self.go = False, threading.Event(), threading.Event()

    def wants_to_receive(self):
        if self.hold:
            self.hold = False
            self.asked.set()
            self.go.wait(links.SOON)
        return True


@pytest.mark.parametrize("kind", OURS)
@pytest.mark.parametrize("how", ["add", "changed", "remove", "stop"])
def test_what_another_thread_says_while_a_handler_is_asked_is_not_slept_over(kind, how, keep):
    slow, probe = keep(Slow()), keep(Probe())
    loop = keep(events.EventLoop([slow], poller=kind, sweep=SELDOM))
    probe.receives = how != "changed"
    if how != "add":
        loop.add(probe)
    thread = links.Background(loop.run)
    links.wait_until(lambda: loop.stats()["turns"] >= 2)
    slow.hold = True
    loop.changed(slow)
    try:
        assert slow.asked.wait(links.SOON)
        if how == "remove":
            loop.remove(probe)
        probe.peer.send(b"new")
        if how == "add":
            loop.add(probe)
        elif how == "changed":
            probe.receives = True
            loop.changed(probe)
        elif how == "stop":
            loop.stop()
    finally:
        slow.go.set()
    if how in ("add", "changed"):
        links.wait_until(lambda: probe.log)
        assert probe.log == [("", "receive", b"new")]
    elif how == "remove":
        slow.peer.send(b"x")
        links.wait_until(lambda: slow.log)
        assert probe.log == []
    if how != "stop":
        loop.stop()
    thread.result()
