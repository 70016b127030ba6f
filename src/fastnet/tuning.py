"""The transport's choices, each in one place, each open to being overruled."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Tuning"]

_KIB = 1024
_MIB = 1024 * _KIB


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How bytes are moved.  The defaults are measured; docs/arrays.md has the figures.

    What the system refuses is never an error: `stats()["transport"]` shows
    what holds and what was refused.

    Attributes:
        congestion: TCP congestion control: "auto" replaces bbr where its
            pacing is slower than the path (loopback, or a round trip below a
            millisecond) and otherwise keeps the system's; None always keeps
            it; or a name such as "cubic".
        send_buffer, receive_buffer: bytes of SO_SNDBUF and SO_RCVBUF.  None
            leaves them to the kernel, which then adapts them to the path.
        nodelay: TCP_NODELAY; messages are gathered before they are sent, so
            there is nothing that Nagle's algorithm could improve.
        chunk: bytes asked of one system call.
        fragment: bytes of one DATA frame.
        read_ahead: bytes that a receiver may take in one go while small arrays
            come.
        coalesce: bytes of small arrays that `send_items` gathers.
        spin: seconds that a receiver looks again before it sleeps; "auto"
            spins for 150 microseconds where there are two CPUs to run on.
        pool_bytes: bytes of memory kept for the arrays that `recv` returns.
        pool_idle: seconds after which memory that was not needed goes back.
        huge_pages: whether that memory asks for huge pages.
    """

    congestion: str | None = "auto"
    send_buffer: int | None = None
    receive_buffer: int | None = None
    nodelay: bool = True
    chunk: int = 1 * _MIB
    fragment: int = 1 * _MIB
    read_ahead: int = 256 * _KIB
    coalesce: int = 128 * _KIB
    spin: float | str = "auto"
    pool_bytes: int = 1024 * _MIB
    pool_idle: float = 2.0
    huge_pages: bool = True

    def __post_init__(self) -> None:
        for name, least, most in _RANGES:
            value = getattr(self, name)
            if value is None and name in _KERNELS:
                continue
            if not isinstance(value, int) or not least <= value <= most:
                raise ValueError(f"{name} must be between {least} and {most}, not {value!r}")
        if self.congestion is not None and not 0 < len(self.congestion.encode()) < 16:
            raise ValueError(f"congestion must be a name, not {self.congestion!r}")
        if self.spin != "auto" and not (
            isinstance(self.spin, (int, float)) and 0 <= self.spin <= 1
        ):
            raise ValueError(f"spin must be 'auto' or between 0 and 1 second, not {self.spin!r}")
        if not self.pool_idle >= 0:
            raise ValueError(f"pool_idle must be at least 0 seconds, not {self.pool_idle!r}")

    def congestion_bytes(self) -> bytes:
        """The congestion control as the core takes it: b"" keeps the system's."""
        return (self.congestion or "").encode()

    def spin_seconds(self) -> float:
        """The spin in seconds, with "auto" resolved for this process."""
        if isinstance(self.spin, str):
            from fastnet._native import sock

            return sock.default_spin()
        return float(self.spin)


_KERNELS = ("send_buffer", "receive_buffer")  # None leaves these to the kernel
_RANGES = (
    ("send_buffer", 1, (1 << 31) - 1),
    ("receive_buffer", 1, (1 << 31) - 1),
    ("chunk", 4 * _KIB, 1 << 30),
    ("fragment", 4 * _KIB, 1 << 30),
    ("read_ahead", 512, 64 * _MIB),
    ("coalesce", 0, 64 * _MIB),
    ("pool_bytes", 0, 1 << 62),
)
