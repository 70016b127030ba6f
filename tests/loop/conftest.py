"""The loops that every test of this directory runs on, and how a test runs on one."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

import fastnet
import links


class Run:
    """run(main) runs main() on a fresh loop and returns what it returned.

    Whatever the loop's exception handler is told lands in `problems`. A test that expects some
    takes them with take(); what is left when the test is over is a failure.
    """

    def __init__(self, factory: Callable[[], asyncio.AbstractEventLoop], name: str) -> None:
        self.factory = factory
        self.name = name
        self.problems: list[dict[str, Any]] = []

    @property
    def stock(self) -> bool:
        """Whether this is asyncio's own loop."""
        return self.name == "asyncio"

    def note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.problems.append(context)

    def take(self) -> list[dict[str, Any]]:
        taken, self.problems = self.problems, []
        return taken

    def __call__(self, main: Callable[[], Awaitable[Any]], *, debug: bool = False) -> Any:
        async def limited() -> Any:
            async with asyncio.timeout(3 * links.SOON):
                return await main()

        with asyncio.Runner(debug=debug, loop_factory=self.factory) as runner:
            runner.get_loop().set_exception_handler(self.note)
            return runner.run(limited())


@pytest.fixture(params=["asyncio", "fastnet", "fastnet-select"])
def loop_factory(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    """Makes a loop: asyncio's own, ours, and ours on select()."""
    if request.param == "asyncio":
        return asyncio.SelectorEventLoop
    if not hasattr(fastnet, "new_event_loop"):
        pytest.skip("this fastnet has no event loop")
    if request.param == "fastnet":
        return fastnet.new_event_loop
    return functools.partial(fastnet.new_event_loop, poller="select")


@pytest.fixture
def run(
    loop_factory: Callable[[], asyncio.AbstractEventLoop], request: pytest.FixtureRequest
) -> Iterator[Run]:
    """Runs a coroutine function on the loop; fails when the exception handler was called."""
    run = Run(loop_factory, request.node.callspec.params["loop_factory"])
    yield run
    assert run.problems == [], "the exception handler was called"


@pytest.fixture(params=["tcp4", "unix"])
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of stream socket, as links.socket_pair() knows it."""
    return request.param
