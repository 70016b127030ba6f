from typing import Any

from fastnet._native.rpchub import Context, Hub, Peer

class ServerPeer(Peer):
    def __init__(self, fd: int, *, hub: Hub, address: Any, local: bool, **options: Any) -> None: ...
    def go_on(self, context: Context, thing: Any) -> None: ...
