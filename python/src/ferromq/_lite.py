"""What the lite pull consumers have in common: messages that were polled and not handed on.

A poll's messages are kept when nobody took them: its caller gave up, or a loop takes them one by one. They come out first at
the next poll, and positions and commits are those of what was handed on.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ferromq import _exit, _native

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ferromq._native import MessageQueue, MessageView, Waiter
    from ferromq.options import LiteOptions

LOOP_POLL = 30.0
"""Seconds of one poll of a loop over the consumer."""


def millis_of(time: datetime | int) -> int:
    """Milliseconds since 1970."""
    return round(time.timestamp() * 1000) if isinstance(time, datetime) else time


class LiteBase:
    """See the module."""

    def __init__(self, namesrv: str | None = None, *, group: str, **options: Unpack[LiteOptions]) -> None:
        """`namesrv`: name servers, `host:port;host:port`; without it the environment variable NAMESRV_ADDR. `group`: the
        consumer group. Raises ConfigError and ValidationError; nothing is connected yet."""
        self._native = _native.LitePullConsumer(group, {"namesrv": namesrv, **options})
        self.group = group
        """The consumer group."""
        self._kept: deque[MessageView] = deque()
        self._lock = threading.Lock()
        _exit.opened(self)

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} of group {self.group}>"

    def _take_kept(self) -> list[MessageView]:
        with self._lock:
            kept = list(self._kept)
            self._kept.clear()
        return kept

    def _next_kept(self) -> MessageView | None:
        with self._lock:
            return self._kept.popleft() if self._kept else None

    def _keep(self, messages: Iterable[MessageView]) -> None:
        with self._lock:
            self._kept.extend(messages)

    def _held(self) -> dict[MessageQueue, int]:
        """The offset of the first kept message of each queue."""
        held: dict[MessageQueue, int] = {}
        with self._lock:
            for message in self._kept:
                held.setdefault(message.queue, message.queue_offset)
        return held

    def _drop_kept(self, queue: MessageQueue) -> None:
        """Reading goes on elsewhere in this queue."""
        with self._lock:
            self._kept = deque(message for message in self._kept if message.queue != queue)

    def _commit_call(self, offsets: dict[MessageQueue, int] | None) -> tuple[Any, ...]:
        """The native call for a commit."""
        if offsets is not None:
            return "commit_offsets", offsets
        held = self._held()
        return ("commit_except", held) if held else ("commit",)

    def _begin_exit(self) -> Waiter | None:
        for queue, offset in self._held().items():
            waiter = self._native.call(None, "seek", queue, offset)
            if waiter is not None:
                waiter.wait(_exit.SECONDS / 5)
        return self._native.close(None)

    def _end_exit(self, seconds: float) -> None:
        pass
