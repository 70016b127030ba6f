import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any

class Handle:
    def get_context(self) -> Context: ...
    def cancel(self) -> None: ...
    def cancelled(self) -> bool: ...

class TimerHandle(Handle):
    def when(self) -> float: ...

class LoopCore:
    _ready: Any
    _scheduled: list[Any]
    _timer_cancelled_count: int
    _selector: Any
    _clock_resolution: float
    _debug: bool
    _stopping: bool
    _closed: bool
    def get_debug(self) -> bool: ...
    def is_closed(self) -> bool: ...
    def create_future(self) -> asyncio.Future[Any]: ...
    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle: ...
    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle: ...
    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle: ...
    def _add_callback(self, handle: asyncio.Handle) -> None: ...
    def _process_events(self, event_list: list[tuple[Any, int]]) -> None: ...
    def _run_once(self) -> None: ...
