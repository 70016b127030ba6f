"""Arrow Flight: one record batch with one float64 column, sent with ``do_put``."""

from __future__ import annotations

import threading
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight

from roles import Role

NAME = b"array"


class Putting(flight.FlightServerBase):
    """Takes what clients put, batch by batch, and hands each to whoever waits for it."""

    def __init__(self, location: str) -> None:
        self.batches: list[Any] = []
        self.arrived = threading.Semaphore(0)
        super().__init__(location)

    def do_put(self, context: Any, descriptor: Any, reader: Any, writer: Any) -> None:
        for chunk in reader:
            self.batches.append(chunk.data)
            self.arrived.release()
            del chunk


class Flight(Role):
    """``do_put`` on one call that stays open; what arrives stays in Arrow's memory."""

    def listen(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        self.server = Putting(f"grpc+tcp://{host}:0")
        threading.Thread(target=self.server.serve, daemon=True).start()
        return f"grpc+tcp://{host}:{self.server.port}"

    def accept(self) -> None:
        """gRPC accepts on its own."""

    def connect(self, where: str) -> None:
        # gRPC's default limit on a message is 4 MiB; Flight lifts it, no option is needed.
        self.client = flight.connect(where)
        self.batch = pa.record_batch([pa.array(self.array)], names=["values"])
        descriptor = flight.FlightDescriptor.for_path(NAME)
        self.writer, self.reader = self.client.do_put(descriptor, self.batch.schema)

    def send(self) -> None:
        self.writer.write_batch(self.batch)

    def receive(self) -> Any:
        self.server.arrived.acquire()
        return self.server.batches.pop().column(0).to_numpy(zero_copy_only=True)
