"""AsyncSession, on the standard loop and on fastnet's."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import socket
import ssl

import numpy as np
import pytest
import trustme

import client_kit as kit
import fastnet
from client_kit import CLOSE, Scripted, chunked, reply
from fastnet import Limits, http

LOOPS = pytest.mark.parametrize(
    "factory", [asyncio.new_event_loop, fastnet.new_event_loop], ids=["asyncio", "fastnet"]
)


def run(factory, work):
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)


@LOOPS
def test_requests(factory):
    async def work(url):
        async with http.AsyncSession(trust_env=False) as session:
            for method in ("get", "post", "put", "patch", "delete", "options"):
                response = await getattr(session, method)(f"{url}/x", params={"a": "b"})
                assert response.json()["method"] == method.upper()
                assert response.json()["path"] == "/x?a=b"
            assert (await session.head(url)).content == b""
            said = (await session.post(url, json={"k": 1})).json()
            assert said["body"] == '{"k": 1}'
            said = (await session.post(url, data={"k": "v"}, files={"f": io.BytesIO(b"z")})).json()
            assert "z\r\n" in said["body"]

            async def pieces():
                for piece in (b"a", b"", b"b" * 300_000):
                    yield piece

            assert (await session.post(url, data=pieces())).json()["body"] == "a" + "b" * 300_000
            assert (await session.post(url, data=iter([b"c"]))).json()["body"] == "c"
            big = np.arange(400_000, dtype="u1")
            sent = (await session.post(url, data=big)).json()["body"]
            assert sent.encode("latin-1") == big.tobytes()
            basic = await session.get(f"{url}/basic", auth=("ann", "pä:ss"))
            assert basic.text == "welcome"
            digest = http.DigestAuth("ann", "secret")
            assert (await session.get(f"{url}/digest", auth=digest)).text == "welcome "
            moved = await session.get(f"{url}/redirect?status=302&to=/there")
            assert moved.json()["path"] == "/there"
            assert [old.status_code for old in moved.history] == [302]
            await session.get(f"{url}/cookies?set=a%3D1")
            assert (await session.get(f"{url}/cookies")).text == "a=1"
            assert (await session.get(f"{url}/gzip")).content == b"packed " * 1000
            peers = {(await session.get(url)).json()["peer"] for _ in range(3)}
            assert len(peers) == 1
            many = await asyncio.gather(*[session.get(f"{url}/{n}") for n in range(20)])
            assert [r.json()["path"] for r in many] == [f"/{n}" for n in range(20)]
            with pytest.raises(KeyError):
                await session.post(url, data=failing())
            (await session.get(f"{url}/status?code=404")).raise_for_status()

    async def failing():
        yield b"x"
        raise KeyError("mine")

    with kit.serving() as server:
        with pytest.raises(http.HTTPError):
            run(factory, work(server.url))


@LOOPS
def test_streams(factory):
    data = np.random.default_rng(3).bytes(300_000)
    packed = reply(gzip.compress(b"ab" * 50_000), "Content-Encoding: gzip")
    script = [reply(data), chunked(data[:1000], data[1000:]), reply(data), packed, packed,
              reply(data), reply(b"end")]  # fmt: skip

    async def work(url):
        async with http.AsyncSession(trust_env=False) as session:
            for _ in range(2):
                array = np.zeros(len(data), "u1")
                async with await session.get(url, stream=True) as response:
                    assert await response.arecv_into(array) == len(data)
                assert array.tobytes() == data
            response = await session.get(url, stream=True)
            with pytest.raises(http.RequestException, match="not been read"):
                _ = response.content
            pieces = [piece async for piece in response.aiter_content(70_000)]
            assert b"".join(pieces) == data
            assert max(map(len, pieces)) <= 70_000
            response = await session.get(url, stream=True)
            assert await response.aread(3) == b"aba"
            assert await response.aread() == b"ba" * 49_998 + b"b"
            response = await session.get(url, stream=True)
            buffer = bytearray(100_001)
            assert await response.areadinto(buffer) == 100_000
            response = await session.get(url, stream=True)
            with pytest.raises(ValueError, match="300000 bytes"):
                await response.arecv_into(np.zeros(5, "u1"))
            response.close()
            assert (await session.get(url)).text == "end"

    with Scripted(*script) as server:
        run(factory, work(server.url))
        assert server.connections == 2


@LOOPS
def test_what_goes_wrong(factory):
    def silent(sock):
        sock.recv(1)

    script = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", CLOSE), (b"nonsense\r\n\r\n", CLOSE),
        (b"HTTP/1.1 200 OK\r\nX: ", silent), reply(b"x" * 2000), reply(b"x"), CLOSE, reply(b"y"),
        CLOSE,
    ]  # fmt: skip

    async def work(url):
        limits = Limits(body_bytes=1000)
        async with http.AsyncSession(trust_env=False, limits=limits) as session:
            with pytest.raises(http.IncompleteTransfer) as caught:
                await session.get(url)
            assert (caught.value.transferred, caught.value.expected) == (2, 5)
            with pytest.raises(http.ProtocolError):
                await session.get(url)
            with pytest.raises(http.ReadTimeout):
                await session.get(url, timeout=(20, 0.1))
            with pytest.raises(http.LimitError):
                await session.get(url)
            assert (await session.get(url)).text == "x"
            assert (await session.get(url)).text == "y"  # sent again
            with pytest.raises(http.IncompleteTransfer):
                await session.post(url, data=b"1")
        with pytest.raises(http.ConnectionError):
            await session.get("http://127.0.0.1:1/")

    with Scripted(*script) as server:
        run(factory, work(server.url))


@LOOPS
def test_at_most_so_many(factory):
    async def work(url):
        async with http.AsyncSession(trust_env=False, most=1) as session:
            one = await session.get(url, stream=True)
            with pytest.raises(http.ConnectTimeout):
                await session.get(url, timeout=0.05)
            waiting = asyncio.ensure_future(session.get(url))
            await asyncio.sleep(0)
            await one.aread()
            assert (await waiting).ok
            many = await asyncio.gather(*[session.get(url) for _ in range(5)])
            assert len({r.json()["peer"] for r in many}) == 1

    with kit.serving() as server:
        run(factory, work(server.url))


@LOOPS
def test_tls_and_tunnels(factory, tmp_path):
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")

    async def work(url, proxy):
        async with http.AsyncSession(trust_env=False) as session:
            with pytest.raises(http.SSLError):
                await session.get(url)
            session.verify = tmp_path / "ca.pem"
            assert (await session.get(url)).ok
            session.proxies = {"https": proxy, "http": proxy}
            assert (await session.get(url)).ok
            assert (await session.get("http://a.example/")).text == "by proxy: http://a.example/"
            with pytest.raises(http.ProxyError, match="403"):
                await session.get("https://refused.example/")

    with kit.serving(context) as server, kit.proxying() as (proxy, seen):
        run(factory, work(server.url, proxy.url))
        assert [what for what, _, _ in seen] == ["CONNECT", "GET", "CONNECT"]


@LOOPS
def test_an_end_without_goodbye_is_no_end(factory, tmp_path):
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")

    def cut(sock):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def goodbye(sock):
        with contextlib.suppress(OSError):
            sock.unwrap()

    async def work(url):
        async with http.AsyncSession(trust_env=False, verify=tmp_path / "ca.pem") as session:
            with pytest.raises(http.IncompleteTransfer):
                await session.get(url)
            assert (await session.get(url)).text == "body"

    body = b"HTTP/1.1 200 OK\r\n\r\nbody"
    with Scripted((body, cut, CLOSE), (body, goodbye, CLOSE), context=context) as server:
        run(factory, work(server.url))


def test_an_asynchronous_body_needs_an_asynchronous_session():
    async def pieces():
        yield b""

    with Scripted() as server, pytest.raises(TypeError, match="AsyncSession"):
        http.post(server.url, data=pieces())
