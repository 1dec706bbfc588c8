"""The push consumer for asyncio."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Run, until

import ferromq
from ferromq import MessageView, PushConsumer

Fill = Callable[..., list[ferromq.Receipt]]


def options(ferromq_broker: Any, topic: str, **more: Any) -> dict[str, Any]:
    """A consumer of everything, of a group of its own."""
    return {"namesrv": ferromq_broker.namesrv, "group": f"G-{topic}", "topics": topic, "consume_from": "first", **more}


def test_coroutines_run_on_the_loop_bounded(run: Run, ferromq_broker: Any, ferromq_topic: str, fill: Fill) -> None:
    """Every message comes once, on the loop's thread, at most `concurrency` at a time and more than one."""
    fill(200)
    seen: Counter[bytes] = Counter()
    running, most = 0, 0

    async def main() -> None:
        consumer = PushConsumer(**options(ferromq_broker, ferromq_topic, concurrency=5))

        @consumer.listen
        async def on_message(message: MessageView) -> None:
            nonlocal running, most
            assert threading.current_thread() is threading.main_thread()
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.001)
            running -= 1
            seen[message.body] += 1

        async with consumer:
            await until(lambda: len(seen) == 200)

    run(main())
    assert 1 < most <= 5
    assert set(seen.values()) == {1}


def test_plain_functions_run_on_threads(run: Run, ferromq_broker: Any, ferromq_topic: str, fill: Fill) -> None:
    """Named threads of Python, `concurrency` of them, and all gone after closing."""
    fill(100)
    seen: set[bytes] = set()
    threads: set[str] = set()

    def on_message(message: MessageView) -> None:
        seen.add(message.body)
        threads.add(threading.current_thread().name)

    async def main() -> None:
        given = options(ferromq_broker, ferromq_topic, concurrency=3, listener=on_message)
        async with PushConsumer(**given) as consumer:
            await until(lambda: len(seen) == 100)
            names = {thread.name for thread in consumer._threads}
        assert threads <= names == {f"ferromq-G-{ferromq_topic}-{number}" for number in range(3)}
        assert not [thread for thread in threading.enumerate() if thread.name in names]

    run(main())


@pytest.mark.parametrize("kind", ["coroutine", "function"])
def test_a_failing_listener(
    run: Run, ferromq_broker: Any, ferromq_topic: str, fill: Fill, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The message comes again, the error is logged with topic and offset, the worker lives; `Retry` is no error."""
    fill(10)
    deliveries: dict[bytes, list[int]] = {}

    def look_at(message: MessageView) -> None:
        deliveries.setdefault(message.body, []).append(message.reconsume_times)
        if message.body == b"3" and message.reconsume_times == 0:
            raise ValueError("three is wrong")
        if message.body == b"4" and message.reconsume_times == 0:
            raise ferromq.Retry(delay_level=1)

    async def look_at_soon(message: MessageView) -> None:
        look_at(message)

    async def main() -> None:
        listener: Any = look_at if kind == "function" else look_at_soon
        async with PushConsumer(**options(ferromq_broker, ferromq_topic, concurrency=1, listener=listener)):
            await until(lambda: sum(map(len, deliveries.values())) == 12)

    with caplog.at_level(logging.ERROR, "ferromq.listener"):
        run(main())
    assert deliveries[b"3"] == deliveries[b"4"] == [0, 1]
    errors = [record for record in caplog.records if record.name == "ferromq.listener"]
    assert len(errors) == 1
    assert errors[0].exc_info is not None
    assert ferromq_topic in errors[0].getMessage()


def test_a_function_that_returns_a_coroutine_is_refused(
    run: Run, ferromq_broker: Any, ferromq_topic: str, fill: Fill, caplog: pytest.LogCaptureFixture
) -> None:
    """A coroutine that nobody runs is no consumed message."""
    fill(1)

    async def later() -> None: ...

    async def main() -> None:
        given = options(ferromq_broker, ferromq_topic, listener=lambda message: later())
        async with PushConsumer(**given):
            await until(lambda: any("returned an awaitable" in str(record.exc_info) for record in caplog.records))

    run(main())


@pytest.mark.parametrize("kind", ["coroutine", "function"])
def test_order(run: Run, ferromq_broker: Any, ferromq_topic: str, fill: Fill, kind: str) -> None:
    """In order the messages of a queue come one after the other, and a failed one before those behind it."""
    fill(60, sharding_key="one")
    seen: list[int] = []
    failed = False

    def look_at(message: MessageView) -> None:
        nonlocal failed
        number = int(message.body)
        if number == 30 and not failed:
            failed = True
            raise ferromq.Retry
        seen.append(number)

    async def look_at_soon(message: MessageView) -> None:
        await asyncio.sleep(0)
        look_at(message)

    async def main() -> None:
        listener: Any = look_at if kind == "function" else look_at_soon
        given = options(ferromq_broker, ferromq_topic, orderly=True, listener=listener, suspend=0.05)
        async with PushConsumer(**given):
            await until(lambda: len(seen) >= 60)

    run(main())
    assert failed
    assert seen == list(range(60))


def test_a_loop_settles_by_asking_for_more(run: Run, ferromq_broker: Any, ferromq_topic: str, fill: Fill) -> None:
    """What was asked beyond is consumed; the last one, and what was not looked at, comes to the next member."""
    fill(100)

    async def main() -> None:
        seen = []
        async with PushConsumer(**options(ferromq_broker, ferromq_topic)) as consumer:
            async for message in consumer:
                seen.append(message.body)
                if len(seen) == 40:
                    break
            assert message.body == seen[-1]
        again = set()
        async with PushConsumer(**options(ferromq_broker, ferromq_topic)) as consumer:
            async for message in consumer:
                assert message.reconsume_times == 0
                again.add(message.body)
                if len(again) == 61:
                    consumer.ack(message)
                    break
        assert set(seen[:39]).isdisjoint(again)
        assert seen[39] in again
        fill(1, start=1000)
        async with PushConsumer(**options(ferromq_broker, ferromq_topic)) as consumer:
            async for message in consumer:
                assert message.body == b"1000"
                break

    run(main())


def test_leaving_by_an_exception_sends_back(run: Run, ferromq_broker: Any, ferromq_topic: str, fill: Fill) -> None:
    """The message that was looked at counts as failed; `retry` does the same inside the loop."""
    fill(2)

    async def main() -> None:
        failed = b""
        with pytest.raises(ZeroDivisionError):
            async with PushConsumer(**options(ferromq_broker, ferromq_topic)) as consumer:
                async for message in consumer:
                    failed = message.body
                    raise ZeroDivisionError
        times = {}
        async with PushConsumer(**options(ferromq_broker, ferromq_topic)) as consumer:
            async for message in consumer:
                times[message.body, message.reconsume_times] = message
                if message.body != failed and message.reconsume_times == 0:
                    consumer.retry(message, delay_level=1)
                elif len(times) == 3:
                    break
        other = b"1" if failed == b"0" else b"0"
        assert set(times) == {(failed, 1), (other, 0), (other, 1)}

    run(main())


def test_the_end_of_a_loop(run: Run, ferromq_broker: Any, ferromq_topic: str) -> None:
    """A loop that waits ends when another task closes the consumer; a second loop at a time is refused."""

    async def main() -> None:
        consumer = PushConsumer(**options(ferromq_broker, ferromq_topic))
        with pytest.raises(ferromq.ClosedError, match="was not opened"):
            await anext(consumer)
        await consumer.start()

        async def consume() -> list[MessageView]:
            return [message async for message in consumer]

        task = asyncio.create_task(consume())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="two loops"):
            await anext(consumer)
        waiting = asyncio.create_task(consumer.wait_closed())
        await asyncio.gather(consumer.close(), consumer.close())
        assert await task == []
        await waiting
        await consumer.close()
        with pytest.raises(ferromq.ClosedError):
            await consumer.start()

    run(main())


def test_closing_in_a_listener(run: Run, ferromq_broker: Any, ferromq_topic: str, fill: Fill) -> None:
    """It does not wait for itself, and its own message is consumed."""
    fill(1)

    async def main() -> None:
        consumer = PushConsumer(**options(ferromq_broker, ferromq_topic))
        seen = []

        @consumer.listen
        async def on_message(message: MessageView) -> None:
            seen.append(message)
            await consumer.close()

        async with consumer:
            await consumer.wait_closed()
        assert len(seen) == 1
        fill(1, start=1000)
        async with PushConsumer(**options(ferromq_broker, ferromq_topic)) as consumer:
            assert (await anext(consumer)).body == b"1000"

    run(main())


def test_bad_input(run: Run, ferromq_broker: Any, ferromq_topic: str) -> None:
    """Listeners, topics and options that cannot be, and joining without a name server."""

    async def main() -> None:
        with pytest.raises(TypeError, match="a listener is a function"):
            PushConsumer("h:1", group="G", topics="T", listener=5)  # type: ignore[arg-type]
        with pytest.raises(ferromq.ValidationError):
            PushConsumer("h:1", group="G", topics="white space")
        with pytest.raises(ferromq.ConfigError, match="did you mean concurrency"):
            PushConsumer("h:1", group="G", topics="T", concurency=3)  # type: ignore[call-arg]
        given = options(ferromq_broker, ferromq_topic, listener=print)
        async with PushConsumer(**given) as consumer:
            with pytest.raises(RuntimeError, match="before the start"):
                consumer.listen(print)
            with pytest.raises(RuntimeError, match="has a listener"):
                aiter(consumer)
        with pytest.raises(ferromq.NoNameServerError):
            async with PushConsumer("127.0.0.1:1", group="G", topics="T"):
                pass

    run(main())
