"""The producer for asyncio."""

from __future__ import annotations

import array
import asyncio
from typing import Any

import pytest
from conftest import Run, until

import ferromq
from ferromq import Message, MessageQueue, Producer


class EchoProducer(Producer):
    """Answered without any network."""

    _echo = True


def read(namesrv: str, topic: str, count: int) -> dict[bytes, ferromq.MessageView]:
    """The messages of a topic by their bodies."""
    found: dict[bytes, ferromq.MessageView] = {}
    with ferromq.sync.LitePullConsumer(namesrv, group="read", consume_from="first") as consumer:
        consumer.assign(consumer.queues(topic))
        while len(found) < count:
            messages = consumer.poll(20)
            assert messages, f"{len(found)} of {count} came"
            found.update((message.body, message) for message in messages)
    return found


def test_every_part_of_a_message_arrives(run: Run, ferromq_broker: Any, ferromq_topic: str) -> None:
    """Bodies of every kind, keys, tag, properties come out as they went in; the receipt says where they are."""
    bodies: list[Any] = [
        b"\0bytes\xff",
        bytearray(b"array"),
        memoryview(b"a view")[2:],
        "täxt",
        array.array("h", [1, 2]),
    ]
    receipts: list[ferromq.Receipt] = []

    async def main() -> None:
        async with Producer(ferromq_broker.namesrv, group="P") as producer:
            for body in bodies:
                receipts.append(await producer.send(ferromq_topic, body))
            parts: Any = {"key": ["k1", "k2"], "tag": "t", "properties": {"Grüße": "世界 🦀"}}
            receipts.append(await producer.send(ferromq_topic, "parts", **parts))
            await producer.send_oneway(ferromq_topic, "one-way", key="k3", properties={"a": "b"})

    run(main())
    found = read(ferromq_broker.namesrv, ferromq_topic, 7)
    wanted = [b"\0bytes\xff", b"array", b"view", "täxt".encode(), array.array("h", [1, 2]).tobytes(), b"parts"]
    for body, receipt in zip(wanted, receipts, strict=True):
        message = found[body]
        assert receipt.status == "SEND_OK"
        assert (message.message_id, message.queue, message.queue_offset) == (
            receipt.message_id,
            receipt.queue,
            receipt.queue_offset,
        )
        assert message.offset_message_id == receipt.offset_message_id
    message = found[b"parts"]
    assert (message.keys, message.tag, message.properties["Grüße"]) == (["k1", "k2"], "t", "世界 🦀")
    assert (message.topic, message.reconsume_times, type(message.body)) == (ferromq_topic, 0, bytes)
    first, again = (message.body, message.properties), (message.body, message.properties)
    assert all(a is b for a, b in zip(first, again, strict=True))
    assert round(message.born_time.timestamp() * 1000) == message.born_timestamp
    assert message.born_time.utcoffset() is not None
    assert found[b"one-way"].keys == ["k3"]


def test_many_keep_their_order_and_shards_their_queue(run: Run, ferromq_broker: Any, ferromq_topic: str) -> None:
    """Receipts stand in the order of the messages; one sharding key means one queue, whichever way it is sent."""

    async def main() -> None:
        async with Producer(ferromq_broker.namesrv, group="P") as producer:
            messages = [Message(ferromq_topic, str(i), sharding_key=f"k{i % 5}") for i in range(500)]
            receipts = await producer.send_many(messages)
            queues: dict[str | None, MessageQueue] = {}
            for message, receipt in zip(messages, receipts, strict=True):
                assert queues.setdefault(message.sharding_key, receipt.queue) == receipt.queue
            single = await producer.send(ferromq_topic, b"x", sharding_key="k3")
            assert single.queue == queues["k3"]
            third = MessageQueue(ferromq_topic, single.queue.broker_name, 3)
            assert (await producer.send(ferromq_topic, b"x", queue=third)).queue == third
            assert await producer.send_many([]) == []

    run(main())


def test_failures_of_many_come_in_order(run: Run, ferromq_broker: Any, ferromq_topic: str) -> None:
    """What was sent and what was not stands in the error, in order."""

    async def main() -> None:
        async with Producer(ferromq_broker.namesrv, group="P", max_message_size=10) as producer:
            with pytest.raises(ferromq.SendManyError, match="1 of 3 messages were not sent") as caught:
                await producer.send_many(Message(ferromq_topic, "x" * size) for size in (1, 11, 2))
            kinds = [type(result) for result in caught.value.results]
            assert kinds == [ferromq.Receipt, ferromq.ValidationError, ferromq.Receipt]
            assert not caught.value.retriable

    run(main())


def test_enqueued_messages_are_flushed(run: Run, ferromq_broker: Any, ferromq_topic: str) -> None:
    """Callbacks are called before flush returns; flush raises once for what was enqueued without one and not sent."""

    async def main() -> None:
        async with Producer(ferromq_broker.namesrv, group="P", max_message_size=10) as producer:
            seen: list[Any] = []

            def on_delivery(receipt: ferromq.Receipt | None, error: ferromq.FerroMQError | None) -> None:
                seen.append(receipt or error)
                raise RuntimeError("a callback's error is logged")

            for size in (1, 11, 2):
                producer.enqueue(ferromq_topic, "x" * size, on_delivery=on_delivery)
            producer.enqueue(ferromq_topic, "fine")
            await producer.flush()
            assert sorted(type(result).__name__ for result in seen) == ["Receipt", "Receipt", "ValidationError"]
            producer.enqueue(ferromq_topic, "much too long")
            with pytest.raises(ferromq.ValidationError, match="1 enqueued messages were not sent"):
                await producer.flush()
            await producer.flush()
        with pytest.raises(ferromq.ClosedError):
            producer.enqueue(ferromq_topic, "late", on_delivery=on_delivery)

    run(main())


def test_leaving_flushes(run: Run) -> None:
    """Leaving the block without an exception raises what was not sent; with one it does not hide it."""

    async def main() -> None:
        options: Any = {"group": "P", "send_timeout": 0.2}
        with pytest.raises(ferromq.NoNameServerError):
            async with Producer("127.0.0.1:1", **options) as producer:
                producer.enqueue("T", "x")
        with pytest.raises(ZeroDivisionError):
            async with Producer("127.0.0.1:1", **options) as producer:
                producer.enqueue("T", "x")
                raise ZeroDivisionError

    run(main())


def test_the_line_is_bounded(run: Run) -> None:
    """Enqueuing beyond the limit is refused, and can be tried again."""

    async def main() -> None:
        producer = Producer("127.0.0.1:1", group="P", queue_count_max=5, in_flight_max=1, send_timeout="300ms")
        with pytest.raises(ferromq.QueueFullError) as caught:
            for _ in range(100):
                producer.enqueue("T", b"x")
        assert caught.value.retriable
        assert caught.value.not_sent
        await producer.close(timeout=0)

    run(main())


def test_bad_input(run: Run) -> None:
    """Wrong types, options, combinations and closed objects: Python's errors or ours, with what helps."""

    async def main() -> None:
        with pytest.raises(ferromq.ConfigError, match="did you mean send_timeout") as caught:
            Producer("h:1", group="P", send_time_out=3)  # type: ignore[call-arg]
        assert isinstance(caught.value, ValueError)
        with pytest.raises(ferromq.ConfigError, match="retries: -1 is not a whole number from 0 to 1000"):
            Producer("h:1", group="P", retries=-1)
        with pytest.raises(TypeError, match="option retries: a list"):
            Producer("h:1", group="P", retries=[])  # type: ignore[arg-type]
        with pytest.raises(ferromq.ConfigError):
            Producer("nowhere", group="P")
        with pytest.raises(ValueError, match="group"):
            Producer("h:1", group="white space")
        async with EchoProducer("h:1", group="P") as producer:
            wrong: list[dict[str, Any]] = [
                {"topic": 1, "body": b""},
                {"topic": "T", "body": 5},
                {"topic": "T", "body": None},
                {"topic": "T", "body": b"x", "key": 5},
                {"topic": "T", "body": b"x", "properties": {"a": 1}},
                {"topic": "T", "body": b"x", "queue": ("T", "b", 1)},
                {"topic": "T", "body": b"x", "delay_level": "3"},
            ]
            for parts in wrong:
                with pytest.raises(TypeError):
                    await producer.send(**parts)
            with pytest.raises(TypeError, match=r"item 1 is not a ferromq\.Message but str"):
                await producer.send_many([Message("T", b"x"), "y"])  # type: ignore[list-item]
            with pytest.raises(ferromq.ValidationError, match="not both"):
                await producer.send("T", b"x", sharding_key="k", queue=MessageQueue("T", "b", 0))
            with pytest.raises(ferromq.ValidationError):
                await producer.send("T", b"x", properties={"KEYS": "reserved"})
            assert not producer._loop._futures
        for _ in range(2):
            with pytest.raises(ferromq.ClosedError, match="the producer is closed"):
                await producer.send("T", b"x")
        await producer.close()

    run(main())


def test_errors_know_what_they_are(run: Run) -> None:
    """Nobody answers: the error has code, retriable, and says who was asked."""

    async def main() -> None:
        async with Producer("127.0.0.1:1", group="P", send_timeout=0.3) as producer:
            with pytest.raises(ferromq.NoNameServerError, match=r"127\.0\.0\.1:1") as caught:
                await producer.send("T", b"x")
            assert (caught.value.code, caught.value.retriable, caught.value.not_sent) == (10004, True, True)

    run(main())


def test_a_cancelled_send_leaves_the_producer_usable(run: Run) -> None:
    """Results of calls that were given up are thrown away, later ones arrive."""

    async def main() -> None:
        async with EchoProducer("h:1", group="P") as producer:
            tasks = [asyncio.create_task(producer.send("T", b"x")) for _ in range(50)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(result, ferromq.Receipt) for result in results[1::2])
            assert (await producer.send("T", b"x")).status == "SEND_OK"
            await until(lambda: not producer._loop._futures)

    run(main())


def test_several_loops_one_after_another() -> None:
    """An object goes on with the next loop when its loop is closed, also with calls pending, and says so otherwise."""
    producer = EchoProducer("h:1", group="P")

    async def send() -> None:
        assert (await producer.send("T", b"x")).status == "SEND_OK"

    async def leave_pending() -> None:
        _, never = producer._loop.future()
        assert not never.done()

    for _ in range(3):
        asyncio.run(send())
        asyncio.run(leave_pending())
    first = asyncio.new_event_loop()
    first.run_until_complete(send())
    second = asyncio.new_event_loop()
    with pytest.raises(RuntimeError, match="another event loop"):
        second.run_until_complete(send())
    first.close()
    second.run_until_complete(send())
    second.run_until_complete(producer.close())
    second.close()
