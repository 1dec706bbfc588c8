"""Receives messages in two ways: by a loop, and by a listener that is called many at a time.

push_consume.py [NAMESRV] [TOPIC] [COUNT]
"""

import asyncio
import sys

from ferromq import MessageView, PushConsumer


async def by_loop(namesrv: str, topic: str, count: int) -> None:
    received = 0
    async with PushConsumer(namesrv, group="example-loop", topics=topic, consume_from="first") as consumer:
        # Asking for the next message says that this one is consumed. An exception sends it back.
        async for message in consumer:
            print(f"{message.tag}: {message.body.decode()}")
            received += 1
            if received == count:
                consumer.ack(message)
                break
    print(f"{received} messages received by the loop")


async def by_listener(namesrv: str, topic: str, count: int) -> None:
    received = 0
    consumer = PushConsumer(
        namesrv, group="example-listener", topics={topic: "new"}, consume_from="first", concurrency=8
    )

    # A plain function would run on threads. A listener that raises gets its message again.
    @consumer.listen
    async def on_message(message: MessageView) -> None:
        nonlocal received
        received += 1
        print(f"new: {message.body.decode()}")
        if received == count:
            await consumer.close()

    async with consumer:
        await consumer.wait_closed()
    print(f"{received} messages received by the listener")


async def main(namesrv: str = "127.0.0.1:9876", topic: str = "Examples", count: str = "10") -> None:
    await by_loop(namesrv, topic, int(count))
    # All but the three steps are new.
    await by_listener(namesrv, topic, int(count) - 3)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
