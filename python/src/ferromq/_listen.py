"""Listeners: what happens between taking messages and settling them. No waiting here; that is `push` and `sync.push`.

A batch is what one worker has taken at a time. Its messages are worked off one by one and settled together. What a worker
takes at a time adapts to how long messages take ([`Share`]), so that a slow listener keeps nothing from its neighbours.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ferromq._native import CONSUMED, RELEASED, FerroMQError

if TYPE_CHECKING:
    from ferromq import _native
    from ferromq._native import MessageView

LOGGER = logging.getLogger("ferromq.listener")
TAKE_MAX = 64
"""Messages taken at a time at most: more bring nothing and would wait for each other."""
HOARD = 0.05
"""Seconds of work that a worker may take at a time."""


class Retry(Exception):
    """Raised by a listener: the message shall come again, and that is no error.

    `delay_level`: 0 lets the broker decide by the number of attempts, 1 to 18 is a level of its table, -1 makes the message a
    dead letter at once. In order it does not count: there the queue pauses.
    """

    def __init__(self, delay_level: int = 0) -> None:
        super().__init__(delay_level)
        self.delay_level = delay_level


class Share:
    """How many messages to take at a time."""

    __slots__ = ("limit",)

    def __init__(self) -> None:
        self.limit = 1

    def worked_off(self, took: float) -> None:
        """What was taken is done, in so many seconds."""
        if took < HOARD / 2:
            self.limit = min(TAKE_MAX, self.limit * 2)
        elif took > HOARD:
            self.limit = max(1, self.limit // 2)


def failure_outcome(message: MessageView, error: BaseException) -> int:
    """What a listener's exception means for its message. Logs what is an error."""
    if isinstance(error, Retry):
        return max(-1, error.delay_level)
    LOGGER.error(
        "the listener failed, the message comes again: topic %s, queue %s of %s, offset %d, delivery %d",
        message.topic,
        message.queue.queue_id,
        message.queue.broker_name,
        message.queue_offset,
        message.reconsume_times + 1,
        exc_info=error,
    )
    return 0


class Batch:
    """Messages taken together. Iterating gives out one after the other, as long as the next one may begin."""

    def __init__(self, hands: Hands, messages: list[MessageView]) -> None:
        self._hands = hands
        self._messages = messages
        self._begun = 0
        self._outcomes: dict[int, int] = {}
        self.seconds = 0.0
        """What the work took, without its slowest message: beside a busy thread of Python a worker loses the interpreter for
        5 ms and more now and then, which must not look like slow messages."""
        hands.batches.add(self)

    def __iter__(self) -> Iterator[MessageView]:
        hands = self._hands
        slowest = 0.0
        began = before = time.monotonic()
        for message in self._messages:
            if hands.stopping or (self._outcomes and hands.orderly):
                return
            self._begun += 1
            yield message
            now = time.monotonic()
            slowest = max(slowest, now - before)
            before = now
        self.seconds = before - began - (slowest if self._begun > 1 else 0.0)

    def failed(self, error: BaseException) -> None:
        """The listener of the message given out last raised."""
        self._outcomes[self._begun - 1] = failure_outcome(self._messages[self._begun - 1], error)

    def given_up(self) -> None:
        """The listener of the message given out last was ended from outside."""
        self._outcomes[self._begun - 1] = RELEASED

    def settle(self) -> None:
        """Says what came of all; those not begun are given back."""
        self._hands.batches.discard(self)
        outcomes = None
        if self._outcomes or self._begun < len(self._messages):
            outcomes = [CONSUMED] * self._begun + [RELEASED] * (len(self._messages) - self._begun)
            for at, outcome in self._outcomes.items():
                outcomes[at] = outcome
        self._hands.native.settle(self._messages, outcomes)

    def release(self) -> None:
        """Gives all back, on behalf of a worker that does not exist any more."""
        self._hands.batches.discard(self)
        self._hands.native.settle(self._messages, [RELEASED] * len(self._messages))


class Hands:
    """What one push consumer has in its hands: batches of workers, and messages of a loop over it."""

    def __init__(self, native: _native.PushConsumer, *, orderly: bool) -> None:
        self.native = native
        self.orderly = orderly
        self.stopping = False
        self.batches: set[Batch] = set()
        self.share = Share()
        self.asking = threading.Lock()
        self._waiting: deque[MessageView] = deque()
        self._current: MessageView | None = None
        self._done: list[MessageView] = []
        self._taken_at = 0.0

    # A loop over the consumer.

    def next(self) -> MessageView | None:
        """The next message, if one is here. Asking for it says that the one before is consumed."""
        if self._current is not None:
            self._done.append(self._current)
            self._current = None
        if self._waiting:
            self._current = self._waiting.popleft()
            return self._current
        if self._done:
            self._settle_done()
            self.share.worked_off(time.monotonic() - self._taken_at)
        return None

    def taken(self, messages: list[MessageView]) -> None:
        """Messages to be given out."""
        self._waiting.extend(messages)
        self._taken_at = time.monotonic()

    def ack(self, message: MessageView) -> None:
        """The message is consumed, now."""
        self._end_current(message)
        self._settle_done()
        self.native.settle([message])

    def retry(self, message: MessageView, delay_level: int) -> None:
        """The message shall come again; in order, with all behind it."""
        self._end_current(message)
        self._settle_done()
        behind = list(self._waiting) if self.orderly else []
        if self.orderly:
            self._waiting.clear()
        self.native.settle([message, *behind], [max(-1, delay_level)] + [RELEASED] * len(behind))

    def _end_current(self, message: MessageView) -> None:
        if message is self._current:
            self._current = None

    def _settle_done(self) -> None:
        done, self._done = self._done, []
        if done:
            self.native.settle(done)

    def leave(self, *, failed: bool) -> None:
        """The loop is over for good: what was not looked at is given back, and the message looked at last too, or, after
        an exception, it comes again as failed."""
        self._settle_done()
        current = [] if self._current is None else [self._current]
        waiting = list(self._waiting)
        self._current = None
        self._waiting.clear()
        if current or waiting:
            first = [0 if failed else RELEASED] * len(current)
            self.native.settle(current + waiting, first + [RELEASED] * len(waiting))

    # Workers on threads.

    def work(self, listener: Callable[[MessageView], Any]) -> None:
        """Works off messages until the consumer closes: what a worker thread runs."""
        # One for all workers: what one has learned about the messages holds for the others.
        share = self.share
        while not self.stopping:
            try:
                messages = self.native.take_wait(share.limit, 3600.0)
            except FerroMQError:
                # Closed, or the process was forked.
                return
            if not messages:
                continue
            batch = Batch(self, messages)
            try:
                for message in batch:
                    try:
                        _refuse_awaitable(listener(message))
                    except BaseException as error:
                        batch.failed(error)
            finally:
                batch.settle()
            share.worked_off(batch.seconds)


def _refuse_awaitable(result: Any) -> None:
    """A coroutine that nobody would run must not count as a consumed message."""
    if result is not None and hasattr(result, "__await__"):
        if hasattr(result, "close"):
            result.close()
        raise TypeError("the listener returned an awaitable: define it with `async def` and use ferromq.PushConsumer")
