"""The blocking producers and consumers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from conftest import PATIENCE, until_sync

import ferromq
from ferromq import Message, MessageView
from ferromq.sync import LitePullConsumer, Producer, PushConsumer

Fill = Callable[..., list[ferromq.Receipt]]


def options(ferromq_broker: Any, topic: str, **more: Any) -> dict[str, Any]:
    """A consumer of everything, of a group of its own."""
    return {"namesrv": ferromq_broker.namesrv, "group": f"S-{topic}", "consume_from": "first", **more}


def test_sending(ferromq_broker: Any, ferromq_topic: str) -> None:
    """Every way of sending arrives; callbacks run on a thread of the producer, before flush returns."""
    seen: list[tuple[Any, str]] = []

    def on_delivery(receipt: ferromq.Receipt | None, error: ferromq.FerroMQError | None) -> None:
        seen.append((receipt or error, threading.current_thread().name))

    with Producer(ferromq_broker.namesrv, group="P", max_message_size=100) as producer:
        assert producer.send(ferromq_topic, "1", key="k").status == "SEND_OK"
        assert len(producer.send_many([Message(ferromq_topic, "2"), Message(ferromq_topic, "3")])) == 2
        producer.send_oneway(ferromq_topic, "4")
        producer.enqueue(ferromq_topic, "5")
        producer.flush()
        producer.enqueue(ferromq_topic, "6", on_delivery=on_delivery)
        producer.enqueue(ferromq_topic, "7" * 101, on_delivery=on_delivery)
        producer.flush()
        assert {name for _, name in seen} == {"ferromq-P-delivery"}
        assert sorted(type(result).__name__ for result, _ in seen) == ["Receipt", "ValidationError"]
        producer.enqueue(ferromq_topic, "8" * 101)
        with pytest.raises(ferromq.ValidationError, match="1 enqueued"):
            producer.flush()
        with pytest.raises(ferromq.SendManyError):
            producer.send_many([Message(ferromq_topic, "9" * 101)])
    with pytest.raises(ferromq.ClosedError):
        producer.send(ferromq_topic, "x")
    producer.close()
    with LitePullConsumer(**options(ferromq_broker, ferromq_topic)) as consumer:
        consumer.assign(consumer.queues(ferromq_topic))
        found: set[bytes] = set()
        while len(found) < 6:
            messages = consumer.poll(20)
            assert messages
            found.update(message.body for message in messages)
        assert found == {b"1", b"2", b"3", b"4", b"5", b"6"}


def test_many_threads_share_a_producer(ferromq_broker: Any, ferromq_topic: str) -> None:
    """Sends of several threads do not wait for each other's turn, and all succeed."""
    receipts: list[ferromq.Receipt] = []
    with Producer(ferromq_broker.namesrv, group="P") as producer:

        def send() -> None:
            receipts.extend(producer.send(ferromq_topic, "x") for _ in range(50))

        threads = [threading.Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({(receipt.queue, receipt.queue_offset) for receipt in receipts}) == 400


def test_a_listener(ferromq_broker: Any, ferromq_topic: str, fill: Fill) -> None:
    """The listener is called on threads; one that raises gets the message again; it may close the consumer."""
    fill(50)
    seen: list[bytes] = []
    consumer = PushConsumer(topics={ferromq_topic: "*"}, concurrency=4, **options(ferromq_broker, ferromq_topic))

    @consumer.listen
    def on_message(message: MessageView) -> None:
        if message.body == b"7" and message.reconsume_times == 0:
            raise ValueError
        seen.append(message.body)
        if len(seen) == 50:
            consumer.close()

    with consumer:
        consumer.wait_closed()
    assert sorted(map(int, seen)) == list(range(50))

    async def later(message: MessageView) -> None: ...

    with pytest.raises(TypeError, match="needs an event loop"):
        PushConsumer(topics="T", group="G", listener=later)


def test_a_loop(ferromq_broker: Any, ferromq_topic: str, fill: Fill) -> None:
    """Asking for more consumes, leaving by an exception sends back, what was not looked at comes to the next."""
    fill(20, sharding_key="one")
    given = {"topics": ferromq_topic, "orderly": True, "suspend": 0.05, **options(ferromq_broker, ferromq_topic)}
    with pytest.raises(ZeroDivisionError), PushConsumer(**given) as consumer:
        for message in consumer:
            if message.body == b"9":
                raise ZeroDivisionError
    seen = []
    with PushConsumer(**given) as consumer:
        for message in consumer:
            seen.append(int(message.body))
            if len(seen) == 5:
                consumer.retry(message)
            if len(seen) == 12:
                consumer.ack(message)
                break
    # The fifth one, 13, came again.
    assert seen == [9, 10, 11, 12, 13, 13, 14, 15, 16, 17, 18, 19]


def test_a_loop_ends_with_the_consumer(ferromq_broker: Any, ferromq_topic: str) -> None:
    """A loop that waits on another thread ends when the consumer is closed; its polls raise."""
    push = PushConsumer(topics=ferromq_topic, **options(ferromq_broker, ferromq_topic))
    lite = LitePullConsumer(**options(ferromq_broker, f"{ferromq_topic}-lite"))
    push.start()
    lite.assign(lite.queues(ferromq_topic))
    ended: list[str] = []

    def run(name: str, messages: Any) -> None:
        assert list(messages) == []
        ended.append(name)

    threads = [threading.Thread(target=run, args=given) for given in (("push", push), ("lite", lite))]
    for thread in threads:
        thread.start()
    push.close()
    lite.close()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["lite", "push"]
    with pytest.raises(ferromq.ClosedError):
        lite.poll()
    push.close()
    lite.close()


def test_polling(ferromq_broker: Any, ferromq_topic: str, fill: Fill) -> None:
    """Positions, commits and seeks are those of what was given out; an empty poll takes its time."""
    receipt = fill(30, sharding_key="one")[0]
    with LitePullConsumer(**options(ferromq_broker, ferromq_topic)) as consumer:
        consumer.subscribe(ferromq_topic)
        for message in consumer:
            if message.body == b"9":
                break
        queue = receipt.queue
        consumer.commit()
        assert (consumer.position(queue), consumer.committed(queue)) == (10, 10)
        consumer.seek(queue, 25)
        assert [int(message.body) for message in consumer.poll(20)] == [25, 26, 27, 28, 29]
        assert consumer.poll(0) == []
        assert queue in consumer.assignment()
        consumer.pause(queue)
        consumer.resume(queue)
        consumer.seek_to_end(queue)
        consumer.seek_to_begin(queue)
        assert (consumer.min_offset(queue), consumer.max_offset(queue)) == (0, 30)
        assert consumer.offset_for_time(queue, 0) == 0
        consumer.commit({queue: 3})
        assert consumer.unsubscribe(ferromq_topic)


def test_slow_messages_get_all_workers(ferromq_broker: Any, ferromq_topic: str, fill: Fill) -> None:
    """Fast messages are served by few threads; when they become slow, `concurrency` of them run at a time."""
    fast = fill(500)
    seen: list[bytes] = []
    together = threading.Barrier(4)

    def on_message(message: MessageView) -> None:
        if message.tag == "slow":
            together.wait(PATIENCE)
        seen.append(message.body)

    given = options(ferromq_broker, ferromq_topic)
    with PushConsumer(topics=ferromq_topic, concurrency=4, listener=on_message, **given):
        until_sync(lambda: len(seen) == len(fast))
        fill(4, start=1000, tag="slow")
        until_sync(lambda: len(seen) == len(fast) + 4)
    assert not together.broken
