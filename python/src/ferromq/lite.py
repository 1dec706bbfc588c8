"""The lite pull consumer for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ferromq import _exit
from ferromq._lite import LOOP_POLL, LiteBase, millis_of
from ferromq._loop import Loop
from ferromq._message import Seconds, seconds_of
from ferromq.errors import ClosedError, FerroMQError

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from ferromq._native import MessageQueue, MessageView
    from ferromq.options import LiteOptions


class LitePullConsumer(LiteBase):
    """Consumes by polling: the application has the loop.

    Queues come from the group (`subscribe`) or from the application (`assign`), never both. With `auto_commit` (the default)
    asking for more says that what came before is processed.
    """

    def __init__(self, namesrv: str | None = None, *, group: str, **options: Unpack[LiteOptions]) -> None:
        super().__init__(namesrv, group=group, **options)
        self._loop = Loop(self._native, "lite pull consumer")
        self._poll_under_way = False
        self._poll_error: FerroMQError | None = None
        self._polled: list[asyncio.Future[None]] = []
        self._ending = False

    __init__.__doc__ = LiteBase.__init__.__doc__

    async def start(self) -> None:
        """Opens it. Nothing needs it, every call does it too."""
        await self._ask("start")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask(self, *call: Any) -> Any:
        return await self._loop.call(self._native.call, *call)

    async def subscribe(self, topic: str, expression: str = "*") -> None:
        """Joins the group for a topic: all messages, or those of tags joined by `||`. Queues come by themselves, usually within
        a second. Raises TopicNotFoundError."""
        await self._ask("subscribe", topic, expression)

    async def unsubscribe(self, topic: str) -> bool:
        """Ends the subscription of a topic. False when there was none."""
        known: bool = await self._ask("unsubscribe", topic)
        return known

    async def assign(self, queues: Iterable[MessageQueue], expression: str = "*") -> None:
        """Reads exactly these queues, as alone in the world: no group shares them. A later call replaces the set."""
        await self._ask("assign", list(queues), expression)

    async def poll(self, timeout: Seconds = 1.0) -> list[MessageView]:
        """Messages, at most `pull_batch_size`, waited for up to `timeout`; an empty list when none came.

        A poll that is cancelled loses nothing: its messages come with the next one. Raises ClosedError, also when the
        consumer is closed meanwhile.
        """
        loop = self._loop.bind()
        left = seconds_of(timeout)
        deadline = loop.time() + left
        asked = False
        while True:
            kept = self._take_kept()
            if kept:
                return kept
            if self._poll_error is not None:
                error, self._poll_error = self._poll_error, None
                raise error
            if asked and left <= 0:
                return []
            await self._next_poll(loop, left)
            asked, left = True, deadline - loop.time()

    async def _next_poll(self, loop: asyncio.AbstractEventLoop, left: float) -> None:
        """Waits for the poll under way, or for a new one, as long as there is time."""
        mine = not self._poll_under_way
        if mine:
            self._poll_under_way = True
            token = self._loop.callback(self._on_polled)
            try:
                self._native.call(token, "poll", left)
            except BaseException:
                self._loop.forget(token)
                self._poll_under_way = False
                raise
        polled: asyncio.Future[None] = loop.create_future()
        self._polled.append(polled)
        # The native side ends a poll that is ours; one that was given up may take longer than we want.
        timer = None if mine else loop.call_later(left, _end, polled)
        try:
            await polled
        finally:
            if timer is not None:
                timer.cancel()
            self._polled.remove(polled)

    def _on_polled(self, result: list[MessageView] | FerroMQError) -> None:
        self._poll_under_way = False
        if isinstance(result, FerroMQError):
            # Without anybody waiting the next poll finds the consumer closed by itself.
            self._poll_error = result if self._polled else None
        else:
            self._keep(result)
        for polled in self._polled:
            if not polled.get_loop().is_closed():
                _end(polled)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> MessageView:
        while (message := self._next_kept()) is None:
            if self._ending:
                raise StopAsyncIteration
            try:
                self._keep(await self.poll(LOOP_POLL))
            except ClosedError:
                raise StopAsyncIteration from None
        return message

    async def commit(self, offsets: dict[MessageQueue, int] | None = None) -> None:
        """Commits what was handed on of all queues, or these offsets: of the next message to consume."""
        await self._ask(*self._commit_call(offsets))

    async def committed(self, queue: MessageQueue) -> int | None:
        """The committed offset of a queue: of the next message to consume. None without one."""
        offset: int | None = await self._ask("committed", queue)
        return offset

    async def position(self, queue: MessageQueue) -> int | None:
        """The offset after the last message handed on; None when the queue is not assigned, or nothing is known yet."""
        held = self._held().get(queue)
        offset: int | None = held if held is not None else await self._ask("position", queue)
        return offset

    async def seek(self, queue: MessageQueue, offset: int) -> None:
        """Reads on at an offset. Raises ValidationError when the queue has no such offset, or is not assigned."""
        await self._ask("seek", queue, offset)
        self._drop_kept(queue)

    async def seek_to_begin(self, queue: MessageQueue) -> None:
        """Reads on at the first message."""
        await self._ask("seek_to_begin", queue)
        self._drop_kept(queue)

    async def seek_to_end(self, queue: MessageQueue) -> None:
        """Reads on after the last message."""
        await self._ask("seek_to_end", queue)
        self._drop_kept(queue)

    async def assignment(self) -> list[MessageQueue]:
        """The queues that are read now."""
        queues: list[MessageQueue] = await self._ask("assignment")
        return queues

    async def queues(self, topic: str) -> list[MessageQueue]:
        """The queues of a topic. Raises TopicNotFoundError."""
        queues: list[MessageQueue] = await self._ask("queues", topic)
        return queues

    async def offset_for_time(self, queue: MessageQueue, time: datetime | int) -> int:
        """The offset of the first message stored at or after `time` (a number: milliseconds since 1970)."""
        offset: int = await self._ask("offset_for_time", queue, millis_of(time))
        return offset

    async def min_offset(self, queue: MessageQueue) -> int:
        """The smallest offset that is still there."""
        offset: int = await self._ask("min_offset", queue)
        return offset

    async def max_offset(self, queue: MessageQueue) -> int:
        """The offset that the next message will get."""
        offset: int = await self._ask("max_offset", queue)
        return offset

    async def pause(self, *queues: MessageQueue) -> None:
        """Stops pulling these queues. What was pulled ahead still comes."""
        await self._ask("pause", queues)

    async def resume(self, *queues: MessageQueue) -> None:
        """Pulls these queues again."""
        await self._ask("resume", queues)

    async def close(self) -> None:
        """Ends polls that wait, commits what was handed on (with `auto_commit`) and leaves the group. Again: does nothing."""
        await self._loop.close(self._close)

    async def _close(self) -> None:
        self._ending = True
        for queue, offset in self._held().items():
            # What was not handed on must not be committed. An offset that is gone needs no seek.
            with contextlib.suppress(FerroMQError):
                await self.seek(queue, offset)
        await self._loop.call(self._native.close)
        self._loop.unbind()
        _exit.closed(self)
        # Those who still wait find it closed.
        self._poll_under_way = False
        for polled in self._polled:
            _end(polled)


def _end(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
