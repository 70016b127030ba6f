"""Context variables: what a connection's callbacks see, and who sees what they set."""

from __future__ import annotations

import asyncio
import contextvars
import socket

import pytest

import links
from loop.kit import Packets, Recorder, read, serving, wired

who = contextvars.ContextVar("who", default="nobody")


def noting(seen):
    def note(me, *data):
        seen.append(who.get())

    return {"made": note, "data": note, "eof": note, "lost": note}


def test_callbacks_see_what_the_maker_of_the_connection_had_set(run):
    async def main():
        seen = []
        who.set("maker")
        async with wired(Recorder(**noting(seen))) as (transport, far):
            who.set("somebody later")
            far.send(b"x")
            await transport.get_protocol().got(1)
            far.shutdown(socket.SHUT_WR)
            await transport.get_protocol().ended()
        assert seen == ["maker"] * 4
        assert who.get() == "somebody later"

    run(main)


def test_each_connection_has_its_own(run):
    async def main():
        recorders, fars, seen = [], [], {}

        def note(me, data):
            seen.setdefault(me, []).append(who.get())
            who.set(f"{who.get()}+")

        async with wired(Recorder(data=note)) as (one, far_one):
            recorders.append(one.get_protocol())
            fars.append(far_one)

            async def second():
                who.set("second")
                loop = asyncio.get_running_loop()
                ours, far = links.socket_pair("tcp4")
                fars.append(far)
                recorders.append(Recorder(data=note))
                await loop.create_connection(lambda: recorders[-1], sock=ours)

            await asyncio.create_task(second())
            for times in (1, 2, 3):
                for recorder, far in zip(recorders, fars, strict=True):
                    far.send(b"x")
                    await recorder.got(times)
            assert seen[recorders[0]] == ["nobody", "nobody+", "nobody++"]
            assert seen[recorders[1]] == ["second", "second+", "second++"]
            assert who.get() == "nobody"
            recorders[1].transport.abort()
            await recorders[1].ended()
            fars[1].close()

    run(main)


def test_what_connection_made_sets_stays_there(run):
    """It is neither the maker's nor another connection's."""

    async def main():
        seen = []
        recorder = Recorder(made=lambda me: who.set("made"))
        async with wired(recorder):
            assert who.get() == "nobody"
            async with wired(Recorder(**noting(seen))) as (transport, far):
                far.send(b"x")
                await transport.get_protocol().got(1)
        assert set(seen) == {"nobody"}

    run(main)


def test_accepted_connections_see_what_the_server_was_made_with(run):
    async def main():
        seen, recorders = [], []

        def factory():
            seen.append(who.get())
            recorders.append(Recorder(**noting(seen)))
            return recorders[-1]

        who.set("server")
        async with serving(factory) as (_, address):
            who.set("client")
            with socket.create_connection(address) as far:
                far.send(b"x")
                far.shutdown(socket.SHUT_WR)
                while not recorders:
                    await asyncio.sleep(0)
                await recorders[0].ended()
        assert seen == ["server"] * 5

    run(main)


def test_a_closing_callback_keeps_the_readers_context(run):
    """What data_received set is there in the connection_lost that the peer's end brings."""

    async def main():
        seen = []
        recorder = Recorder(
            data=lambda me, data: who.set("reader"),
            eof=lambda me: seen.append(who.get()),
            lost=lambda me: seen.append(who.get()),
        )
        async with wired(recorder) as (_, far):
            far.send(b"x")
            await recorder.got(1)
            far.shutdown(socket.SHUT_WR)
            await recorder.ended()
        assert seen == ["reader", "reader"]
        assert who.get() == "nobody"

    run(main)


def test_tasks_of_a_callback_inherit_its_context(run):
    async def main():
        tasks = []

        async def work():
            return who.get()

        def start(me, data):
            who.set("reader")
            tasks.append(asyncio.get_running_loop().create_task(work()))

        recorder = Recorder(data=start)
        async with wired(recorder) as (_, far):
            far.send(b"x")
            await recorder.got(1)
            assert await tasks[0] == "reader"

    run(main)


@pytest.mark.parametrize("connected", [False, True])
def test_datagram_callbacks(run, connected):
    async def main():
        seen = []
        who.set("maker")
        loop = asyncio.get_running_loop()
        with socket.socket(type=socket.SOCK_DGRAM) as far:
            far.bind(("127.0.0.1", 0))
            where = {"remote_addr": far.getsockname()} if connected else {}
            recorder = Packets(lambda *args: seen.append(who.get()))
            transport, _ = await loop.create_datagram_endpoint(
                lambda: recorder, local_addr=("127.0.0.1", 0), **where
            )
            who.set("later")
            far.sendto(b"x", transport.get_extra_info("sockname"))
            await recorder.called("datagram_received")
            transport.close()
            await recorder.ended()
        assert seen == ["maker"]

    run(main)


def test_call_soon_and_add_reader_take_a_copy(run):
    async def main():
        loop, seen = asyncio.get_running_loop(), []
        who.set("one")
        loop.call_soon(lambda: seen.append(who.get()))
        special = contextvars.copy_context()
        special.run(who.set, "special")
        loop.call_soon(lambda: seen.append(who.get()), context=special)
        loop.call_later(0, lambda: seen.append(who.get()), context=special)
        one, two = socket.socketpair()
        with one, two:
            loop.add_writer(one, lambda: seen.append(who.get()))
            who.set("two")
            while len(seen) < 4:
                await asyncio.sleep(0)
            loop.remove_writer(one)
        assert seen[:2] == ["one", "special"]
        assert "two" not in seen

    run(main)


def test_the_stream_servers_tasks(run):
    async def main():
        seen = []
        who.set("server")

        async def serve(reader, writer):
            seen.append(who.get())
            who.set(await reader.read(3))
            writer.write(who.get())
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        who.set("client")
        async with server:
            for word in (b"one", b"two"):
                with socket.create_connection(server.sockets[0].getsockname()) as far:
                    far.setblocking(False)
                    far.send(word)
                    assert await read(far, 3) == word
        assert seen == ["server", "server"]

    run(main)
