"""The demo's part in Python: produces flights, or consumes them as a member of a group.

    flights.py produce --namesrv ADDR --topic T
    flights.py group --namesrv ADDR --topic T --group G --how orderly|pull|TAG

`produce` reads a JSON object per line from stdin and prints the number of each flight that a broker has acknowledged; flights
of one aircraft are sent one after the other. `group` prints `[broker, queue, offset, key, tag, sequence, distance]` per message
and leaves its group when stdin closes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
from typing import Any

from ferromq import LitePullConsumer, MessageView, Producer, PushConsumer

LANES = 64
"""Flights under way at a time; an aircraft has its lane."""
SEND_TIMEOUT = 15.0
"""Longer than the default, so that a machine under load does not make a send go out twice."""


async def stdin_lines() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def produce(namesrv: str, topic: str) -> None:
    lanes: list[asyncio.Queue[dict[str, Any] | None]] = [asyncio.Queue(LANES) for _ in range(LANES)]
    async with Producer(namesrv, group="flights-python", send_timeout=SEND_TIMEOUT) as producer:

        async def send_lane(lane: asyncio.Queue[dict[str, Any] | None]) -> None:
            while (flight := await lane.get()) is not None:
                aircraft, properties = flight["aircraft"], flight["properties"]
                await producer.send(
                    topic, flight["body"], key=aircraft, tag=flight["tag"], properties=properties, sharding_key=aircraft
                )
                say(str(flight["number"]))

        sending = [asyncio.create_task(send_lane(lane)) for lane in lanes]
        lane_of: dict[str, int] = {}
        reader = await stdin_lines()
        while line := await reader.readline():
            flight = json.loads(line)
            await lanes[lane_of.setdefault(flight["aircraft"], len(lane_of) % LANES)].put(flight)
        for lane in lanes:
            await lane.put(None)
        await asyncio.gather(*sending)


ENTERED = threading.Lock()
"""One line at a time: plain listeners run on threads."""


def enter(message: MessageView) -> None:
    queue, properties = message.queue, message.properties
    key, tag = " ".join(message.keys), message.tag
    numbers = [int(properties["sequence"]), int(properties["distance"])]
    with ENTERED:
        say(json.dumps([queue.broker_name, queue.queue_id, message.queue_offset, key, tag, *numbers]))


async def pull(namesrv: str, topic: str, group: str) -> None:
    done = asyncio.create_task(closed())
    async with LitePullConsumer(namesrv, group=group, consume_from="first") as consumer:
        await consumer.subscribe(topic)
        while not done.done():
            for message in await consumer.poll(0.1):
                enter(message)
        await consumer.commit()


async def push(namesrv: str, topic: str, group: str, how: str) -> None:
    orderly = how == "orderly"
    topics = {topic: "*" if orderly else how}
    async with PushConsumer(namesrv, group=group, topics=topics, orderly=orderly, listener=enter, consume_from="first"):
        await closed()


async def closed() -> None:
    """Waits until stdin is."""
    await (await stdin_lines()).read()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["produce", "group"])
    for name in ("namesrv", "topic"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--group")
    parser.add_argument("--how")
    args = parser.parse_args()
    if args.role == "produce":
        asyncio.run(produce(args.namesrv, args.topic))
    elif args.how == "pull":
        asyncio.run(pull(args.namesrv, args.topic, args.group))
    else:
        asyncio.run(push(args.namesrv, args.topic, args.group, args.how))


if __name__ == "__main__":
    main()
