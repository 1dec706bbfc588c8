"""Sends a few messages: one at a time, by sharding key, many at once, and in the background.

produce.py [NAMESRV] [TOPIC]
"""

import asyncio
import sys

from ferromq import Message, Producer


async def main(namesrv: str = "127.0.0.1:9876", topic: str = "Examples") -> None:
    async with Producer(namesrv, group="example-producer") as producer:
        receipt = await producer.send(topic, "one coffee", key="order-1", tag="new")
        print(f"{receipt.message_id} is {receipt.status} at {receipt.queue_offset} of queue {receipt.queue.queue_id}")
        for step in ("created", "paid", "served"):
            # One customer's steps stay in order: the same key always goes to the same queue.
            await producer.send(topic, step, tag="step", sharding_key="customer-7")
        await producer.send_many(Message(topic, f"cake {number}", tag="new") for number in range(1, 4))
        # Fastest of all: nothing to wait for, until the flush says that all were stored.
        for number in range(1, 4):
            producer.enqueue(topic, f"tea {number}", tag="new")
        await producer.flush()
    print("10 messages sent")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
