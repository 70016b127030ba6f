"""A session's attributes, changed after it was made: the same as if they had been given."""

from __future__ import annotations

import asyncio
import http.cookiejar
from typing import Any

import pytest

from client_kit import Scripted, reply
from fastnet import Limits
from fastnet import http as client

BLOCKING = pytest.mark.parametrize("blocking", [True, False], ids=["Session", "AsyncSession"])


def ask(blocking: bool, session: Any, url: str, **options: Any) -> Any:
    """One GET; the asynchronous session is used on one loop after the other."""
    if blocking:
        return session.get(url, **options)

    async def work() -> Any:
        try:
            return await session.get(url, **options)
        finally:
            await session.aclose()

    return asyncio.run(work())


def session_of(blocking: bool, **settings: Any) -> Any:
    kind = client.Session if blocking else client.AsyncSession
    return kind(trust_env=False, **settings)


@BLOCKING
@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [
        ("timeout", 5, b"get"),
        ("timeout", None, b"get"),
        ("timeout", (5, None), b"get"),
        ("headers", {"X-Own": "yes"}, b"x-own: yes"),
        ("headers", None, b"user-agent: fastnet"),
        ("cookies", {"a": "b"}, b"cookie: a=b"),
        ("cookies", None, b"get"),
        ("proxies", None, b"get"),
        ("limits", None, b"get"),
        ("auth", ["ann", "secret"], b"authorization: basic"),
        ("params", [("a", "b")], b"?a=b"),
        ("verify", False, b"get"),
    ],
)
def test_changed(blocking: bool, name: str, value: Any, sent: bytes) -> None:
    with Scripted(reply(b"x"), reply(b"y"), reply(b"z")) as server:
        session = session_of(blocking)
        assert ask(blocking, session, server.url).ok
        setattr(session, name, value)
        assert ask(blocking, session, server.url).ok
        assert ask(blocking, session, server.url).ok
        if blocking:
            session.close()
        assert all(sent in head.lower() for head, _ in server.requests[1:])


@BLOCKING
def test_what_is_wrong_is_refused_when_it_is_set(blocking: bool) -> None:
    session = session_of(blocking)
    with pytest.raises(ValueError, match="more than 0"):
        session.timeout = 0
    with pytest.raises(TypeError):
        session.cookies = 5
    assert session.timeout == (30.0, 300.0)
    session.timeout = 7
    assert session.timeout == (7.0, 7.0)


@BLOCKING
def test_limits_hold_from_then_on(blocking: bool) -> None:
    with Scripted(reply(b"x" * 100), reply(b"x" * 100)) as server:
        session = session_of(blocking)
        assert len(ask(blocking, session, server.url).content) == 100
        session.limits = Limits(body_bytes=10)
        with pytest.raises(client.LimitError):
            ask(blocking, session, server.url)
        if blocking:
            session.close()


@BLOCKING
def test_headers_of_none_are_left_out(blocking: bool) -> None:
    with Scripted(*[reply(b"x")] * 4) as server:
        session = session_of(blocking, headers={"accept": None})
        session.headers["User-Agent"] = None
        for headers in (None, None, {"Accept-Encoding": None, "X": "y"}, {"User-Agent": "me"}):
            assert ask(blocking, session, server.url, headers=headers).ok
        if blocking:
            session.close()
        agents = [b"user-agent" in head.lower() for head, _ in server.requests]
        assert agents == [False, False, False, True]
        codings = [b"accept-encoding" in head.lower() for head, _ in server.requests]
        assert codings == [True, True, False, True]
        assert not any(b"accept:" in head.lower() for head, _ in server.requests)


def test_an_empty_jar_is_the_one_that_was_given() -> None:
    jar = client.Cookies()
    with client.Session(cookies=jar) as session:
        assert session.cookies is jar
        other = http.cookiejar.CookieJar()
        session.cookies = other
        assert isinstance(session.cookies, client.Cookies)
