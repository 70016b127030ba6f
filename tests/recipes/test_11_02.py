"""Recipe 11.2, creating a TCP server: examples/tcp_echo_server.py."""

from __future__ import annotations

import pytest

import recipe_programs as programs

ONE_BY_ONE = ["handler", "stream", "options", "socket"]
SIDE_BY_SIDE = ["threading", "forking", "pool"]


@pytest.mark.parametrize("variant", ONE_BY_ONE + SIDE_BY_SIDE)
def test_a_variant(variant):
    with programs.started("tcp_echo_server.py", variant, 0) as (_, port):
        for clients in (1, 1, 16 if variant in SIDE_BY_SIDE else 1):
            programs.echoes(port, clients)


def test_an_option_was_set_before_binding():
    with programs.started("tcp_echo_server.py", "options", 0) as (_, port):
        programs.echoes(port)
    with programs.started("tcp_echo_server.py", "options", port):  # just in use
        programs.echoes(port)
