"""Recipe 11.9, authenticating clients: examples/client_authentication.py."""

from __future__ import annotations

import hmac

import recipe_programs as programs

NAME = "client_authentication.py"


def test_a_client_with_the_key_and_others():
    with programs.started(NAME, "serve", 0) as (server, port):
        for _ in range(2):
            said = programs.finished(NAME, "connect", port)
            assert said == "got: b'Hello World'\n"
        assert programs.finished(NAME, "connect", port, "another key") == "got: b''\n"
        assert server.stdout.readline() == "refused a client\n"
        with programs.connect(port) as sock:  # one that goes away without a word
            assert len(sock.recv(32)) == 32
        assert server.stdout.readline() == "refused a client\n"
        assert programs.finished(NAME, "connect", port) == "got: b'Hello World'\n"


def test_a_client_that_is_the_recipes():
    with programs.started(NAME, "serve", 0) as (_, port), programs.connect(port) as sock:
        message = sock.recv(32)
        hash = hmac.new(b"peekaboo", message, "sha256")
        digest = hash.digest()
        sock.send(digest)
        programs.exchange(sock, b"a line\n")
