from collections.abc import Callable, Iterable
from typing import Any

from fastnet._native.arrayhead import Head
from fastnet._native.fn1 import Link
from fastnet._native.memory import Pool

class ArrayLink(Link):
    def setup(
        self,
        *,
        limits: tuple[int, int, int, int, int],
        pool: Pool,
        ndarray: type,
        resolve: Callable[[bytes, int, bytes | None, bytes | None], Any],
        prepare: Callable[[Any], tuple[bytes, Any, bool]],
        coalesce: int,
    ) -> None: ...
    def send_like_before(self, array: Any, timeout: float | None) -> bool: ...
    def send(
        self,
        item: Any,
        header: bytes,
        array: Any,
        fortran: bool,
        plain: bool,
        timeout: float | None,
    ) -> None: ...
    def send_many(self, iterable: Iterable[Any], hold: bool, timeout: float | None) -> int: ...
    def head(self, timeout: float | None) -> Head: ...
    def receive(self, timeout: float | None) -> tuple[Head, Any]: ...
    def receive_into(self, array: Any, fortran: bool, timeout: float | None) -> None: ...
    def skip_one(self, timeout: float | None) -> Head: ...
    def skip(self, timeout: float | None) -> None: ...
