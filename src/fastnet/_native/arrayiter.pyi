from collections.abc import Callable, Iterator
from typing import Any

from fastnet._native.arrayhead import Head
from fastnet._native.arraymsg import ArrayLink

class Arrays:
    def __init__(
        self,
        link: ArrayLink,
        timeout: float | None,
        make: Callable[[Head, Any], Any] | None,
        on_error: Callable[[Any], object],
    ) -> None: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __next__(self) -> Any: ...
