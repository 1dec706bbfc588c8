"""The producer for asyncio."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ferromq import _exit, _native
from ferromq._loop import Loop
from ferromq._message import Message, Seconds, seconds_of
from ferromq.errors import FerroMQError, receipts

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from ferromq._message import Body
    from ferromq._native import MessageQueue, Receipt, Waiter
    from ferromq.options import ProducerOptions

    OnDelivery = Callable[[Receipt | None, FerroMQError | None], object]

CLOSE_TIMEOUT = 30.0
"""Seconds that closing waits for what was given; what has not been begun then fails."""


class ProducerBase:
    """What the producers have in common: all but waiting."""

    _echo = False

    def __init__(self, namesrv: str | None = None, *, group: str, **options: Unpack[ProducerOptions]) -> None:
        """`namesrv`: name servers, `host:port;host:port`; without it the environment variable NAMESRV_ADDR. `group`: the
        producer group. Raises ConfigError and ValidationError; nothing is connected yet."""
        self._native = _native.Producer(group, {"namesrv": namesrv, **options}, self._echo)
        self.group = group
        """The producer group."""
        _exit.opened(self)

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} of group {self.group}>"

    def _begin_exit(self) -> Waiter | None:
        return self._native.close(None, _exit.SECONDS / 3)

    def _end_exit(self, seconds: float) -> None:
        pass


def outcome_for(on_delivery: OnDelivery) -> Callable[[Any], object]:
    """What a callback makes of a result."""

    def call(result: Receipt | FerroMQError) -> None:
        if isinstance(result, FerroMQError):
            on_delivery(None, result)
        else:
            on_delivery(result, None)

    return call


class Producer(ProducerBase):
    """Sends messages.

    `await send(...)` is a delivered message. Many tasks may send at a time; `send_many` costs one crossing for all of its
    messages, and `enqueue` with `flush` nothing to wait for at all. An `await` that is cancelled leaves the producer
    usable; its message may still be sent.
    """

    def __init__(self, namesrv: str | None = None, *, group: str, **options: Unpack[ProducerOptions]) -> None:
        super().__init__(namesrv, group=group, **options)
        self._loop = Loop(self._native, "producer")

    __init__.__doc__ = ProducerBase.__init__.__doc__

    async def start(self) -> None:
        """Opens it. Not needed before a send, which does it too."""
        await self._loop.call(self._native.start)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flushes (without an exception under way: raises when enqueued messages were not sent) and closes."""
        try:
            if kind is None:
                await self.flush()
        finally:
            await self.close()

    async def send(
        self,
        topic: str,
        body: Body,
        *,
        key: str | Sequence[str] | None = None,
        tag: str | None = None,
        properties: Mapping[str, str] | None = None,
        sharding_key: str | None = None,
        delay_level: int = 0,
        queue: MessageQueue | None = None,
    ) -> Receipt:
        """Sends a message and waits until a broker has stored it. Arguments are those of `Message`.

        With `sharding_key` or `queue` there is one attempt, else as many as `retries` says, on different brokers. Await the
        sends of one sharding key one by one, if their order matters. Raises FerroMQError.
        """
        token, future = self._loop.future()
        try:
            if self._native.gather(token, topic, body, key, tag, properties, sharding_key, delay_level, queue):
                self._loop.soon(self._native.submit)
        except BaseException:
            self._loop.forget(token)
            raise
        receipt: Receipt = await future
        return receipt

    async def send_many(self, messages: Iterable[Message]) -> list[Receipt]:
        """Sends messages, each on its own and many at a time, and waits for all. Receipts come in the order of the messages;
        the messages of one sharding key need not be stored in that order.

        Raises SendManyError, with the result of each, when some were not sent; ValidationError, before anything is sent,
        when one cannot be.
        """
        return receipts(await self._loop.call(self._native.send_many, list(messages)))

    async def send_oneway(
        self,
        topic: str,
        body: Body,
        *,
        key: str | Sequence[str] | None = None,
        tag: str | None = None,
        properties: Mapping[str, str] | None = None,
        delay_level: int = 0,
    ) -> None:
        """Hands a message to a connection and does not wait for an answer: it may be lost."""
        await self._loop.call(self._native.send_oneway, topic, body, key, tag, properties, delay_level)

    def enqueue(
        self,
        topic: str,
        body: Body,
        *,
        key: str | Sequence[str] | None = None,
        tag: str | None = None,
        properties: Mapping[str, str] | None = None,
        sharding_key: str | None = None,
        delay_level: int = 0,
        queue: MessageQueue | None = None,
        on_delivery: OnDelivery | None = None,
    ) -> None:
        """Puts a message in line and returns at once; it is sent in the background.

        `on_delivery(receipt, error)` is called on the event loop when it was sent or not. Without it, `flush` raises if
        messages were not sent. Raises QueueFullError when as many wait as `queue_count_max` or `queue_bytes_max` allow.
        """
        token = None
        if on_delivery is not None:
            self._loop.bind()
            token = self._loop.callback(outcome_for(on_delivery))
        try:
            self._native.enqueue(token, topic, body, key, tag, properties, sharding_key, delay_level, queue)
        except BaseException:
            if token is not None:
                self._loop.forget(token)
            raise

    async def flush(self) -> None:
        """Waits until no send is under way and none waits, and their callbacks were called.

        Raises the first failure, with the number of all, if messages enqueued without `on_delivery` were not sent since
        the last flush.
        """
        await self._loop.call(self._native.flush)

    async def close(self, timeout: Seconds = CLOSE_TIMEOUT) -> None:
        """Refuses new sends, waits for those given, at most `timeout` for them to begin, leaves and disconnects. A second
        call waits for the first."""
        await self._loop.close(lambda: self._close(seconds_of(timeout)))

    async def _close(self, seconds: float) -> None:
        await self._loop.call(self._native.close, seconds)
        self._loop.unbind()
        _exit.closed(self)
