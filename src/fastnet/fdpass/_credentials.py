"""Who is at the other end of a Unix socket, as the system knows it."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any, NamedTuple

from fastnet._peer import peer_ids
from fastnet.errors import AuthenticationError
from fastnet.fdpass._channel import Channel

__all__ = ["Credentials", "check_peer", "peer_credentials"]


class Credentials(NamedTuple):
    """A process, and the user and group it ran as when it connected."""

    pid: int
    uid: int
    gid: int


def peer_credentials(conn: Any) -> Credentials:
    """The process that connected, or that listened when this end connected.

    The system fills this in; the peer cannot lie.  It may have passed its end
    on since then.

    Parameters:
        conn: a connected Unix socket, or a connection over one.

    Raises:
        ValueError: no Unix socket.
        Error: this system does not tell (it has no SO_PEERCRED).

    Source: unix(7), SO_PEERCRED.
    """
    with Channel(conn, 0) as channel:
        return Credentials._make(peer_ids(channel.socket))


def check_peer(conn: Any, uids: Collection[int] | None = None) -> Credentials:
    """The peer's credentials, if it runs as one of these users.

    Parameters:
        conn: as for `peer_credentials`.
        uids: numbers of users; None means this process's own.

    Raises:
        AuthenticationError: it runs as somebody else.
        ValueError, Error: as `peer_credentials`.
    """
    found = peer_credentials(conn)
    allowed = {os.geteuid()} if uids is None else uids
    if found.uid not in allowed:
        raise AuthenticationError(
            f"the peer, process {found.pid}, runs as user {found.uid}, which is not allowed here"
        )
    return found
