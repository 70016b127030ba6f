"""Redirects: methods, bodies, credentials, places."""

from __future__ import annotations

import asyncio
import io

import pytest

import client_kit as kit
from client_kit import Scripted, reply
from fastnet import http


def to(place, status=302):
    return reply(b"moved", f"Location: {place}", status=f"{status} Moved")


def lines(server, index):
    return server.requests[index][0].decode().split("\r\n")


def test_methods_and_bodies():
    cases = [
        (301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"), (303, "PUT", "GET"),
        (302, "DELETE", "GET"), (301, "PUT", "PUT"), (307, "POST", "POST"), (308, "PUT", "PUT"),
        (302, "HEAD", "HEAD"), (303, "HEAD", "HEAD"), (301, "GET", "GET"),
    ]  # fmt: skip
    script = []
    for status, method, _ in cases:
        moved = to("/there", status)
        script += [moved.removesuffix(b"moved") if method == "HEAD" else moved]
        script += [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]
    with Scripted(*script) as server, http.Session(trust_env=False) as session:
        for number, (status, method, then) in enumerate(cases):
            body = b"body" if method in ("POST", "PUT") else None
            response = session.request(method, server.url, data=body)
            assert response.status_code == 200
            assert [old.status_code for old in response.history] == [status]
            assert response.url == f"{server.url}/there"
            first, second = server.requests[2 * number : 2 * number + 2]
            assert second[0].startswith(f"{then} /there ".encode())
            assert second[1] == (first[1] if then == method else b"")
        assert server.connections == 1


def test_bodies_that_are_streams(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"xx123")
    with Scripted(to("/b", 307), reply(), to("/b", 308), reply(), to("/b", 307)) as server:
        with http.Session(trust_env=False) as session, open(path, "rb") as file:
            file.seek(2)
            assert session.put(server.url, data=file).ok
            assert [body for _, body in server.requests] == [b"123", b"123"]
            assert session.post(server.url, files={"f": io.BytesIO(b"again")}).ok
            assert server.requests[2][1] == server.requests[3][1]
            with pytest.raises(http.RequestException, match="only once"):
                session.post(server.url, data=iter([b"once"]))


def test_places():
    with kit.serving() as server, http.Session(trust_env=False) as session:

        def follow(place, start="/redirect"):
            query = {"status": "302", "to": place}
            return session.get(server.url + start, params=query)

        assert follow("/a").json()["path"] == "/a"
        assert follow("b?c=d").json()["path"] == "/b?c=d"
        assert follow("//" + server.url.partition("//")[2] + "/c").json()["path"] == "/c"
        assert follow(server.url).json()["path"] == "/"
        assert follow("/with space").json()["path"] == "/with%20space"
        assert follow("../../up", "/redirect/x/y").json()["path"] == "/up"
        kept = session.get(f"{server.url}/redirect?status=302&to=/a#frag")
        assert kept.url == f"{server.url}/a#frag"
        assert follow("/a#own").url == f"{server.url}/a#own"
        for place in ("ftp://x/", "file:///etc/passwd", "http://", "http://a b/", "javascript:1",
                      "http://x:99999/"):  # fmt: skip
            with pytest.raises(http.InvalidURL):
                follow(place)
        not_followed = session.get(f"{server.url}/redirect?status=302&to=/a", allow_redirects=False)
        assert not_followed.is_redirect
        assert not not_followed.is_permanent_redirect
        assert session.head(f"{server.url}/redirect?status=301&to=/a").is_permanent_redirect
        session.max_redirects = 0
        with pytest.raises(http.TooManyRedirects) as caught:
            follow("/a")
        assert caught.value.response.status_code == 302


def test_round_and_round():
    with Scripted(*[to("/")] * 31) as server, http.Session(trust_env=False) as session:
        with pytest.raises(http.TooManyRedirects, match="more than 30"):
            session.get(server.url)
        assert len(server.requests) == 31


def test_a_place_in_latin_and_utf8():
    odd = "HTTP/1.1 302 x\r\nLocation: /ä\r\nContent-Length: 0\r\n\r\n"
    with Scripted(odd.encode(), reply(), odd.encode("latin-1"), reply()) as server:
        with http.Session(trust_env=False) as session:
            assert session.get(server.url).ok
            assert session.get(server.url).ok
        assert lines(server, 1)[0] == lines(server, 3)[0] == "GET /%C3%A4 HTTP/1.1"


def test_credentials_stay_where_they_belong():
    given = {"Authorization": "secret", "Cookie": "a=secret", "X-Kept": "1", "Host": "named"}
    with Scripted(reply()) as other, http.Session(trust_env=False) as session:
        with Scripted(to("/same"), to(other.url), to(other.url), to(other.url)) as server:
            assert session.get(server.url, headers=given).ok
            same = "\n".join(lines(server, 1))
            assert "Authorization: secret" in same
            assert "Cookie: a=secret" in same
            crossed = "\n".join(lines(other, 0))
            assert "secret" not in crossed
            assert "X-Kept: 1" in crossed
            assert f"Host: 127.0.0.1:{other.port}" in crossed
            for options in ({"auth": ("u", "secret")}, {"cookies": {"c": "secret"}}):
                other.answers.append(reply())
                assert session.get(server.url, **options).ok
                assert "Authorization" in "\n".join(lines(server, -1)) or "c=secret" in "\n".join(
                    lines(server, -1))  # fmt: skip
                crossed = "\n".join(lines(other, -1))
                assert "Authorization" not in crossed
                assert "secret" not in crossed


def test_session_wide_cookies_are_not_for_who_a_redirect_names():
    with Scripted(reply(), reply()) as other, http.Session(trust_env=False) as session:
        session.cookies["token"] = "secret"
        with Scripted(to(other.url)) as server:
            assert session.get(server.url).ok
            assert "Cookie: token=secret" in lines(server, 0)
            assert "secret" not in "\n".join(lines(other, 0))
            assert session.get(other.url).ok  # asked for by the program itself
            assert "Cookie: token=secret" in lines(other, 1)


def test_cookies_on_the_way():
    script = [reply(b"", "Location: /in", "Set-Cookie: sid=1; Path=/", status="303 See Other"),
              reply(b"in", "Set-Cookie: last=2")]  # fmt: skip
    with Scripted(*script) as server, http.Session(trust_env=False) as session:
        response = session.post(server.url, data={"user": "u"})
        assert response.text == "in"
        assert "Cookie: sid=1" in lines(server, 1)
        assert response.cookies.keys() == ["last"]
        assert response.history[0].cookies.keys() == ["sid"]
        assert sorted(session.cookies.keys()) == ["last", "sid"]


def test_a_long_redirect_is_not_read():
    long = reply(b"x" * 1_000_000, "Location: /b", status="302 Found")
    with Scripted(long, reply(b"there")) as server, http.Session(trust_env=False) as session:
        assert session.get(server.url).text == "there"


def test_no_place_at_all() -> None:
    """An empty Location leads nowhere: the answer is the one that says so."""
    with Scripted(*[reply(b"x", "Location: ", status="302 Found")] * 3) as server:
        with http.Session(trust_env=False) as session:
            for _ in range(2):  # the second by what is kept of the first
                response = session.get(server.url)
                assert (response.status_code, response.text, response.history) == (302, "x", [])
                assert response.is_redirect

        async def work() -> None:
            async with http.AsyncSession(trust_env=False) as session:
                assert (await session.get(server.url)).status_code == 302

        asyncio.run(work())
