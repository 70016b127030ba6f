"""Callbacks, timers, tasks and other threads' calls."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time

import pytest

import links
from loop.kit import Echo, Packets, Recorder, endpoint, read, serving, turns, wired


def test_callbacks_come_in_order(run):
    async def main():
        loop, seen = asyncio.get_running_loop(), []
        for number in range(1000):
            loop.call_soon(seen.append, number)
        await asyncio.sleep(0)
        assert seen == list(range(1000))

    run(main)


def test_callbacks_made_in_callbacks_wait_for_the_next_turn(run):
    async def main():
        loop, seen = asyncio.get_running_loop(), []

        def first():
            seen.append("first")
            loop.call_soon(seen.append, "third")

        loop.call_soon(first)
        loop.call_soon(seen.append, "second")
        await asyncio.sleep(0)
        assert seen == ["first", "second"]
        await asyncio.sleep(0)
        assert seen == ["first", "second", "third"]

    run(main)


def test_cancelled_callbacks_are_not_called(run):
    async def main():
        loop, seen = asyncio.get_running_loop(), []
        handle = loop.call_soon(seen.append, 1)
        handle.cancel()
        assert handle.cancelled()
        timer = loop.call_later(0.001, seen.append, 2)
        timer.cancel()
        await asyncio.sleep(0.005)
        assert seen == []

    run(main)


def test_timers_fire_in_the_order_of_their_times(run):
    async def main():
        loop, seen = asyncio.get_running_loop(), []
        delays = list(range(20))
        random.Random(5).shuffle(delays)
        start = loop.time()
        for delay in delays:
            loop.call_at(start + delay / 1000, seen.append, delay)
        done = loop.create_future()
        loop.call_at(start + 0.021, done.set_result, None)
        await done
        assert seen == sorted(delays)
        assert loop.time() >= start + 0.02

    run(main)


def test_many_timers_most_of_them_cancelled(run):
    async def main():
        loop, seen = asyncio.get_running_loop(), []
        handles = [loop.call_later(0.02, seen.append, number) for number in range(5000)]
        for number, handle in enumerate(handles):
            if number % 10:
                handle.cancel()
        await asyncio.sleep(0.03)
        while len(seen) < 500:
            await asyncio.sleep(0)
        assert sorted(seen) == list(range(0, 5000, 10))

    run(main)


def test_a_timer_is_not_early(run):
    async def main():
        loop = asyncio.get_running_loop()
        for delay in (0, 0.001, 0.003, 0.01):
            began = loop.time()
            fired = loop.create_future()
            handle = loop.call_later(delay, lambda f=fired: f.set_result(loop.time()))
            assert handle.when() == pytest.approx(began + delay, abs=0.01)
            assert await fired - began >= delay - time.get_clock_info("monotonic").resolution

    run(main)


def test_the_loop_sleeps_until_a_timer(run):
    async def main():
        before = time.process_time()
        await asyncio.sleep(0.1)
        assert time.process_time() - before < 0.08

    run(main)


def test_calls_from_other_threads(run):
    async def main():
        loop, seen = asyncio.get_running_loop(), []
        done = loop.create_future()

        def caller(number):
            for turn in range(200):
                loop.call_soon_threadsafe(seen.append, (number, turn))

        threads = [threading.Thread(target=caller, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        while len(seen) < 800:
            await asyncio.sleep(0.001)
        for thread in threads:
            thread.join()
        loop.call_soon_threadsafe(done.set_result, None)
        await done
        for number in range(4):
            assert [turn for who, turn in seen if who == number] == list(range(200))

    run(main)


def test_another_thread_wakes_a_sleeping_loop(run):
    async def main():
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        timer = threading.Timer(0.01, loop.call_soon_threadsafe, (done.set_result, "woken"))
        timer.start()
        assert await done == "woken"
        timer.join()

    run(main)


def test_coroutines_from_other_threads(run):
    async def main():
        loop = asyncio.get_running_loop()

        async def double(number):
            await asyncio.sleep(0)
            return 2 * number

        def ask():
            return asyncio.run_coroutine_threadsafe(double(21), loop).result(links.SOON)

        assert await asyncio.to_thread(ask) == 42

    run(main)


def test_executors(run):
    async def main():
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(None, pow, 2, 10) == 1024
        assert await asyncio.gather(*(asyncio.to_thread(pow, 2, n) for n in range(5))) == [
            1,
            2,
            4,
            8,
            16,
        ]
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, divmod, 1, 0)
        await loop.shutdown_default_executor()
        with pytest.raises(RuntimeError):
            loop.run_in_executor(None, pow, 2, 10)

    run(main)


def test_names_are_looked_up_in_the_executor(run):
    async def main():
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo("127.0.0.1", 80)
        assert ("127.0.0.1", 80) in [entry[4] for entry in found]
        host, service = await loop.getnameinfo(("127.0.0.1", 9), 3)
        assert (host, service) == ("127.0.0.1", "9")

    run(main)


def test_timeouts(run):
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.005):
                await asyncio.sleep(10)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.005)

        async def moved(scope):
            async with scope:
                scope.reschedule(asyncio.get_running_loop().time() - 1)
                await asyncio.sleep(10)

        scope = asyncio.timeout(None)
        with pytest.raises(TimeoutError):
            await moved(scope)
        assert scope.expired()

    run(main)


def test_task_groups(run):
    async def main():
        finished = []

        async def work(number):
            await asyncio.sleep(number / 1000)
            finished.append(number)

        async with asyncio.TaskGroup() as group:
            for number in (3, 1, 2):
                group.create_task(work(number))
        assert finished == [1, 2, 3]

        async def fails():
            raise ValueError("one of them")

        forever = []

        async def together():
            async with asyncio.TaskGroup() as group:
                forever.append(group.create_task(asyncio.sleep(10)))
                group.create_task(fails())

        with pytest.raises(ExceptionGroup):
            await together()
        assert forever[0].cancelled()

    run(main)


def test_locks_queues_and_events(run):
    async def main():
        queue = asyncio.Queue(2)

        async def produce():
            for number in range(100):
                await queue.put(number)

        producer = asyncio.create_task(produce())
        assert [await queue.get() for _ in range(100)] == list(range(100))
        await producer

    run(main)


def test_a_callback_that_raises(run):
    async def main():
        loop = asyncio.get_running_loop()
        loop.call_soon(divmod, 1, 0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        (problem,) = run.take()
        assert isinstance(problem["exception"], ZeroDivisionError)
        assert "Exception in callback" in problem["message"]

    run(main)


def test_a_task_nobody_waits_for(run):
    async def main():
        async def fails():
            raise ValueError("unheard")

        task = asyncio.create_task(fails())
        await asyncio.wait([task])
        del task
        await asyncio.sleep(0)
        (problem,) = run.take()
        assert problem["message"] == "Task exception was never retrieved"

    run(main)


def test_slow_callbacks_are_reported_in_debug_mode(run, caplog):
    async def main():
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 0.01
        loop.call_soon(time.sleep, 0.02)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    run(main, debug=True)
    assert any("Executing" in line and "sleep" in line for line in caplog.messages)


def test_calls_from_the_wrong_thread_in_debug_mode(run):
    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(RuntimeError):
            await asyncio.to_thread(loop.call_soon, print)

    run(main, debug=True)


def test_a_busy_loop_still_serves_descriptors(run):
    """Callbacks that always schedule the next one do not starve a connection."""

    async def main():
        loop, going = asyncio.get_running_loop(), True

        def again():
            if going:
                loop.call_soon(again)

        again()
        async with serving(Echo) as (_, address):
            far = await asyncio.to_thread(socket.create_connection, address)
            with far:
                far.setblocking(False)
                far.send(b"x")
                assert await read(far, 1) == b"x"
        going = False

    run(main)


@pytest.mark.parametrize("where", ["stream", "datagram"])
def test_what_is_due_comes_before_what_a_descriptor_brings(run, where):
    """A task started just after the bytes were sent is ready for them before they come."""

    async def main():
        loop, order = asyncio.get_running_loop(), []

        def note(*args):
            order.append("data")

        if where == "stream":
            async with wired(Recorder(data=note), "unix") as (_, far):
                await turns()
                far.send(b"x")
                loop.call_soon(order.append, "soon")
                while "data" not in order:
                    await asyncio.sleep(0)
        else:
            with socket.socket(type=socket.SOCK_DGRAM) as far:
                async with endpoint(Packets(note)) as (transport, _):
                    await turns()
                    far.sendto(b"x", transport.get_extra_info("sockname"))
                    loop.call_soon(order.append, "soon")
                    while "data" not in order:
                        await asyncio.sleep(0)
        assert order == ["soon", "data"]

    run(main)
