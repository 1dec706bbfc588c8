"""The blocking lite pull consumer."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ferromq import _exit
from ferromq._lite import LOOP_POLL, LiteBase, millis_of
from ferromq._message import Seconds, seconds_of
from ferromq._wait import SLICE, wait
from ferromq.errors import ClosedError, FerroMQError

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from ferromq._native import MessageQueue, MessageView, Waiter
    from ferromq.options import LiteOptions


class LitePullConsumer(LiteBase):
    """Consumes by polling: the application has the loop. See `ferromq.LitePullConsumer`."""

    def __init__(self, namesrv: str | None = None, *, group: str, **options: Unpack[LiteOptions]) -> None:
        super().__init__(namesrv, group=group, **options)
        self._polling: Waiter | None = None
        self._turn = threading.Lock()
        self._ending = False

    __init__.__doc__ = LiteBase.__init__.__doc__

    def start(self) -> None:
        """Opens it. Nothing needs it, every call does it too."""
        self._ask("start")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, *call: Any) -> Any:
        return wait(self._native.call(None, *call))

    def subscribe(self, topic: str, expression: str = "*") -> None:
        """See `ferromq.LitePullConsumer.subscribe`."""
        self._ask("subscribe", topic, expression)

    def unsubscribe(self, topic: str) -> bool:
        """See `ferromq.LitePullConsumer.unsubscribe`."""
        known: bool = self._ask("unsubscribe", topic)
        return known

    def assign(self, queues: Iterable[MessageQueue], expression: str = "*") -> None:
        """See `ferromq.LitePullConsumer.assign`."""
        self._ask("assign", list(queues), expression)

    def poll(self, timeout: Seconds = 1.0) -> list[MessageView]:
        """See `ferromq.LitePullConsumer.poll`. One that Ctrl-C ends loses nothing: its messages come with the next one. Of
        several threads one polls at a time, the others wait for their turn."""
        deadline = time.monotonic() + seconds_of(timeout)
        while not self._turn.acquire(timeout=min(SLICE, max(0.0, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                return []
        try:
            return self._take_kept() or self._poll_until(deadline)
        finally:
            self._turn.release()

    def _poll_until(self, deadline: float) -> list[MessageView]:
        asked = False
        while True:
            left = deadline - time.monotonic()
            if asked and left <= 0:
                return []
            if self._polling is None:
                self._polling = self._native.call(None, "poll", left)
            assert self._polling is not None
            asked = True
            try:
                # A little more than the time: the poll itself ends when it is over.
                answer = self._polling.wait(SLICE)
            except FerroMQError:
                self._polling = None
                raise
            if answer is not None:
                self._polling = None
                messages: list[MessageView] = answer[0]
                if messages:
                    return messages

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> MessageView:
        while (message := self._next_kept()) is None:
            if self._ending:
                raise StopIteration
            try:
                self._keep(self.poll(LOOP_POLL))
            except ClosedError:
                raise StopIteration from None
        return message

    def commit(self, offsets: dict[MessageQueue, int] | None = None) -> None:
        """See `ferromq.LitePullConsumer.commit`."""
        self._ask(*self._commit_call(offsets))

    def committed(self, queue: MessageQueue) -> int | None:
        """See `ferromq.LitePullConsumer.committed`."""
        offset: int | None = self._ask("committed", queue)
        return offset

    def position(self, queue: MessageQueue) -> int | None:
        """See `ferromq.LitePullConsumer.position`."""
        held = self._held().get(queue)
        offset: int | None = held if held is not None else self._ask("position", queue)
        return offset

    def seek(self, queue: MessageQueue, offset: int) -> None:
        """See `ferromq.LitePullConsumer.seek`."""
        self._ask("seek", queue, offset)
        self._drop_kept(queue)

    def seek_to_begin(self, queue: MessageQueue) -> None:
        """See `ferromq.LitePullConsumer.seek_to_begin`."""
        self._ask("seek_to_begin", queue)
        self._drop_kept(queue)

    def seek_to_end(self, queue: MessageQueue) -> None:
        """See `ferromq.LitePullConsumer.seek_to_end`."""
        self._ask("seek_to_end", queue)
        self._drop_kept(queue)

    def assignment(self) -> list[MessageQueue]:
        """See `ferromq.LitePullConsumer.assignment`."""
        queues: list[MessageQueue] = self._ask("assignment")
        return queues

    def queues(self, topic: str) -> list[MessageQueue]:
        """See `ferromq.LitePullConsumer.queues`."""
        queues: list[MessageQueue] = self._ask("queues", topic)
        return queues

    def offset_for_time(self, queue: MessageQueue, time: datetime | int) -> int:
        """See `ferromq.LitePullConsumer.offset_for_time`."""
        offset: int = self._ask("offset_for_time", queue, millis_of(time))
        return offset

    def min_offset(self, queue: MessageQueue) -> int:
        """See `ferromq.LitePullConsumer.min_offset`."""
        offset: int = self._ask("min_offset", queue)
        return offset

    def max_offset(self, queue: MessageQueue) -> int:
        """See `ferromq.LitePullConsumer.max_offset`."""
        offset: int = self._ask("max_offset", queue)
        return offset

    def pause(self, *queues: MessageQueue) -> None:
        """See `ferromq.LitePullConsumer.pause`."""
        self._ask("pause", queues)

    def resume(self, *queues: MessageQueue) -> None:
        """See `ferromq.LitePullConsumer.resume`."""
        self._ask("resume", queues)

    def close(self) -> None:
        """See `ferromq.LitePullConsumer.close`."""
        if not self._ending:
            self._ending = True
            for queue, offset in self._held().items():
                # What was not handed on must not be committed. An offset that is gone needs no seek.
                with contextlib.suppress(FerroMQError):
                    self.seek(queue, offset)
        wait(self._native.close(None))
        _exit.closed(self)
