"""Echo servers with a fault, on which the load generator must be seen to fail."""

from __future__ import annotations

import asyncio

from servers_asyncio import Echo, serve_protocol

GRACE = 4096  # bytes of a connection that are answered right, so that the fault is not the first


class Faulty(Echo):
    """Echoes, but after a while ``fault`` happens: a byte, a swap of connections, an extra byte."""

    fault = ""
    everyone: list[Faulty] = []  # noqa: RUF012 (the connections of this process)

    def __init__(self) -> None:
        self.seen = 0
        self.everyone.append(self)

    def data_received(self, data: bytes) -> None:
        self.seen += len(data)
        if self.seen < GRACE:
            super().data_received(data)
        elif self.fault == "byte":
            self.transport.write(data[:-1] + bytes([data[-1] ^ 1]))
        elif self.fault == "swap":
            other = self.everyone[(self.everyone.index(self) + 1) % len(self.everyone)]
            other.transport.write(data)
        else:
            self.transport.write(data + b"!")


def serve(fault: str) -> None:
    Faulty.fault = fault
    asyncio.run(serve_protocol(Faulty, ""))
