"""What crossing from Python into the core costs, beside a naive bridge in the same run. No broker: everything is echoed.

One JSON object per row on stdout; `wanted` is the least ratio. Both sides run by turns, the best of each counts. Run by
`cargo xtask bench bridge`, which builds and installs both.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import ferromq_naive

import ferromq
from ferromq import _native

ROUNDS = 5
BODY = b"x" * 100
TASKS = 256


class EchoProducer(ferromq.Producer):
    """Answered without any network."""

    _echo = True


class EchoConsumer(ferromq.sync.PushConsumer):
    """Of made-up messages: the options of the feed stand in `feed`."""

    feed = (0, 100, 0)

    def _make(self, *_: Any) -> _native.PushConsumer:
        return _native.PushConsumer.echo(*self.feed)


def report(row: str, wanted: float, ours: Callable[[], float], naive: Callable[[], float]) -> bool:
    """Measures both by turns and prints the row. True when it is good enough."""
    best_ours = best_naive = 0.0
    for _ in range(ROUNDS):
        best_naive = max(best_naive, naive())
        best_ours = max(best_ours, ours())
    ratio = best_ours / best_naive
    numbers = {"ours_per_s": round(best_ours), "naive_per_s": round(best_naive), "ratio": round(ratio, 2)}
    print(json.dumps({"lang": "python", "row": row, **numbers, "wanted": wanted}), flush=True)
    return ratio >= wanted


def per_second(count: int, began: float) -> float:
    """A rate."""
    return count / (time.perf_counter() - began)


async def _tasks(send: Callable[[], Any], each: int) -> float:
    async def task() -> None:
        for _ in range(each):
            await send()

    await asyncio.gather(*(task() for _ in range(TASKS)))
    began = time.perf_counter()
    await asyncio.gather(*(task() for _ in range(TASKS)))
    return per_second(TASKS * each, began)


async def _tasks_ours() -> float:
    async with EchoProducer("localhost:1", group="bench") as producer:
        return await _tasks(lambda: producer.send("bench", BODY), 200)


async def _tasks_naive() -> float:
    producer = ferromq_naive.Producer()
    return await _tasks(lambda: producer.send("bench", BODY), 40)


async def _enqueue_ours() -> float:
    count = 200_000
    async with EchoProducer("localhost:1", group="bench", queue_count_max=count) as producer:
        enqueue = producer.enqueue
        began = time.perf_counter()
        for _ in range(count):
            enqueue("bench", BODY)
        await producer.flush()
        return per_second(count, began)


async def _enqueue_naive() -> float:
    count = 10_000
    producer = ferromq_naive.Producer()
    began = time.perf_counter()
    for _ in range(0, count, 1000):
        await asyncio.gather(*(producer.send("bench", BODY) for _ in range(1000)))
    return per_second(count, began)


def _take(most: int, count: int) -> float:
    """Takes at most so many messages per call, looks at each and settles them."""
    seen = 0
    consumer = _native.PushConsumer.echo(count, 100, 0)
    began = time.perf_counter()
    while seen < count:
        taken = consumer.take_wait(most, 1.0)
        for message in taken:
            seen += len(message.body) > 0
        consumer.settle(taken)
    return per_second(count, began)


async def _receive_naive() -> float:
    count = 5_000
    consumer = ferromq_naive.Consumer(count, 100, 0)
    began = time.perf_counter()
    for _ in range(count):
        assert len(await consumer.receive()) > 0
    return per_second(count, began)


class Busy(threading.Thread):
    """A thread of Python that never waits."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stopped = False
        self.start()

    def run(self) -> None:
        while not self.stopped:
            pass

    def __enter__(self) -> Busy:
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped = True
        self.join()


OFFERED = 100_000


def _busy_ours() -> float:
    seen = 0

    def listener(message: ferromq.MessageView) -> None:
        nonlocal seen
        seen += len(message.body) > 0

    EchoConsumer.feed = (10 * OFFERED, 100, OFFERED)
    with EchoConsumer("localhost:1", group="bench", topics="T", listener=listener), Busy():
        time.sleep(0.2)
        first, began = seen, time.perf_counter()
        time.sleep(1.5)
        return per_second(seen - first, began)


def main() -> int:
    """The rows of the table."""
    good = [
        report(
            f"{TASKS} tasks that await send",
            10,
            lambda: asyncio.run(_tasks_ours()),
            lambda: asyncio.run(_tasks_naive()),
        ),
        report("enqueue and flush", 60, lambda: asyncio.run(_enqueue_ours()), lambda: asyncio.run(_enqueue_naive())),
        report(
            "take of 64 against one future per message",
            10,
            lambda: _take(64, 300_000),
            lambda: asyncio.run(_receive_naive()),
        ),
        report("take of 64 against our own take of 1", 1, lambda: _take(64, 300_000), lambda: _take(1, 50_000)),
        report("listener beside a busy thread, share of 100,000/s offered", 0.8, _busy_ours, lambda: float(OFFERED)),
    ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
