"""Receives every queue's messages in order, blocking: one listener call at a time per queue, on threads.

orderly.py [NAMESRV] [TOPIC] [COUNT]
"""

import sys
import threading

from ferromq import MessageView
from ferromq.sync import PushConsumer


def main(namesrv: str = "127.0.0.1:9876", topic: str = "Examples", count: str = "3") -> None:
    enough = threading.Semaphore(0)

    def on_message(message: MessageView) -> None:
        print(f"queue {message.queue.queue_id}: {message.body.decode()}")
        enough.release()

    with PushConsumer(
        namesrv,
        group="example-orderly",
        topics={topic: "step"},
        consume_from="first",
        orderly=True,
        listener=on_message,
    ):
        for _ in range(int(count)):
            enough.acquire()
    print(f"{count} messages received in order")


if __name__ == "__main__":
    main(*sys.argv[1:])
