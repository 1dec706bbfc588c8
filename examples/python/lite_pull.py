"""Polls for messages and commits when they are processed: the loop belongs to the application. Blocking.

lite_pull.py [NAMESRV] [TOPIC] [COUNT]
"""

import sys

from ferromq.sync import LitePullConsumer


def main(namesrv: str = "127.0.0.1:9876", topic: str = "Examples", count: str = "10") -> None:
    received = 0
    with LitePullConsumer(namesrv, group="example-pull", consume_from="first", auto_commit=False) as consumer:
        consumer.subscribe(topic)
        while received < int(count):
            for message in consumer.poll(timeout=1):
                print(f"queue {message.queue.queue_id} offset {message.queue_offset}: {len(message.body)} bytes")
                received += 1
            consumer.commit()
    print(f"{received} messages received")


if __name__ == "__main__":
    main(*sys.argv[1:])
