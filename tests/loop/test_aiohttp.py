"""An aiohttp server and client, unchanged, on the loop."""

from __future__ import annotations

import asyncio
import contextlib
import io

import pytest

from loop.kit import pattern

aiohttp = pytest.importorskip("aiohttp")
web = pytest.importorskip("aiohttp.web")


async def hello(request):
    caller = request.transport.get_extra_info("peername")[1]
    name = request.query.get("name", "you")
    return web.Response(text=f"hello {name}", headers={"X-Port": str(caller)})


async def echo(request):
    return web.Response(body=await request.read(), headers={"X-Peer": request.remote})


async def stream(request):
    response = web.StreamResponse()
    await response.prepare(request)
    for number in range(int(request.query["count"])):
        await response.write(b"%d;" % number * 100)
    await response.write_eof()
    return response


async def upload(request):
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
    return web.json_response({"size": size})


async def socket(request):
    response = web.WebSocketResponse()
    await response.prepare(request)
    async for message in response:
        if message.type == aiohttp.WSMsgType.TEXT:
            await response.send_str(message.data.upper())
        else:
            await response.send_bytes(message.data)
    return response


async def fails(request):
    raise ValueError("on purpose")


@contextlib.asynccontextmanager
async def site(certificates=None):
    """A running application: the client's session and the base of its URLs."""
    application = web.Application(client_max_size=1 << 25)
    application.router.add_get("/", hello)
    application.router.add_post("/echo", echo)
    application.router.add_get("/stream", stream)
    application.router.add_post("/upload", upload)
    application.router.add_get("/socket", socket)
    application.router.add_get("/fails", fails)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    server = certificates.server if certificates else None
    listening = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server)
    await listening.start()
    port = runner.addresses[0][1]
    client = certificates.client if certificates else True
    connector = aiohttp.TCPConnector(ssl=client, limit=20)
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            yield session, f"http{'s' if certificates else ''}://127.0.0.1:{port}"
        await asyncio.sleep(0)
    finally:
        await runner.cleanup()


@pytest.fixture(params=["http", "https"])
def secure(request, certificates):
    return certificates if request.param == "https" else None


def test_get_and_post(run, secure):
    async def main():
        async with site(secure) as (session, base):
            async with session.get(base + "/", params={"name": "there"}) as answer:
                assert answer.status == 200
                assert await answer.text() == "hello there"
            for size in (0, 1, 100_000, 3_000_000):
                sent = pattern(size)
                async with session.post(base + "/echo", data=io.BytesIO(sent)) as answer:
                    assert await answer.read() == sent
                    assert answer.headers["X-Peer"] == "127.0.0.1"

    run(main)


def test_keep_alive(run, secure):
    async def main():
        async with site(secure) as (session, base):
            ports = set()
            for _ in range(10):
                async with session.get(base + "/") as answer:
                    ports.add(answer.headers["X-Port"])
                    await answer.read()
            assert len(ports) == 1

    run(main)


def test_chunked_both_ways(run, secure):
    async def chunks():
        for _ in range(50):
            yield bytes(10_000)
            await asyncio.sleep(0)

    async def main():
        async with site(secure) as (session, base):
            async with session.get(base + "/stream", params={"count": 500}) as answer:
                assert answer.headers["Transfer-Encoding"] == "chunked"
                expected = b"".join(b"%d;" % number * 100 for number in range(500))
                assert await answer.read() == expected
            async with session.post(base + "/upload", data=chunks()) as answer:
                assert await answer.json() == {"size": 500_000}

    run(main)


def test_websockets(run, secure):
    async def main():
        async with site(secure) as (session, base):
            async with session.ws_connect(base + "/socket", max_msg_size=1 << 24) as wire:
                for word in ("hello", "x" * 100_000):
                    await wire.send_str(word)
                    assert await wire.receive_str() == word.upper()
                await wire.send_bytes(pattern(1_000_000))
                assert await wire.receive_bytes() == pattern(1_000_000)

    run(main)


def test_many_requests_at_once(run):
    async def main():
        async with site() as (session, base):

            async def one(number):
                async with session.get(base + "/", params={"name": number}) as answer:
                    assert await answer.text() == f"hello {number}"

            await asyncio.gather(*map(one, range(100)))

    run(main)


def test_errors(run):
    async def main():
        async with site() as (session, base):
            async with session.get(base + "/nothing") as answer:
                assert answer.status == 404
            async with session.get(base + "/fails") as answer:
                assert answer.status == 500
            timeout = aiohttp.ClientTimeout(total=0.01)
            with pytest.raises(TimeoutError):
                await (await session.get(base + "/stream?count=1000000", timeout=timeout)).read()
        with pytest.raises(aiohttp.ClientConnectorError):
            async with aiohttp.ClientSession() as session:
                await session.get(base + "/")

    run(main)
