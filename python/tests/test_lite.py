"""The lite pull consumer for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Run

import ferromq
from ferromq import LitePullConsumer, MessageQueue

Fill = Callable[..., list[ferromq.Receipt]]


def options(ferromq_broker: Any, topic: str, **more: Any) -> dict[str, Any]:
    """A consumer from the first message on, of a group of its own."""
    return {"namesrv": ferromq_broker.namesrv, "group": f"L-{topic}", "consume_from": "first", **more}


async def poll_all(consumer: LitePullConsumer, count: int) -> list[ferromq.MessageView]:
    """Polls until so many messages came."""
    messages: list[ferromq.MessageView] = []
    while len(messages) < count:
        more = await consumer.poll(20)
        assert more, f"{len(messages)} of {count} came"
        messages += more
    return messages


def test_a_group_goes_on_where_it_committed(run: Run, ferromq_broker: Any, ferromq_topic: str, fill: Fill) -> None:
    """Subscribe, poll, commit; the next member gets what comes after."""
    fill(50)

    async def main() -> None:
        async with LitePullConsumer(**options(ferromq_broker, ferromq_topic, auto_commit=False)) as consumer:
            await consumer.subscribe(ferromq_topic)
            await poll_all(consumer, 50)
            await consumer.commit()
            queues = await consumer.assignment()
            assert sum([await consumer.committed(queue) or 0 for queue in queues]) == 50
            assert await consumer.poll(0.05) == []
        fill(1, start=1000)
        async with LitePullConsumer(**options(ferromq_broker, ferromq_topic)) as consumer:
            await consumer.subscribe(ferromq_topic)
            assert [message.body for message in await poll_all(consumer, 1)] == [b"1000"]
            assert await consumer.unsubscribe(ferromq_topic)
            assert not await consumer.unsubscribe(ferromq_topic)

    run(main())


def test_reading_where_one_likes(run: Run, ferromq_broker: Any, ferromq_topic: str, fill: Fill) -> None:
    """Assign, seek to offsets, ends and times; pause and resume."""
    receipt = fill(20, sharding_key="one")[0]

    async def main() -> None:
        async with LitePullConsumer(**options(ferromq_broker, ferromq_topic)) as consumer:
            queue = receipt.queue
            assert queue in await consumer.queues(ferromq_topic)
            await consumer.assign([queue])
            messages = await poll_all(consumer, 20)
            assert [message.queue_offset for message in messages] == list(range(20))
            await consumer.seek(queue, 15)
            assert len(await poll_all(consumer, 5)) == 5
            assert await consumer.position(queue) == 20
            await consumer.seek_to_begin(queue)
            assert (await poll_all(consumer, 20))[0].body == b"0"
            await consumer.seek_to_end(queue)
            assert (await consumer.min_offset(queue), await consumer.max_offset(queue)) == (0, 20)
            assert await consumer.offset_for_time(queue, 0) == 0
            assert await consumer.offset_for_time(queue, messages[-1].store_time) <= 19
            await consumer.pause(queue)
            await consumer.resume(queue)
            fill(1, start=1000, sharding_key="one")
            assert (await poll_all(consumer, 1))[0].body == b"1000"
            await consumer.commit({queue: 3})
            assert await consumer.committed(queue) == 3
            with pytest.raises(ferromq.ValidationError, match="outside 0 to 21"):
                await consumer.seek(queue, 99)
            with pytest.raises(TypeError, match=r"a queue is a ferromq\.MessageQueue, not str"):
                await consumer.seek("queue", 1)  # type: ignore[arg-type]
            with pytest.raises(ferromq.FerroMQError):
                await consumer.seek(MessageQueue("other", "b", 0), 1)
            with pytest.raises(ferromq.TopicNotFoundError):
                await consumer.queues("no-such-topic")

    run(main())


def test_a_cancelled_poll_loses_nothing(run: Run, ferromq_broker: Any, ferromq_topic: str, fill: Fill) -> None:
    """Messages that arrive for a poll that was given up come with the next one; several may wait at a time."""

    async def main() -> None:
        async with LitePullConsumer(**options(ferromq_broker, ferromq_topic)) as consumer:
            await consumer.assign(await consumer.queues(ferromq_topic))
            for start in range(0, 50, 10):
                given_up = asyncio.create_task(consumer.poll(60))
                await asyncio.sleep(0)
                given_up.cancel()
                await asyncio.gather(given_up, return_exceptions=True)
                assert await consumer.poll(0.01) == []
                fill(10, start=start)
                found = {message.body for message in await poll_all(consumer, 10)}
                assert found == {str(i).encode() for i in range(start, start + 10)}
            two = [asyncio.create_task(consumer.poll(0.3)) for _ in range(2)]
            assert await asyncio.gather(*two) == [[], []]

    run(main())


def test_a_loop_commits_what_it_gave_out(run: Run, ferromq_broker: Any, ferromq_topic: str, fill: Fill) -> None:
    """Messages that a loop has polled and not given out are neither committed nor lost."""
    fill(30, sharding_key="one")

    async def main() -> None:
        async with LitePullConsumer(**options(ferromq_broker, ferromq_topic)) as consumer:
            await consumer.subscribe(ferromq_topic)
            async for message in consumer:
                if message.body == b"9":
                    break
            assert await consumer.position(message.queue) == 10
            await consumer.commit()
            assert await consumer.committed(message.queue) == 10
            async for message in consumer:
                if message.body == b"19":
                    break
        async with LitePullConsumer(**options(ferromq_broker, ferromq_topic)) as consumer:
            await consumer.subscribe(ferromq_topic)
            async for message in consumer:
                assert message.body == b"20"
                await consumer.seek_to_begin(message.queue)
                break
            async for message in consumer:
                assert message.body == b"0"
                break

    run(main())


def test_closing_ends_waiting(run: Run, ferromq_broker: Any, ferromq_topic: str) -> None:
    """A poll that waits raises, a loop ends, and everything afterwards is refused."""

    async def main() -> None:
        consumer = LitePullConsumer(**options(ferromq_broker, ferromq_topic))
        await consumer.assign(await consumer.queues(ferromq_topic))
        poll = asyncio.create_task(consumer.poll(60))
        loop = asyncio.create_task(_all(consumer))
        await asyncio.sleep(0.01)
        await asyncio.gather(consumer.close(), consumer.close())
        with pytest.raises(ferromq.ClosedError):
            await poll
        assert await loop == []
        with pytest.raises(ferromq.ClosedError):
            await consumer.poll()
        await consumer.close()

    run(main())


async def _all(consumer: LitePullConsumer) -> list[ferromq.MessageView]:
    return [message async for message in consumer]
