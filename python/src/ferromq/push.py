"""The push consumer for asyncio."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ferromq import _exit, _native
from ferromq._listen import Batch
from ferromq._loop import Loop
from ferromq._push import THREADS_END_WITHIN, PushBase
from ferromq.errors import ClosedError

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from ferromq._native import MessageView


def _is_cancelled() -> bool:
    """Whether the current task is being cancelled. Python 3.10 cannot tell; there a worker ends in case of doubt."""
    task = asyncio.current_task()
    return sys.version_info < (3, 11) or (task is not None and task.cancelling() > 0)


class PushConsumer(PushBase):
    """Consumes messages as a member of a group: by a listener, or by a loop over it.

    ```python
    async with PushConsumer("localhost:9876", group="billing", topics={"orders": "new || paid"}) as consumer:
        async for message in consumer:
            await bill(message.body)
    ```

    In a loop, asking for the next message says that the one before is consumed. Leaving the loop does not; leaving `async with`
    by an exception sends the message back, so that it comes again. Messages that were not looked at go to other members.
    One loop at a time; for several messages at a time give it a listener:

    ```python
    consumer = PushConsumer("localhost:9876", group="billing", topics="orders", concurrency=50)

    @consumer.listen
    async def on_order(message: MessageView) -> None:
        await bill(message.body)

    async with consumer:
        await consumer.wait_closed()
    ```

    Coroutine functions run on the event loop, plain functions on threads, both at most `concurrency` at a time.
    """

    def _open(self, native: _native.PushConsumer, *, orderly: bool) -> None:
        super()._open(native, orderly=orderly)
        self._loop = Loop(native, "push consumer", self._on_ready)
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: list[asyncio.Future[None]] = []
        self._ready = True
        self._closing: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Joins the group and begins to call the listener. Raises FerroMQError, NoNameServerError for example, and is
        closed then."""
        self._started = True
        try:
            await self._loop.call(self._native.start)
        except BaseException:
            await self.close()
            raise
        if self._listener is None or self._threads or self._tasks:
            return
        if inspect.iscoroutinefunction(self._listener) or inspect.iscoroutinefunction(
            getattr(self._listener, "__call__", None)  # noqa: B004
        ):
            loop = asyncio.get_running_loop()
            for number in range(self._concurrency):
                task = loop.create_task(self._work(self._listener), name=f"ferromq-{self.group}-{number}")
                self._tasks.add(task)
        else:
            self._start_threads()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hands.leave(failed=kind is not None)
        await self.close()

    def _on_ready(self) -> None:
        """Messages wait: one who waits for them goes on; it will hear again if it leaves some."""
        self._ready = True
        while self._idle:
            idle = self._idle.pop()
            if not idle.done():
                idle.set_result(None)
                return

    async def _until_ready(self) -> None:
        """Waits until there may be messages, or the consumer closes."""
        if self._hands.stopping:
            return
        loop = self._loop.bind()
        if self._ready:
            self._ready = False
            return
        idle: asyncio.Future[None] = loop.create_future()
        self._idle.append(idle)
        try:
            await idle
        except asyncio.CancelledError:
            if idle.done() and not idle.cancelled():
                # The wake-up was for somebody else then.
                self._on_ready()
            raise
        self._ready = False

    # A loop over the consumer.

    def __aiter__(self) -> Self:
        self._check_loop()
        return self

    async def __anext__(self) -> MessageView:
        hands = self._hands
        if not hands.asking.acquire(blocking=False):
            raise RuntimeError("two loops over one consumer: give it a listener for several messages at a time")
        try:
            message = hands.next()
            while message is None:
                if hands.stopping:
                    raise StopAsyncIteration
                if not self._started:
                    raise ClosedError("the push consumer was not opened: use it in `async with`, or await start()")
                taken = self._take(hands.share.limit)
                if taken:
                    hands.taken(taken)
                    # A loop that never waits lets others have their turn.
                    await asyncio.sleep(0)
                    message = hands.next()
                else:
                    await self._until_ready()
            return message
        finally:
            hands.asking.release()

    def _take(self, limit: int) -> list[MessageView]:
        try:
            return self._native.take(limit)
        except ClosedError:
            self._hands.stopping = True
            return []

    # Coroutines on the event loop.

    async def _work(self, listener: Callable[[MessageView], Any]) -> None:
        hands, share = self._hands, self._hands.share
        while not hands.stopping:
            messages = self._take(share.limit)
            if not messages:
                await self._until_ready()
                continue
            batch = Batch(hands, messages)
            try:
                for message in batch:
                    await self._call(listener, message, batch)
            finally:
                batch.settle()
            share.worked_off(batch.seconds)
            await asyncio.sleep(0)

    async def _call(self, listener: Callable[[MessageView], Any], message: MessageView, batch: Batch) -> None:
        try:
            await listener(message)
        except asyncio.CancelledError as error:
            if _is_cancelled():
                batch.given_up()
                raise
            # Something that the listener waited for was cancelled, not the worker.
            batch.failed(error)
        except Exception as error:
            batch.failed(error)

    # The end.

    async def wait_closed(self) -> None:
        """Waits until it is closed by somebody else. For programs that do nothing but consume."""
        if not self._hands.stopping:
            if self._closing is None or self._closing.get_loop().is_closed():
                self._closing = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._closing)
        await self._loop.close(self._close)

    async def close(self) -> None:
        """Takes nothing any more, waits up to `drain_timeout` for listeners that run, gives back what was not begun, commits
        and leaves the group. A second call waits for the first. In a listener it does not wait: its own message would."""
        await self._loop.close(self._close, wait=asyncio.current_task() not in self._tasks)

    async def _close(self) -> None:
        hands = self._hands
        hands.stopping = True
        if not self._loop.is_bound():
            # Workers of a loop that is closed will not settle what they have.
            self._tasks.clear()
            if not self._threads:
                for batch in list(hands.batches):
                    batch.release()
        for idle in (*self._idle, *([self._closing] if self._closing else [])):
            if not idle.done() and not idle.get_loop().is_closed():
                idle.set_result(None)
        self._idle.clear()
        hands.leave(failed=False)
        try:
            await self._loop.call(self._native.close)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._threads:
                await asyncio.get_running_loop().run_in_executor(None, self._join_threads, THREADS_END_WITHIN)
        finally:
            self._loop.unbind()
            _exit.closed(self)
