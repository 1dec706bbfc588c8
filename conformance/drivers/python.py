"""The driver of the Python package. README.md beside it says what drivers are."""

import argparse
import asyncio
import json
import sys
import threading
from typing import Any

import ferromq

APIS = ["listener", "functions", "loop", "sync-listener", "sync-loop", "lite", "sync-lite"]
"""Coroutines on the event loop, functions on threads, `async for`, and their blocking twins; polls."""


def text_of(i: int) -> str:
    return f"Grüße, 世界 🦀 {i}"


def message_of(topic: str, i: int, sharded: bool) -> ferromq.Message:
    return ferromq.Message(
        topic,
        i.to_bytes(4, "big") + bytes(range(256)) + text_of(i).encode(),
        key=f"key-{i}",
        tag="odd" if i % 2 else "even",
        properties={"text": text_of(i), "i": str(i)},
        sharding_key=str(i % 7) if sharded else None,
    )


def say(**line: Any) -> None:
    # In one piece: several threads may say something.
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stdout.flush()


async def send(given: argparse.Namespace) -> None:
    numbers = range(given.start, given.stop)
    messages = [message_of(given.topic, i, given.sharded) for i in numbers]
    async with ferromq.Producer(given.namesrv, group="driver-python", header_codec=given.codec) as producer:
        if given.many:
            receipts = await producer.send_many(messages)
        else:
            receipts = [await producer.send(**message._asdict()) for message in messages]
    for i, receipt in zip(numbers, receipts, strict=True):
        queue = receipt.queue.queue_id
        say(i=i, message_id=receipt.message_id, queue_id=queue, queue_offset=receipt.queue_offset)


class Failed(Exception):
    """What the listener raises."""


class Work:
    """What is done with each message."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.fail_tens = given.fail_tens
        self.count = given.count
        self.seen: set[int] = set()
        self.lock = threading.Lock()
        self.complete = threading.Event()

    def __call__(self, message: ferromq.MessageView) -> None:
        """Raises when the message has to come again."""
        i = int(message.properties["i"])
        ok = not (self.fail_tens and i % 10 == 0 and message.reconsume_times == 0)
        say(
            i=i,
            ok=ok,
            body=message.body.hex(),
            key=" ".join(message.keys),
            tag=message.tag,
            text=message.properties["text"],
            queue_id=message.queue.queue_id,
            queue_offset=message.queue_offset,
            reconsume_times=message.reconsume_times,
        )
        if not ok:
            raise Failed(f"{i} fails once")
        with self.lock:
            self.seen.add(i)
            if len(self.seen) >= self.count:
                self.complete.set()


async def consume_async(given: argparse.Namespace, options: dict[str, Any], work: Work) -> None:
    if given.api == "lite":
        async with ferromq.LitePullConsumer(**options) as lite:
            await lite.subscribe(given.topic)
            while not work.complete.is_set():
                for message in await lite.poll():
                    work(message)
        return
    consumer = ferromq.PushConsumer(topics=given.topic, orderly=given.orderly, **options)

    @consumer.listen
    async def listener(message: ferromq.MessageView) -> None:
        work(message)
        if work.complete.is_set():
            await consumer.close()

    async with consumer:
        await consumer.wait_closed()


async def consume_by_functions(given: argparse.Namespace, options: dict[str, Any], work: Work) -> None:
    async with ferromq.PushConsumer(topics=given.topic, orderly=given.orderly, listener=work, **options):
        await asyncio.to_thread(work.complete.wait)


async def consume_by_loop(given: argparse.Namespace, options: dict[str, Any], work: Work) -> None:
    async with ferromq.PushConsumer(topics=given.topic, orderly=given.orderly, **options) as consumer:
        async for message in consumer:
            try:
                work(message)
            except Failed:
                consumer.retry(message)
            if work.complete.is_set():
                consumer.ack(message)
                break


def consume_sync(given: argparse.Namespace, options: dict[str, Any], work: Work) -> None:
    if given.api == "sync-lite":
        with ferromq.sync.LitePullConsumer(**options) as lite:
            lite.subscribe(given.topic)
            while not work.complete.is_set():
                for message in lite.poll():
                    work(message)
        return
    if given.api == "sync-listener":
        with ferromq.sync.PushConsumer(topics=given.topic, orderly=given.orderly, listener=work, **options):
            work.complete.wait()
        return
    with ferromq.sync.PushConsumer(topics=given.topic, orderly=given.orderly, **options) as consumer:
        for message in consumer:
            try:
                work(message)
            except Failed:
                consumer.retry(message)
            if work.complete.is_set():
                consumer.ack(message)
                break


def consume(given: argparse.Namespace) -> None:
    options = {"namesrv": given.namesrv, "group": given.group, "header_codec": given.codec, "consume_from": "first"}
    work = Work(given)
    if given.api.startswith("sync-"):
        consume_sync(given, options, work)
    elif given.api == "functions":
        asyncio.run(consume_by_functions(given, options, work))
    elif given.api == "loop":
        asyncio.run(consume_by_loop(given, options, work))
    else:
        asyncio.run(consume_async(given, options, work))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["send", "consume"])
    parser.add_argument("--namesrv")
    parser.add_argument("--topic")
    parser.add_argument("--group")
    parser.add_argument("--from", type=int, dest="start")
    parser.add_argument("--to", type=int, dest="stop")
    parser.add_argument("--count", type=int)
    parser.add_argument("--codec", choices=["json", "binary"], default="json")
    parser.add_argument("--api", choices=[*APIS, "?"], default=APIS[0])
    for flag in ("--sharded", "--many", "--orderly", "--fail-tens"):
        parser.add_argument(flag, action="store_true")
    given = parser.parse_args()
    if given.api == "?":
        print(json.dumps(APIS))
    elif given.command == "send":
        asyncio.run(send(given))
    else:
        consume(given)


if __name__ == "__main__":
    main()
