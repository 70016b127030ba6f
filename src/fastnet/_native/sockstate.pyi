import socket

class State:
    plain: bool
    spin: float
    def adopt(self, sock: socket.socket) -> bool: ...
